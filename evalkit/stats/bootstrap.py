"""Cluster bootstrap for statistics without a closed form (differences in differences, ratios of rates)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.stats.intervals import ONE_CLUSTER
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray


def cluster_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    n: int,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 1_999,
    seed: int = 0,
) -> Estimate:
    """Bias-corrected and accelerated interval (BCa, Efron 1987), resampling whole clusters.

    It is for smooth statistics and some tens of clusters: rates, means, quantiles and their paired
    differences have intervals of their own here that hold their level with fewer. The level is raised as
    Student's t demands for the number of clusters (Hesterberg 2015, section 5.3), because a plain
    bootstrap is too narrow. Resamples in which the statistic is infinite (a ratio over nothing) count as
    infinite; a limit among them is reported as unbounded.

    Args:
        statistic: takes the row numbers of a resample and gives the statistic of those rows.
        n: rows in the data.
        clusters: one label per row.
        level: confidence level.
        resamples: bootstrap draws.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        UsageError: the statistic of the data themselves is not finite, or lengths differ.
    """
    inputs.check_level(level)
    codes = inputs.codes(clusters, n)
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    value = float(statistic(np.arange(n)))
    if not np.isfinite(value):
        raise UsageError(f"The statistic of the data is {value}; leave out what it is not defined for.")

    def resampled(drawn: NDArray[np.intp]) -> float:
        return float(statistic(np.concatenate([members[i] for i in drawn])))

    low = high = note = None
    if len(members) < 2:
        note = ONE_CLUSTER
    else:
        low, high = _bca(resampled, len(members), _raised(level, len(members)), resamples, seed)
        if low is None and high is None:
            note = "every resample gives the same value or none, so there is no interval"
        elif low is None or high is None:
            note = f"no {'lower' if low is None else 'upper'} limit: the statistic may be infinite"
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        n=n,
        clusters=len(members),
        method="cluster bootstrap BCa" if note != ONE_CLUSTER else "none",
        note=note,
    )


def _raised(level: float, groups: int) -> float:
    """The level at which the bootstrap of a mean of `groups` values is as wide as its t interval."""
    reach = special.stdtrit(groups - 1, (1 + level) / 2) * np.sqrt(groups / (groups - 1))
    return float(2 * special.ndtr(reach) - 1)


def _bca(
    statistic: Callable[[NDArray[np.intp]], float], groups: int, level: float, resamples: int, seed: int
) -> tuple[float | None, float | None]:
    """Limits from scipy's BCa over cluster numbers; percentiles where some resamples are infinite."""
    from scipy import stats  # slow to import, and only needed here

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            (np.arange(groups),),
            statistic,
            vectorized=False,
            n_resamples=resamples,
            confidence_level=level,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = float(result.confidence_interval.low), float(result.confidence_interval.high)
    draws = result.bootstrap_distribution
    if not (np.isfinite(low) and np.isfinite(high)):
        known = draws[~np.isnan(draws)]
        if known.size < resamples or known.min() == known.max():
            return None, None
        tail = (1 - level) / 2
        low, high = np.quantile(known, [tail, 1 - tail], method="inverted_cdf")
    if low == high:
        return None, None
    return (float(low) if np.isfinite(low) else None), (float(high) if np.isfinite(high) else None)
