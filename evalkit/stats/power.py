"""How many samples a comparison needs, and what a given number can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy import optimize, special

from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.types.estimate import Estimate


def pairs_needed(
    true: float,
    bound: float,
    discordance: float,
    *,
    level: float = 0.95,
    power: float = 0.8,
    design_effect: float = 1.0,
) -> int:
    """Pairs with which the interval of a paired difference excludes `bound` with the given power.

    With `bound` 0 this is the sample size of McNemar's test (Connor 1987); with `bound` -0.05 and `true` 0
    that of a non-inferiority comparison with margin 0.05.

    Args:
        true: difference that is assumed to hold, in [-1, 1].
        bound: difference that the interval shall exclude.
        discordance: share of pairs in which exactly one side succeeds (for fractional scores the mean
            squared difference).
        level: of the two-sided interval.
        power: chance of excluding the bound.
        design_effect: variance inflation by clusters.

    Raises:
        UsageError: `true` equals `bound`, or the discordance cannot produce the difference.
    """
    _check_power(level, power)
    if true == bound:
        raise UsageError(
            f"A true difference of {true:g} equal to the bound can never be shown to differ from it."
        )
    if not abs(true) <= discordance <= 1:
        raise UsageError(
            f"Discordance {discordance:g} cannot make a difference of {true:g}; give {abs(true):g} or more."
        )
    root = _z(level) * math.sqrt(max(discordance - bound**2, 0.0)) + _z_power(power) * math.sqrt(
        max(discordance - true**2, 0.0)
    )
    return math.ceil(design_effect * (root / (true - bound)) ** 2)


def detectable_difference(
    pairs: float, discordance: float, *, level: float = 0.95, power: float = 0.8
) -> float | None:
    """Smallest paired difference that `pairs` pairs tell from 0 with the given power.

    `None` when even the largest difference that the discordance allows would go unseen.

    Args:
        pairs: number of (effective) pairs.
        discordance: share of pairs in which exactly one side succeeds.
        level: of the two-sided interval.
        power: chance of telling it from 0.

    Raises:
        UsageError: `pairs` or `discordance` is not positive.
    """
    _check_power(level, power)
    if pairs <= 0 or not 0 < discordance <= 1:
        raise UsageError(
            f"{pairs:g} pairs at discordance {discordance:g}: both must be positive, the last at most 1."
        )

    def missing(delta: float) -> float:
        spread = math.sqrt(discordance - delta**2)
        return _z(level) * math.sqrt(discordance) + _z_power(power) * spread - delta * math.sqrt(pairs)

    if missing(discordance) > 0:
        return None
    return float(optimize.brentq(missing, 0.0, discordance, xtol=1e-12))


def per_side_needed(p1: float, p2: float, *, level: float = 0.95, power: float = 0.8) -> int:
    """Samples on each side that tell two independent rates apart (pooled z test; Fleiss et al. 2003).

    Raises:
        UsageError: the rates are equal or not inside (0, 1).
    """
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

    _check_power(level, power)
    if p1 == p2 or not (0 < p1 < 1 and 0 < p2 < 1):
        raise UsageError(f"Rates {p1:g} and {p2:g} must differ and lie strictly between 0 and 1.")
    size = samplesize_proportions_2indep_onetail(p1 - p2, p2, power, alpha=1 - level, alternative="two-sided")
    return math.ceil(float(size))


def further_samples(estimate: Estimate, bound: float, *, power: float = 0.8) -> int | None:
    """More samples after which the interval would exclude `bound`, if the present value is the truth.

    The interval is taken to shrink with the square root of n, and the sample to be like the present one;
    with the returned number the bound is excluded with the given power. 0 when it is excluded already,
    `None` when the value lies on the bound or nothing bounds that side.

    Raises:
        UsageError: the power is out of range.
    """
    _check_power(estimate.level, power)
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None:
        return None
    if (low is not None and low > bound) or (high is not None and high < bound):
        return 0
    near = low if value > bound else high
    gap = abs(value - bound)
    if near is None or gap == 0:
        return None
    z = _z(estimate.level)
    reach = abs(value - near) * (z + _z_power(power)) / z
    return max(1, math.ceil(estimate.n * ((reach / gap) ** 2 - 1)))


def _z(level: float) -> float:
    return float(special.ndtri((1 + level) / 2))


def _z_power(power: float) -> float:
    return float(special.ndtri(power))


def _check_power(level: float, power: float) -> None:
    if not (0.5 < level < 1 and 0.5 <= power < 1):
        raise UsageError(
            f"Level {level:g} and power {power:g} must lie between 0.5 and 1, for example 0.95 and 0.8."
        )
