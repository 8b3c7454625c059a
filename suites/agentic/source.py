"""The format of `tasks/*.yaml`, read strictly: shared initial states, and tasks that begin from one.

A task in an application says how the tables must end as the difference from how they began (`ends`): what is
not named there must be as it was. `suites.agentic.ends` turns that into the checks of a sample. A task in a
workspace has first files and a `verify` that looks at the last ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from evalkit.catalog.strict import load_yaml
from evalkit.errors import DefinitionError

HERE = Path(__file__).resolve().parent
Level = Literal["easy", "medium", "hard"]
LEVELS: tuple[Level, ...] = ("easy", "medium", "hard")
Call = dict[str, dict[str, Any]]
"""One call as `tool: {argument: value}`."""
SAY = "say"
"""Stands in trajectories for an answer without a call, after which the user of the task speaks."""


class Ends(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one table differs in the end. A row's key is its first column.

    `change` gives columns by key, `add` one description for each new row (columns that are left out may hold
    anything), `remove` keys. A value `{has: [..], lacks: [..]}` is text that contains, or does not contain,
    each piece whatever its case; `a|b` in a piece stands for either. `{one_of: [..]}` allows several values.
    """

    change: dict[str | int, dict[str, Any]] = {}
    add: tuple[dict[str, Any], ...] = ()
    remove: tuple[str | int, ...] = ()


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SQL and its rows, for ends that a difference cannot say, such as 'any free room'."""

    sql: str
    expect: list[list[Any]]


class AppTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task in an application.

    `with_rows` adds rows to the shared state `state`. Tables named in `free` may end as they like. `wrong`
    holds trajectories by what is wrong with them; the first goes into the sample, all are replayed by tests.
    """

    id: str
    level: Level
    state: str
    input: str
    oracle: tuple[Call, ...]
    wrong: dict[str, tuple[Call, ...]]
    ends: dict[str, Ends] = {}
    check: tuple[Query, ...] = ()
    free: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    with_rows: dict[str, list[list[Any]]] = msgspec.field(default={}, name="with")
    user: Any = None


class AppFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of tasks in one application. A table of a state is a list whose first item names the columns."""

    world: str
    states: dict[str, dict[str, list[list[Any]]]]
    tasks: tuple[AppTask, ...]


class WorkTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task in a workspace.

    Its first files are those of the folder `files/<tree>`, and `files`. `keep` are patterns of files that must
    not change. `verify` is Python (see `evalkit.worlds.workspace`) that comes after the file's `prelude`;
    `hidden` and the folder `files/<hidden_tree>` are what it may read besides.
    """

    id: str
    level: Level
    input: str
    verify: str
    oracle: tuple[Call, ...]
    wrong: dict[str, tuple[Call, ...]]
    keep: tuple[str, ...]
    tree: str | None = None
    files: dict[str, str] = {}
    hidden_tree: str | None = None
    hidden: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    user: Any = None


class WorkFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of tasks in workspaces. `world` is only a tag: all run in the world `workspace`."""

    world: str
    prelude: str
    tasks: tuple[WorkTask, ...]


APPS = ("calendar", "shop", "tickets")
WORKSPACES = ("shell", "data")


def load_apps() -> list[AppFile]:
    """The tasks of every application.

    Raises:
        DefinitionError: a file breaks the format.
    """
    return [load_yaml(HERE / "tasks" / f"{name}.yaml", AppFile) for name in APPS]


def load_workspaces() -> list[WorkFile]:
    """The tasks in workspaces.

    Raises:
        DefinitionError: a file breaks the format.
    """
    return [load_yaml(HERE / "tasks" / f"{name}.yaml", WorkFile) for name in WORKSPACES]


def tree(name: str | None) -> dict[str, str]:
    """The texts of a folder of `files/`, by path.

    Raises:
        DefinitionError: there is no such folder.
    """
    if name is None:
        return {}
    top = HERE / "files" / name
    if not top.is_dir():
        raise DefinitionError(f"{top}: there is no such folder.")
    paths = sorted(path for path in top.rglob("*") if path.is_file())
    return {path.relative_to(top).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def first_rows(file: AppFile, task: AppTask) -> dict[str, list[dict[str, Any]]]:
    """The tables that a task begins with.

    Raises:
        DefinitionError: the state is unknown, or a row's length is not that of its header.
    """
    if task.state not in file.states:
        raise DefinitionError(f"task {task.id!r}: there is no state {task.state!r}.")
    tables = {}
    for name, (header, *rows) in file.states[task.state].items():
        every = [*rows, *task.with_rows.get(name, [])]
        if any(len(row) != len(header) for row in every):
            raise DefinitionError(f"task {task.id!r}: a row of {name!r} is not as long as its header.")
        tables[name] = [dict(zip(header, row, strict=True)) for row in every]
    if unknown := set(task.with_rows) - set(tables):
        raise DefinitionError(f"task {task.id!r}: {sorted(unknown)[0]!r} is no table of its state.")
    return tables
