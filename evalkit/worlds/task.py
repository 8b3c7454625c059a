"""A task in a world, as a sample's `data` declares it, and the check of its end state."""

from __future__ import annotations

import importlib
import pkgutil
import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

import evalkit.worlds
from evalkit.errors import DefinitionError, UnknownNameError
from evalkit.worlds.base import Tables, World, fill

if TYPE_CHECKING:
    from evalkit.types.suite import Sample

_HELPERS = {"base", "task"}
_MAX_STEPS = 1_000_000
"""Virtual-machine instructions of one check: a query from a suite of others must not run for ever."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SQL and the rows that it must give, in order."""

    sql: str
    expect: list[list[Any]]


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`state` holds the world's first rows, `check` what must hold in the end, `keep` untouchable tables.

    `oracle` and `wrong` are trajectories for the suite's own tests: calls as `[tool, arguments]`.
    """

    world: str
    state: Tables
    check: list[Query]
    keep: tuple[str, ...] = ()
    oracle: list[tuple[str, dict[str, Any]]] = []
    wrong: list[tuple[str, dict[str, Any]]] = []


def task_of(sample: Sample) -> Task:
    """The task that a sample declares.

    Raises:
        DefinitionError: its `data` is not one.
    """
    try:
        return msgspec.convert(sample.data, Task)
    except msgspec.ValidationError as error:
        raise DefinitionError(
            f"sample {sample.id!r} $.data: {error}; see `evalkit.worlds.task.Task`."
        ) from None


def open_world(task: Task) -> World:
    """The task's world with its first rows.

    Raises:
        UnknownNameError: there is no such world.
        DefinitionError: its rows do not fit.
    """
    return find_world(task.world)(task.state)


def find_world(name: str) -> type[World]:
    """A world's class, by the name of its module.

    Raises:
        UnknownNameError: there is no such world.
    """
    names = sorted({m.name for m in pkgutil.iter_modules(evalkit.worlds.__path__)} - _HELPERS)
    if name not in names:
        raise UnknownNameError("world", name, names)
    module = importlib.import_module(f"evalkit.worlds.{name}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, World) and value is not World
    )


def broken_checks(task: Task, tables: Tables) -> list[str]:
    """What is not as it should be, in words; empty when the task is solved.

    Raises:
        DefinitionError: a query is not a reading one, or not SQL.
    """
    begun = open_world(task).tables()
    broken = [f"{name} was changed" for name in task.keep if tables.get(name) != begun.get(name)]
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(find_world(task.world).schema)
        fill(db, tables)
        db.set_authorizer(_only_reading)
        db.set_progress_handler(lambda: 1, _MAX_STEPS)
        for query in task.check:
            found = [list(row) for row in db.execute(query.sql)]
            if found != query.expect:
                broken.append(f"{query.sql} gives {found}, expected {query.expect}")
    except sqlite3.Error as error:
        raise DefinitionError(f"a check in world {task.world!r} fails: {error}.") from None
    finally:
        db.close()
    return broken


def _only_reading(action: int, *_: str | None) -> int:
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
