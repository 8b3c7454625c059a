"""One question, one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.types.chat import Message, Request
from evalkit.types.effects import Generate, Solution

if TYPE_CHECKING:
    from evalkit.ports.core import Solver, Work
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample, Suite


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`template` is a format string with `{input}`, put around a plain-text input."""

    template: str = "{input}"


def build(options: Options) -> Solver:
    """The solver `answer`."""
    return Answer(options)


class Answer:
    """Asks once, with the suite's settings and system message."""

    name = "answer"
    version = "1"
    needs_sandbox = False

    def __init__(self, options: Options) -> None:
        self._options = options

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """See `evalkit.ports.core.Solver`."""
        messages = opening(sample, suite, self._options.template)
        generation: Generation = yield Generate(request=Request(messages=messages, settings=suite.generation))
        return Solution(generations=(generation,), transcript=(*messages, *spoken(generation)))


def opening(sample: Sample, suite: Suite, template: str = "{input}") -> tuple[Message, ...]:
    """The conversation up to the model's first turn."""
    if isinstance(sample.input, str):
        messages: tuple[Message, ...] = (
            Message(role="user", content=template.replace("{input}", sample.input)),
        )
    else:
        messages = sample.input
    if suite.system is not None:
        messages = (Message(role="system", content=suite.system), *messages)
    return messages


def conversation(sample: Sample, suite: Suite, rules: str) -> tuple[Message, ...]:
    """The same for an agent, whose rules and the suite's system message are one: some hosts take only one."""
    return opening(
        sample, msgspec.structs.replace(suite, system="\n\n".join(filter(None, (rules, suite.system))))
    )


def spoken(generation: Generation) -> tuple[Message, ...]:
    """The model's turn as a message; nothing if nothing was delivered."""
    response = generation.response
    if response is None:
        return ()
    return (
        Message(
            role="assistant",
            content=response.text,
            tool_calls=response.tool_calls,
            reasoning=response.reasoning,
        ),
    )
