"""What a plan can decide and what it will take, before anything is paid for. Pure.

A rule that not even a perfect record, or full agreement of the two sides, can satisfy at a suite's size is
told apart from one that only good luck would decide: the first is a fact of the interval, the second an
estimate under a stated assumption.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from evalkit.analysis.decide import planned_pairs
from evalkit.stats.intervals import mean, rate
from evalkit.stats.paired import paired_difference
from evalkit.stats.power import detectable_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.types.gate import Gate, Rule

DISCORDANCE = 0.2
"""Share of samples in which just one side succeeds, assumed where no run has told it."""

_MOST = 100_000


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that is expected to lie between two values; None where that side is not known."""

    low: float | None
    high: float | None
    value: float | None = None

    def plus(self, other: Range) -> Range:
        """Both together; a side that one of them does not know is not known."""
        sides = {name: _sum(getattr(self, name), getattr(other, name)) for name in ("low", "high", "value")}
        return Range(**sides)

    def times(self, factor: float) -> Range:
        """So many of it."""
        sides = {
            name: None if getattr(self, name) is None else getattr(self, name) * factor
            for name in ("low", "high", "value")
        }
        return Range(**sides)


UNKNOWN = Range(low=None, high=None)


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a rule can be decided at the planned size.

    `possible` is False if not even a perfect record (bounds on a value) or the same result on every sample
    (bounds on a difference) makes it pass, True if that does, None if nothing can be said before the run.
    `needed` is the number of independent samples that would make it pass: where `assumed`, in four of five
    runs in which the sides are equal, else in the case just named.
    """

    title: str
    possible: bool | None
    sentence: str
    samples: int
    needed: int | None = None
    assumed: bool = False


def detectable(clusters: int, *, discordance: float = DISCORDANCE) -> float | None:
    """The smallest paired difference that so many independent samples find with 80 % power."""
    return detectable_difference(clusters, discordance) if clusters else None


def expected(values: Sequence[float], groups: Sequence[str], trials: int) -> Range:
    """The sum over `trials` trials like those that were recorded, with the mean's 95 % interval."""
    if not len(values):
        return UNKNOWN
    found = mean(np.asarray(values, dtype=float), list(groups))
    low = None if found.low is None else max(0.0, found.low)
    return Range(low=low, high=found.high, value=found.value).times(trials)


def prospect(rule: Rule, gate: Gate, groups: Sequence[str], *, is_share: bool) -> Prospect:
    """What the size of a suite allows a rule.

    Args:
        rule: The rule, restricted to one suite.
        gate: Its gate.
        groups: The cluster of each planned trial of one endpoint.
        is_share: The measure lies in [0, 1]; of others nothing can be said before a run.
    """
    settled = gate.settled(rule)
    assert settled.alpha is not None
    assert settled.min_pairs is not None
    samples = len(set(groups))
    if samples < settled.min_pairs:
        return Prospect(
            title=rule.title,
            possible=False,
            samples=samples,
            needed=settled.min_pairs,
            sentence=f"cannot be decided: {samples} independent samples, no verdict below "
            f"{settled.min_pairs}",
        )
    if not is_share:
        return Prospect(
            title=rule.title,
            possible=None,
            samples=samples,
            sentence="depends on how much the values spread, which only a run can tell",
        )
    level = 1 - settled.alpha
    best = _best(settled, groups, level)
    if best is None:
        return Prospect(
            title=rule.title,
            possible=None,
            samples=samples,
            sentence="depends on the baseline's own value, which only a run can tell",
        )
    if not best:
        per = len(groups) / samples
        needed = _smallest(lambda n: bool(_best(settled, _like(n, per), level)), samples)
        more = f"it takes {needed}" if needed is not None else "no number of samples does"
        case = "the same result on every sample" if settled.is_relative else "a perfect record"
        return Prospect(
            title=rule.title,
            possible=False,
            samples=samples,
            needed=needed,
            sentence=f"cannot pass: {case}, {samples} independent ones, does not prove it; {more}",
        )
    return _likely(rule, gate, samples)


def _likely(rule: Rule, gate: Gate, samples: int) -> Prospect:
    """A rule that the best outcome satisfies: what it takes if both sides are equal."""
    needed = planned_pairs(rule, gate, DISCORDANCE)
    if needed is None or needed <= samples:
        sentence = f"can be decided with {samples} independent samples"
    else:
        sentence = (
            f"passes with luck only: if both sides are equal and {DISCORDANCE:.0%} of samples differ, it "
            f"takes about {needed} independent samples to pass in four of five runs, and there are {samples}"
        )
    return Prospect(
        title=rule.title, possible=True, samples=samples, needed=needed, assumed=True, sentence=sentence
    )


def _best(rule: Rule, groups: Sequence[str], level: float) -> bool | None:
    """Whether a perfect record, or full agreement, proves all bounds of a rule; None without such bounds."""
    ones, zeros = np.ones(len(groups)), np.zeros(len(groups))
    names, found = list(groups), []
    if rule.max_drop is not None or rule.max_rise is not None:
        agreed = paired_difference(ones, ones, names, level=level)
        found += [_reaches(agreed.low, -rule.max_drop)] if rule.max_drop is not None else []
        found += [_reaches(_minus(agreed.high), -rule.max_rise)] if rule.max_rise is not None else []
    if rule.min is not None:
        found.append(_reaches(rate(ones, names, level=level).low, rule.min))
    if rule.max is not None:
        found.append(_reaches(_minus(rate(zeros, names, level=level).high), -rule.max))
    return all(found) if found else None


def _reaches(limit: float | None, bound: float) -> bool:
    return limit is not None and limit >= bound


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _like(clusters: int, per: float) -> list[str]:
    """Groups of so many clusters of the present size."""
    return [str(n) for n in range(clusters) for _ in range(max(1, round(per)))]


def _smallest(holds: Callable[[int], bool], above: int) -> int | None:
    """The smallest number beyond `above` for which something holds that goes on holding."""
    high = max(2 * above, 8)
    while not holds(high):
        high *= 2
        if high > _MOST:
            return None
    low = above
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return math.ceil(high)


def _sum(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a + b
