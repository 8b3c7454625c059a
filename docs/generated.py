"""Pages made from code: commands, definition files, plugins, measures, columns, suites."""

from __future__ import annotations

import importlib
import re
import typing
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from evalkit import plugins
from evalkit.analysis import columns
from evalkit.analysis.measures import FAMILIES, MEASURES
from evalkit.app.schemas import KINDS
from evalkit.app.suites import every_suite
from evalkit.catalog.providers import load_providers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_WORDS = {"str": "text", "Path": "path", "int": "whole number", "float": "number"}
_TABLES = ("GENERATIONS", "TRIALS", "SCORES", "ESTIMATES", "DIFFERENCES", "OUTCOMES")


def write(folder: Path) -> None:
    """Write every page; one that is as it was is left alone, so that a build again is quick."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "cli": cli(),
        "definitions": definitions(),
        "plugins": every_plugin(),
        "measures": measures(),
        "columns": every_column(),
        "suites": suites(),
    }
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def cli() -> str:
    """Every command with its arguments and options."""
    from evalkit.cli import app

    root: Any = typer.main.get_command(app)
    parts = ["# Commands", _help(root)]
    for name, command in sorted(_commands(root, "evalkit")):
        parts += [f"## {name}", _help(command), _parameters(command)]
    return _page(parts)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        if inner is None or command.invoke_without_command:
            yield f"{path} {name}", command
        if inner is not None:
            yield from _commands(command, f"{path} {name}")


def _help(command: Any) -> str:
    text = cleandoc(command.help or "")
    return re.sub(r"\s*\x08\s*", "\n", text)


def _parameters(command: Any) -> str:
    rows = []
    for p in command.params:
        if p.name == "help":
            continue
        names = [*p.opts, *p.secondary_opts]
        if not names[0].startswith("-"):
            names = [p.name.upper()]
        annotation = p.type_descriptor.annotation
        many = "list[" in str(annotation)
        shown = "required" if p.required else "" if p.default in (None, (), [], False) else f"`{p.default}`"
        kind = "" if annotation is bool else _type(annotation).removeprefix("list[").removesuffix("]")
        kind = _WORDS.get(kind, kind)
        rows.append([", ".join(f"`{n}`" for n in names) + ("…" if many else ""), kind, shown, p.help or ""])
    return _table(["parameter", "takes", "default", "meaning"], rows) if rows else ""


def definitions() -> str:
    """Every kind of definition file, field by field."""
    parts = [
        "# Definition files",
        (
            "Made from the types that read the files. An unknown key is an error that names its line. "
            "`evalkit suites schema KIND` prints the JSON Schema for an editor."
        ),
    ]
    told: set[type] = set()
    for kind, root in KINDS.items():
        parts.append(f"## {kind}")
        waiting = [root]
        while waiting:
            struct = waiting.pop(0)
            if struct in told:
                continue
            told.add(struct)
            heading = "" if struct is root else f"### {struct.__name__}"
            parts += [heading, _doc(struct), _fields(struct)]
            waiting += _structs_in(struct)
    return _page(parts)


def _structs_in(struct: type) -> list[type]:
    found: list[type] = []

    def walk(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found.append(kind)
        for inner in typing.get_args(kind):
            walk(inner)

    for field in msgspec.structs.fields(struct):
        walk(field.type)
    return found


def _fields(struct: type[Any]) -> str:
    rows = [
        [f"`{field.encode_name}`", f"`{_type(field.type)}`", _default(field)]
        for field in msgspec.structs.fields(struct)
    ]
    return _table(["field", "type", "default"], rows) if rows else "No fields."


def _type(kind: Any) -> str:
    text = repr(kind) if not isinstance(kind, type) or typing.get_args(kind) else kind.__name__
    text = re.sub(r"\b(?:[a-z_]\w*\.)+(?=\w)", "", text).replace("NoneType", "None")
    return text.replace("|", "or")


def _default(field: Any) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Struct):
        return f"the defaults of {type(value).__name__}"
    return f"`{msgspec.json.encode(value).decode()}`"


def every_plugin() -> str:
    """Solvers, scorers, adapters and formats, with their options."""
    parts = [
        "# Solvers, scorers and formats",
        (
            "A name is a module of that folder, or an entry point of an installed package "
            "([how to add one](../../architecture.md#to-add-something))."
        ),
    ]
    titles: dict[plugins.Kind, str] = {
        "solver": "Solvers: how a sample is asked",
        "scorer": "Scorers: what an answer is worth",
        "adapter": "Adapters: wire protocols",
        "importer": "Formats that are read",
        "exporter": "Formats that are written",
    }
    for kind, title in titles.items():
        parts.append(f"## {title}")
        for name in plugins.names(kind):
            module = importlib.import_module(f"evalkit.{kind}s.{name}")
            if not hasattr(module, "build"):
                continue
            parts += [f"### {kind} {name}", _doc(module)]
            options = getattr(module, "Options", None)
            if options is not None and msgspec.structs.fields(options):
                parts += [_doc(options), _fields(options)]
    return _page(parts)


def measures() -> str:
    """What is measured."""
    rows = [
        [f"`{m.key}`", m.title, m.unit, m.better or "", m.meaning, m.denominator] for m in MEASURES.values()
    ]
    head = ["key", "title", "unit", "better", "meaning", "denominator"]
    return _page(
        [
            "# Measures",
            (
                "The keys are the metrics of [gates](../../gates.md) and the column `measure` of "
                "[estimates](columns.md). How intervals are made: [statistics](../../statistics.md)."
            ),
            _table(head, rows),
            f"Families: {', '.join(f'`{name}`' for name in FAMILIES)}, and `score:NAME` for any metric.",
        ]
    )


def every_column() -> str:
    """The columns of all frames."""
    parts = [
        "# Columns of the frames",
        (
            "The frames of [the library](../api.md) and the exported tables have these columns. `float64` "
            "columns hold NaN and `str` columns None where nothing is known."
        ),
    ]
    for name in _TABLES:
        schema: columns.Schema = getattr(columns, name)
        rows = [[f"`{key}`", column.kind, column.meaning] for key, column in schema.items()]
        parts += [f"## {name.lower()}", _table(["column", "type", "meaning"], rows)]
    return _page(parts)


def suites() -> str:
    """What is shipped."""
    rows = [
        [f"`{s.id}`", s.version, s.family or "", f"`{s.primary}`", s.licence, s.description]
        for s in every_suite()
    ]
    hosts = sorted((d.provider for d in load_providers().values()), key=lambda p: (p.kind, p.id))
    places = [
        [f"`{p.id}`", p.kind, p.operator.country or "?", f"`{p.key_env}`" if p.key_env else "none"]
        for p in hosts
    ]
    return _page(
        [
            "# Shipped suites and providers",
            "## Suites",
            _table(["suite", "version", "family", "primary metric", "licence", "what it asks"], rows),
            "## Providers",
            "A question mark is a fact that is not published; the policy never takes it for a yes.",
            _table(["provider", "kind", "operator's country", "key"], places),
        ]
    )


def _doc(thing: Any) -> str:
    """A docstring as Markdown: sections of Google's style become plain paragraphs."""
    text = cleandoc(thing.__doc__ or "")
    return re.split(r"\n(?:Raises|Args|Returns|Attributes):\n", text)[0].strip()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _page(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
