"""One agent trial: the conversation, its limits, its context, and what is left in the end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from evalkit.solvers.answer import spoken
from evalkit.solvers.limits import LIMITS, Meter, cut, reckoned_characters, reckoned_tokens
from evalkit.solvers.user import User, UserFailedError
from evalkit.types.chat import Message, Request
from evalkit.types.effects import Generate, Solution
from evalkit.types.generation import Outcome
from evalkit.worlds.base import SandboxError, ToolError
from evalkit.worlds.task import open_sample

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from evalkit.solvers.limits import AgentOptions
    from evalkit.solvers.user import UserOptions
    from evalkit.types.chat import Tool
    from evalkit.types.effects import Effect
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample, Suite

LOST_CALL = frozenset({"leaked_tool_tokens", "call_as_text", "finish_without_call"})
"""Defects of a turn without a call that say that one was meant."""


class EndedError(Exception):
    """The trial is over; `why` is how it ended."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Session:
    """What both agents share of one trial. Its methods raise `EndedError` when the trial is over."""

    def __init__(
        self, sample: Sample, suite: Suite, options: AgentOptions, user: UserOptions | None = None
    ) -> None:
        self.world = open_sample(sample)
        self.messages: list[Message] = []
        self._suite = suite
        self._options = options
        self._user = User(sample, user)
        self._meter = Meter(options)
        self._generations: list[Generation] = []
        self._errors: Counter[str] = Counter()
        self._outputs: list[int] = []
        self._known = (0, 0)
        self._dropped = 0

    def ask(self, tools: Sequence[Tool] = ()) -> Generator[Effect, Any, Generation]:
        """The model's next turn, added to the conversation. Without an answer the trial is over."""
        while True:
            if (limit := self._meter.used_up()) is not None:
                raise EndedError(limit)
            self._make_room(tools)
            generation: Generation = yield Generate(
                request=Request(
                    messages=tuple(self.messages), settings=self._suite.generation, tools=tuple(tools)
                )
            )
            self._generations.append(generation)
            self._meter.count(generation)
            response = generation.response
            if response is not None:
                usage = response.usage
                self.messages += spoken(generation)
                if usage is not None and usage.input is not None:
                    self._known = (len(self.messages), usage.input + (usage.output or 0))
                return generation
            if generation.outcome is not Outcome.TRUNCATED:
                raise EndedError(generation.outcome.value)
            # The host says that the conversation does not fit.
            if not self._drop(self._characters() // 2):
                raise EndedError("context_overflow")

    def act(self, name: str, arguments: str) -> Generator[Effect, Any, str]:
        """Carry a call out; the result, or why there is none, as the model is told it."""
        if not self._meter.may_call:
            raise EndedError("max_tool_calls")
        self._meter.calls += 1
        try:
            result = yield from self._meter.timed(self.world.act(name, arguments))
        except ToolError as error:
            self._errors[error.kind] += 1
            result = f"Error: {error}"
        except SandboxError:
            raise EndedError("sandbox_error") from None
        return cut(result, self._options.max_tool_output)

    def told(self, message: Message) -> None:
        """Add a tool's result to the conversation; it may be dropped when the context is full."""
        self._outputs.append(len(self.messages))
        self.messages.append(message)

    def misread(self) -> None:
        """Count a turn that did not keep the agent's protocol."""
        self._errors["protocol"] += 1

    def follow_up(self) -> Generator[Effect, Any, None]:
        """Add what the user says to the last answer; if that is nothing, the trial is over."""
        try:
            said = yield from self._user.reply(self.world, self.messages)
        except UserFailedError:
            raise EndedError("user_failed") from None
        if said is None:
            raise EndedError(how_answered(self._generations[-1]))
        self.messages.append(Message(role="user", content=said))

    def solution(self, ended: str) -> Solution:
        """What became of the trial."""
        meter = self._meter
        return Solution(
            generations=tuple(self._generations),
            transcript=tuple(self.messages),
            ended=ended,
            state={
                **self.world.state(),
                "turns": meter.turns,
                "tool_calls": meter.calls,
                "tool_errors": sum(self._errors.values()),
                "errors": dict(self._errors),
                "limit": ended if ended in LIMITS else None,
                "dropped": self._dropped,
            },
        )

    def _make_room(self, tools: Sequence[Tool]) -> None:
        """Apply the policy for a context that would overflow."""
        most = self._options.max_context_tokens
        if most is None:
            return
        place, tokens = self._known
        fresh = self.messages[place:]
        offered = sum(len(msgspec.json.encode(tool)) for tool in tools) if not tokens else 0
        needed = (
            tokens
            + reckoned_tokens(sum(map(_size, fresh)) + offered)
            + (self._suite.generation.max_tokens or 0)
        )
        lacking = reckoned_characters(needed - most)
        if lacking > 0 and self._drop(lacking) < lacking:
            raise EndedError("context_overflow")

    def _drop(self, characters: int) -> int:
        """Mark the oldest results as dropped, as far as the policy allows; how many characters that frees."""
        freed = 0
        # The model has not seen the last result yet.
        for place in self._outputs[:-1] if self._options.overflow == "drop_tool_outputs" else ():
            if freed >= characters:
                break
            text = self.messages[place].content or ""
            mark = f"[dropped to fit the context: {len(text)} characters]"
            if len(text) > len(mark) and not text.startswith("[dropped"):
                self.messages[place] = msgspec.structs.replace(self.messages[place], content=mark)
                freed += len(text) - len(mark)
                self._dropped += 1
                self._known = (0, 0)
        return freed

    def _characters(self) -> int:
        return sum(_size(self.messages[place]) for place in self._outputs)


def how_answered(generation: Generation) -> str:
    """How a trial ended whose last turn had no call: by an answer, or by one that got lost on its way."""
    response = generation.response
    if response is None or generation.outcome.is_blocked:
        return generation.outcome.value
    if not response.tool_calls and LOST_CALL & set(response.defects):
        return "tool_format"
    return "answered" if generation.outcome is Outcome.OK else generation.outcome.value


def _size(message: Message) -> int:
    calls = sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return len(message.content or "") + len(message.reasoning or "") + calls
