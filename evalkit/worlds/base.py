"""A world: a small application on SQLite, and tools that work on it.

A sample gives the rows to begin with; the model sees only the tools. What counts in the end is the state of
the tables, whichever way led there. Tools are methods marked with `tool`: their type hints and docstrings
become the JSON Schema that the model is given, and their arguments are checked against it.
"""

from __future__ import annotations

import inspect
import re
import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_type_hints

import msgspec

from evalkit.errors import DefinitionError
from evalkit.types.chat import Tool

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
Tables = dict[str, list[dict[str, Any]]]

_NAME = re.compile(r"^[a-z_][a-z0-9_]*$")


def tool(function: F) -> F:
    """Offer a method of a world to the model."""
    function.__is_tool__ = True  # type: ignore[attr-defined]
    return function


class ToolError(Exception):
    """What a tool tells the model when it cannot do what was asked."""


class World:
    """Base of every world. `schema` is its SQL; `rules` is what the agent is told about its job."""

    schema: ClassVar[str]
    rules: ClassVar[str]

    def __init__(self, tables: Tables) -> None:
        """Begin with the given rows.

        Raises:
            DefinitionError: a row does not fit the world's schema.
        """
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.executescript(self.schema)
        fill(self.db, tables)

    def tools(self) -> tuple[Tool, ...]:
        """Every tool, with its parameters as JSON Schema."""
        return tuple(
            Tool(
                name=name,
                description=inspect.cleandoc(method.__doc__ or "").split("\n\n")[0].replace("\n", " "),
                parameters=_parameters(method),
            )
            for name, method in self._methods().items()
        )

    def call(self, name: str, arguments: str) -> str:
        """Do what the model asked and give the result as JSON.

        Raises:
            ToolError: there is no such tool, the arguments do not fit, or the world forbids it.
        """
        method = self._methods().get(name)
        if method is None:
            raise ToolError(f"There is no tool {name!r}.")
        try:
            given = msgspec.json.decode(arguments.encode() or b"{}", type=_arguments(method))
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise ToolError(f"The arguments of {name} do not fit: {error}") from None
        try:
            result = method(**msgspec.structs.asdict(given))
        except sqlite3.Error as error:
            raise ToolError(f"{name} failed: {error}") from None
        return msgspec.json.encode(result).decode()

    def tables(self) -> Tables:
        """Every row of every table."""
        return dump(self.db)

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        return [dict(row) for row in self.db.execute(sql, values)]

    def one(self, what: str, sql: str, *values: Any) -> dict[str, Any]:
        """The one row of a query.

        Raises:
            ToolError: there is none; `what` names it.
        """
        found = self.rows(sql, *values)
        if not found:
            raise ToolError(f"There is no {what}.")
        return found[0]

    def _methods(self) -> dict[str, Callable[..., Any]]:
        members = inspect.getmembers(self, lambda member: getattr(member, "__is_tool__", False))
        return dict(sorted(members, key=lambda pair: pair[1].__func__.__code__.co_firstlineno))


def fill(db: sqlite3.Connection, tables: Tables) -> None:
    """Insert rows.

    Raises:
        DefinitionError: a row does not fit the schema.
    """
    for table, rows in tables.items():
        for row in rows:
            if not all(_NAME.match(name) for name in (table, *row)):
                raise DefinitionError(f"world: {table!r} or a column of it is not a plain name.")
            columns, marks = ", ".join(row), ", ".join("?" * len(row))
            try:
                db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))  # noqa: S608
            except sqlite3.Error as error:
                raise DefinitionError(f"world: a row of {table!r} does not fit: {error}.") from None


def dump(db: sqlite3.Connection) -> Tables:
    """Every row of every table, in order of insertion."""
    names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: [dict(row) for row in db.execute(f"SELECT * FROM {name}")] for name in names}  # noqa: S608


def _arguments(method: Callable[..., Any]) -> type[msgspec.Struct]:
    hints = get_type_hints(method)
    fields: list[Any] = []
    for name, parameter in inspect.signature(method).parameters.items():
        kind = hints[name]
        fields.append(
            (name, kind) if parameter.default is parameter.empty else (name, kind, parameter.default)
        )
    return msgspec.defstruct(method.__name__, fields, forbid_unknown_fields=True, kw_only=True)


def _parameters(method: Callable[..., Any]) -> dict[str, Any]:
    schema = msgspec.json.schema(_arguments(method))
    found: dict[str, Any] = schema["$defs"][method.__name__]
    about = dict(re.findall(r"^\s+(\w+): (.+)$", inspect.cleandoc(method.__doc__ or ""), re.MULTILINE))
    for name, field in found["properties"].items():
        if name in about:
            field["description"] = about[name]
    return {
        key: found[key] for key in ("type", "properties", "required", "additionalProperties") if key in found
    }
