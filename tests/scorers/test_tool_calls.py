"""Calls are matched by value, in any order, and hostile arguments break nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.errors import DefinitionError
from evalkit.scorers.tool_calls import Options, build
from evalkit.scorers.tool_calls.values import is_accepted
from evalkit.types.chat import ToolCall
from evalkit.types.effects import Solution, Worked
from evalkit.types.generation import Generation, Outcome, Response, TrialKey
from evalkit.types.score import Score, Unscored
from evalkit.types.suite import Sample
from evalkit.types.tool_case import Accepted

TOOL = {
    "name": "add",
    "description": "Add.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
}


def scored(data: dict[str, Any], *calls: tuple[str, str], **response: Any) -> dict[str, Score | Unscored]:
    made = tuple(ToolCall(id=f"c{n}", name=name, arguments=text) for n, (name, text) in enumerate(calls))
    generation = Generation(
        fingerprint="f",
        trial=TrialKey("s", "x", "e", 1),
        turn=1,
        endpoint="e",
        outcome=Outcome.OK,
        at=0.0,
        response=Response(text="Well.", tool_calls=made, **response),
    )
    sample = Sample(id="x", input="q", data={"tools": [TOOL], **data})
    worked = Worked(sample=sample, solution=Solution(generations=(generation,), transcript=()))
    scores = build(Options()).score(worked)
    assert isinstance(scores, tuple)
    return {s.metric: s for s in scores}


def adds(*pairs: tuple[int, int]) -> dict[str, Any]:
    calls = [{"name": "add", "arguments": {"a": {"values": [a]}, "b": {"values": [b]}}} for a, b in pairs]
    return {"wants": "calls", "accept": [calls]}


@pytest.mark.parametrize(
    ("value", "accepted", "expected"),
    [
        (5, Accepted(values=(5.0,)), True),
        (True, Accepted(values=(1,)), False),
        (1, Accepted(values=(True,)), False),
        ("5", Accepted(values=(5,)), False),
        (5.04, Accepted(values=(5,), tolerance=0.05), True),
        (5.06, Accepted(values=(5,), tolerance=0.05), False),
        (float("nan"), Accepted(values=(5,)), False),
        (10**4000, Accepted(values=(5.5,)), False),
        ("  New   YORK ", Accepted(values=("new york",)), True),
        ("\uff30aris", Accepted(values=("Paris",)), True),
        ([1, 2], Accepted(values=([2, 1],)), False),
        ([1, 2], Accepted(values=([2, 1],), unordered=True), True),
        ([1, 1], Accepted(values=([1, 2],), unordered=True), False),
        ({"a": [1]}, Accepted(values=({"a": [1.0]},)), True),
        ({"a": 1, "b": 2}, Accepted(values=({"a": 1},)), False),
        (None, Accepted(values=(None,)), True),
        (None, Accepted(values=("",)), False),
        ("Meet on FRIDAY at 3", Accepted(contains=("friday", "3")), True),
        ("Meet on Friday", Accepted(contains=("friday", "3")), False),
        (["friday"], Accepted(contains=("friday",)), False),
    ],
)
def test_values(value: Any, accepted: Accepted, expected: bool) -> None:
    assert is_accepted(value, accepted) is expected


def test_parallel_calls_match_in_any_order_and_one_to_one() -> None:
    first, second = ("add", '{"a": 1, "b": 2}'), ("add", '{"a": 3, "b": 4}')
    assert scored(adds((1, 2), (3, 4)), second, first)["tool_calls"].value == 1
    assert scored(adds((1, 2), (3, 4)), first, first)["tool_calls"].value == 0
    assert scored(adds((1, 2)), first, first)["tool_calls"].label == "extra_call"


def test_overlapping_alternatives_are_matched_without_greed() -> None:
    wide = {"name": "add", "arguments": {"a": {"values": [1, 2]}, "b": {"values": [0]}}}
    narrow = {"name": "add", "arguments": {"a": {"values": [1]}, "b": {"values": [0]}}}
    calls = ("add", '{"a": 1, "b": 0}'), ("add", '{"a": 2, "b": 0}')
    assert scored({"wants": "calls", "accept": [[wide, narrow]]}, *calls)["tool_calls"].value == 1


def test_one_of_several_sets_is_enough() -> None:
    data = {"wants": "calls", "accept": [adds((1, 2))["accept"][0], adds((3, 4), (5, 6))["accept"][0]]}
    assert scored(data, ("add", '{"a": 5, "b": 6}'), ("add", '{"a": 3, "b": 4}'))["tool_calls"].value == 1
    assert scored(data, ("add", '{"a": 5, "b": 6}'))["tool_calls"].value == 0


def test_any_call_must_still_fit_the_schema() -> None:
    assert scored({"wants": "any_call"}, ("add", '{"a": 9, "b": 9}'))["tool_calls"].value == 1
    assert scored({"wants": "any_call"}, ("add", '{"a": "x", "b": 9}'))["tool_calls"].value == 0
    assert scored({"wants": "any_call"})["missed_call"].value == 1


def test_what_does_not_apply_is_unscored() -> None:
    nothing = scored({"wants": "no_call"})
    assert nothing["tool_calls"].value == 1
    assert nothing["schema_valid"] == Unscored(metric="schema_valid", reason="no_call")
    assert nothing["missed_call"] == Unscored(metric="missed_call", reason="no_call_was_wanted")
    assert scored(adds((1, 2)))["spurious_call"] == Unscored(
        metric="spurious_call", reason="a_call_was_wanted"
    )


def test_schema_and_defects_are_apart_from_the_choice() -> None:
    row = scored(
        adds((1, 2)), ("add", '{"a": 1, "b": 2, "c": 3}'), ("sub", "{}"), defects=("undeclared_tool",)
    )
    assert row["schema_valid"].value == 0
    assert row["host_defect"].value == 0
    assert scored({"wants": "no_call"}, defects=("missing_id",))["host_defect"].value == 1
    assert row["tool_calls"].label == "does_not_fit_schema"


@pytest.mark.parametrize(
    "arguments",
    [
        "", "[]", "null", "{", '{"a": 1', "\ud800", '{"a": ' + "[" * 5000, '{"a": ' + "9" * 5000 + "}",
        '{"a": NaN, "b": Infinity}', '{"a": 1e999, "b": 2}',
        json.dumps({"a": json.loads("[" * 400 + "]" * 400), "b": 1}),
    ],
)  # fmt: skip
def test_hostile_arguments_are_wrong_and_nothing_else(arguments: str) -> None:
    row = scored(adds((1, 2)), ("add", arguments))
    assert row["tool_calls"].value == 0
    assert row["tool_calls"].label == "does_not_fit_schema"
    assert row["schema_valid"].value == 0


def test_a_sample_that_is_no_case_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"'x'.*wants"):
        scored({"wants": "everything"})
    with pytest.raises(DefinitionError, match="accept: is empty"):
        scored({"wants": "calls"})
