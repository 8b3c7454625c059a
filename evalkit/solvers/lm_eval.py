"""Asks what a task of lm-eval asks: an answer, several, or how probable continuations are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.lmeval.samples import document_of, solver_settings
from evalkit.solvers.answer import spoken
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.effects import Generate, Solution

if TYPE_CHECKING:
    from evalkit.ports.core import Solver, Work
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample, Suite


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


def build(options: Options) -> Solver:
    """The solver `lm_eval`."""
    del options
    return LmEval()


class LmEval:
    """See `evalkit.ports.core.Solver`. lm-eval has put the system message into each sample already."""

    name = "lm_eval"
    version = "1"
    needs_sandbox = False

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """See `evalkit.ports.core.Solver`."""
        generations: list[Generation] = []
        transcript: tuple[Message, ...] = ()
        for request in self._requests(sample, suite):
            generation: Generation = yield Generate(request=request)
            generations.append(generation)
            transcript = (*transcript, *request.messages, *spoken(generation))
            if generation.outcome.is_failure:
                break  # without one of them the rest cannot be scored
        return Solution(generations=tuple(generations), transcript=transcript)

    def _requests(self, sample: Sample, suite: Suite) -> list[Request]:
        document = document_of(sample)
        if not document.pairs:
            messages = sample.input if isinstance(sample.input, tuple) else ()
            settings = solver_settings(suite, document)
            return [Request(messages=messages, settings=settings)] * document.repeats
        return [
            Request(
                messages=(
                    Message(role="user", content=context),
                    Message(role="assistant", content=continuation),
                ),
                settings=Settings(max_tokens=1, temperature=0.0),
                likelihood=True,
            )
            for context, continuation in document.pairs
        ]
