"""Intervals for one endpoint's rates and means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.stats.clusters import (
    Grouped,
    degrees_of_freedom,
    dispersion,
    grouped,
    influence,
    variance_of_mean,
)
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike

FEW_CLUSTERS = 30
"""Below this many clusters the mean of a long-tailed quantity carries a warning."""

ONE_CLUSTER = "one cluster only: its spread cannot be known, so there is no interval"


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a binomial proportion (Wilson 1927).

    `n` may be an effective sample size and `successes` a fraction of it.

    Raises:
        UsageError: `n` is not positive or `successes` lies outside [0, n].
    """
    inputs.check_level(level)
    if not (n > 0 and 0 <= successes <= n):
        raise UsageError(
            f"{successes:g} successes of {n:g} is no proportion; give 0 <= successes <= n, n > 0."
        )
    z = float(special.ndtri((1 + level) / 2))
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def mid_p(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Mid-P exact interval of a binomial proportion (Lancaster 1961), for real-valued counts.

    Each limit is the rate at which the tail beyond the observed count, with half of the count's own
    probability, equals half of what `level` leaves.
    """
    tail = (1 - level) / 2

    def lower(x: float) -> float:
        if x <= 0:
            return 0.0
        if x >= n:
            return float((2 * tail) ** (1 / n))

        def excess(p: float) -> float:
            return float(special.betainc(x, n - x + 1, p) + special.betainc(x + 1, n - x, p)) / 2 - tail

        return float(optimize.brentq(excess, 0.0, 1.0, xtol=1e-14))

    return lower(successes), 1 - lower(n - successes)


def proportion_limits(p: float, n: float, level: float) -> tuple[float, float]:
    """Limits of a proportion `p` of `n` (effective) independent observations.

    Wilson, moved outward to the mid-P limit where that lies farther out. Away from 0 and 1 the two are
    nearly the same; near them Wilson alone covers as little as 83 % (Brown, Cai & DasGupta 2001), this
    never less than 92.7 %.
    """
    x = p * n
    low, high = wilson(x, n, level)
    exact_low, exact_high = mid_p(x, n, level)
    return max(0.0, min(low, exact_low)), min(1.0, max(high, exact_high))


def rate(values: ArrayLike, clusters: Sequence[Hashable] | None = None, *, level: float = 0.95) -> Estimate:
    """Mean of values in [0, 1]: a success rate, or a mean of partial credits.

    The estimand is the mean over observations in the population that the clusters were drawn from.
    The interval is that of a proportion (see `proportion_limits`) at the effective sample size
    n / dispersion (see `clusters.dispersion`); for independent 0/1 values the dispersion is 1. It has a
    width even when all values are equal.

    Args:
        values: shape (n,), each in [0, 1].
        clusters: one label per value.
        level: confidence level.

    Raises:
        UsageError: a value is missing or outside [0, 1], or lengths differ.
    """
    inputs.check_level(level)
    array = inputs.unit_interval(values)
    data = grouped(array, inputs.codes(clusters, array.size))
    if data.count < 2:
        return _estimate(data, None, level, "none", note=ONE_CLUSTER)
    p = min(1.0, data.mean)
    if data.singletons and np.isin(array, (0.0, 1.0)).all():
        return _estimate(data, proportion_limits(p, data.n, level), level, "wilson+mid-p")
    informative = int(min((data.sums > 0).sum(), (data.sums < data.sizes).sum()))
    inflation = dispersion(variance_of_mean(data), p * (1 - p) / data.n, informative, data)
    limits = proportion_limits(p, data.n / inflation, level)
    return _estimate(data, limits, level, "wilson+mid-p, effective n")


def mean(
    values: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    skew_corrected: bool = True,
) -> Estimate:
    """Mean of unbounded values (costs, tokens, seconds) with a cluster-robust interval.

    Student's t with the CR2 variance and Satterthwaite degrees of freedom (Bell & McCaffrey 2002), which
    stay honest with few or unequal clusters. Costs and times have long right tails, so each limit is moved
    outward to that of Hall's (1992) transformation against skewness where it lies farther out. Without
    `skew_corrected` and without clusters it is the textbook t interval. No method is honest for every
    long tail (Bahadur & Savage 1956): `docs/statistics.md` shows where this one starts to miss.

    Values in [0, 1] belong to `rate`, whose interval respects the bounds.

    Args:
        values: shape (n,).
        clusters: one label per value.
        level: confidence level.
        skew_corrected: whether to apply Hall's transformation.

    Raises:
        UsageError: a value is missing, or lengths differ.
    """
    inputs.check_level(level)
    array = inputs.numbers(values)
    data = grouped(array, inputs.codes(clusters, array.size))
    if data.count < 2:
        return _estimate(data, None, level, "none", note=ONE_CLUSTER)
    variance = variance_of_mean(data)
    if variance == 0:
        note = "the clusters do not differ, and without known bounds nothing limits what was not seen"
        return _estimate(data, None, level, "none", note=note)
    freedom = degrees_of_freedom(data.sizes)
    half = float(special.stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)
    low, high = data.mean - half, data.mean + half
    if not skew_corrected:
        return _estimate(data, (low, high), level, "CR2 t")
    skew = _skewness(data) * freedom / (data.count - 1)
    skewed_low, skewed_high = _hall_limits(data, half, skew)
    tail = data.count < FEW_CLUSTERS and abs(skew) > 1
    return _estimate(
        data,
        (min(low, skewed_low), max(high, skewed_high)),
        level,
        "CR2 t, skew-corrected",
        note=f"{data.count} clusters with a long tail: the interval may be too narrow" if tail else None,
    )


def _hall_limits(data: Grouped, half: float, skew: float) -> tuple[float, float]:
    """Limits of the mean by inverting Hall's (1992) monotone cubic transformation of the t statistic.

    With skewness g of the G cluster contributions and W the error over its spread, the transformation is
    W + g W²/3 + g² W³/27 + g/(6G), whose inverse is 3/g ((1 + g (W - g/(6G)))^(1/3) - 1).

    Args:
        data: the clustered observations, whose contributions differ.
        half: half-width of the symmetric interval.
        skew: g. Unequal clusters look skewed even when their values are not, so the caller scales it by
            the share of the G-1 degrees of freedom that is left.
    """
    if abs(skew) < 1e-8:
        return data.mean - half, data.mean + half
    g = data.count
    error = math.sqrt(variance_of_mean(data))

    def untransformed(w: float) -> float:
        return 3 / skew * (float(np.cbrt(1 + skew * (w - skew / (6 * g)))) - 1)

    scale, w = error * math.sqrt(g), half / error / math.sqrt(g)
    return data.mean - scale * untransformed(w), data.mean - scale * untransformed(-w)


def _skewness(data: Grouped) -> float:
    """Skewness of the clusters' contributions to the mean."""
    parts = influence(data)
    centred = parts - parts.mean()
    spread = math.sqrt(float((centred**2).mean()))
    return float(((centred / spread) ** 3).mean()) if spread > 0 else 0.0


def _estimate(
    data: Grouped,
    limits: tuple[float, float] | None,
    level: float,
    method: str,
    *,
    note: str | None = None,
) -> Estimate:
    low, high = limits if limits is not None else (None, None)
    return Estimate(
        value=data.mean,
        low=low,
        high=high,
        level=level,
        n=data.n,
        clusters=data.count,
        method=method,
        note=note,
    )
