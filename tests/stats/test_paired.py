from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar

from evalkit.errors import UsageError
from evalkit.stats.paired import (
    mcnemar_exact,
    paired_difference,
    paired_mean_difference,
    sign_flip_test,
    tango,
)

EXACT = {"rel": 1e-9, "abs": 1e-9}


def pairs(gains: int, losses: int, n: int) -> tuple[list[int], list[int]]:
    ties = n - gains - losses
    return [1] * gains + [0] * losses + [1] * ties, [0] * gains + [1] * losses + [1] * ties


def test_published_example() -> None:
    """Fagerland, Lydersen & Laake (2014), Statistics in Medicine 33:2850: 1 and 7 discordant of 21."""
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("gains", "losses", "n"), [(12, 2, 50), (3, 5, 40), (1, 7, 21), (30, 30, 100)])
def test_limits_solve_the_score_equation_with_a_numerical_likelihood(gains: int, losses: int, n: int) -> None:
    """The nuisance parameter is found by maximising the trinomial likelihood, not by the closed form."""
    for delta, sign in zip(tango(gains, losses, n), (1, -1), strict=True):

        def minus_log(q: float, delta: float = delta) -> float:
            cells = (q + delta, q, 1 - 2 * q - delta)
            counts = (gains, losses, n - gains - losses)
            return -sum(k * math.log(p) for k, p in zip(counts, cells, strict=True))

        lowest, highest = max(0.0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12
        best = optimize.minimize_scalar(
            minus_log, bounds=(lowest, highest), method="bounded", options={"xatol": 1e-12}
        )
        spread = math.sqrt(n * (2 * best.x + delta - delta**2))
        assert (gains - losses - n * delta) / spread == pytest.approx(sign * stats.norm.ppf(0.975), abs=1e-5)


def test_independent_binary_pairs_are_exactly_tango() -> None:
    estimate = paired_difference(*pairs(12, 2, 50))
    assert (estimate.low, estimate.high) == pytest.approx(tango(12, 2, 50), **EXACT)
    assert estimate.value == pytest.approx(0.2)
    assert estimate.method == "Tango score"


@pytest.mark.parametrize("n", [2, 8, 30, 500])
def test_no_discordant_pair_still_leaves_a_width(n: int) -> None:
    estimate = paired_difference([1] * n, [1] * n)
    z2 = stats.norm.ppf(0.975) ** 2
    assert estimate.value == 0
    assert estimate.high == pytest.approx(z2 / (n + z2), rel=1e-6)
    assert estimate.low == pytest.approx(-estimate.high)


def test_every_pair_discordant_reaches_the_end() -> None:
    estimate = paired_difference([1] * 10, [0] * 10)
    assert estimate.value == estimate.high == 1.0
    assert 0.3 < estimate.low < 0.6


def test_identical_repeats_do_not_narrow_the_interval() -> None:
    a, b = pairs(9, 4, 60)
    once = paired_difference(a, b)
    labels = np.repeat(np.arange(60), 4).tolist()
    repeated = paired_difference(np.repeat(a, 4), np.repeat(b, 4), labels)
    assert repeated.half_width == pytest.approx(once.half_width, rel=0.02)


def test_partial_credit_narrows_it() -> None:
    a, b = pairs(9, 4, 60)
    full = paired_difference(a, b)
    half = paired_difference(np.array(a) / 2, np.array(b) / 2)
    assert half.value == pytest.approx(full.value / 2)
    assert half.half_width < 0.75 * full.half_width


@pytest.mark.parametrize(("gains", "losses"), [(10, 4), (0, 0), (1, 0), (30, 12), (0, 7)])
def test_mcnemar_agrees_with_statsmodels(gains: int, losses: int) -> None:
    expected = mcnemar([[5, gains], [losses, 9]], exact=True).pvalue
    assert mcnemar_exact(gains, losses) == pytest.approx(expected, **EXACT)
    test = sign_flip_test(*pairs(gains, losses, 50))
    assert test.p_value == pytest.approx(expected, **EXACT)
    assert (test.gains, test.losses, test.ties) == (gains, losses, 50 - gains - losses)


def test_mcnemar_thirty_to_nothing() -> None:
    assert mcnemar_exact(30, 0) == pytest.approx(2 * 0.5**30, **EXACT)


def test_sign_flip_of_clusters_by_enumeration() -> None:
    sums = np.array([3, -1, 2, 2, -4, 1])
    a = np.concatenate([np.ones(abs(s)) if s > 0 else np.zeros(abs(s)) for s in sums])
    labels = np.repeat(np.arange(6), np.abs(sums)).tolist()
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1)
    expected = (np.abs(np.abs(sums) @ signs) >= abs(sums.sum())).mean()
    test = sign_flip_test(a, 1 - a, labels)
    assert test.p_value == pytest.approx(expected, **EXACT)
    assert test.method == "sign-flip exact"


def test_sign_flip_of_real_values_agrees_with_scipy_permutation() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=10), rng.normal(0.5, 1, size=10)
    expected = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_flip_test(a, b).p_value == pytest.approx(expected, abs=0.02)


def test_unbounded_differences() -> None:
    rng = np.random.default_rng(6)
    a = rng.lognormal(size=40)
    estimate = paired_mean_difference(a + 0.3, a + rng.normal(0, 0.1, 40))
    assert estimate.low < 0.3 < estimate.high
    assert paired_mean_difference(a, a).low is None


@given(
    st.lists(st.tuples(st.sampled_from([0, 0.5, 1]), st.sampled_from([0, 0.5, 1])), min_size=2, max_size=50),
    st.integers(min_value=1, max_value=4),
)
@settings(deadline=None, max_examples=60)
def test_difference_properties(values: list[tuple[float, float]], size: int) -> None:
    a, b = [v[0] for v in values], [v[1] for v in values]
    labels = [i // size for i in range(len(values))]
    estimate = paired_difference(a, b, labels)
    swapped = paired_difference(b, a, labels)
    if estimate.clusters == 1:
        assert estimate.low is None
        return
    assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high - estimate.low > 1e-3
    assert (-swapped.high, -swapped.low) == pytest.approx((estimate.low, estimate.high), abs=1e-8)
    assert 0 < sign_flip_test(a, b, labels).p_value <= 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: paired_difference([1, 0], [1]), "2 and 1 observations"),
        (lambda: paired_difference([], []), "empty"),
        (lambda: paired_difference([1, float("nan")], [1, 0]), "nan"),
        (lambda: paired_difference([1, 2], [1, 0]), "outside"),
        (lambda: sign_flip_test([1, 2], [1]), "observations"),
        (lambda: mcnemar_exact(-1, 2), "counts"),
    ],
)
def test_bad_input(call: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()  # type: ignore[operator]
