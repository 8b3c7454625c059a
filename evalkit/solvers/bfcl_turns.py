"""A conversation of BFCL's multi-turn categories: each turn goes on until the model answers without a call.

As in the reference, a step whose calls cannot be read ends the turn, and a turn of more than `max_steps`
steps ends the conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.bfcl.check import read_calls
from evalkit.bfcl.turns import MORE_TOOLS, turns_of
from evalkit.solvers.answer import spoken
from evalkit.types.chat import Message, Request
from evalkit.types.effects import Generate, Solution

if TYPE_CHECKING:
    from evalkit.bfcl.check import Call
    from evalkit.ports.core import Solver, Work
    from evalkit.types.generation import Generation, Response
    from evalkit.types.suite import Sample, Suite


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`max_steps` bounds the answers with calls in one turn; the one after it is the last."""

    max_steps: int = 20


def build(options: Options) -> Solver:
    """The solver `bfcl_turns`."""
    return BfclTurns(options)


class BfclTurns:
    """Works `evalkit.bfcl.turns.Turns`; `Solution.state["turns"]` holds the calls by turn and step."""

    name = "bfcl_turns"
    version = "1"
    needs_sandbox = False
    offers_tools = True

    def __init__(self, options: Options) -> None:
        self._options = options

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """See `evalkit.ports.core.Solver`."""
        task = turns_of(sample)
        world = task.open()
        tools = task.tools
        messages = (Message(role="system", content=suite.system),) if suite.system is not None else ()
        generations: list[Generation] = []
        made: list[list[list[Call]]] = []
        ended = "answered"
        for number, said in enumerate(task.turns):
            more = task.later.get(str(number), ())
            tools = (*tools, *more)
            messages = (
                *messages,
                *(Message(role="user", content=t) for t in (said if not more else (MORE_TOOLS,))),
            )
            steps: list[list[Call]] = []
            made.append(steps)
            while ended == "answered":
                generation: Generation = yield Generate(
                    request=Request(messages=messages, settings=suite.generation, tools=tools)
                )
                generations.append(generation)
                messages = (*messages, *spoken(generation))
                if generation.response is None:
                    ended = generation.outcome.value
                    break
                calls = read_calls(generation.response)
                if not calls:
                    messages = (*messages, *_unread(generation.response))
                    break
                results = [world.call(name, arguments) for name, arguments in calls]
                messages = (*messages, *_results(generation.response, results))
                steps.append(calls)
                if len(steps) > self._options.max_steps:
                    ended = "max_turns"
            if ended != "answered":
                break
        return Solution(
            generations=tuple(generations), transcript=messages, ended=ended, state={"turns": made}
        )


def _results(response: Response, results: list[str]) -> tuple[Message, ...]:
    return tuple(
        Message(role="tool", content=result, tool_call_id=call.id)
        for call, result in zip(response.tool_calls, results, strict=True)
    )


def _unread(response: Response) -> tuple[Message, ...]:
    """Hosts refuse a conversation in which a call has no result, so calls that cannot be read get one."""
    return _results(response, ["Error: the arguments are not a JSON object."] * len(response.tool_calls))
