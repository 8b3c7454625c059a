"""Accepted conversations are solved with identical states; wrong ones are not; hostile calls harm nobody."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.bfcl import gold_turns
from evalkit.bfcl.applications import Applications, read_call
from evalkit.bfcl.samples import MULTI_TURN, samples_of
from evalkit.bfcl.turns import fault_of_turns, turns_of
from evalkit.errors import DefinitionError


@pytest.mark.parametrize("category", MULTI_TURN)
def test_accepted_conversations_are_solved(category: str) -> None:
    samples = samples_of(category)
    assert len(samples) == 200
    unsolved = {s.id: fault_of_turns(turns_of(s), gold_turns(turns_of(s))) for s in samples}
    assert {key: fault for key, fault in unsolved.items() if fault} == {}


@pytest.mark.parametrize("category", MULTI_TURN)
def test_doing_nothing_and_stopping_early_are_wrong(category: str) -> None:
    for sample in samples_of(category)[::10]:
        task = turns_of(sample)
        gold = gold_turns(task)
        nothing = fault_of_turns(task, [[] for _ in gold])
        assert nothing is not None
        assert nothing[0] == "empty_turn"
        early = fault_of_turns(task, gold[:-1])
        assert early is not None
        assert early[0] == "force_terminated"


def test_a_result_that_was_never_seen_is_missed() -> None:
    task = turns_of(samples_of("multi_turn_base")[0])
    gold = gold_turns(task)
    looked = next(t for t, turn in enumerate(gold) if any(c[0][0] in {"sort", "grep", "diff"} for c in turn))
    gold[looked] = [step for step in gold[looked] if step[0][0] not in {"sort", "grep", "diff"}] or [
        [("pwd", {})]
    ]
    fault = fault_of_turns(task, gold)
    assert fault is not None
    assert fault[0] in {"execution_response_mismatch", "instance_state_mismatch"}


def math() -> Applications:
    return Applications(["MathAPI", "GorillaFileSystem"], {})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("power", {"base": 10, "exponent": 10**9}),
        ("multiply", {"a": "x", "b": 10**12}),
        ("multiply", {"a": [0], "b": 10**12}),
        ("round_number", {"number": 5, "decimal_places": -(10**12)}),
        ("square_root", {"number": 2, "precision": 10**9}),
        ("logarithm", {"value": 10**4000, "base": 2, "precision": 5}),
        ("echo", {"content": "x" * 10**6}),
        ("__init__", {}),
        ("_load_scenario", {"scenario": {}}),
        ("exit", {}),
        ("run", {"command": "true"}),
        ("__import__('os').system", {"command": "true"}),
        ("ls", {"self": 1}),
        ("ls", {"a b": 1}),
        ("cd", {"folder": {"a": 1}}),
    ],
)
def test_hostile_calls_end_in_a_message(name: str, arguments: dict[str, Any]) -> None:
    assert math().call(name, arguments).startswith("Error during execution: ")


def test_arguments_may_have_any_name() -> None:
    made = Applications(["TravelAPI"], {"TravelAPI": {}})
    assert "unexpected keyword argument" in made.call(
        "get_nearest_airport_by_city", {"name": "x", "values": 1}
    )


def test_a_folder_copied_into_itself_does_not_end_the_comparison() -> None:
    start = {"GorillaFileSystem": {"root": {"w": {"type": "directory", "contents": {
        "a": {"type": "directory", "contents": {}}}}}}}  # fmt: skip
    mine, wanted = (Applications(["GorillaFileSystem"], start) for _ in range(2))
    for world in (mine, wanted):
        world.call("cp", {"source": "a", "destination": "a"})
        world.call("cp", {"source": "a", "destination": "a"})
        world.call("cd", {"folder": "a"})
        world.call("cp", {"source": "a", "destination": "a"})
    assert mine.difference(wanted) in {None, "GorillaFileSystem.root"}


def test_written_calls_are_literals_only() -> None:
    assert read_call("f(a='x', b=[1, -2])") == ("f", (), {"a": "x", "b": [1, -2]})
    assert read_call("f('x')").values == ("x",)
    for text in ("f(a=g())", "a.f()", "f(", "1", "f(a=__import__('os'))"):
        with pytest.raises(DefinitionError):
            read_call(text)


def test_an_unknown_application_is_named() -> None:
    with pytest.raises(DefinitionError, match="'Nothing'"):
        Applications(["Nothing"], {})
