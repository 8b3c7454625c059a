from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import UsageError
from evalkit.stats.quantiles import quantile


@pytest.mark.parametrize("n", [10, 25, 59, 100, 300, 1000])
@pytest.mark.parametrize("q", [0.1, 0.5, 0.9, 0.95, 0.99])
def test_limits_are_those_of_scipy(n: int, q: float) -> None:
    values = np.random.default_rng(n).lognormal(size=n)
    expected = stats.quantile_test(values, p=q).confidence_interval(0.95)
    estimate = quantile(values, q)
    assert estimate.value == np.quantile(values, q)
    for mine, theirs in ((estimate.low, expected.low), (estimate.high, expected.high)):
        if np.isnan(theirs):
            assert mine is None
            assert "too few" in str(estimate.note)
        else:
            assert mine == pytest.approx(theirs, rel=1e-9)


def test_repeats_that_always_agree_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).lognormal(size=200)
    alone = quantile(values, 0.9)
    repeated = quantile(np.repeat(values, 3), 0.9, np.repeat(np.arange(200), 3).tolist())
    assert repeated.low == pytest.approx(alone.low, rel=0.05)
    assert repeated.high == pytest.approx(alone.high, rel=0.05)
    assert (repeated.n, repeated.clusters) == (600, 200)


def test_one_cluster() -> None:
    estimate = quantile([1.0, 2.0, 3.0], 0.5, ["a"] * 3)
    assert (estimate.value, estimate.low, estimate.high) == (2.0, None, None)


@pytest.mark.parametrize("q", [0, 1, 95])
def test_quantile_out_of_range(q: float) -> None:
    with pytest.raises(UsageError, match=r"0\.95"):
        quantile([1.0, 2.0], q)
