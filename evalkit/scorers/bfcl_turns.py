"""Whether a conversation of BFCL's multi-turn categories is solved.

Its calls are made again, beside the accepted ones, and the states are compared after every turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.bfcl.turns import fault_of_turns, turns_of
from evalkit.types.score import Metric, Score

if TYPE_CHECKING:
    from evalkit.ports.core import Scorer, Scores
    from evalkit.types.effects import Worked


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


def build(options: Options) -> Scorer:
    """The scorer `bfcl_turns`."""
    del options
    return BfclTurnsScorer()


class BfclTurnsScorer:
    """Reads `Solution.state["turns"]` of the solver of the same name."""

    name = "bfcl_turns"
    version = "1"
    needs_sandbox = False
    metrics: tuple[Metric, ...] = (
        Metric(
            name="solved",
            title="Solved",
            meaning="Share of conversations whose state is right after every turn and in which every result "
            "that was needed was seen.",
        ),
        Metric(
            name="steps",
            title="Steps",
            meaning="Requests to the model in one conversation.",
            kind="number",
            higher_is_better=False,
        ),
    )

    def score(self, worked: Worked) -> Scores:
        """See `evalkit.ports.core.Scorer`."""
        solution = worked.solution
        fault = fault_of_turns(turns_of(worked.sample), solution.state["turns"])
        label = "solved" if fault is None else fault[0]
        return (
            Score(
                metric="solved",
                value=float(fault is None),
                label=label,
                explanation=fault[1] if fault is not None else None,
            ),
            Score(metric="steps", value=float(len(solution.generations))),
        )
