"""Quantiles (latency percentiles) with distribution-free intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from scipy import optimize, special

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.stats.clusters import (
    degrees_of_freedom,
    dispersion,
    grouped,
    variance_of_mean,
)
from evalkit.stats.intervals import ONE_CLUSTER
from evalkit.stats.paired import PairedTest, sign_flip_test
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

_HALVINGS = 18
"""Bisections of a limit: a 260,000th of the span of all values or finer."""


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
    _check_quantile(q)
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


def paired_quantile_change(
    a: ArrayLike,
    b: ArrayLike,
    q: float,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Ratio of the q-quantiles of a and b on common samples (a host's p95 over the reference's).

    A ratio r is kept in the interval while a and r·b exceed their common q-quantile equally often, as far
    as `sign_flip_test` can tell: a paired quantile test, inverted. It is exact where a and r·b are
    exchangeable, and no density is estimated. Where even the most extreme ratio is not refused, that side
    has no limit.

    Args:
        a: shape (n,), positive.
        b: shape (n,), positive; the same samples in the same order.
        q: strictly between 0 and 1.
        clusters: one label per pair.
        level: confidence level.

    Raises:
        UsageError: a value is missing or not positive, or lengths differ.
    """
    left, right = inputs.numbers(a, "first side's values"), inputs.numbers(b, "second side's values")
    inputs.same_length(left, right, "the comparison")
    if min(left.min(), right.min()) <= 0:
        raise UsageError("A ratio of quantiles needs positive values on both sides; some are 0 or less.")
    inputs.check_level(level)
    _check_quantile(q)
    logs = _paired_quantiles(np.log(left), np.log(right), q, clusters, level)
    value, low, high = (None if x is None else math.exp(x) for x in (logs.value, logs.low, logs.high))
    exact = float(np.quantile(left, q) / np.quantile(right, q))
    if value is not None:  # interpolating between logarithms is not quite the same
        value, low = exact, None if low is None else min(low, exact)
        high = None if high is None else max(high, exact)
    return msgspec.structs.replace(logs, value=value, low=low, high=high)


def paired_quantile_difference(
    a: ArrayLike,
    b: ArrayLike,
    q: float,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """The q-quantile of a minus that of b on common samples (seconds that a host's p95 is slower).

    As `paired_quantile_change`, for a shift instead of a factor: exact where a and b plus the shift are
    exchangeable.

    Args:
        a: shape (n,).
        b: shape (n,); the same samples in the same order.
        q: strictly between 0 and 1.
        clusters: one label per pair.
        level: confidence level.

    Raises:
        UsageError: a value is missing, or lengths differ.
    """
    left, right = inputs.numbers(a, "first side's values"), inputs.numbers(b, "second side's values")
    inputs.same_length(left, right, "the comparison")
    inputs.check_level(level)
    _check_quantile(q)
    return _paired_quantiles(left, right, q, clusters, level)


def quantile_test(
    a: ArrayLike, b: ArrayLike, q: float, clusters: Sequence[Hashable] | None = None
) -> PairedTest:
    """Test whether a and b exceed their common q-quantile equally often (`sign_flip_test`).

    Raises:
        UsageError: a value is missing, lengths differ, or `q` is out of range.
    """
    left, right = inputs.numbers(a, "first side's values"), inputs.numbers(b, "second side's values")
    _check_quantile(q)
    common = np.quantile(np.concatenate([left, right]), q)
    return sign_flip_test(left > common, right > common, clusters)


def _paired_quantiles(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    q: float,
    clusters: Sequence[Hashable] | None,
    level: float,
) -> Estimate:
    """Difference of quantiles: the shifts of `right` that `quantile_test` does not refuse."""
    value = float(np.quantile(left, q) - np.quantile(right, q))
    labels = inputs.codes(clusters, left.size)

    def refused(shift: float) -> bool:
        moved = right + shift
        common = np.quantile(np.concatenate([left, moved]), q)
        above, other = left > common, moved > common
        sums = np.bincount(labels, weights=above.astype(np.float64) - other)
        squares = float((sums**2).sum())
        # Hoeffding's bound on the p-value spares the exact one far from the limit, where it is dear.
        if squares and 2 * math.exp(-(sums.sum() ** 2) / squares / 2) <= 1 - level:
            return True
        return sign_flip_test(above, other, labels.tolist()).p_value <= 1 - level

    # Beyond these shifts every value of one side exceeds all of the other.
    ends = float(left.min() - right.max()) - 1e-9, float(left.max() - right.min()) + 1e-9
    low, high = (_last_kept(refused, value, end) for end in ends)
    note = _unbounded(q, left.size, low, high)
    if low is not None and high is not None and high - low < 1e-6 * max(1.0, abs(ends[1] - ends[0])):
        low = high = None
        note = "all values of a side are equal, so there is no interval"
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        n=left.size,
        clusters=int(inputs.codes(clusters, left.size).max()) + 1,
        method="none" if low is None and high is None else "paired quantile test",
        note=note,
    )


def _last_kept(refused: Callable[[float], bool], inside: float, end: float) -> float | None:
    """The shift between `inside` and `end` where the test begins to refuse; `None` if it never does."""
    if not refused(end):
        return None
    for _ in range(_HALVINGS):
        middle = (inside + end) / 2
        if refused(middle):
            end = middle
        else:
            inside = middle
    return end


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
    few = float(special.ndtri(quantile_of) / special.stdtrit(degrees_of_freedom(below.sizes), quantile_of))
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


def _check_quantile(q: float) -> None:
    if not 0 < q < 1:
        raise UsageError(f"The quantile {q:g} is not between 0 and 1; give 0.95 for the 95th percentile.")


def _unbounded(q: float, n: int, low: float | None, high: float | None) -> str | None:
    if low is not None and high is not None:
        return None
    sides = " and ".join(name for name, limit in (("lower", low), ("upper", high)) if limit is None)
    return f"{n} observations are too few for the {sides} limit of the {100 * q:g}th percentile"
