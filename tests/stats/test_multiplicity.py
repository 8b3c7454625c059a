from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evalkit.errors import UsageError
from evalkit.stats.multiplicity import holm


def test_worked_example() -> None:
    family = holm({"h1": 0.01, "h2": 0.04, "h3": 0.03, "h4": 0.005})
    assert [t.adjusted for t in family.tests] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [t.name for t in family.tests if t.significant] == ["h1", "h4"]
    assert family.sentence.startswith("2 of 4 tests")


@settings(max_examples=25)  # each call of the package takes a twentieth of a second
@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=20))
def test_agrees_with_statsmodels(values: list[float]) -> None:
    family = holm({str(i): p for i, p in enumerate(values)})
    expected = multipletests(values, method="holm")[1]
    assert [t.adjusted for t in family.tests] == pytest.approx(list(expected), rel=1e-9, abs=1e-9)
    assert family.size == len(values)


def test_empty_family_and_bad_value() -> None:
    assert holm({}).size == 0
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        holm({"a": 1.2})
