"""BFCL's single-turn rules agree with the reference's, and its questions can be passed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from benchmarks.bfcl_answers import right
from evalkit.bfcl import package
from evalkit.bfcl.check import fault_of
from evalkit.bfcl.faults import SKIPPED
from evalkit.bfcl.samples import SINGLE_TURN, samples_of

FUNCTION = {
    "name": "shop.order",
    "parameters": {
        "properties": {
            "what": {"type": "string"},
            "count": {"type": "integer"},
            "price": {"type": "float"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "to": {"type": "dict"},
        },
        "required": ["what"],
    },
}
ANSWER = {
    "shop.order": {
        "what": ["Green tea", "tea, green"],
        "count": [2, ""],
        "price": [3.0, ""],
        "tags": [["hot", "organic"], ""],
        "to": [{"city": ["Rome", "Roma"], "zip": ["", "00100"]}, ""],
    }
}


def kind(**arguments: Any) -> str | None:
    found = fault_of("simple_python", [FUNCTION], [ANSWER], [("shop_order", arguments)])
    return found[0] if found else None


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"what": "green  TEA."}, None),
        ({"what": "black tea"}, "value"),
        ({"count": 2}, "missing_required"),
        ({"what": "green tea", "count": 2, "price": 3}, None),
        ({"what": "green tea", "count": 2.0}, "type"),
        ({"what": "green tea", "count": True}, "type"),
        ({"what": "green tea", "count": "2"}, "type"),
        ({"what": "green tea", "price": 10**400}, "type"),
        ({"what": "green tea", "tags": ["HOT", "organic"]}, None),
        ({"what": "green tea", "tags": ["organic", "hot"]}, "value"),
        ({"what": "green tea", "tags": []}, None),  # the text that says "left out" is an empty list here
        ({"what": "green tea", "to": {"city": "roma"}}, None),
        ({"what": "green tea", "to": {"zip": "00100"}}, "value"),
        ({"what": "green tea", "to": {"city": "Rome", "street": "x"}}, "value"),
        ({"what": "green tea", "size": 1}, "unexpected_param"),
        ({"what": None}, "type"),
    ],
)
def test_rules(arguments: dict[str, Any], fault: str | None) -> None:
    assert kind(**arguments) == fault


def test_names_have_underscores_for_dots() -> None:
    for name in ("shop.order", "order", "shop_order_"):
        found = fault_of("simple_python", [FUNCTION], [ANSWER], [(name, {"what": "green tea"})])
        assert found is not None
        assert found[0] == "wrong_func_name"


def test_parallel_calls_are_matched_in_any_order() -> None:
    answer = [{"shop.order": {"what": ["tea"]}}, {"shop.order": {"what": ["milk"]}}]
    tea, milk = ("shop_order", {"what": "tea"}), ("shop_order", {"what": "milk"})
    assert fault_of("parallel", [FUNCTION], answer, [milk, tea]) is None
    assert fault_of("parallel", [FUNCTION], answer, [tea, tea]) is not None
    assert fault_of("parallel", [FUNCTION], answer, [tea]) == ("wrong_count", "1 calls instead of 2")


@pytest.mark.parametrize("category", [c for c in SINGLE_TURN if "relevance" not in c])
def test_every_question_can_be_passed_but_those_that_are_skipped(category: str) -> None:
    answers = package.answers(category)
    failed = set()
    for row in package.rows(category):
        answer = answers[row["id"]]
        faults = [
            fault_of(category, row["function"], answer, right(row, category, answer, how=how))
            for how in ("first", "last", "all")
        ]
        if all(faults):
            failed.add(row["id"])
    assert failed == {key for key in SKIPPED if key.rstrip("0123456789-").rstrip("_") == category}
    assert not failed & {sample.id for sample in samples_of(category)}


def compare(every: int) -> None:
    """In a process of its own: one module of the package is replaced there."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bfcl", "--every", str(every)],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "| live_multiple |" in done.stdout
    assert "| multi_turn_long_context |" in done.stdout


def test_the_reference_says_the_same_of_every_twentieth_question() -> None:
    compare(20)


@pytest.mark.slow
def test_the_reference_says_the_same_of_every_question() -> None:
    compare(1)
