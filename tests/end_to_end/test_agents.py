"""Whole agentic runs through the command line: reference trajectories, broken hosts, kill and resume."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.app.look import load_run
from evalkit.catalog.suites import load_suite
from evalkit.testing import Behaviour, FakeProvider, broken, calling, plays

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.types.generation import TrialKey
    from evalkit.types.score import Score

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]
PLUGIN = str(Path(__file__).parent.parent / "worlds" / "plugin")
SUITE = """\
id: rooms
version: "1"
title: Rooms
description: Bookings.
licence: Apache-2.0
source: this test
samples: samples.jsonl
generation:
  max_tokens: 200
primary: solved
solver:
  name: {solver}
  options: {options}
scorers:
  - name: end_state
"""
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def evalkit(*arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([PLUGIN, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, check=False, env=environment
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def scores(run: Path, metric: str) -> dict[TrialKey, Score]:
    return {r.trial: r.score for r in load_run(run).scores if r.score and r.score.metric == metric}


def only_run() -> Path:
    (folder,) = Path("results").iterdir()
    return folder


def write_suite(samples: list[dict[str, Any]], solver: str = "agent", **options: Any) -> None:
    folder = Path("suites/rooms")
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(SUITE.format(solver=solver, options=json.dumps(options)))
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, samples)))


def bookings(count: int, turns: int = 3) -> list[dict[str, Any]]:
    """Tasks that need `turns` calls: book a room on as many days."""
    samples = []
    for number in range(count):
        days = DAYS[: turns - 1]
        samples.append(
            {
                "id": f"b{number:03}",
                "input": f"Book Ada for talk {number} on {', '.join(days)}.",
                "data": {
                    "world": "rooms",
                    "state": {"rooms": [{"name": "Ada", "seats": 4}, {"name": "Bo", "seats": 2}]},
                    "check": [
                        {
                            "sql": "SELECT count(*) FROM meetings WHERE room = 'Ada'",
                            "expect": [[len(days)]],
                        }
                    ],
                    "keep": ["rooms"],
                    "forbid": [{"sql": "SELECT count(*) FROM meetings WHERE room = 'Bo'", "expect": [[0]]}],
                    "oracle": [
                        ["list_rooms", {}],
                        *(["book", {"title": f"talk {number}", "day": d, "room": "Ada"}] for d in days),
                    ],
                },
            }
        )
    return samples


def oracles(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {sample["input"]: sample["data"]["oracle"] for sample in samples}


def test_every_shipped_trajectory_does_what_it_should_through_the_adapters(
    workdir: Path, declare: Callable[..., None]
) -> None:
    """The oracle solves each task, the wrong way and doing nothing solve none."""
    samples = load_suite("agentic").samples
    assert len({sample.input for sample in samples}) == len(samples)
    solved: dict[str, set[float]] = {}
    for name in ("oracle", "wrong", "nothing"):
        steps = {str(s.input): s.data.get(name, []) for s in samples}
        with FakeProvider(plays(steps)) as server:
            declare(server, name)
            done = evalkit("run", "agentic", "--on", f"{name}:model", "--run", name, timeout=600)
            assert done.returncode == 0, done.stderr
        found = scores(workdir / "results" / name, "solved")
        assert len(found) == len(samples)
        solved[name] = {score.value for score in found.values()}
    assert solved == {"oracle": {1.0}, "wrong": {0.0}, "nothing": {0.0}}


def test_a_host_that_breaks_calls_is_told_apart_from_a_model_that_chooses_badly(
    workdir: Path, declare: Callable[..., None]
) -> None:
    samples = bookings(24)
    write_suite(samples)
    right = plays(oracles(samples))

    def leaking(body: dict[str, Any]) -> Behaviour:
        return broken(right(body), "leaked_tokens")

    def choosing(body: dict[str, Any]) -> Behaviour:
        """Sound calls, in the wrong room."""
        how = right(body)
        if how.tool_calls and how.tool_calls[0]["function"]["name"] == "book":
            given = json.loads(how.tool_calls[0]["function"]["arguments"])
            return calling(("book", {**given, "room": "Bo"}), first=9)
        return how

    with FakeProvider(right) as good, FakeProvider(leaking) as leak, FakeProvider(choosing) as chooser:
        declare(good, "good")
        declare(leak, "leak")
        declare(chooser, "chooser")
        names = [part for name in ("good", "leak", "chooser") for part in ("--on", f"{name}:model")]
        done = evalkit("run", "rooms", *names)
        assert done.returncode == 0, done.stderr
    run = only_run()
    by_host: dict[str, list[Score]] = {}
    for trial, score in scores(run, "solved").items():
        by_host.setdefault(trial.endpoint, []).append(score)
    assert {s.label for s in by_host["good:model"]} == {"solved"}
    assert {s.label for s in by_host["leak:model"]} == {"tool_format"}
    assert {s.label for s in by_host["chooser:model"]} == {"wrong_state"}
    side = {t.endpoint: s.value for t, s in scores(run, "side_effects").items()}
    assert side["chooser:model"] >= 1
    assert side["good:model"] == side["leak:model"] == 0
    format_of = {t.endpoint: s.value for t, s in scores(run, "tool_format").items()}
    assert format_of == {"good:model": 1.0, "leak:model": 0.0, "chooser:model": 1.0}
    assert evalkit("report", run.name, "-o", "report.html").returncode == 0
    page = re.sub(r"\s+", " ", Path("report.html").read_text(encoding="utf-8"))
    assert "breaks tool calls on rooms: in 24 of 24 turns, the reference in 0 of 96 turns" in page
    assert "tool tokens left in the text: 24" in page
    assert "the host&#39;s parser or server, not what the model chose" in page
    assert page.count("the format of its tool calls is not to blame") == 1


@pytest.mark.parametrize("world", ["rooms", "workspace"])
def test_killed_between_turns_and_resumed_no_turn_is_asked_twice(
    world: str, workdir: Path, declare: Callable[..., None]
) -> None:
    samples = bookings(12, turns=5) if world == "rooms" else writings(6)
    write_suite(samples)
    steps = plays(oracles(samples))

    def slow(body: dict[str, Any]) -> Behaviour:
        return msgspec.structs.replace(steps(body), delay_s=0.15)

    with FakeProvider(slow) as server:
        declare(server)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([PLUGIN, os.environ.get("PYTHONPATH", "")]),
        }
        arguments = ["run", "rooms", "--on", "fake:model", "--concurrency", "3"]
        process = subprocess.Popen([*COMMAND, *arguments], env=environment, stderr=subprocess.DEVNULL)
        wanted = 17 if world == "rooms" else 9
        deadline = time.monotonic() + 90
        while len(server.requests) < wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.5)  # what was in flight is answered to nobody
        recorded = load_run(only_run()).generations
        assert 0 < len(recorded) < len(samples) * (len(samples[0]["data"]["oracle"]) + 1)
        before = len(server.requests)
        done = evalkit(*arguments)
        assert done.returncode == 0, done.stderr
        again = Counter(json.dumps(body["messages"], sort_keys=True) for body in server.requests[before:])
    run = load_run(only_run())
    asked = Counter((g.trial.sample, g.turn) for g in run.generations)
    assert set(asked.values()) == {1}
    turns = len(samples[0]["data"]["oracle"]) + 1
    assert len(asked) == len(samples) * turns
    assert again.total() == len(samples) * turns - len(recorded)
    assert set(again.values()) == {1}
    assert {s.value for s in scores(only_run(), "solved").values()} == {1.0}


def writings(count: int) -> list[dict[str, Any]]:
    """Tasks in a folder that need four calls: list, write, run, and look again."""
    verify = (
        "def verify(work):\n"
        "    made = work / 'out.txt'\n"
        "    return [] if made.exists() and made.read_text() == HIDDEN['want'] else ['out.txt is wrong']\n"
    )
    return [
        {
            "id": f"w{number}",
            "input": f"Write {number} to out.txt.",
            "data": {
                "world": "workspace",
                "files": {"README.md": f"{number}\n"},
                "verify": verify,
                "hidden": {"want": f"{number}\n"},
                "keep": ["README.md"],
                "oracle": [
                    ["bash", {"command": "ls -la; cat README.md"}],
                    ["write_file", {"path": "make.sh", "text": "cat README.md > out.txt\n"}],
                    ["bash", {"command": "sh make.sh && ls -la && env"}],
                    ["read_file", {"path": "out.txt"}],
                ],
            },
        }
        for number in range(count)
    ]


def test_scoring_again_works_the_folders_again_and_asks_nobody(
    workdir: Path, declare: Callable[..., None]
) -> None:
    samples = writings(2)
    write_suite(samples)
    with FakeProvider(plays(oracles(samples))) as server:
        declare(server)
        assert evalkit("run", "rooms", "--on", "fake:model").returncode == 0
        asked = len(server.requests)
        assert evalkit("score", "latest").returncode == 0
        assert len(server.requests) == asked == 10
    assert {s.value for s in scores(only_run(), "solved").values()} == {1.0}


def test_the_bash_agent_solves_a_task_through_the_adapters(
    workdir: Path, declare: Callable[..., None]
) -> None:
    samples = writings(2)
    write_suite(samples, solver="bash_agent")

    def script(body: dict[str, Any]) -> Behaviour:
        assert "tools" not in body
        turn = sum(m["role"] == "assistant" for m in body["messages"])
        return Behaviour(text=("```bash\ncat README.md > out.txt\n```", "```bash\nsubmit\n```")[turn])

    with FakeProvider(script) as server:
        declare(server)
        assert evalkit("run", "rooms", "--on", "fake:model").returncode == 0
    assert {s.value for s in scores(only_run(), "solved").values()} == {1.0}
    assert not scores(only_run(), "tool_format")


def test_a_simulated_user_is_priced_and_the_policy_asks_about_it(
    workdir: Path, declare: Callable[..., None]
) -> None:
    (sample,) = bookings(1)
    sample["input"] = "I need a room."
    sample["data"]["persona"] = "You want Ada for 'talk 0' on Monday and Tuesday."
    write_suite([sample], user={"endpoint": "person:model"})
    steps = sample["data"]["oracle"]

    def agent(body: dict[str, Any]) -> Behaviour:
        users = sum(m["role"] == "user" for m in body["messages"])
        done = sum(len(m.get("tool_calls") or ()) for m in body["messages"])
        if users == 1:
            return Behaviour(text="For when?")
        return calling(steps[done], first=done) if done < len(steps) else Behaviour(text="Booked.")

    def person(body: dict[str, Any]) -> Behaviour:
        asked = body["messages"][-1]["content"]
        return Behaviour(text="Monday and Tuesday." if asked == "For when?" else "[done]")

    with FakeProvider(agent) as server, FakeProvider(person) as other:
        declare(server)
        declare(other, "person")
        done = evalkit("run", "rooms", "--on", "fake:model")
        assert done.returncode == 0, done.stderr
        Path("strict.yaml").write_text(STRICT)
        declare(other, "person", processing_countries=("XX",))
        refused = evalkit("run", "rooms", "--on", "fake:model", "--policy", "strict.yaml", "--run", "other")
        asked = len(other.requests)
    run = load_run(only_run())
    assert {s.value for s in scores(only_run(), "solved").values()} == {1.0}
    spoken = [g for g in run.generations if g.role == "user"]
    assert [g.endpoint for g in spoken] == ["person:model"] * 2
    assert all(g.cost is not None and g.cost.usd > 0 for g in spoken)
    assert [(r.endpoint, r.role) for r in run.manifest.policy if r.role != "subject"] == [
        ("person:model", "user")
    ]
    assert refused.returncode != 0
    assert "user person:model" in refused.stderr
    assert asked == 2


STRICT = """\
version: 1
title: strict
sensitivities:
  public: {processing_countries: [US]}
  internal: {}
  confidential: {}
  regulated: {}
"""
