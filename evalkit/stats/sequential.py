"""Anytime-valid confidence sequences: look at the data as often as you like, stop when you like."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

CAUTION = 0.8
"""Share of the bet that would be best if the difference were exactly the target (chosen by simulation)."""

LARGEST_STAKE = 0.75
"""Share of the capital that a single observation may lose."""

OPTIMISM = 2.0
"""Standard errors by which luck may exceed the present growth before a gate is out of reach."""

PRIOR_SIZE = 20.0
PRIOR_VARIANCE = 1 / 32
"""What is believed of the variance (in [0, 1] units) before the first observation, and its weight."""


def fixed_order(names: Iterable[str], seed: int) -> list[str]:
    """Names in a random order that depends on nothing but `seed` and the names themselves.

    Each name is placed by a hash of its own, so adding a sample does not reshuffle the others, and two
    machines draw the same batches.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def log_capital(observations: ArrayLike, mean: float, target: float) -> NDArray[np.float64]:
    """Log of the capital won by betting that values in [0, 1] have a mean above `mean`.

    At observation t the capital is multiplied by 1 + stake·(x/mean - 1); the stake depends on earlier
    observations only. If the true mean is at most `mean` no stake gains on average, so the capital is a
    non-negative supermartingale, and the chance that it ever reaches 1/alpha is at most alpha (Ville
    1939). This is the betting process of Waudby-Smith & Ramdas (2024, JRSS-B 86:1), whose stakes are
    tuned to detect a distance of `target`; the tuning affects speed, never validity. For the opposite
    direction give 1 - x and 1 - mean.

    Args:
        observations: shape (..., t), in [0, 1], in the order of their random drawing.
        mean: strictly between 0 and 1.
        target: distance from `mean` that is worth detecting, in (0, 1).

    Returns:
        Shape (..., t): the log capital after each observation.
    """
    x = np.asarray(observations, dtype=np.float64)
    capital: NDArray[np.float64] = np.cumsum(np.log1p(_stakes(x, target) * (x / mean - 1)), axis=-1)
    return capital


def projected_capital(observations: ArrayLike, mean: float, target: float, total: int) -> NDArray[np.float64]:
    """Log capital that may be hoped for after `total` observations, as of each one so far; shape (..., t).

    The capital goes on growing as the observations so far would have let the latest stake grow, plus
    `OPTIMISM` standard errors. See `log_capital` for the arguments.
    """
    x = np.asarray(observations, dtype=np.float64)
    stakes, gain = _stakes(x, target), x / mean - 1
    count = np.arange(1, x.shape[-1] + 1)
    first, second = np.cumsum(gain, axis=-1) / count, np.cumsum(gain**2, axis=-1) / count
    error = np.sqrt(np.maximum(second - first**2, 0.0) / count)
    growth = stakes * (first + OPTIMISM * error) - stakes**2 * second / 2
    capital: NDArray[np.float64] = log_capital(x, mean, target) + (total - count) * growth
    return capital


def out_of_reach(
    observations: ArrayLike,
    boundary: float,
    *,
    target: float,
    total: int,
    level: float = 0.95,
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> bool:
    """Whether `total` observations will hardly tell the mean from `boundary`, so that one may stop now.

    Giving up costs a little power and never adds a wrong decision: the guarantee of the confidence
    sequence holds whenever one stops.

    Args:
        observations: shape (t,), as for `confidence_sequence`.
        boundary: what the mean is held against.
        target: as for `confidence_sequence`.
        total: how many observations there will be at most.
        level: of the confidence sequence.
        bounds: smallest and largest possible observation.

    Raises:
        UsageError: as `confidence_sequence`, or the boundary is not strictly within the bounds.
    """
    x, width = _scaled(observations, bounds, target)
    null = (boundary - bounds[0]) / width
    if not 0 < null < 1:
        raise UsageError(
            f"The boundary {boundary:g} is not inside the bounds {bounds[0]:g} to {bounds[1]:g}."
        )
    bar = math.log(2 / (1 - level))
    hopes = (
        projected_capital(x, null, target / width, total)[-1],
        projected_capital(1 - x, 1 - null, target / width, total)[-1],
    )
    return bool(max(hopes) < bar)


def confidence_sequence(
    observations: ArrayLike,
    *,
    target: float,
    level: float = 0.95,
    bounds: tuple[float, float] = (-1.0, 1.0),
    looks: Sequence[int] | None = None,
) -> Estimate:
    """Interval for a mean that holds at all times at once, so that one may stop at any of them.

    Over the whole sequence of looks the chance that an interval ever misses the mean is at most
    1 - level. The interval returned is the intersection of those at all `looks`, so it never widens.
    Each limit spends half of 1 - level: it is the largest (smallest) mean against which the capital of
    `log_capital` has reached 2/(1 - level).

    Observations must be independent draws in a random order that was fixed beforehand (`fixed_order`).
    Where samples form clusters, give cluster means: the estimand is then the mean over clusters.

    Args:
        observations: shape (t,); for paired differences of scores, a - b.
        target: difference that is worth detecting (a gate's margin); it must not be chosen after
            looking at the observations.
        level: confidence level over all looks together.
        bounds: smallest and largest possible observation.
        looks: numbers of observations at which the interval was or is evaluated; all by default.

    Raises:
        UsageError: a value is missing or out of bounds, or the target is not a possible distance.
    """
    inputs.check_level(level)
    scaled, width = _scaled(observations, bounds, target)
    lowest, highest = bounds
    ends = np.arange(1, scaled.size + 1) if looks is None else np.asarray(sorted(looks), dtype=np.intp)
    ends = ends[(ends >= 1) & (ends <= scaled.size)]
    needed = math.log(2 / (1 - level))
    low = lowest + width * _furthest(scaled, ends, needed, target / width)
    high = highest - width * _furthest(1 - scaled, ends, needed, target / width)
    value = lowest + width * float(scaled.mean())
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        n=scaled.size,
        clusters=scaled.size,
        method="confidence sequence by betting",
        note=None if low <= value <= high else "an earlier look has excluded the latest value",
    )


def _scaled(
    observations: ArrayLike, bounds: tuple[float, float], target: float
) -> tuple[NDArray[np.float64], float]:
    """Observations moved to [0, 1], and the width that they were divided by."""
    lowest, highest = bounds
    array = inputs.numbers(observations, "observations")
    if not lowest < highest or array.min() < lowest or array.max() > highest:
        raise UsageError(f"The observations lie outside [{lowest:g}, {highest:g}]; give their true bounds.")
    width = highest - lowest
    if not 0 < target < width:
        raise UsageError(
            f"A target of {target:g} is no distance within bounds {width:g} apart; give the margin."
        )
    return (array - lowest) / width, width


def _stakes(x: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """What is staked on each observation, from those before it: Kelly's share for a distance of `target`."""
    before = PRIOR_SIZE + np.arange(x.shape[-1])
    centre = (PRIOR_SIZE / 2 + np.cumsum(x, axis=-1) - x) / before
    squares = (x - centre) ** 2
    spread = (PRIOR_SIZE * PRIOR_VARIANCE + np.cumsum(squares, axis=-1) - squares) / before
    stakes: NDArray[np.float64] = np.minimum(LARGEST_STAKE, CAUTION * centre * target / (spread + target**2))
    return stakes


def _furthest(x: NDArray[np.float64], ends: NDArray[np.intp], needed: float, target: float) -> float:
    """Largest mean against which the capital has reached `needed` (a log) at one of the looks; 0 if none."""
    if ends.size == 0:
        return 0.0
    picked = ends - 1
    stakes = _stakes(x, target)

    def short(mean: float) -> float:
        return needed - float(np.cumsum(np.log1p(stakes * (x / mean - 1)))[picked].max())

    edge = 1e-9
    if short(edge) > 0:
        return 0.0
    # Every factor falls as the mean rises, so the capital does at every look: there is one root.
    return float(optimize.brentq(short, edge, 1 - edge, xtol=1e-10))
