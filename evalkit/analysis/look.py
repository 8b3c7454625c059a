"""One look of a sequential gate: what the samples so far decide, and whether more would.

Rules on values in [0, 1] are held against confidence sequences, which may be looked at after every batch.
Rules on unbounded values (seconds, dollars, ratios) have no such intervals: looking at them repeatedly
would inflate their error, so they are decided once, when drawing has stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalkit.analysis.decide import Evidence, allowed_drop, decide_rule
from evalkit.errors import UsageError
from evalkit.stats.sequential import confidence_sequence, out_of_reach
from evalkit.types.estimate import Estimate
from evalkit.types.gate import RuleVerdict

if TYPE_CHECKING:
    from evalkit.types.gate import Gate, Rule

USUAL_TARGET = 0.05
"""Distance from an absolute bound for which the bets are tuned; it affects speed, never validity."""


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """What was drawn so far, in the order that was fixed beforehand; one number per cluster.

    `candidate` holds the candidate's cluster means in [0, 1], shape (t,); `change` those of candidate minus
    baseline on common samples. `total` is how many clusters there will be at most. `delivered` and
    `usd_per_sample` are as in `Evidence`.
    """

    total: int
    candidate: NDArray[np.float64] | None = None
    change: NDArray[np.float64] | None = None
    baseline: Estimate | None = None
    delivered: tuple[float, float] | None = None
    usd_per_sample: float | None = None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's verdict so far. `given_up`: it is open, and the rest of the suite would hardly decide it."""

    verdict: RuleVerdict
    given_up: bool = False

    @property
    def settled(self) -> bool:
        """No more samples are wanted for this rule."""
        return self.given_up or self.verdict.decision != "inconclusive"


def is_sequential(rule: Rule) -> bool:
    """Whether the rule's bounds may be looked at repeatedly: no ratios, no words, no bound that moves.

    Its measure must lie in [0, 1] too, which the rule does not know.
    """
    bounds = (rule.min, rule.max, rule.max_drop, rule.max_rise)
    relative = rule.max_relative_drop is not None or rule.max_relative_rise is not None
    fixed = not relative and rule.relative_guard is None
    return fixed and any(bound is not None for bound in bounds) and not rule.require


def look(rule: Rule, gate: Gate, drawn: Drawn) -> Look:
    """The verdict on one rule from what was drawn so far.

    Over all looks together the chance of a wrong verdict on the rule is at most its alpha.

    Raises:
        UsageError: observations are missing, out of bounds, or the rule is not `is_sequential`.
    """
    if not is_sequential(rule):
        raise UsageError(
            f"The rule {rule.title!r} cannot be looked at repeatedly; decide it once, when all is drawn."
        )
    rule = gate.settled(rule)
    assert rule.alpha is not None
    level = 1 - rule.alpha
    evidence = Evidence(
        candidate=_sequence(drawn.candidate, USUAL_TARGET, level, (0.0, 1.0)),
        difference=_sequence(drawn.change, _margin(rule), level, (-1.0, 1.0)),
        baseline=drawn.baseline,
        delivered=drawn.delivered,
        usd_per_sample=drawn.usd_per_sample,
        unit="share",
    )
    verdict = decide_rule(rule, gate, evidence)
    if verdict.decision != "inconclusive":
        return Look(verdict=verdict)
    return Look(verdict=verdict, given_up=any(_lost(rule, drawn, level, evidence)))


def _lost(rule: Rule, drawn: Drawn, level: float, evidence: Evidence) -> list[bool]:
    """For each bound that is still open, whether it is out of reach."""
    share, change = (0.0, 1.0), (-1.0, 1.0)
    drop = None if rule.max_drop is None else -allowed_drop(rule, evidence)
    bounds = (
        (rule.min, drawn.candidate, evidence.candidate, share, USUAL_TARGET),
        (rule.max, drawn.candidate, evidence.candidate, share, USUAL_TARGET),
        (drop, drawn.change, evidence.difference, change, _margin(rule)),
        (rule.max_rise, drawn.change, evidence.difference, change, _margin(rule)),
    )
    return [
        out_of_reach(values, bound, target=target, total=drawn.total, level=level, bounds=ends)
        for bound, values, estimate, ends, target in bounds
        if bound is not None and values is not None and _open(estimate, bound) and ends[0] < bound < ends[1]
    ]


def _open(estimate: Estimate | None, bound: float) -> bool:
    if estimate is None or estimate.low is None or estimate.high is None:
        return False
    return estimate.low < bound <= estimate.high


def _margin(rule: Rule) -> float:
    """The difference that matters: the rule's smaller margin."""
    margins = [m for m in (rule.max_drop, rule.max_rise) if m]
    return min(margins, default=USUAL_TARGET)


def _sequence(
    values: NDArray[np.float64] | None, target: float, level: float, bounds: tuple[float, float]
) -> Estimate | None:
    if values is None or values.size == 0:
        return None
    return confidence_sequence(values, target=target, level=level, bounds=bounds)
