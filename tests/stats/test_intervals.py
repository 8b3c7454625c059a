from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from evalkit.errors import UsageError
from evalkit.stats.clusters import degrees_of_freedom, grouped, variance_of_mean
from evalkit.stats.inputs import codes
from evalkit.stats.intervals import mean, mid_p, rate, wilson

EXACT = {"rel": 1e-9, "abs": 1e-9}


@pytest.mark.parametrize(("x", "n"), [(0, 20), (1, 29), (15, 148), (81, 263), (20, 20), (1, 2)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_that_of_statsmodels(x: int, n: int, level: float) -> None:
    expected = proportion_confint(x, n, alpha=1 - level, method="wilson")
    assert wilson(x, n, level) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize(
    ("x", "n", "score", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2544, 0.3658)),
        (15, 148, (0.0624, 0.1605), (0.0601, 0.1581)),
        (0, 20, (0.0000, 0.1611), (0.0000, 0.1391)),
        (1, 29, (0.0061, 0.1718), (0.0017, 0.1585)),
    ],
)
def test_published_examples(x: int, n: int, score: tuple[float, float], exact: tuple[float, float]) -> None:
    """Newcombe (1998), Statistics in Medicine 17:857, table I: methods 3 and 6."""
    assert wilson(x, n) == pytest.approx(score, abs=5e-5)
    assert mid_p(x, n) == pytest.approx(exact, abs=5e-5)


@pytest.mark.parametrize(("x", "n"), [(1, 10), (3, 40), (9, 10), (50, 100)])
def test_mid_p_leaves_half_of_the_rest_on_each_side(x: int, n: int) -> None:
    low, high = mid_p(x, n)
    above = stats.binom.sf(x, n, low) + stats.binom.pmf(x, n, low) / 2
    below = stats.binom.cdf(x - 1, n, high) + stats.binom.pmf(x, n, high) / 2
    assert (above, below) == pytest.approx((0.025, 0.025), **EXACT)


def test_rate_of_independent_answers_is_wilson_away_from_the_edges_and_never_inside_it() -> None:
    estimate = rate([1] * 81 + [0] * 182)
    low, high = wilson(81, 263)
    assert estimate.value == pytest.approx(81 / 263)
    assert low - 0.001 < estimate.low <= low
    assert high <= estimate.high < high + 0.001
    assert (estimate.n, estimate.clusters, estimate.method) == (263, 263, "wilson+mid-p")


@pytest.mark.parametrize("n", [5, 10, 20, 50, 200])
def test_rate_covers_with_exactly_computed_probability(n: int) -> None:
    """The binomial coverage of every true rate, summed instead of simulated."""
    limits = [rate([1] * x + [0] * (n - x)) for x in range(n + 1)]
    low = np.array([e.low for e in limits])
    high = np.array([e.high for e in limits])
    truth = np.linspace(0.002, 0.998, 499)
    chance = stats.binom.pmf(np.arange(n + 1)[:, None], n, truth)
    inside = (low[:, None] <= truth) & (truth <= high[:, None])
    coverage = (chance * inside).sum(axis=0)
    assert coverage.min() >= 0.926
    assert 0.95 <= coverage.mean() <= 0.985


def test_rate_has_a_width_when_nothing_varied() -> None:
    assert rate([1] * 100).low == pytest.approx(wilson(100, 100)[0])
    assert rate([1] * 100).high == 1.0
    assert rate([0.5] * 30).half_width > 0.01


def test_repeats_of_a_prompt_add_nothing_when_they_always_agree() -> None:
    once = [1, 0, 1, 1, 0, 1, 1, 1, 0, 1] * 10
    thrice = rate(np.repeat(once, 3), np.repeat(np.arange(100), 3).tolist())
    assert thrice.half_width == pytest.approx(rate(once).half_width, rel=0.02)
    assert (thrice.n, thrice.clusters) == (300, 100)


def test_repeats_count_in_full_when_they_are_independent() -> None:
    values = (np.random.default_rng(7).random(3000) < 0.5).astype(float)
    clustered = rate(values, np.repeat(np.arange(1000), 3).tolist())
    assert clustered.half_width == pytest.approx(rate(values).half_width, rel=0.08)


def test_one_cluster_has_a_value_and_no_interval() -> None:
    for estimate in (rate([1, 0, 1], ["a"] * 3), rate([1]), mean([3.0, 4.0], ["a", "a"])):
        assert estimate.value is not None
        assert (estimate.low, estimate.high) == (None, None)
        assert "one cluster" in str(estimate.note)


def test_mean_without_clusters_or_correction_is_the_t_interval_of_scipy() -> None:
    values = np.random.default_rng(1).lognormal(size=17)
    expected = stats.t.interval(0.95, 16, loc=values.mean(), scale=stats.sem(values))
    estimate = mean(values, skew_corrected=False)
    assert (estimate.low, estimate.high) == pytest.approx(expected, **EXACT)


def test_skewness_moves_the_limit_on_the_side_of_the_tail() -> None:
    values = np.random.default_rng(4).lognormal(size=60)
    plain, corrected = mean(values, skew_corrected=False), mean(values)
    assert corrected.high > plain.high
    assert corrected.low == plain.low
    assert corrected.note is None
    assert "long tail" in str(mean([1.0, 1.2, 0.9, 1.1, 9.0]).note)
    symmetric = np.concatenate([values, -values])
    assert mean(symmetric).high == pytest.approx(mean(symmetric, skew_corrected=False).high)


def test_variance_is_that_of_statsmodels_where_it_has_one() -> None:
    rng = np.random.default_rng(2)
    values, labels = rng.normal(size=60), np.repeat(np.arange(20), 3)
    ones = np.ones((60, 1))
    # Equal clusters: CR2 is statsmodels' corrected cluster variance.
    robust = sm.OLS(values, ones).fit(cov_type="cluster", cov_kwds={"groups": labels})
    assert variance_of_mean(grouped(values, labels)) == pytest.approx(robust.cov_params()[0, 0], **EXACT)
    # One observation each: CR2 is HC2.
    hc2 = sm.OLS(values, ones).fit(cov_type="HC2")
    assert variance_of_mean(grouped(values, np.arange(60))) == pytest.approx(hc2.cov_params()[0, 0], **EXACT)


def test_variance_of_unequal_clusters_from_the_matrix_definition() -> None:
    sizes = [1, 2, 5, 8, 1, 3]
    labels = np.repeat(np.arange(6), sizes)
    y = np.random.default_rng(3).normal(size=20)
    x = np.ones((20, 1))
    residual = y - y.mean()
    total = 0.0
    for g in range(6):
        own = labels == g
        hat = x[own] @ np.linalg.inv(x.T @ x) @ x[own].T
        values, vectors = np.linalg.eigh(np.eye(own.sum()) - hat)
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        total += float((x[own].T @ root @ residual[own]).item() / 20) ** 2
    assert variance_of_mean(grouped(y, labels)) == pytest.approx(total, **EXACT)


def test_degrees_of_freedom() -> None:
    assert degrees_of_freedom(np.full(12, 4.0)) == pytest.approx(11)
    assert degrees_of_freedom(np.array([50.0] + [1.0] * 11)) < 5


def test_equal_unbounded_values_give_no_interval_instead_of_none_wide() -> None:
    estimate = mean([2.0, 2.0, 2.0])
    assert (estimate.value, estimate.low, estimate.high) == (2.0, None, None)
    assert "do not differ" in str(estimate.note)


@given(
    st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60),
    st.integers(min_value=1, max_value=5),
)
@settings(deadline=None, max_examples=60)
def test_rate_properties(values: list[float], size: int) -> None:
    labels = [i // size for i in range(len(values))]
    estimate = rate(values, labels)
    mirrored = rate([1 - v for v in values], labels)
    if estimate.clusters == 1:
        assert estimate.low is None
        return
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high - estimate.low > 0
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((estimate.low, estimate.high), abs=1e-9)
    assert rate(values, labels, level=0.8).half_width < estimate.half_width
    assert rate(values, [f"c{label}" for label in labels]) == estimate


@given(st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=2, max_size=40))
@settings(deadline=None, max_examples=60)
def test_mean_interval_holds_its_value(values: list[float]) -> None:
    estimate = mean(values)
    if estimate.low is not None:
        span = max(abs(v) for v in values) * 1e-9
        assert estimate.low - span <= estimate.value <= estimate.high + span


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rate([]), "empty"),
        (lambda: rate([0.5, float("nan")]), "nan at position 1"),
        (lambda: rate([0.5, 1.5]), "outside"),
        (lambda: rate([1, 0], ["a"]), "1 cluster labels for 2"),
        (lambda: rate([[1, 0]]), "dimensions"),
        (lambda: rate([1, None]), "nan"),
        (lambda: mean(["x"]), "not all numbers"),
        (lambda: mean([1.0, 2.0], level=95), r"0\.95"),
        (lambda: wilson(3, 2), "no proportion"),
    ],
)
def test_bad_input_is_one_sentence(call: object, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_codes_follow_first_appearance() -> None:
    assert codes(["b", "a", "b", 3], 4).tolist() == [0, 1, 0, 2]
