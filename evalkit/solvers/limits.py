"""What one agent trial may use, and what it has used.

Turns, tokens, dollars and calls are limited; time is not, because a slow host must not lose quality by it.
The net on time is wide and counts only answers and commands, not waiting for admission. All of it is read off
recorded generations, so that a resumed trial ends where the interrupted one would have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from evalkit.types.execution import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from evalkit.types.effects import Effect
    from evalkit.types.generation import Generation, Response
    from evalkit.worlds.base import Acting

LIMITS = (
    "max_turns",
    "max_tokens",
    "max_total_tokens",
    "max_cost",
    "max_tool_calls",
    "wall_net",
    "context_overflow",
)
"""How a trial ends that used up what it may use."""

_CHARS_PER_TOKEN = 3


class AgentOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one trial.

    `max_output_tokens` is over all turns, `max_total_tokens` counts input too; where a host reports no usage,
    three characters are reckoned as a token. `max_cost` is in US dollars. `max_tool_output` cuts a tool's
    result, in characters, and says so in it. `wall_net_s` is a safety net in seconds.

    `max_context_tokens` is what a request may hold together with its answer. When the next one would not fit,
    or the host says that it does not, `overflow` decides: `refuse` ends the trial, `drop_tool_outputs` puts a
    mark in the place of the oldest results of tools.
    """

    max_turns: int = 10
    max_output_tokens: int = 20_000
    max_total_tokens: int | None = None
    max_cost: float | None = None
    max_tool_calls: int = 100
    max_tool_output: int = 8_000
    wall_net_s: float | None = 7_200.0
    max_context_tokens: int | None = None
    overflow: Literal["refuse", "drop_tool_outputs"] = "refuse"


class Meter:
    """What a trial has used so far."""

    def __init__(self, options: AgentOptions) -> None:
        self._options = options
        self.turns = 0
        self.calls = 0
        self.output = 0
        self.total = 0
        self.usd = 0.0
        self.seconds = 0.0

    def count(self, generation: Generation) -> None:
        """Add a turn."""
        self.turns += 1
        self.usd += generation.cost.usd if generation.cost else 0.0
        self.seconds += generation.timing.total_s if generation.timing else 0.0
        if (response := generation.response) is not None:
            usage = response.usage
            output = usage.output if usage and usage.output is not None else _reckoned(response)
            self.output += output
            self.total += output + (usage.input or 0 if usage else 0)

    def timed(self, work: Acting) -> Generator[Effect, Any, str]:
        """A tool at work, with the seconds of what it runs counted."""
        sent: Any = None
        while True:
            try:
                effect = work.send(sent)
            except StopIteration as end:
                return str(end.value)
            sent = yield effect
            if isinstance(sent, ExecutionResult):
                self.seconds += sent.wall_s

    def used_up(self) -> str | None:
        """The limit that is reached, or None."""
        options = self._options
        for name, used, most in (
            ("max_turns", self.turns, options.max_turns),
            ("max_tokens", self.output, options.max_output_tokens),
            ("max_total_tokens", self.total, options.max_total_tokens),
            ("max_cost", self.usd, options.max_cost),
            ("max_tool_calls", self.calls, options.max_tool_calls),
            ("wall_net", self.seconds, options.wall_net_s),
        ):
            if most is not None and used >= most:
                return name
        return None

    @property
    def may_call(self) -> bool:
        """Whether one more call of a tool is allowed."""
        return self.calls < self._options.max_tool_calls


def cut(text: str, limit: int) -> str:
    """A tool's output in at most `limit` characters: its beginning and its end, and how much is left out."""
    if len(text) <= limit:
        return text
    head, tail = limit - limit // 3, limit // 3
    left = len(text) - head - tail
    return f"{text[:head]}\n[cut: {left} more characters]\n{text[len(text) - tail :]}"


def reckoned_tokens(characters: int) -> int:
    """Tokens of so many characters, on the safe side."""
    return characters // _CHARS_PER_TOKEN


def reckoned_characters(tokens: int) -> int:
    """Characters that so many tokens stand for."""
    return tokens * _CHARS_PER_TOKEN


def _reckoned(response: Response) -> int:
    written = [response.text, response.reasoning or "", *(c.name + c.arguments for c in response.tool_calls)]
    return reckoned_tokens(sum(map(len, written)))
