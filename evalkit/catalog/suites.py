"""Finds and loads suites.

A suite is a folder `suites/<id>/` with a `suite.yaml`. The working folder's `./suites` is searched before
the shipped ones; one id in both is an error, because the two would be taken for each other in reports.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalkit.catalog import sources
from evalkit.catalog.strict import line_of, load_jsonl, load_yaml
from evalkit.errors import DefinitionError, UnknownNameError, UsageError
from evalkit.lmeval import samples as lmeval
from evalkit.shipped import shipped
from evalkit.types.suite import DatasetSource, LoadedSuite, Sample, SampleFilter, Suite

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "suite.yaml"
_RECURRING = ("target", "cluster", "tags", "language")


def suite_folders(places: Sequence[Path] | None = None) -> dict[str, Path]:
    """Every suite folder by its id.

    Raises:
        UsageError: one id in two places.
    """
    found: dict[str, Path] = {}
    for place in _distinct(places if places is not None else (Path("suites"), shipped("suites"))):
        for file in sorted(place.glob(f"*/{FILE}")):
            known = found.setdefault(file.parent.name, file.parent)
            if known != file.parent:
                raise UsageError(
                    f"Suite {file.parent.name!r} is in two places, {known} and {file.parent}; rename one."
                )
    return found


def find_suite(name: str, places: Sequence[Path] | None = None) -> Path:
    """The folder of a suite given by id or by path.

    Raises:
        UnknownNameError: there is no such suite; the message has the nearest names.
        UsageError: it is a path, but no suite's.
    """
    path = Path(name)
    if path.name == FILE and path.is_file():
        return path.parent
    if (path / FILE).is_file() and ("/" in name or name.startswith(".")):
        return path
    folders = suite_folders(places)
    if name not in folders and path.is_file():
        raise UsageError(f"{name} is a file; name the folder of a suite, which has a {FILE}.")
    if name not in folders and path.is_dir():
        raise UsageError(f"{name} is a folder without {FILE}; name the folder of a suite.")
    if name not in folders:
        raise UnknownNameError("suite", name, folders, "`evalkit suites` lists them.")
    return folders[name]


def load_suite(name: str, places: Sequence[Path] | None = None) -> LoadedSuite:
    """Read a suite and its samples, and hash what was used.

    Raises:
        UnknownNameError: there is no such suite.
        DefinitionError: a file breaks its schema, an id occurs twice, or nothing is left to run.
    """
    folder = find_suite(name, places)
    file = folder / FILE
    suite = load_yaml(file, Suite)
    if suite.id != folder.name:
        raise DefinitionError(
            f"{_at(file, '$.id')}: {suite.id!r} differs from its folder {folder.name!r}; make them equal."
        )
    _check(suite, file)
    if suite.lm_eval is not None:
        suite, made = lmeval.read(suite, suite.lm_eval, folder)
    else:
        made = _read_samples(suite, folder)
    samples = _select(made, suite.filter)
    if not samples:
        raise DefinitionError(f"{file}: the suite has no samples; check `samples` and `filter`.")
    digest = content_hash(suite, samples)
    if suite.lm_eval is not None:
        suite = lmeval.located(suite, folder)
    return LoadedSuite(suite=suite, samples=tuple(samples), folder=str(folder), hash=digest)


def content_hash(suite: Suite, samples: Sequence[Sample]) -> str:
    """SHA-256 of the definition and every sample, independent of layout and comments."""
    digest = hashlib.sha256(msgspec.json.encode(suite, order="sorted"))
    for sample in samples:
        digest.update(b"\n" + msgspec.json.encode(sample, order="sorted"))
    return digest.hexdigest()


def _distinct(places: Sequence[Path]) -> list[Path]:
    seen: dict[Path, Path] = {}
    for place in places:
        seen.setdefault(place.resolve(), place)
    return list(seen.values())


def _at(file: Path, key: str) -> str:
    return f"{file}:{line_of(file, key)} {key}"


def _check(suite: Suite, file: Path) -> None:
    if not suite.scorers:
        raise DefinitionError(f"{_at(file, '$.scorers')}: is empty; name at least one scorer.")
    if suite.epochs < 1:
        raise DefinitionError(f"{_at(file, '$.epochs')}: is {suite.epochs}; expected 1 or more.")
    if (suite.samples is None) == (suite.lm_eval is None):
        raise DefinitionError(f"{_at(file, '$.samples')}: give either `samples` or `lm_eval`.")
    if suite.lm_eval is not None and suite.generation.max_tokens is None:
        return  # each task says how much
    if suite.generation.max_tokens is None or suite.generation.max_tokens < 1:
        raise DefinitionError(
            f"{_at(file, '$.generation.max_tokens')}: expected 1 or more; a host's own default differs."
        )


def _read_samples(suite: Suite, folder: Path) -> list[Sample]:
    if suite.samples is None:
        return []
    if isinstance(suite.samples, DatasetSource):
        from evalkit.catalog.datasets_source import read_dataset

        samples = read_dataset(suite.samples, folder)
        origin = suite.samples.path
    elif ":" in suite.samples:
        samples = _from_source(suite.samples, folder)
        origin = suite.samples
    else:
        path = folder / suite.samples
        if not path.resolve().is_relative_to(folder.resolve().parent):
            raise DefinitionError(
                f"{_at(folder / FILE, '$.samples')}: {suite.samples!r} leads out of the suites folder; "
                "keep it inside."
            )
        samples = load_jsonl(path, Sample, recurring=_RECURRING)
        origin = str(path)
    twice = [key for key, count in Counter(sample.id for sample in samples).items() if count > 1]
    if twice:
        raise DefinitionError(f"{origin}: sample id {twice[0]!r} occurs more than once; ids are unique.")
    return samples


def _from_source(named: str, folder: Path) -> list[Sample]:
    source, _, what = named.partition(":")
    known = [module.name for module in pkgutil.iter_modules(sources.__path__)]
    if source not in known:
        raise DefinitionError(
            f"{_at(folder / FILE, '$.samples')}: there is no source {source!r}; expected a file, or one of "
            f"{', '.join(known)} with what to read after a colon."
        )
    module = importlib.import_module(f"{sources.__name__}.{source}")
    samples: list[Sample] = module.read(what, folder)
    return samples


def _select(samples: Sequence[Sample], chosen: SampleFilter) -> list[Sample]:
    return [
        sample
        for sample in samples
        if (not chosen.tags or set(chosen.tags) & set(sample.tags))
        and (not chosen.languages or sample.language in chosen.languages)
        and (not chosen.ids or sample.id in chosen.ids)
    ]
