from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import UsageError
from evalkit.stats.quantiles import (
    paired_quantile_change,
    paired_quantile_difference,
    quantile,
    quantile_test,
)


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


def test_change_uses_the_pairing() -> None:
    rng = np.random.default_rng(2)
    b = rng.lognormal(size=400)
    a = 1.5 * b * rng.lognormal(0, 0.1, 400)
    paired = paired_quantile_change(a, b, 0.9)
    unpaired = paired_quantile_change(a, rng.permutation(b), 0.9)
    assert paired.low < 1.5 < paired.high
    assert paired.half_width < 0.7 * unpaired.half_width


def test_change_turned_round_is_its_inverse() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.lognormal(size=90), rng.lognormal(size=90)
    labels = [i // 3 for i in range(90)]
    forth, back = paired_quantile_change(a, b, 0.5, labels), paired_quantile_change(b, a, 0.5, labels)
    assert (1 / back.high, 1 / back.low) == pytest.approx((forth.low, forth.high))


def test_the_same_latencies_twice_still_leave_a_width() -> None:
    b = np.random.default_rng(3).lognormal(size=50)
    estimate = paired_quantile_change(b, b, 0.5)
    assert estimate.value == 1.0
    assert estimate.low < 1 < estimate.high


def test_equal_latencies_give_no_interval_of_no_width() -> None:
    estimate = paired_quantile_change([0.5] * 30, [0.5] * 30, 0.5)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, None, None)
    assert estimate.note


def test_too_few_for_a_high_quantile_leave_the_ratio_open() -> None:
    rng = np.random.default_rng(4)
    estimate = paired_quantile_change(rng.lognormal(size=20), rng.lognormal(size=20), 0.95)
    assert (estimate.low, estimate.high) == (None, None)
    assert "too few" in str(estimate.note)


@pytest.mark.parametrize(("a", "b", "words"), [([1, 0], [1, 1], "positive"), ([1, 2], [1], "observations")])
def test_bad_pairs(a: list[float], b: list[float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        paired_quantile_change(a, b, 0.5)


def test_a_difference_of_quantiles_is_in_the_unit_of_the_values() -> None:
    rng = np.random.default_rng(3)
    b = rng.lognormal(0, 0.5, 400)
    found = paired_quantile_difference(b + 0.25 + rng.normal(0, 0.02, 400), b, 0.9)
    assert found.value == pytest.approx(0.25, abs=0.05)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.25 < found.high
    assert found.low > 0


def test_a_shift_is_covered_at_its_level() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        base = rng.lognormal(0, 0.6, 80)
        a, b = base * rng.lognormal(0, 0.2, 80) + 0.5, base * rng.lognormal(0, 0.2, 80)
        found = paired_quantile_difference(a, b, 0.5, level=0.9)
        covered += (found.low is None or found.low <= 0.5) and (found.high is None or found.high >= 0.5)
    assert covered / 400 >= 0.87


def test_the_test_of_quantiles_agrees_with_the_interval() -> None:
    rng = np.random.default_rng(5)
    b = rng.lognormal(0, 0.5, 150)
    for shift in (0.0, 0.1, 0.4):
        a = b * rng.lognormal(0, 0.3, 150) + shift
        found, p = paired_quantile_difference(a, b, 0.5), quantile_test(a, b, 0.5).p_value
        excluded = (found.low is not None and found.low > 0) or (found.high is not None and found.high < 0)
        assert excluded == (p <= 0.05)
