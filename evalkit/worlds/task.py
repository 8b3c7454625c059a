"""A task in a world, as a sample's `data` declares it, and the check of its end state."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

import evalkit.worlds
from evalkit.errors import DefinitionError, UnknownNameError
from evalkit.types.effects import Effect
from evalkit.worlds.base import Query, Tables, World, broken_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.types.chat import Tool
    from evalkit.types.suite import Sample
    from evalkit.worlds.base import Acting

ENTRY_POINTS = "evalkit.worlds"
"""Where packages of others add their worlds: a name, and a class as this module describes it."""

_HELPERS = {"base", "task", "verify_driver"}

Calls = list[tuple[str, dict[str, Any]]]
"""A trajectory: calls as `[tool, arguments]`."""


class Say(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a scripted user says when the agent has answered without a call.

    Then the first entry that was not said yet and may be said is said; if there is none, the trial ends. An
    entry may be said from the answer number `after` on (0: the first), and only while the condition `when`
    holds in the world, if there is one: `{sql, expect}` on tables, `{file, has}` in a workspace.
    """

    say: str
    after: int = 0
    when: dict[str, Any] | None = None


class Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every task has.

    `user` is a scripted user; `persona` is what a simulated user knows and wants. `oracle` solves the task
    and `wrong` does not: trajectories for the suite's own tests.
    """

    world: str
    user: tuple[Say, ...] = ()
    persona: str = ""
    oracle: Calls = []
    wrong: Calls = []


class Task(Common, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task in an application on SQLite.

    `state` holds the first rows, `check` what must hold in the end. Side effects that no task may have are
    counted apart: a change in a table of `keep`, and every query of `forbid` that does not give its rows.
    """

    state: Tables
    check: list[Query]
    keep: tuple[str, ...] = ()
    forbid: tuple[Query, ...] = ()


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is not as it should be, and what was done that nobody may do, in words. Solved: both are empty."""

    broken: tuple[str, ...] = ()
    side_effects: tuple[str, ...] = ()


Checking = Generator[Effect, Any, Checked]


class AgentWorld(Protocol):
    """A world that a solver can use. A class of it also has `begin` and `check`, see `WorldKind`."""

    @property
    def rules(self) -> str:
        """What the agent is told about its job."""
        ...

    def tools(self) -> tuple[Tool, ...]:
        """Every tool of the world."""
        ...

    def act(self, name: str, arguments: str) -> Acting:
        """Do what the model asked; see `evalkit.worlds.base.Toolbox.act`."""
        ...

    def holds(self, condition: dict[str, Any]) -> bool:
        """Whether a condition of a scripted user is true now."""
        ...

    def state(self) -> dict[str, Any]:
        """What the check of the end state reads."""
        ...


class WorldKind(Protocol):
    """A class of worlds that is no application on SQLite."""

    needs_sandbox: bool

    def begin(self, sample: Sample) -> AgentWorld:
        """Open it as the sample declares.

        Raises:
            DefinitionError: the sample's `data` is not a task of this world.
        """
        ...

    def check(self, sample: Sample, state: dict[str, Any]) -> Checking:
        """Look at the end state, after the agent is gone.

        Raises:
            SandboxError: the sandbox failed.
        """
        ...


def open_sample(sample: Sample) -> AgentWorld:
    """The sample's world as it is in the beginning.

    Raises:
        UnknownNameError: there is no such world.
        DefinitionError: its data does not fit the world.
    """
    kind = _kind_of(sample)
    if isinstance(kind, type) and issubclass(kind, World):
        return kind(task_of(sample).state)
    opened: AgentWorld = kind.begin(sample)
    return opened


def check_sample(sample: Sample, state: dict[str, Any]) -> Checking:
    """What is not as it should be in the end.

    Raises:
        DefinitionError: a check of the task is broken.
        SandboxError: the sandbox failed.
    """
    kind = _kind_of(sample)
    if isinstance(kind, type) and issubclass(kind, World):
        task = task_of(sample)
        side = tuple(side_effects(task, state["tables"]))
        return Checked(
            broken=tuple(broken_queries(kind, state["tables"], tuple(task.check))), side_effects=side
        )
    checked: Checked = yield from kind.check(sample, state)
    return checked


def need_sandbox(samples: Sequence[Sample]) -> bool:
    """Whether a world of any of the samples runs code.

    Raises:
        UnknownNameError: there is no such world.
    """
    names = {str(sample.data.get("world", "")) for sample in samples}
    return any(find_world(name).needs_sandbox for name in names)


def user_of(sample: Sample) -> tuple[tuple[Say, ...], str]:
    """The sample's scripted user, and the persona of a simulated one.

    Raises:
        DefinitionError: `user` is not a list of what to say.
    """
    try:
        script = msgspec.convert(sample.data.get("user", ()), tuple[Say, ...])
    except msgspec.ValidationError as error:
        raise DefinitionError(f"sample {sample.id!r} $.data.user: {error}.") from None
    return script, str(sample.data.get("persona", ""))


def task_of(sample: Sample) -> Task:
    """The task in an application that a sample declares.

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
    """The task's application with its first rows.

    Raises:
        UnknownNameError: there is no such world.
        DefinitionError: its rows do not fit.
    """
    kind: type[World] = find_world(task.world)
    return kind(task.state)


def find_world(name: str) -> Any:
    """A world's class, by the name of its module or of an entry point.

    Raises:
        UnknownNameError: there is no such world.
    """
    names = sorted({m.name for m in pkgutil.iter_modules(evalkit.worlds.__path__)} - _HELPERS)
    if name not in names:
        return _installed(name, names)
    module = importlib.import_module(f"evalkit.worlds.{name}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "act")
    )


def _installed(name: str, shipped: list[str]) -> Any:
    points = {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    if name not in points:
        raise UnknownNameError("world", name, [*shipped, *points])
    return points[name].load()


def broken_checks(task: Task, tables: Tables) -> list[str]:
    """What is not as it should be, in words; empty when the task is solved.

    Raises:
        DefinitionError: a query is not a reading one, or not SQL.
    """
    kind: type[World] = find_world(task.world)
    return side_effects(task, tables) + broken_queries(kind, tables, tuple(task.check))


def side_effects(task: Task, tables: Tables) -> list[str]:
    """What was done that no solution may do, in words.

    Raises:
        DefinitionError: a query is not a reading one, or not SQL.
    """
    begun = open_world(task).tables()
    changed = [f"{name} was changed" for name in task.keep if tables.get(name) != begun.get(name)]
    return changed + broken_queries(find_world(task.world), tables, task.forbid)


def _kind_of(sample: Sample) -> Any:
    return find_world(str(sample.data.get("world", "")))
