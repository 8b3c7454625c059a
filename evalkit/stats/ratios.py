"""Ratios of means: cost per success, relative cost of two endpoints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.stats.clusters import grouped, influence
from evalkit.stats.intervals import ONE_CLUSTER, mean, rate
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

NO_SUCCESS = "no success was seen: the ratio is undefined and has no upper limit"
UNBOUNDED = "the denominator may be 0, so there is no upper limit"


def cost_per_success(
    costs: ArrayLike,
    successes: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """What one success costs: the sum of all costs, of failures too, over the sum of successes.

    The interval combines that of the mean cost (`mean`) and that of the success rate (`rate`) with their
    correlation (MOVER-R, Donner & Zou 2012): Fieller's interval with limits that respect skewed costs
    and rates near 0 and 1. Where the success rate may be 0 the upper limit is `None`.

    Args:
        costs: shape (n,), each 0 or more.
        successes: shape (n,), each in [0, 1].
        clusters: one label per observation.
        level: confidence level.

    Raises:
        UsageError: a value is missing or out of range, or lengths differ.
    """
    top, bottom = inputs.numbers(costs, "costs"), inputs.unit_interval(successes, "successes")
    inputs.same_length(top, bottom, "cost per success")
    if top.min() < 0:
        raise UsageError(f"The costs hold {top.min():g}; a cost is 0 or more.")
    return _ratio(
        mean(top, clusters, level=level), rate(bottom, clusters, level=level), top, bottom, clusters
    )


def ratio_of_means(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Mean of a over mean of b on common samples (relative cost or length); both 0 or more.

    The interval is MOVER-R as in `cost_per_success`.

    Args:
        a: shape (n,).
        b: shape (n,), the same samples in the same order.
        clusters: one label per pair.
        level: confidence level.

    Raises:
        UsageError: a value is missing or negative, or lengths differ.
    """
    top, bottom = inputs.numbers(a, "first side's values"), inputs.numbers(b, "second side's values")
    inputs.same_length(top, bottom, "the comparison")
    if min(top.min(), bottom.min()) < 0:
        raise UsageError("A ratio of means needs values of 0 or more on both sides; some are negative.")
    return _ratio(
        mean(top, clusters, level=level), mean(bottom, clusters, level=level), top, bottom, clusters
    )


def ratio_of_rates(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Mean of a over mean of b for values in [0, 1] on common samples (a relative rate).

    The interval is MOVER-R from the limits of the two rates (see `intervals.rate`), so it has a width even
    when all answers are alike. Where the second rate may be 0 the upper limit is `None`.

    Args:
        a: shape (n,), each in [0, 1].
        b: shape (n,), the same samples in the same order.
        clusters: one label per pair.
        level: confidence level.

    Raises:
        UsageError: a value is missing or outside [0, 1], or lengths differ.
    """
    top, bottom = (
        inputs.unit_interval(a, "first side's values"),
        inputs.unit_interval(b, "second side's values"),
    )
    inputs.same_length(top, bottom, "the comparison")
    return _ratio(
        rate(top, clusters, level=level), rate(bottom, clusters, level=level), top, bottom, clusters
    )


def mover_limits(
    top: tuple[float, float, float], bottom: tuple[float, float, float], correlation: float
) -> tuple[float, float | None]:
    """Limits of a ratio of two quantities that are 0 or more, from their own limits (MOVER-R).

    With limits symmetric about the values this is Fieller's (1954) interval.

    Args:
        top: lower limit, value and upper limit of the numerator.
        bottom: the same of the denominator.
        correlation: of the two estimates.

    Returns:
        Lower limit, and upper limit or `None` where the denominator's lower limit is not above 0.
    """
    (low1, value1, high1), (low2, value2, high2) = top, bottom
    down, up = value1 - low1, high2 - value2
    square, cross, constant = (
        value2**2 - up**2,
        value1 * value2 - correlation * down * up,
        value1**2 - down**2,
    )
    reach = cross + math.sqrt(max(0.0, cross**2 - square * constant))
    lower = max(0.0, constant / reach) if reach > 0 else 0.0
    if low2 <= 0:
        return lower, None
    up, down = high1 - value1, value2 - low2
    square, cross, constant = (
        value2**2 - down**2,
        value1 * value2 - correlation * up * down,
        value1**2 - up**2,
    )
    return lower, (cross + math.sqrt(max(0.0, cross**2 - square * constant))) / square


def _ratio(
    top: Estimate,
    bottom: Estimate,
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
    clusters: Sequence[Hashable] | None,
) -> Estimate:
    value1, value2 = float(numerator.mean()), float(denominator.mean())
    value = value1 / value2 if value2 > 0 else None
    codes = inputs.codes(clusters, numerator.size)
    low = high = None
    method, note = "none", ONE_CLUSTER
    if bottom.clusters > 1:
        error1, error2 = (influence(grouped(x, codes)) for x in (numerator, denominator))
        size = math.sqrt(float((error1**2).sum() * (error2**2).sum()))
        correlation = float((error1 * error2).sum()) / size if size > 0 else 0.0
        low, high = mover_limits(_limits(top, value1), _limits(bottom, value2), correlation)
        method = "MOVER-R"
        note = "" if high is not None else UNBOUNDED if value is not None else NO_SUCCESS
        if low == high:
            low = high = None
            method, note = "none", "all observations are equal, so there is no interval"
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=top.level,
        n=top.n,
        clusters=top.clusters,
        method=method,
        note=note or None,
    )


def _limits(part: Estimate, value: float) -> tuple[float, float, float]:
    """The part's limits; a quantity that never varied (a fixed price) enters as a constant."""
    return (
        part.low if part.low is not None else value,
        value,
        part.high if part.high is not None else value,
    )
