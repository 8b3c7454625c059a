"""An agent: works in a world with its tools, turn by turn, until it answers without a call.

Turns and tokens are limited, wall time is not: a slow host must not lose quality by it. Each limit is an
outcome of its own.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from evalkit.solvers.answer import opening, spoken
from evalkit.types.chat import Message, Request
from evalkit.types.effects import Generate, Solution
from evalkit.worlds.base import ToolError, World
from evalkit.worlds.task import open_world, task_of

if TYPE_CHECKING:
    from evalkit.ports.core import Solver, Work
    from evalkit.types.chat import ToolCall
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample, Suite


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one trial. `max_tool_output` cuts a tool's result, in characters, and says so in it."""

    max_turns: int = 10
    max_output_tokens: int = 20_000
    max_tool_output: int = 8_000


def build(options: Options) -> Solver:
    """The solver `agent`."""
    return Agent(options)


class Agent:
    """Uses the tools API of the endpoint."""

    name = "agent"
    version = "1"
    needs_sandbox = False

    def __init__(self, options: Options) -> None:
        self._options = options

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """See `evalkit.ports.core.Solver`."""
        world = open_world(task_of(sample))
        tools = world.tools()
        messages = (Message(role="system", content=world.rules), *opening(sample, suite))
        generations: list[Generation] = []
        counts: Counter[str] = Counter()
        tokens = 0
        ended = "max_turns"
        for _ in range(self._options.max_turns):
            generation: Generation = yield Generate(
                request=Request(messages=messages, settings=suite.generation, tools=tools)
            )
            generations.append(generation)
            messages = (*messages, *spoken(generation))
            response = generation.response
            if response is None or not response.tool_calls:
                ended = "answered" if response is not None else generation.outcome.value
                break
            results = [self._carry_out(world, call, counts) for call in response.tool_calls]
            messages = (*messages, *results)
            tokens += (response.usage.output or 0) if response.usage else 0
            if tokens >= self._options.max_output_tokens:
                ended = "max_tokens"
                break
        return Solution(
            generations=tuple(generations),
            transcript=messages,
            ended=ended,
            state={"tables": world.tables(), "turns": len(generations), **counts},
        )

    def _carry_out(self, world: World, call: ToolCall, counts: Counter[str]) -> Message:
        counts["tool_calls"] += 1
        try:
            result = world.call(call.name, call.arguments)
        except ToolError as error:
            counts["tool_errors"] += 1
            result = f"Error: {error}"
        limit = self._options.max_tool_output
        if len(result) > limit:
            result = f"{result[:limit]}\n[cut: {len(result) - limit} more characters]"
        return Message(role="tool", content=result, tool_call_id=call.id)
