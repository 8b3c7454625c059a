"""What a size allows is what the intervals of a run of that size would say."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.analysis.forecast import UNKNOWN, Range, detectable, expected, prospect
from evalkit.stats.intervals import rate
from evalkit.stats.paired import paired_difference
from evalkit.types.gate import Gate, Rule


def gate(**rule: object) -> tuple[Rule, Gate]:
    made = Rule(metric="quality", suite="s", **rule)  # type: ignore[arg-type]
    return made, Gate(version=1, rules=(made,), min_pairs=5)


def groups(count: int, each: int = 1) -> list[str]:
    return [str(n) for n in range(count) for _ in range(each)]


@pytest.mark.parametrize("each", [1, 3])
def test_needed_is_the_smallest_size_at_which_full_agreement_passes(each: int) -> None:
    rule, file = gate(max_drop=0.05)
    found = prospect(rule, file, groups(20, each), is_share=True)
    assert found.possible is False
    assert found.needed is not None

    def low(n: int) -> float:
        ones = np.ones(n * each)
        limit = paired_difference(ones, ones, groups(n, each), level=0.95).low
        assert limit is not None
        return limit

    assert low(found.needed) >= -0.05
    assert low(found.needed - 1) < -0.05
    assert "the same result on every sample" in found.sentence


def test_an_absolute_bound_is_held_against_a_perfect_record() -> None:
    rule, file = gate(min=0.95)
    assert prospect(rule, file, groups(20), is_share=True).possible is False
    limit = rate(np.ones(200)).low
    assert limit is not None
    assert limit > 0.95
    assert prospect(rule, file, groups(200), is_share=True).possible is True
    rule, file = gate(max=0.02)
    few = prospect(rule, file, groups(30), is_share=True)
    assert few.possible is False
    assert "a perfect record" in few.sentence


def test_a_size_below_the_minimum_decides_nothing() -> None:
    rule, file = gate(max_drop=0.5, min_pairs=30)
    found = prospect(rule, file, groups(29), is_share=True)
    assert (found.possible, found.needed) == (False, 30)


def test_a_size_that_needs_luck_is_told_from_one_that_does_not() -> None:
    rule, file = gate(max_drop=0.1)
    lucky = prospect(rule, file, groups(60), is_share=True)
    assert lucky.possible is True
    assert lucky.needed is not None
    assert lucky.needed > 60
    assert "luck" in lucky.sentence
    enough = prospect(rule, file, groups(lucky.needed), is_share=True)
    assert "can be decided" in enough.sentence


def test_a_margin_of_nothing_cannot_be_proven_by_any_size() -> None:
    rule, file = gate(max_drop=0.0)
    found = prospect(rule, file, groups(50), is_share=True)
    assert (found.possible, found.needed) == (False, None)


def test_of_seconds_and_dollars_nothing_is_said_before_a_run() -> None:
    rule, file = gate(max_relative_rise=0.1)
    assert prospect(rule, file, groups(50), is_share=False).possible is None


def test_ranges_add_up_and_a_side_that_is_not_known_stays_unknown() -> None:
    some = Range(low=1.0, high=3.0, value=2.0)
    assert some.plus(some) == Range(low=2.0, high=6.0, value=4.0)
    assert some.plus(Range(low=1.0, high=None)) == Range(low=2.0, high=None)
    assert some.times(10) == Range(low=10.0, high=30.0, value=20.0)
    assert expected([], [], 5) == UNKNOWN


def test_what_is_expected_lies_around_the_mean_of_earlier_trials() -> None:
    found = expected([1.0, 2.0, 3.0, 4.0], groups(4), 100)
    assert found.value == pytest.approx(250.0)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < 250 < found.high


def test_too_few_samples_find_no_difference() -> None:
    assert detectable(0) is None
    assert detectable(5) is None
    many = detectable(1000)
    assert many is not None
    assert many < 0.05
