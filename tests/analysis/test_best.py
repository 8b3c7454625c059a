"""Who beats every other one: found with few comparisons, and the same as by all of them."""

from __future__ import annotations

from itertools import combinations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.compare import Comparison, _beats_all, _winner
from evalkit.types.estimate import Estimate

ESTIMATE = Estimate(value=0.0, low=-1.0, high=1.0, level=0.95, n=9, clusters=9, method="test")


def comparison(subject: str, reference: str, value: float, p: float) -> Comparison:
    return Comparison(
        subject=subject, reference=reference, suite=None, measure="quality", form="difference",
        estimate=msgspec.structs.replace(ESTIMATE, value=value), p_value=p, method="test", better=0, worse=0,
        higher_is_better=True, only_one=0,
    )  # fmt: skip


@given(st.integers(2, 7), st.data())
def test_one_round_and_a_second_look_are_enough(count: int, data: st.DataObject) -> None:
    names = "ABCDEFG"[:count]
    outcome = st.none() | st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(0, 1))
    known = {
        (a, b): None if (drawn := data.draw(outcome)) is None else comparison(a, b, *drawn)
        for a, b in combinations(names, 2)
    }
    asked: set[tuple[str, str]] = set()

    def test(a: str, b: str) -> Comparison | None:
        key = (min(a, b), max(a, b))
        asked.add(key)
        return known[key]

    expected = None
    for name in names:
        own = [test for pair, test in known.items() if name in pair]
        if all(_winner(one) == name for one in own):
            expected = name, max(one.p_value for one in own if one is not None)
    assert _beats_all(names, test) == expected
    assert len(asked) <= 2 * count
