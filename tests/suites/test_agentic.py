"""Every agentic task can be solved; doing nothing, any wrong way, and any incomplete way do not solve it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.catalog.strict import parse_yaml
from evalkit.catalog.suites import load_suite
from evalkit.errors import DefinitionError
from evalkit.worlds.base import ToolError
from evalkit.worlds.task import Task, broken_checks, open_world, task_of
from suites.agentic.build import app_sample, build, calls, render, size_table
from suites.agentic.source import HERE, LEVELS, SAY, AppFile, load_apps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.types.suite import Sample
    from evalkit.worlds.base import Tables

SAMPLES = load_suite("agentic").samples
APPS = [s for s in SAMPLES if s.data["world"] != "workspace"]
WRONG = {
    task.id: {why: calls(way) for why, way in task.wrong.items()}
    for file in load_apps()
    for task in file.tasks
}

Calls = list[Any]

# Where a task leaves a choice: which of two tickets a note is about, or one note for two things.
ALSO_RIGHT = {
    "shop-chairs": {"twice add_note"},
    "shop-lost-card": {"add_note about=C4"},
    "tick-merge-strangers": {"note ticket_id=1001"},
}


def end_of(task: Task, way: Calls, *, strict: bool = True) -> Tables:
    """The tables after some calls; with `strict`, every call must be one that the world accepts."""
    world = open_world(task)
    for name, arguments in way:
        if name == SAY:
            continue
        try:
            world.call(name, msgspec.json.encode(arguments).decode())
        except ToolError:
            if strict:
                raise
    return world.tables()


def test_the_samples_are_what_the_tasks_give() -> None:
    assert (HERE / "samples.jsonl").read_text(encoding="utf-8") == render(build())
    assert size_table(build()) in (HERE / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("sample", APPS, ids=lambda s: s.id)
def test_the_oracle_solves_it_and_nothing_else_does(sample: Sample) -> None:
    task = task_of(sample)
    assert broken_checks(task, end_of(task, task.oracle)) == []
    assert broken_checks(task, end_of(task, [])) != []
    for why, way in WRONG[sample.id].items():
        assert broken_checks(task, end_of(task, way)) != [], why


def variants(task: Task) -> Iterator[tuple[str, Calls]]:
    """Ways near the oracle: a call left out, made twice, or made on another row."""
    oracle = [list(call) for call in task.oracle if call[0] != SAY]
    for place, (name, arguments) in enumerate(oracle):
        yield f"without {name}", oracle[:place] + oracle[place + 1 :]
        yield f"twice {name}", [*oracle[:place], oracle[place], *oracle[place:]]
        for key, value in arguments.items():
            for other in rows_like(task, key, value):
                changed = [name, {**arguments, key: other}]
                yield f"{name} {key}={other}", [*oracle[:place], changed, *oracle[place + 1 :]]


def rows_like(task: Task, key: str, value: Any) -> list[Any]:
    """Keys of other rows of the table that an id in an argument points into."""
    if key.endswith("_id") or key in {"about", "code", "room", "new_sku"}:
        for rows in task.state.values():
            keys = [next(iter(row.values())) for row in rows]
            if value in keys:
                return [other for other in keys if other != value]
    return []


@pytest.mark.parametrize("sample", APPS, ids=lambda s: s.id)
def test_ways_near_the_oracle_that_end_otherwise_do_not_solve_it(sample: Sample) -> None:
    task = task_of(sample)
    good = end_of(task, task.oracle)
    ends = {what: end_of(task, way, strict=False) for what, way in variants(task)}
    other = {what: end for what, end in ends.items() if end != good}
    assert other
    assert {what for what, end in other.items() if not broken_checks(task, end)} == ALSO_RIGHT.get(
        sample.id, set()
    )


def test_the_size_and_the_demo_subset() -> None:
    worlds = Counter(s.tags[0] for s in SAMPLES)
    assert all(count >= 10 for count in worlds.values())
    assert {s.tags[1] for s in SAMPLES} == set(LEVELS)
    assert len({s.input for s in SAMPLES}) == len(SAMPLES)
    demo = {s.id for s in SAMPLES if "demo" in s.tags}
    assert demo == {"cal-book", "cal-delete", "cal-move", "shop-refund", "shop-refund-late"}


def test_the_bash_suite_is_what_needs_only_a_shell() -> None:
    loaded = load_suite("agentic-bash")
    assert {s.id for s in loaded.samples} == {s.id for s in SAMPLES if s.data["world"] == "workspace"}
    assert f"The {len(loaded.samples)} tasks" in (HERE.parent / "agentic-bash" / "README.md").read_text()


SMALL = """\
world: shop
states:
  s:
    clock: [[today], ["2026-06-15"]]
    notes: [[id, about, text], [1, A-1, old]]
tasks:
  - id: t
    level: easy
    state: s
    input: Add a note.
    ends: {ENDS}
    oracle: [{today: {}}]
    wrong: {none: []}
"""


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ("{note: {}}", "'note' is no table of 'shop'"),
        ("{notes: {add: [{txt: x}]}}", "notes has no 'txt'"),
        ("{notes: {change: {2: {text: x}}}}", "notes has no 2"),
        ("{notes: {add: [{text: {hass: [x]}}]}}", "matcher 'hass'"),
    ],
)
def test_a_task_that_does_not_fit_its_world_is_named(ends: str, message: str) -> None:
    file = parse_yaml(SMALL.replace("{ENDS}", ends), AppFile, "small.yaml")
    with pytest.raises(DefinitionError, match=message):
        app_sample(file, file.tasks[0])
