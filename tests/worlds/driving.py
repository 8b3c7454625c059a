"""Drives generators of effects without an engine: executions go to a real sandbox, and nothing else."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from evalkit.sandbox import choose
from evalkit.types.effects import Effect, Execute
from evalkit.worlds.task import AgentWorld, Calls, Checked, check_sample, open_sample

if TYPE_CHECKING:
    from collections.abc import Generator

    from evalkit.ports.sandbox import Sandbox
    from evalkit.types.suite import Sample

R = TypeVar("R")


@cache
def sandbox() -> Sandbox:
    return choose()


def drive(work: Generator[Effect, Any, R]) -> R:
    result: Any = None
    while True:
        try:
            effect = work.send(result)
        except StopIteration as end:
            value: R = end.value
            return value
        assert isinstance(effect, Execute)
        result = asyncio.run(sandbox().run(effect.execution))


def act(world: AgentWorld, name: str, **arguments: Any) -> str:
    return drive(world.act(name, msgspec.json.encode(arguments).decode()))


def replay(sample: Sample, calls: Calls) -> Checked:
    """The check after a trajectory."""
    world = open_sample(sample)
    for name, arguments in calls:
        act(world, name, **arguments)
    return drive(check_sample(sample, world.state()))
