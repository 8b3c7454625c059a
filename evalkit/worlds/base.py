"""What an agent works in: a world with tools, and its state in the end.

Two kinds are shipped. `World` is an application on SQLite: a sample gives the rows to begin with, and what
counts in the end is the tables, whichever way led there. `evalkit.worlds.workspace` is a folder in the
sandbox. Tools are methods marked with `tool`: their type hints and docstrings become the JSON Schema that the
model is given, and their arguments are checked against it.
"""

from __future__ import annotations

import inspect
import re
import sqlite3
from collections.abc import Generator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_type_hints

import msgspec

from evalkit.errors import DefinitionError
from evalkit.types.chat import Tool
from evalkit.types.effects import Effect

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
Tables = dict[str, list[dict[str, Any]]]
Acting = Generator[Effect, Any, str]
"""A tool at work: yields what the engine must do for it, returns what the model is told."""

ErrorKind = Literal["unknown_tool", "bad_arguments", "refused", "stopped"]

_NAME = re.compile(r"^[a-z_][a-z0-9_]*$")
_MAX_STEPS = 1_000_000
"""Virtual-machine instructions of one check: a query from a suite of others must not run for ever."""


def tool(function: F) -> F:
    """Offer a method of a world to the model."""
    function.__is_tool__ = True  # type: ignore[attr-defined]
    return function


class ToolError(Exception):
    """What a tool tells the model when it cannot do what was asked. `kind` is counted."""

    def __init__(self, message: str, kind: ErrorKind = "refused") -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind


class SandboxError(Exception):
    """The sandbox failed, not the program in it: the trial says nothing of the model."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SQL and the rows that it must give, in order."""

    sql: str
    expect: list[list[Any]]


class Toolbox:
    """Base of everything that offers methods as tools. `rules` is what the agent is told about its job."""

    rules: ClassVar[str]
    needs_sandbox: ClassVar[bool] = False

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

    def act(self, name: str, arguments: str) -> Acting:
        """Do what the model asked. Text is given as it is, anything else as JSON.

        Raises:
            ToolError: there is no such tool, the arguments do not fit, or the world forbids it.
            SandboxError: the sandbox failed.
        """
        method = self._methods().get(name)
        if method is None:
            raise ToolError(f"There is no tool {name!r}.", "unknown_tool")
        try:
            given = msgspec.json.decode(arguments.strip().encode() or b"{}", type=_arguments(method))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ToolError(f"The arguments of {name} do not fit: {error}", "bad_arguments") from None
        try:
            result = method(**msgspec.structs.asdict(given))
            if isinstance(result, Generator):
                result = yield from result
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise ToolError(f"{name} failed: {error}") from None
        return result if isinstance(result, str) else msgspec.json.encode(result).decode()

    def call(self, name: str, arguments: str) -> str:
        """The same for a tool that needs no sandbox.

        Raises:
            ToolError: as `act`.
        """
        work = self.act(name, arguments)
        try:
            next(work)
        except StopIteration as end:
            return str(end.value)
        raise ToolError(f"{name} needs the sandbox; use `act`.")

    def _methods(self) -> dict[str, Callable[..., Any]]:
        members = inspect.getmembers(type(self), lambda member: getattr(member, "__is_tool__", False))
        ordered = sorted(members, key=lambda pair: pair[1].__code__.co_firstlineno)
        return {name: getattr(self, name) for name, _ in ordered}


class World(Toolbox):
    """Base of applications on SQLite. `schema` is its SQL."""

    schema: ClassVar[str]

    def __init__(self, tables: Tables) -> None:
        """Begin with the given rows.

        Raises:
            DefinitionError: a row does not fit the world's schema.
        """
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.executescript(self.schema)
        fill(self.db, tables)

    def state(self) -> dict[str, Any]:
        """What the check of the end state reads."""
        return {"tables": self.tables()}

    def holds(self, condition: dict[str, Any]) -> bool:
        """Whether `{sql, expect}` is true now.

        Raises:
            DefinitionError: it is no condition.
        """
        try:
            query = msgspec.convert(condition, Query)
        except msgspec.ValidationError as error:
            raise DefinitionError(f"a condition on tables: {error}; expected sql and expect.") from None
        return not broken_queries(type(self), self.tables(), (query,))

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


def broken_queries(kind: type[World], tables: Tables, queries: tuple[Query, ...]) -> list[str]:
    """Which queries do not give what is expected of them, on a copy that is opened for reading only.

    Raises:
        DefinitionError: a query is not a reading one, or not SQL.
    """
    broken = []
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(kind.schema)
        fill(db, tables)
        db.set_authorizer(_only_reading)
        db.set_progress_handler(lambda: 1, _MAX_STEPS)
        for query in queries:
            found = [list(row) for row in db.execute(query.sql)]
            if found != query.expect:
                broken.append(f"{query.sql} gives {found}, expected {query.expect}")
    except sqlite3.Error as error:
        raise DefinitionError(f"a check in world {kind.__name__!r} fails: {error}.") from None
    finally:
        db.close()
    return broken


def fill(db: sqlite3.Connection, tables: Tables) -> None:
    """Insert rows.

    Raises:
        DefinitionError: a row does not fit the schema.
    """
    for table, rows in tables.items():
        for row in rows:
            if not all(_NAME.match(name) for name in (table, *row)):
                raise DefinitionError(f"world: {table!r} or a column of it is not a plain name.")
            columns, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
            try:
                db.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', tuple(row.values()))  # noqa: S608
            except sqlite3.Error as error:
                raise DefinitionError(f"world: a row of {table!r} does not fit: {error}.") from None


def dump(db: sqlite3.Connection) -> Tables:
    """Every row of every table, in order of insertion."""
    names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: [dict(row) for row in db.execute(f'SELECT * FROM "{name}"')] for name in names}  # noqa: S608


def _only_reading(action: int, *_: str | None) -> int:
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


def _arguments(method: Callable[..., Any]) -> type[msgspec.Struct]:
    # What a method returns may be a name for type checkers only.
    taken = SimpleNamespace(
        __annotations__={n: kind for n, kind in method.__annotations__.items() if n != "return"}
    )
    hints = get_type_hints(taken, inspect.unwrap(method).__globals__)
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
    about = dict(re.findall(r"^\s*(\w+): (.+)$", inspect.cleandoc(method.__doc__ or ""), re.MULTILINE))
    for name, field in found["properties"].items():
        if name in about:
            field["description"] = about[name]
    return {
        key: found[key] for key in ("type", "properties", "required", "additionalProperties") if key in found
    }
