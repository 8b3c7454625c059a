"""BFCL's suites through the command line and the real adapter; the host answers with accepted answers."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.bfcl import gold_turns
from benchmarks.bfcl_answers import SPOILED, right
from evalkit.app.look import load_run
from evalkit.bfcl.check import fault_of
from evalkit.bfcl.turns import MORE_TOOLS, turns_of
from evalkit.catalog.suites import load_suite
from evalkit.testing import Behaviour, FakeProvider
from evalkit.types.tool_case import tool_case_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.bfcl.check import Call
    from evalkit.types.suite import Sample

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]
SINGLE = [
    "bfcl-simple", "bfcl-multiple", "bfcl-parallel", "bfcl-parallel-multiple", "bfcl-irrelevance",
    "bfcl-live-simple", "bfcl-live-multiple", "bfcl-live-parallel", "bfcl-live-relevance",
    "bfcl-live-irrelevance",
]  # fmt: skip


def run(*arguments: str) -> None:
    done = subprocess.run(
        [*COMMAND, "run", *arguments, "-q", "--run", "r"],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def values(arm: str, metric: str) -> dict[str, float]:
    rows = load_run(Path("results/r")).scores
    return {
        r.trial.sample: r.score.value
        for r in rows
        if r.score and r.score.metric == metric and r.trial.endpoint == f"{arm}:model"
    }


def calling(calls: list[Call], number: int = 0) -> Behaviour:
    if not calls:
        return Behaviour(text="There is nothing to call.")
    made = tuple(
        {
            "id": f"c{number}-{n}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(given)},
        }
        for n, (name, given) in enumerate(calls)
    )
    return Behaviour(text="", content_null=True, tool_calls=made, finish="tool_calls")


def gold(sample: Sample) -> list[Call]:
    case = tool_case_of(sample)
    assert case.bfcl is not None
    if case.wants == "no_call":
        return []
    if case.wants == "any_call":
        return [(case.tools[0].name, {})]
    row = case.bfcl
    made = [right({"function": row.functions}, row.category, row.answer, how=how) for how in ("all", "first")]
    return next(c for c in made if fault_of(row.category, row.functions, row.answer, c) is None)


def wrong(sample: Sample) -> list[Call]:
    calls = gold(sample)
    if not calls:
        return [(tool_case_of(sample).tools[0].name, {})]
    return SPOILED["argument too many"](calls) if tool_case_of(sample).wants == "calls" else []


def test_single_turn_suites(declare: Callable[..., None]) -> None:
    """Twelve questions of each suite, right at one host and wrong at the other."""
    chosen = {name: load_suite(name).samples[:12] for name in SINGLE}
    by_prompt = {
        json.dumps([s.input[-1].content, sorted(t.name for t in tool_case_of(s).tools)]): s
        for samples in chosen.values()
        for s in samples
        if not isinstance(s.input, str)
    }

    def answers(make: Callable[[Sample], list[Call]]) -> Callable[[dict[str, Any]], Behaviour]:
        def script(body: dict[str, Any]) -> Behaviour:
            names = sorted(t["function"]["name"] for t in body["tools"])
            return calling(make(by_prompt[json.dumps([body["messages"][-1]["content"], names])]))

        return script

    with ExitStack() as stack:
        for name, make in (("right", gold), ("wrong", wrong)):
            declare(stack.enter_context(FakeProvider(answers(make))), name=name)
        run(*SINGLE, "--limit", "12", "--on", "right:model", "--on", "wrong:model")
    passed = values("right", "tool_calls")
    assert len(passed) == sum(map(len, chosen.values()))
    assert [key for key, value in passed.items() if value != 1] == []
    assert set(values("wrong", "tool_calls").values()) == {0.0}


@pytest.mark.parametrize("category", ["base", "miss_func", "miss_param", "long_context"])
def test_multi_turn(category: str, declare: Callable[..., None]) -> None:
    """Ten conversations, call by call from the accepted ones; another host says nothing but words."""
    samples = [s for s in load_suite("bfcl-multi-turn").samples if category in s.tags][:10]
    by_first = {turns_of(s).turns[0][0]: s for s in samples}
    assert len(by_first) == len(samples)

    def script(body: dict[str, Any]) -> Behaviour:
        """The next accepted call of this turn, or words when there is none."""
        said = [m for m in body["messages"] if m["role"] == "user"]
        task = turns_of(by_first[said[0]["content"]])
        since = body["messages"][body["messages"].index(said[-1]) :]
        steps = gold_turns(task)[len(said) - 1]
        number = sum(m["role"] == "assistant" for m in since)
        if str(len(said) - 1) in task.later:
            assert said[-1]["content"] == MORE_TOOLS
            offered = {t["function"]["name"] for t in body["tools"]}
            assert {tool.name for tool in task.later[str(len(said) - 1)]} <= offered
        return calling(steps[number] if number < len(steps) else [], len(body["messages"]))

    with ExitStack() as stack:
        declare(stack.enter_context(FakeProvider(script)), name="right")
        declare(stack.enter_context(FakeProvider(Behaviour(text="I will see."))), name="wrong")
        run(
            "bfcl-multi-turn",
            "--tag",
            category,
            "--limit",
            "10",
            "--on",
            "right:model",
            "--on",
            "wrong:model",
        )
    assert values("right", "solved") == dict.fromkeys((s.id for s in samples), 1.0)
    assert values("wrong", "solved") == dict.fromkeys((s.id for s in samples), 0.0)
    assert set(values("right", "tool_format").values()) == {1.0}
    assert all(count > 1 for count in values("right", "steps").values())


def test_a_model_that_never_stops_is_ended_and_calls_that_are_no_json_end_the_turn(
    declare: Callable[..., None],
) -> None:
    sample = next(s for s in load_suite("bfcl-multi-turn").samples if "base" in s.tags)
    endless = calling([("pwd", {})])
    broken = {"id": "c", "type": "function", "function": {"name": "pwd", "arguments": "{"}}
    with ExitStack() as stack:
        servers = {
            "endless": FakeProvider(endless),
            "broken": FakeProvider(Behaviour(text="", tool_calls=(broken,), finish="tool_calls")),
        }
        for name, server in servers.items():
            declare(stack.enter_context(server), name=name)
        run(
            "bfcl-multi-turn",
            "--tag",
            "base",
            "--limit",
            "1",
            "--on",
            "endless:model",
            "--on",
            "broken:model",
        )
        assert len(servers["endless"].requests) == 21
        last = servers["broken"].requests[-1]["messages"]
    turns = len(turns_of(sample).turns)
    assert len(servers["broken"].requests) == turns
    assert [m["role"] for m in last] == ["user", "assistant", "tool"] * (turns - 1) + ["user"]
    assert values("broken", "tool_format")[sample.id] == 0
    assert values("endless", "solved") == values("broken", "solved") == {sample.id: 0.0}
