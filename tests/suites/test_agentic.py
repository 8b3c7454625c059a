"""Every agentic task can be solved, and neither doing nothing nor its wrong way solves it."""

from __future__ import annotations

import msgspec
import pytest

from evalkit.catalog.suites import load_suite
from evalkit.types.suite import Sample
from evalkit.worlds.task import Task, broken_checks, open_world, task_of

SAMPLES = load_suite("agentic").samples


def replay(task: Task, calls: list[tuple[str, dict[str, object]]]) -> list[str]:
    world = open_world(task)
    for name, arguments in calls:
        world.call(name, msgspec.json.encode(arguments).decode())
    return broken_checks(task, world.tables())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.id)
def test_the_oracle_solves_it_and_nothing_else_does(sample: Sample) -> None:
    task = task_of(sample)
    assert task.oracle
    assert task.wrong
    assert replay(task, task.oracle) == []
    assert replay(task, task.wrong) != []
    assert replay(task, []) != []


def test_there_is_a_demo_subset_over_both_worlds() -> None:
    demo = [s for s in SAMPLES if "demo" in s.tags]
    assert {task_of(s).world for s in demo} == {"calendar", "shop"}
    assert len(demo) == 5
