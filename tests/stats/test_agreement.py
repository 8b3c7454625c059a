"""Alpha and kappa: published examples, two packages, symmetry, and intervals that hold what they promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from benchmarks.agreement import Design, covered
from evalkit.errors import UsageError
from evalkit.stats.agreement import cohen_kappa, krippendorff_alpha

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

# Krippendorff (2011), C: four observers, twelve units, missing data; alpha = 0.743.
OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
UNITS = [
    [None if label == "." else label for label in unit]
    for unit in zip(*(o.split() for o in OBSERVERS), strict=True)
]
LABELS = st.sampled_from(["complete", "refusal", "steered"])
RATED = st.lists(st.lists(st.none() | LABELS, min_size=3, max_size=3), min_size=2, max_size=40)
TWO = st.lists(st.tuples(LABELS, LABELS), min_size=2, max_size=60)


def test_the_published_example_of_alpha() -> None:
    found = krippendorff_alpha(UNITS)
    assert found.value == pytest.approx(0.743421, abs=1e-6)
    assert (found.n, found.unscored) == (11, 1)


def test_the_textbook_example_of_kappa() -> None:
    # 50 grants, two readers: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; kappa 0.4
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohen_kappa(first, second)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.agreed.value == pytest.approx(0.7)
    assert found.expected == pytest.approx(0.5)
    assert found.pabak == pytest.approx(0.4)
    assert (found.first["yes"], found.second["yes"]) == (0.5, 0.6)


def test_prevalence_explains_a_low_kappa() -> None:
    """Byrt's paradox: 92 % agree in both, and kappa differs, because in one a class is rare."""
    even = cohen_kappa(["a"] * 50 + ["b"] * 50, ["a"] * 46 + ["b"] * 4 + ["a"] * 4 + ["b"] * 46)
    rare = cohen_kappa(["a"] * 94 + ["b"] * 6, ["a"] * 90 + ["b"] * 4 + ["a"] * 4 + ["b"] * 2)
    assert even.agreed.value == rare.agreed.value == pytest.approx(0.92)
    assert even.kappa.value == pytest.approx(0.84)
    assert rare.kappa.value == pytest.approx(0.2908, abs=1e-4)
    assert even.pabak == rare.pabak == pytest.approx(0.84)
    assert rare.first["b"] == pytest.approx(0.06)


@given(RATED)
def test_alpha_is_that_of_the_package(units: list[list[str | None]]) -> None:
    found = krippendorff_alpha(units)
    names = {"complete": 0.0, "refusal": 1.0, "steered": 2.0}
    known = [u for u in units if sum(label is not None for label in u) > 1]
    if len({label for u in known for label in u if label is not None}) < 2:
        assert found.value is None
        return
    table = np.array([[np.nan if label is None else names[label] for label in u] for u in units]).T
    assert found.value == pytest.approx(krippendorff.alpha(table, level_of_measurement="nominal"), abs=1e-12)


@given(TWO)
def test_kappa_is_that_of_the_package(pairs: list[tuple[str, str]]) -> None:
    first, second = (list(side) for side in zip(*pairs, strict=True))
    found = cohen_kappa(first, second)
    if found.expected == 1:
        assert found.kappa.value is None
        assert "chance alone agrees" in (found.kappa.note or "")
        return
    assert found.kappa.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    turned = cohen_kappa(second, first)
    assert turned.kappa.value == pytest.approx(found.kappa.value)
    assert turned.kappa.low == pytest.approx(found.kappa.low)
    assert (turned.first, turned.second) == (found.second, found.first)


@given(RATED, st.randoms(use_true_random=False))
def test_neither_order_nor_names_count(units: list[list[str | None]], rng: random.Random) -> None:
    names = {"complete": "c", "refusal": "a", "steered": "b", None: None}
    order = list(range(len(units)))
    rng.shuffle(order)

    def mixed(unit: Sequence[str | None]) -> list[str | None]:
        return rng.sample([names[label] for label in unit], len(unit))

    found, other = krippendorff_alpha(units), krippendorff_alpha([mixed(units[i]) for i in order])
    assert other.value == pytest.approx(found.value, abs=1e-9)


def test_perfect_agreement_keeps_a_width() -> None:
    labels = ["a"] * 12 + ["b"] * 12
    found = cohen_kappa(labels, labels).kappa
    assert found.value == 1.0
    assert found.low is not None
    assert 0.6 < found.low < 0.95
    wider = cohen_kappa(labels, labels, [i // 4 for i in range(24)]).kappa
    assert wider.low is not None
    assert wider.low < found.low


def test_hardly_any_of_a_class_is_said() -> None:
    first, second = ["a"] * 98 + ["b", "b"], ["a"] * 98 + ["b", "a"]
    found = cohen_kappa(first, second).kappa
    assert found.note == "only 2 independent units have a rating outside the most common class"
    assert found.low is not None
    assert found.low < 0.3


def test_what_cannot_be_said_is_not() -> None:
    assert krippendorff_alpha([["a", None], [None, "b"]]).note == "no unit has two ratings"
    assert krippendorff_alpha([]).value is None
    alone = cohen_kappa(["a", "b", "a"], ["a", "b", "b"], [1, 1, 1]).kappa
    assert alone.value is not None
    assert (alone.low, alone.high) == (None, None)
    with pytest.raises(UsageError, match="2 and 1 ratings"):
        cohen_kappa(["a", "b"], ["a"])
    with pytest.raises(UsageError, match="0 and 0 ratings"):
        cohen_kappa([], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "design", [Design(40, 1, 0.8, 0.85), Design(100, 4, 0.4, 0.97), Design(100, 1, 0.95, 0.85)]
)
def test_intervals_hold_the_truth(design: Design) -> None:
    for held, _, _ in covered(design, runs=400, seed=2).values():
        assert held > 0.92
