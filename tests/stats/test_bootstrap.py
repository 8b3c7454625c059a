from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import UsageError
from evalkit.stats.bootstrap import cluster_bootstrap
from evalkit.stats.intervals import mean


def test_without_clusters_it_is_scipy_bca_at_the_raised_level() -> None:
    level = 2 * stats.norm.cdf(stats.t.ppf(0.975, 39) * np.sqrt(40 / 39)) - 1
    values = np.random.default_rng(0).lognormal(size=40)
    mine = cluster_bootstrap(lambda rows: values[rows].mean(), 40, seed=3, resamples=500)
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=500,
        method="BCa",
        confidence_level=level,
        rng=np.random.default_rng(3),
        vectorized=False,
    ).confidence_interval
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_clusters_are_drawn_whole() -> None:
    values = np.repeat(np.random.default_rng(1).normal(size=30), 5)
    labels = np.repeat(np.arange(30), 5).tolist()
    clustered = cluster_bootstrap(lambda rows: values[rows].mean(), 150, labels)
    assert clustered.half_width == pytest.approx(mean(values, labels).half_width, rel=0.15)
    assert clustered == cluster_bootstrap(lambda rows: values[rows].mean(), 150, labels)


def test_equal_resamples_give_no_interval_of_no_width() -> None:
    estimate = cluster_bootstrap(lambda rows: 0.0, 50)
    assert (estimate.value, estimate.low, estimate.high) == (0.0, None, None)
    assert estimate.note


def test_infinite_resamples_make_a_limit_unbounded() -> None:
    success = np.array([1.0] + [0.0] * 9)

    def cost(rows: np.ndarray) -> float:
        total = success[rows].sum()
        return rows.size / total if total else float("inf")

    estimate = cluster_bootstrap(cost, 10)
    assert estimate.value == 10
    assert estimate.low is not None
    assert estimate.high is None
    assert "upper" in str(estimate.note)


def test_one_cluster() -> None:
    estimate = cluster_bootstrap(lambda rows: float(rows.size), 3, ["a"] * 3)
    assert (estimate.low, estimate.high, estimate.method) == (None, None, "none")


def test_an_undefined_statistic_is_refused() -> None:
    with pytest.raises(UsageError, match="nan"):
        cluster_bootstrap(lambda rows: float("nan"), 3)
