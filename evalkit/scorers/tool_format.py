"""Whether tool calls arrived whole: what tells a host that breaks them from a model that chooses badly.

Every suite whose solver offers tools gets this scorer. Nothing here says whether a call was the right one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from evalkit.toolcalls.defects import WORDS
from evalkit.types.generation import Outcome
from evalkit.types.score import Metric, Score, Unscored

if TYPE_CHECKING:
    from evalkit.ports.core import Scorer, Scores
    from evalkit.types.effects import Worked
    from evalkit.types.generation import Generation

METRIC = "tool_format"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


def build(options: Options) -> Scorer:
    """The scorer `tool_format`."""
    del options
    return ToolFormat()


class ToolFormat:
    """The share of turns without a defect; `data` counts the defects by kind."""

    name = "tool_format"
    version = "1"
    needs_sandbox = False
    metrics: tuple[Metric, ...] = (
        Metric(
            name=METRIC,
            title="Turns with whole tool calls",
            meaning="Share of a task's turns in which nothing was wrong with the format of tool calls: JSON, "
            "name, schema, ids, finish reason, no tool tokens left in the text. It says nothing of whether "
            "the call was the right one.",
            kind="fraction",
        ),
    )

    def score(self, worked: Worked) -> Scores:
        """See `evalkit.ports.core.Scorer`."""
        turns = [g for g in worked.solution.generations if _counts(g)]
        if not turns:
            return (Unscored(metric=METRIC, reason="no_turn"),)
        broken = [g for g in turns if kinds_of(g)]
        kinds = Counter(kind for g in broken for kind in kinds_of(g))
        return (
            Score(
                metric=METRIC,
                value=1 - len(broken) / len(turns),
                explanation="; ".join(f"{WORDS.get(k, k)}: {n}" for k, n in kinds.most_common()) or None,
                data={"turns": len(turns), "broken": len(broken), "kinds": dict(kinds)},
            ),
        )


def kinds_of(generation: Generation) -> tuple[str, ...]:
    """The defects of a turn by kind; an answer that the host's own parser gave up on is one, too."""
    if generation.outcome is Outcome.TOOL_FORMAT_FAILURE:
        return ("rejected_by_host",)
    return generation.response.defects if generation.response is not None else ()


def _counts(generation: Generation) -> bool:
    return generation.response is not None or generation.outcome is Outcome.TOOL_FORMAT_FAILURE
