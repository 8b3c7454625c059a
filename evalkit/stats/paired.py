"""Differences between two endpoints on the samples that both have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from scipy import optimize, special

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.stats.clusters import dispersion, grouped, variance_of_mean
from evalkit.stats.intervals import ONE_CLUSTER, mean
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

_EXACT_CELLS = 20_000
"""Largest support for which the sign-flip distribution is computed exactly."""


_DRAWS_AT_ONCE = 500
"""Random flips held in memory together; it bounds memory for thousands of clusters."""


class PairedTest(msgspec.Struct, frozen=True, kw_only=True):
    """Two-sided test of "neither side is better".

    `gains` and `losses` count the clusters in which the first side is better and worse; `ties` those in
    which they are equal.
    """

    p_value: float
    gains: int
    losses: int
    ties: int
    method: str


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Mean of a - b for values in [0, 1] on common samples.

    The interval is Tango's (1998) score interval for paired proportions, at the effective number of pairs
    n / dispersion (see `clusters.dispersion`). It has a width even without a single discordant pair.
    Fractional scores enter with the sums of their gains and losses, and the dispersion accounts for their
    smaller variance. For independent 0/1 pairs it is exactly Tango's interval.

    Args:
        a: shape (n,), each in [0, 1].
        b: shape (n,), the other endpoint's values of the same samples in the same order.
        clusters: one label per pair.
        level: confidence level.

    Raises:
        UsageError: a value is missing or outside [0, 1], or lengths differ.
    """
    inputs.check_level(level)
    left, right = (
        inputs.unit_interval(a, "first side's values"),
        inputs.unit_interval(b, "second side's values"),
    )
    inputs.same_length(left, right, "the comparison")
    change = left - right
    codes = inputs.codes(clusters, change.size)
    data = grouped(change, codes)
    low = high = None
    method, note = "none", ONE_CLUSTER if data.count < 2 else None
    if note is None:
        gains, losses = float(change.clip(min=0).sum()), float((-change).clip(min=0).sum())
        pairs, method = float(data.n), "Tango score"
        if not (data.singletons and np.isin(change, (-1.0, 0.0, 1.0)).all()):
            reference = ((gains + losses) / pairs - data.mean**2) / pairs
            pairs /= dispersion(variance_of_mean(data), reference, _informative(change, codes), data)
            method = "Tango score, effective n"
        low, high = tango(gains * pairs / data.n, losses * pairs / data.n, pairs, level)
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


def paired_mean_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Mean of a - b for unbounded values (costs, tokens, seconds) on common samples; see `mean`.

    Args:
        a: shape (n,).
        b: shape (n,), the same samples in the same order.
        clusters: one label per pair.
        level: confidence level.

    Raises:
        UsageError: a value is missing, or lengths differ.
    """
    left, right = inputs.numbers(a, "first side's values"), inputs.numbers(b, "second side's values")
    inputs.same_length(left, right, "the comparison")
    return mean(left - right, clusters, level=level)


def tango(gains: float, losses: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Score interval of the difference of two paired proportions (Tango 1998).

    Args:
        gains: pairs in which only the first side succeeds.
        losses: pairs in which only the second side does.
        n: all pairs. The three may be effective, fractional counts.
        level: confidence level.

    Returns:
        Lower and upper limit of (gains - losses) / n.
    """
    z = float(special.ndtri((1 + level) / 2))
    estimate = (gains - losses) / n

    def score(delta: float) -> float:
        # q is the likelihood's best guess of the loss probability when the difference is delta.
        linear = (2 * n - gains + losses) * delta - gains - losses
        root = math.sqrt(max(0.0, linear**2 + 8 * n * losses * delta * (1 - delta)))
        q = (root - linear) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        return (gains - losses - n * delta) / math.sqrt(variance) if variance > 0 else math.inf

    edge = 1e-12

    def limit(side: float) -> float:
        # `side` is -1 for the lower limit, +1 for the upper; the score falls from + to - along delta.
        end = side * (1 - edge)
        if side * (estimate - end) >= 0 or abs(score(end)) <= z:
            return side
        first, last = sorted((estimate + side * edge, end))
        return float(optimize.brentq(lambda delta: score(delta) + side * z, first, last, xtol=1e-14))

    return limit(-1.0), limit(1.0)


def mcnemar_exact(gains: int, losses: int) -> float:
    """Two-sided exact McNemar p-value for independent pairs: a binomial test of the discordant ones.

    Valid only when every pair is its own cluster; otherwise use `sign_flip_test`.

    Raises:
        UsageError: a count is negative.
    """
    if gains < 0 or losses < 0:
        raise UsageError(f"Discordant pairs cannot number {gains} and {losses}; give counts of 0 or more.")
    if gains + losses == 0:
        return 1.0
    from scipy import stats  # slow to import, and only needed here

    return float(stats.binomtest(gains, gains + losses, 0.5).pvalue)


def sign_flip_test(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = 9_999,
    seed: int = 0,
) -> PairedTest:
    """Test whether a and b differ, by flipping the sign of whole clusters (Fisher 1935).

    Under the null hypothesis the two endpoints are exchangeable within each cluster, so each cluster's
    summed difference is as likely to have the other sign. With whole-number sums the distribution is
    computed exactly; for independent 0/1 pairs that is the exact McNemar test. Otherwise it is
    approximated by `draws` random flips, and the p-value counts the observed one among them
    (Phipson & Smyth 2010), so it is never 0.

    Raises:
        UsageError: a value is missing, or lengths differ.
    """
    left, right = inputs.numbers(a, "first side's values"), inputs.numbers(b, "second side's values")
    inputs.same_length(left, right, "the comparison")
    sums = grouped(left - right, inputs.codes(clusters, left.size)).sums
    size = np.abs(sums[sums != 0])
    counts = {"gains": int((sums > 0).sum()), "losses": int((sums < 0).sum()), "ties": int((sums == 0).sum())}
    observed = abs(float(sums.sum()))
    if size.size == 0:
        return PairedTest(p_value=1.0, method="no difference", **counts)
    if (size == np.round(size)).all() and size.sum() <= _EXACT_CELLS:
        p = _exact_flip(size.astype(np.int64), observed)
        binary = clusters is None and bool((size == 1).all())
        return PairedTest(p_value=p, method="McNemar exact" if binary else "sign-flip exact", **counts)
    rng = np.random.default_rng(seed)
    beyond = 0
    for first in range(0, draws, _DRAWS_AT_ONCE):
        shape = (min(_DRAWS_AT_ONCE, draws - first), size.size)
        signs = rng.integers(0, 2, size=shape, dtype=np.int8) * 2 - 1
        beyond += int((np.abs(signs @ size) >= observed * (1 - 1e-12)).sum())
    return PairedTest(p_value=(beyond + 1) / (draws + 1), method="sign-flip", **counts)


def _exact_flip(size: NDArray[np.int64], observed: float) -> float:
    """Share of all sign patterns whose total is at least as far from 0 as the observed one."""
    total = int(size.sum())
    # chance[k]: probability that the clusters flipped to "+" sum to k; the signed total is 2k - total.
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for step in size:
        chance *= 0.5
        chance[step:] += chance[:-step].copy()
    signed = 2 * np.arange(total + 1) - total
    return min(1.0, float(chance[np.abs(signed) >= observed - 0.5].sum()))


def _informative(change: NDArray[np.float64], codes: NDArray[np.intp]) -> int:
    """Clusters that speak against "all pairs tie", "all are gained" and "all are lost"; the fewest."""
    return int(min(np.unique(codes[change != constant]).size for constant in (0.0, 1.0, -1.0)))
