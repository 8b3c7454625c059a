"""Whether an agent left the world as it should be, whichever way it went.

A sample's `data.check` lists queries and the rows that they must give; `data.keep` names tables that must be
as they were at the beginning. The check runs on a copy of the tables after the agent has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.types.score import Metric, Score
from evalkit.worlds.task import broken_checks, task_of

if TYPE_CHECKING:
    from evalkit.ports.core import Scorer, Scores
    from evalkit.types.effects import Worked


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


def build(options: Options) -> Scorer:
    """The scorer `end_state`."""
    del options
    return EndState()


class EndState:
    """1 when every check holds and nothing else was touched."""

    name = "end_state"
    version = "1"
    needs_sandbox = False
    metrics: tuple[Metric, ...] = (
        Metric(
            name="solved",
            title="Solved",
            meaning="Share of tasks whose end state is right and whose other data is untouched.",
        ),
        Metric(
            name="turns",
            title="Turns",
            meaning="Requests to the model in one task.",
            kind="number",
            higher_is_better=False,
        ),
        Metric(
            name="tool_errors",
            title="Tool errors",
            meaning="Calls in one task that named no tool, did not fit its schema, or were refused by it.",
            kind="number",
            higher_is_better=False,
        ),
    )

    def score(self, worked: Worked) -> Scores:
        """See `evalkit.ports.core.Scorer`."""
        state = worked.solution.state
        broken = broken_checks(task_of(worked.sample), state["tables"])
        ended = worked.solution.ended
        return (
            Score(
                metric="solved",
                value=float(not broken),
                label="solved" if not broken else ended if ended != "answered" else "wrong_state",
                explanation="; ".join(broken) or None,
            ),
            Score(metric="turns", value=float(state["turns"])),
            Score(metric="tool_errors", value=float(state.get("tool_errors", 0))),
        )
