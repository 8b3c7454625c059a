"""Quantiles (latency percentiles) with distribution-free intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special, stats

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.stats.clusters import degrees_of_freedom, dispersion, grouped, variance_of_mean
from evalkit.stats.intervals import ONE_CLUSTER
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray


def quantile(
    values: ArrayLike,
    q: float,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """The q-quantile (0.95 for p95) with limits that are order statistics.

    The number of observations below the true quantile is binomial, whatever the distribution, so two
    order statistics bound it (Conover 1999, section 3.2). With clusters the binomial has the effective
    sample size n / dispersion of the indicator "below the quantile" (Woodruff 1952). A high quantile of a
    small sample has no upper limit: it may lie beyond everything seen. The value interpolates linearly.

    Args:
        values: shape (n,).
        q: strictly between 0 and 1.
        clusters: one label per value.
        level: confidence level.

    Raises:
        UsageError: a value is missing, lengths differ, or `q` is out of range.
    """
    inputs.check_level(level)
    if not 0 < q < 1:
        raise UsageError(f"The quantile {q:g} is not between 0 and 1; give 0.95 for the 95th percentile.")
    array = inputs.numbers(values)
    ordered = np.sort(array)
    n = array.size
    value = float(np.quantile(array, q))
    labels = inputs.codes(clusters, n)
    groups = int(labels.max()) + 1
    low = high = None
    note: str | None = ONE_CLUSTER
    method = "none"
    if groups > 1:
        effective, method = float(n), "order statistics"
        if groups < n:
            effective, method = _effective_size(array, labels, value, level), "order statistics, effective n"
        tail = (1 - level) / 2
        first = _lowest_rank(effective, q, tail) * n / effective
        last = n + 1 - _lowest_rank(effective, 1 - q, tail) * n / effective
        low = None if first < 1 else min(value, float(ordered[math.floor(first) - 1]))
        high = None if last > n else max(value, float(ordered[math.ceil(last) - 1]))
        note = _unbounded(q, n, low, high)
    return Estimate(
        value=value, low=low, high=high, level=level, n=n, clusters=groups, method=method, note=note
    )


def _effective_size(
    values: NDArray[np.float64], labels: NDArray[np.intp], value: float, level: float
) -> float:
    """Independent observations that would place the quantile as firmly as the clustered ones do.

    How alike clusters are shows best at the median, where most of them vary; a high quantile is decided
    by a few. The larger dispersion of the two counts, and few or unequal clusters count as in Student's t.
    """
    inflation = 0.0
    for threshold in (value, float(np.median(values))):
        below = grouped((values <= threshold).astype(np.float64), labels)
        informative = int(min((below.sums > 0).sum(), (below.sums < below.sizes).sum()))
        reference = below.mean * (1 - below.mean) / below.n
        inflation = max(inflation, dispersion(variance_of_mean(below), reference, informative, below))
    quantile_of = (1 + level) / 2
    few = float(stats.norm.ppf(quantile_of) / stats.t.ppf(quantile_of, degrees_of_freedom(below.sizes)))
    return values.size / inflation * few**2


def _lowest_rank(n: float, q: float, tail: float) -> float:
    """Largest rank r (a whole number when `n` is) with P(Binomial(n, q) < r) <= tail; 0 if there is none."""
    whole = n == math.floor(n)

    def beyond(r: float) -> float:
        # P(Binomial(n, q) < r) as a regularised incomplete beta function, for real r and n.
        return float(special.betainc(n - r + 1, r, 1 - q)) - tail

    if beyond(1.0) > 0:
        return 0.0
    rank = float(optimize.brentq(beyond, 1.0, n, xtol=1e-12)) if beyond(n) > 0 else n
    return math.floor(rank + 1e-9) if whole else rank


def _unbounded(q: float, n: int, low: float | None, high: float | None) -> str | None:
    if low is not None and high is not None:
        return None
    sides = " and ".join(name for name, limit in (("lower", low), ("upper", high)) if limit is None)
    return f"{n} observations are too few for the {sides} limit of the {100 * q:g}th percentile"
