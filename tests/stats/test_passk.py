from __future__ import annotations

from itertools import combinations

import pytest

from evalkit.errors import UsageError
from evalkit.stats.passk import mean_pass_at_k, pass_at_k, pass_hat_k


@pytest.mark.parametrize("n", [1, 4, 7])
def test_both_are_averages_over_all_draws_of_k(n: int) -> None:
    for successes in range(n + 1):
        outcomes = [1] * successes + [0] * (n - successes)
        for k in range(1, n + 1):
            draws = list(combinations(outcomes, k))
            some = sum(any(draw) for draw in draws) / len(draws)
            every = sum(all(draw) for draw in draws) / len(draws)
            assert pass_at_k(n, successes, k) == pytest.approx(some, rel=1e-12)
            assert pass_hat_k(n, successes, k) == pytest.approx(every, rel=1e-12)


def test_fewer_trials_than_k_have_no_value() -> None:
    assert pass_at_k(3, 3, 5) is None
    assert pass_hat_k(3, 3, 5) is None


def test_large_counts_stay_exact() -> None:
    """Chen et al. (2021) use n = 200 and k = 100; factorials overflow a float there."""
    assert pass_at_k(200, 1, 100) == pytest.approx(0.5)
    assert pass_at_k(200, 200, 100) == 1


def test_mean_leaves_short_samples_out_and_says_so() -> None:
    estimate = mean_pass_at_k([4, 4, 2, 4], [4, 0, 1, 2], 4)
    assert estimate.value == pytest.approx((1 + 0 + 1) / 3)
    assert (estimate.n, estimate.unscored) == (3, 1)
    assert "1 of 4 samples" in str(estimate.note)
    assert mean_pass_at_k([4, 4], [4, 2], 4, every=True).value == 0.5


def test_mean_of_one_is_the_success_rate() -> None:
    assert mean_pass_at_k([5, 5], [3, 4], 1).value == pytest.approx(0.7)


def test_no_sample_has_enough_trials() -> None:
    estimate = mean_pass_at_k([1, 1], [1, 0], 2)
    assert estimate.value is None
    assert estimate.unscored == 2


def test_clusters_belong_to_samples() -> None:
    estimate = mean_pass_at_k([2] * 4, [2, 0, 1, 1], 2, ["a", "a", "b", "b"])
    assert estimate.clusters == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pass_at_k(3, 4, 1), "4 successes of 3"),
        (lambda: pass_at_k(3, 1, 0), "k of 1 or more"),
        (lambda: mean_pass_at_k([], [], 1), "no samples"),
        (lambda: mean_pass_at_k([1], [1, 1], 1), "lengths"),
    ],
)
def test_bad_input(call: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()  # type: ignore[operator]
