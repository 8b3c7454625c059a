"""Whether an answer declines, by phrases. A floor: what it finds is a refusal, what it misses may be one.

Every suite gets this scorer, because a refusal is neither a right nor a wrong answer. Refusals that the API
marks as such count without a phrase. `docs/refusal.md` says how good the phrases are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.scorers.phrases import find_refusal
from evalkit.types.score import Metric, Score

if TYPE_CHECKING:
    from evalkit.ports.core import Scorer, Scores
    from evalkit.types.effects import Worked


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


def build(options: Options) -> Scorer:
    """The scorer `refusal`."""
    del options
    return Refusal()


class Refusal:
    """See `evalkit.ports.core.Scorer`."""

    name = "refusal"
    version = "3"
    needs_sandbox = False
    metrics: tuple[Metric, ...] = (
        Metric(
            name="refusal",
            title="Refused",
            meaning="Share of delivered answers that decline, found by phrases in seven languages: a floor.",
            higher_is_better=False,
            labels=("refusal", "answer"),
        ),
    )

    def score(self, worked: Worked) -> Scores:
        """See `evalkit.ports.core.Scorer`."""
        response = worked.solution.last.response
        if response is not None and response.likelihood is not None:
            return ()  # nothing was said
        if response is not None and response.refusal:
            return (_score("marked by the API", response.refusal[:200]),)
        found = find_refusal(response.text if response else "")
        if found is None:
            return (Score(metric="refusal", value=0.0, label="answer"),)
        return (_score(f"{found.language}, {found.kind}", found.words),)


def _score(rule: str, words: str) -> Score:
    return Score(metric="refusal", value=1.0, label="refusal", explanation=f"{rule}: {words}")
