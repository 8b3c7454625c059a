from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.errors import UsageError
from evalkit.stats.intervals import rate
from evalkit.stats.ratios import cost_per_success, mover_limits, ratio_of_means, ratio_of_rates


def fieller(a: float, b: float, var_a: float, var_b: float, cov: float, t: float) -> tuple[float, float]:
    """Textbook Fieller limits of a/b."""
    g = t**2 * var_b / b**2
    r = a / b
    root = math.sqrt(var_a - 2 * r * cov + r**2 * var_b - g * (var_a - cov**2 / var_b))
    middle = r - g * cov / var_b
    return (middle - t / b * root) / (1 - g), (middle + t / b * root) / (1 - g)


@pytest.mark.parametrize("cov", [-0.02, 0.0, 0.03])
def test_symmetric_limits_give_fieller(cov: float) -> None:
    a, b, var_a, var_b, t = 3.0, 2.0, 0.09, 0.04, 1.96
    half_a, half_b = t * math.sqrt(var_a), t * math.sqrt(var_b)
    limits = mover_limits(
        (a - half_a, a, a + half_a), (b - half_b, b, b + half_b), cov / math.sqrt(var_a * var_b)
    )
    assert limits == pytest.approx(fieller(a, b, var_a, var_b, cov, t), rel=1e-9)


def test_fixed_price_moves_with_the_success_rate_alone() -> None:
    successes = [1] * 18 + [0] * 12
    estimate = cost_per_success([0.01] * 30, successes)
    success = rate(successes)
    assert estimate.value == pytest.approx(0.01 / 0.6)
    assert estimate.low == pytest.approx(0.01 / success.high)
    assert estimate.high == pytest.approx(0.01 / success.low)


def test_failures_cost_too() -> None:
    assert cost_per_success([1, 1, 2, 4], [1, 1, 0, 0]).value == 4


def test_no_success_has_a_floor_and_no_ceiling() -> None:
    estimate = cost_per_success([1.0, 1.2, 0.9, 1.1], [0, 0, 0, 0])
    assert estimate.value is None
    assert estimate.high is None
    assert estimate.low > 1
    assert "no success" in str(estimate.note)


def test_one_cluster_has_no_interval() -> None:
    estimate = cost_per_success([1, 2], [1, 1], ["a", "a"])
    assert (estimate.value, estimate.low, estimate.high) == (1.5, None, None)
    assert "one cluster" in str(estimate.note)


def test_ratio_of_means_uses_the_pairing() -> None:
    rng = np.random.default_rng(0)
    b = rng.lognormal(size=200)
    a = 2 * b * rng.lognormal(0, 0.05, size=200)
    paired = ratio_of_means(a, b)
    unpaired = ratio_of_means(a, rng.permutation(b))
    assert paired.low < 2.0 < paired.high
    assert paired.half_width < unpaired.half_width / 5


def test_equal_observations_give_no_interval() -> None:
    estimate = ratio_of_means([2.0, 2.0], [1.0, 1.0])
    assert (estimate.value, estimate.low, estimate.high) == (2.0, None, None)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cost_per_success([1, 2], [1]), "2 and 1"),
        (lambda: cost_per_success([-1, 2], [1, 0]), "0 or more"),
        (lambda: cost_per_success([1, 2], [1, 3]), "outside"),
        (lambda: ratio_of_means([1, -2], [1, 3]), "negative"),
    ],
)
def test_bad_input(call: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()  # type: ignore[operator]


def test_a_ratio_of_rates_has_a_width_even_where_all_succeed() -> None:
    found = ratio_of_rates([1.0] * 40, [1.0] * 40)
    assert found.value == 1.0
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.95 < 1.0 < found.high


def test_a_ratio_of_rates_covers_at_its_level() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(500):
        b = rng.random(100) < 0.8
        a = np.where(rng.random(100) < 0.7, b, rng.random(100) < 0.6)
        truth = (0.7 * 0.8 + 0.3 * 0.6) / 0.8
        found = ratio_of_rates(a, b)
        covered += found.low <= truth <= found.high
    assert covered / 500 >= 0.93


def test_a_rate_that_may_be_zero_bounds_no_ratio_from_above() -> None:
    found = ratio_of_rates([1, 0, 1, 0], [0, 0, 0, 0])
    assert (found.value, found.high) == (None, None)
