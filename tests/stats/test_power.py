from __future__ import annotations

import math

import pytest
from scipy import stats

from evalkit.errors import UsageError
from evalkit.stats.intervals import mean
from evalkit.stats.paired import tango
from evalkit.stats.power import detectable_difference, further_samples, pairs_needed, per_side_needed
from evalkit.types.estimate import Estimate


@pytest.mark.parametrize(
    ("gains", "losses", "pairs"),
    [(0.12, 0.02, 108), (0.07, 0.02, 281), (0.05, 0.01, 292), (0.04, 0.02, 1175)],
)
def test_mcnemar_sizes_of_connor(gains: float, losses: float, pairs: int) -> None:
    """Worked by Connor's (1987) formula by hand."""
    assert pairs_needed(gains - losses, 0.0, gains + losses) == pairs


@pytest.mark.parametrize(
    ("p1", "p2", "size"),
    [(0.02, 0.05, 588), (0.05, 0.10, 435), (0.10, 0.15, 686), (0.50, 0.60, 388), (0.90, 0.87, 1774)],
)
def test_sizes_of_two_independent_rates(p1: float, p2: float, size: int) -> None:
    """Fleiss, Levin & Paik (2003), table A.4 without continuity correction."""
    assert per_side_needed(p1, p2) == size
    assert per_side_needed(p2, p1) == size


def test_pairs_needed_have_the_promised_power() -> None:
    """Exact power of Tango's interval over the trinomial, at the size that the formula gives."""
    gains, losses = 0.12, 0.02
    n = pairs_needed(gains - losses, 0.0, gains + losses)
    power = 0.0
    for b in range(n + 1):
        for c in range(n - b + 1):
            p = stats.multinomial.pmf([b, c, n - b - c], n, [gains, losses, 1 - gains - losses])
            if p > 1e-7 and tango(b, c, n)[0] > 0:
                power += p
    assert 0.78 < power < 0.86


def test_detectable_difference_inverts_the_size() -> None:
    delta = detectable_difference(281, 0.09)
    assert delta == pytest.approx(0.05, abs=2e-4)
    assert detectable_difference(20, 0.05) is None
    assert detectable_difference(1e9, 0.5) < 1e-3


def test_clusters_need_more_pairs() -> None:
    plain = pairs_needed(0.0, -0.05, 0.1)
    assert pairs_needed(0.0, -0.05, 0.1, design_effect=2.0) == pytest.approx(2 * plain, abs=2)


def estimate(value: float, low: float | None, high: float | None, n: int = 100) -> Estimate:
    return Estimate(value=value, low=low, high=high, level=0.95, n=n, clusters=n, method="test")


def test_further_samples() -> None:
    z = stats.norm.ppf(0.975)
    straddling = estimate(0.0, -0.06, 0.06)
    more = further_samples(straddling, -0.05)
    assert more == math.ceil(100 * ((0.06 * (z + stats.norm.ppf(0.8)) / z / 0.05) ** 2 - 1))
    assert further_samples(estimate(0.0, -0.04, 0.04), -0.05) == 0
    assert further_samples(estimate(-0.05, -0.1, 0.0), -0.05) is None
    assert further_samples(estimate(0.2, None, 0.4), 0.1) is None
    assert further_samples(Estimate.absent("nothing"), 0.1) is None


def test_further_samples_decide_when_they_are_drawn() -> None:
    """A mean of 100 that misses its bound; the forecast number would have excluded it with power 0.8."""
    values = [1.0] * 55 + [-1.0] * 45
    first = mean(values, skew_corrected=False)
    more = further_samples(first, 0.0)
    assert first.low < 0
    copies = math.ceil((100 + more) / 100)
    assert mean(values * copies, skew_corrected=False).low > 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pairs_needed(0.1, 0.1, 0.2), "never be shown"),
        (lambda: pairs_needed(0.3, 0.0, 0.2), "Discordance"),
        (lambda: pairs_needed(0.1, 0.0, 0.2, power=1.2), "power"),
        (lambda: detectable_difference(0, 0.1), "positive"),
        (lambda: per_side_needed(0.5, 0.5), "differ"),
    ],
)
def test_bad_input(call: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()  # type: ignore[operator]
