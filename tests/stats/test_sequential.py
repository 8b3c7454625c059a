from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import UsageError
from evalkit.stats.sequential import confidence_sequence, fixed_order, log_capital, out_of_reach


@pytest.mark.parametrize("mean", [0.1, 0.5, 0.8])
def test_capital_is_a_martingale_at_the_boundary(mean: float) -> None:
    """The expectation over every sequence of ten coin tosses is 1 at each time, exactly."""
    paths = np.array(list(product([0.0, 1.0], repeat=10)))
    chance = np.prod(np.where(paths == 1, mean, 1 - mean), axis=1)
    expected = chance @ np.exp(log_capital(paths, mean, 0.05))
    assert expected == pytest.approx(np.ones(10), rel=1e-9)


def test_capital_shrinks_on_average_below_the_boundary() -> None:
    paths = np.array(list(product([0.0, 0.5, 1.0], repeat=7)))
    probability = {0.0: 0.3, 0.5: 0.5, 1.0: 0.2}  # mean 0.45
    chance = np.array([np.prod([probability[x] for x in path]) for path in paths])
    expected = chance @ np.exp(log_capital(paths, 0.5, 0.05))
    assert (np.diff(expected) < 0).all()


def test_rows_are_independent_sequences() -> None:
    x = np.random.default_rng(0).random((3, 20))
    assert log_capital(x, 0.4, 0.05)[1] == pytest.approx(log_capital(x[1], 0.4, 0.05))


def test_interval_narrows_around_the_mean() -> None:
    d = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], size=3000, p=[0.05, 0.9, 0.05])
    widths = [confidence_sequence(d[:n], target=0.05).half_width for n in (10, 100, 1000, 3000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.3
    assert widths[-1] < 0.03
    final = confidence_sequence(d, target=0.05)
    assert final.low < 0 < final.high


def test_limits_are_where_the_capital_reaches_its_bar() -> None:
    d = np.random.default_rng(2).choice([-1.0, 0.0, 1.0], size=200, p=[0.02, 0.8, 0.18])
    looks = [50, 100, 150, 200]
    estimate = confidence_sequence(d, target=0.05, looks=looks)
    picked = np.array(looks) - 1
    low, high = (estimate.low + 1) / 2, (estimate.high + 1) / 2
    up = log_capital((d + 1) / 2, low, 0.025)[picked].max()
    down = log_capital((1 - d) / 2, 1 - high, 0.025)[picked].max()
    assert (up, down) == pytest.approx((np.log(40), np.log(40)), abs=1e-5)


def test_fewer_looks_never_narrow() -> None:
    d = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], size=300, p=[0.1, 0.85, 0.05])
    often = confidence_sequence(d, target=0.05)
    seldom = confidence_sequence(d, target=0.05, looks=[150, 300])
    assert often.low >= seldom.low
    assert often.high <= seldom.high


def test_false_decisions_stay_below_alpha_under_continuous_monitoring() -> None:
    """At the boundary itself, looking after every pair, for 400 pairs."""
    rng = np.random.default_rng(4)
    runs, boundary = 2000, -0.05
    d = rng.choice([-1.0, 0.0, 1.0], size=(runs, 400), p=[0.1, 0.85, 0.05])
    x, mean = (d + 1) / 2, (boundary + 1) / 2
    passed = (log_capital(x, mean, 0.025) >= np.log(40)).any(axis=1)
    failed = (log_capital(1 - x, 1 - mean, 0.025) >= np.log(40)).any(axis=1)
    assert (passed | failed).mean() <= 0.05


def test_gives_up_where_the_truth_lies_on_the_boundary_and_not_where_it_is_far() -> None:
    rng = np.random.default_rng(6)
    near = rng.choice([-1.0, 0.0, 1.0], size=(200, 300), p=[0.075, 0.9, 0.025])
    far = rng.choice([-1.0, 0.0, 1.0], size=(200, 100), p=[0.05, 0.9, 0.05])
    given_up = [out_of_reach(d, -0.05, target=0.05, total=600) for d in near]
    assert np.mean(given_up) > 0.4
    assert np.mean([out_of_reach(d, -0.05, target=0.05, total=600) for d in far]) < 0.15


def test_more_room_gives_more_hope() -> None:
    d = np.random.default_rng(7).choice([-1.0, 0.0, 1.0], size=200, p=[0.06, 0.9, 0.04])
    assert out_of_reach(d, -0.05, target=0.05, total=205)
    assert not out_of_reach(d, -0.05, target=0.05, total=20_000)


def test_order_depends_on_names_and_seed_only() -> None:
    names = [f"s{i}" for i in range(50)]
    order = fixed_order(names, 7)
    assert order == fixed_order(reversed(names), 7)
    assert order != fixed_order(names, 8)
    assert [n for n in order if n != "s3"] == fixed_order([n for n in names if n != "s3"], 7)


def test_order_is_shuffled() -> None:
    assert fixed_order([f"s{i:02}" for i in range(50)], 0) != [f"s{i:02}" for i in range(50)]


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=60))
@settings(deadline=None, max_examples=50)
def test_properties(values: list[float]) -> None:
    estimate = confidence_sequence(values, target=0.1)
    mirrored = confidence_sequence([-v for v in values], target=0.1)
    assert estimate.low >= -1
    assert estimate.high <= 1
    assert (-mirrored.high, -mirrored.low) == pytest.approx((estimate.low, estimate.high), abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: confidence_sequence([], target=0.1), "empty"),
        (lambda: confidence_sequence([2.0], target=0.1), "bounds"),
        (lambda: confidence_sequence([0.1], target=0.0), "margin"),
        (lambda: confidence_sequence([float("nan")], target=0.1), "nan"),
        (lambda: out_of_reach([0.0], -1.0, target=0.1, total=5), "inside"),
    ],
)
def test_bad_input(call: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()  # type: ignore[operator]
