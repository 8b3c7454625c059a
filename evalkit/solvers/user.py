"""Who an agent works for: what the user says after an answer.

A scripted user is part of the sample and the same for every endpoint. A simulated one is a model on an
endpoint that the suite names, one for all that are compared; policy, price and journal apply to it as to a
judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.types.chat import Message, Request, Settings
from evalkit.types.effects import Generate
from evalkit.worlds.task import user_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from evalkit.types.effects import Effect
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample
    from evalkit.worlds.task import AgentWorld

    Replying = Generator[Effect, Any, str | None]

ROLE = "user"
DONE = "[done]"


class UserOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A simulated user: the endpoint that speaks for it and its manner. What it wants is in the samples."""

    endpoint: str
    persona: str = "You are a customer who writes to a service desk: short, polite, one thing at a time."
    max_messages: int = 8
    max_tokens: int = 300
    temperature: float | None = 0.0


class UserFailedError(Exception):
    """The simulated user gave no answer: the trial says nothing of the model."""


class User:
    """The user of one trial."""

    def __init__(self, sample: Sample, options: UserOptions | None) -> None:
        script, self._wants = user_of(sample)
        self._script = list(script)
        self._simulated = options if options is not None and self._wants and not script else None
        self._answers = 0
        self._said = 0

    def reply(self, world: AgentWorld, transcript: Sequence[Message]) -> Replying:
        """What the user says to the agent's last answer; None if nothing.

        Raises:
            UserFailedError: the simulated user gave no answer.
        """
        self._answers += 1
        if self._simulated is not None:
            return (yield from self._ask(self._simulated, transcript))
        for entry in self._script:
            ready = self._answers > entry.after
            if ready and (entry.when is None or world.holds(entry.when)):
                self._script.remove(entry)
                return entry.say
        return None

    def _ask(self, options: UserOptions, transcript: Sequence[Message]) -> Replying:
        if self._said >= options.max_messages:
            return None
        self._said += 1
        rules = (
            f"{options.persona}\n\nWhat you know and want:\n{self._wants}\n\nYou talk to an assistant. Write "
            f"only your next message. When you have what you want, or it is clear that you will not get it, "
            f"write {DONE} and nothing else."
        )
        turned = [
            Message(role="assistant" if m.role == "user" else "user", content=m.content)
            for m in transcript
            if m.role == "user" or (m.role == "assistant" and m.content and not m.tool_calls)
        ]
        generation: Generation = yield Generate(
            request=Request(
                messages=(Message(role="system", content=rules), *turned),
                settings=Settings(max_tokens=options.max_tokens, temperature=options.temperature),
            ),
            endpoint=options.endpoint,
            role=ROLE,
        )
        text = generation.response.text.strip() if generation.response is not None else ""
        if not text:
            raise UserFailedError(f"{options.endpoint}: {generation.outcome.value}")
        return None if DONE in text else text
