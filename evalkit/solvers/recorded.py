"""What another tool recorded, turn by turn: the solver of imported runs. It asks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.solvers.answer import spoken
from evalkit.types.effects import Recall, Solution

if TYPE_CHECKING:
    from evalkit.ports.core import Solver, Work
    from evalkit.types.chat import Message
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample, Suite


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


def build(options: Options) -> Solver:
    """The solver `recorded`."""
    del options
    return Recorded()


class Recorded:
    """See `evalkit.ports.core.Solver`."""

    name = "recorded"
    version = "1"
    needs_sandbox = False

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """See `evalkit.ports.core.Solver`."""
        del sample, suite
        generations: list[Generation] = []
        transcript: list[Message] = []
        while (generation := (yield Recall(turn=len(generations) + 1))) is not None:
            generations.append(generation)
            transcript += (*generation.prompt, *spoken(generation))
        return Solution(generations=tuple(generations), transcript=tuple(transcript))
