"""Whole runs through the command line, against a real server on loopback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.analysis.frames import build_frames
from evalkit.analysis.summary import summarize
from evalkit.app.look import load_run
from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]


def evalkit(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def only_run() -> Path:
    (folder,) = Path("results").iterdir()
    return folder


def test_a_run_is_recorded_scored_and_complete(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(6)
    with FakeProvider(Behaviour(text="It is four.")) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model")
        assert done.returncode == 0, done.stderr
        again = evalkit("run", "tiny", "--on", "fake:model", "--json")
        assert len(server.requests) == 6
    assert json.loads(again.stdout)["tally"]["skipped"] == 6
    run = load_run(only_run())
    assert run.manifest.status == "finished"
    assert {g.outcome for g in run.generations} == {"ok"}
    assert {g.timing.token_chunks for g in run.generations if g.timing} == {4}
    assert all(g.cost and g.cost.usd > 0 for g in run.generations)
    assert [r.score.value for r in run.scores if r.score and r.score.metric == "match"] == [1.0] * 6
    assert evalkit("runs", "verify").returncode == 0


def test_scoring_again_makes_no_call(make_suite: Callable[..., None], declare: Callable[..., None]) -> None:
    make_suite(4)
    with FakeProvider(Behaviour(text="four")) as server:
        declare(server)
        evalkit("run", "tiny", "--on", "fake:model")
        before = [(r.trial, r.score) for r in load_run(only_run()).scores]
        assert evalkit("score", "latest").returncode == 0
        assert len(server.requests) == 4
    after = [(r.trial, r.score) for r in load_run(only_run()).scores]
    assert sorted(map(str, before)) == sorted(map(str, after))


def eight_replies(body: dict[str, Any], field: str = "reasoning_content") -> Behaviour:
    number = int(body["messages"][-1]["content"].split()[-1])
    seen = LIMITED.setdefault(number, 0)
    LIMITED[number] += 1
    risk = {
        "error": {
            "message": "Content Exists Risk",
            "type": "invalid_request_error",
            "code": "invalid_request_error",
        }
    }
    return (
        Behaviour(text="four"),
        Behaviour(content_null=True, reasoning="two and two", reasoning_field=field, finish="length"),
        Behaviour(text="", finish="content_filter"),
        Behaviour(text="four", reasoning="two and two", reasoning_field=field),
        Behaviour(text="<think>two and two</think>four"),
        Behaviour(text="I'm sorry, but I can't help with that."),
        Behaviour(text="four") if seen >= 2 else Behaviour(status=429, headers={"retry-after": "0.05"}),
        Behaviour(status=400, body=json.dumps(risk).encode()),
    )[number]


def of_vllm(body: dict[str, Any]) -> Behaviour:
    return eight_replies(body, field="reasoning")


def of_azure(body: dict[str, Any]) -> Behaviour:
    how = eight_replies(body)
    blocked = {
        "error": {"code": "content_filter", "message": "filtered", "innererror": {"code": "Responsible"}}
    }
    return Behaviour(status=400, body=json.dumps(blocked).encode()) if how.status == 400 else how


def of_minimax(body: dict[str, Any]) -> Behaviour:
    """Blocks with HTTP 200 and a status of its own."""
    how = eight_replies(body)
    blocked = {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}
    return Behaviour(body=json.dumps(blocked).encode()) if how.status == 400 else how


def not_streamed(body: dict[str, Any]) -> Behaviour:
    """A server that answers in one piece although it was asked to stream."""
    body["stream"] = False
    return eight_replies(body)


LIMITED: dict[int, int] = {}


@pytest.mark.parametrize("transport", ["aiohttp", "openai"])
@pytest.mark.parametrize(
    "host", [eight_replies, of_vllm, of_azure, of_minimax, not_streamed], ids=lambda host: host.__name__
)
def test_eight_replies_that_others_score_in_five_ways(
    make_suite: Callable[..., None], declare: Callable[..., None], host: Any, transport: str
) -> None:
    """Answered 4, blocked 1, filtered 1, refused 1, truncated in reasoning 1, and exit code 0."""
    LIMITED.clear()
    make_suite(8)
    with FakeProvider(host) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--transport", transport)
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 10
    run = load_run(only_run())
    outcomes = sorted(g.outcome.value for g in run.generations)
    assert outcomes == ["host_input_filter", "host_output_filter", "ok", "ok", "ok", "ok", "ok", "truncated"]
    refused = {
        r.trial.sample for r in run.scores if r.score and r.score.metric == "refusal" and r.score.value
    }
    assert refused == {"s0005"}
    answered = [
        r.score.value
        for r in run.scores
        if r.score and r.score.metric == "match" and r.trial.sample not in refused
    ]
    assert answered == [1.0] * 4
    retried = next(g for g in run.generations if g.trial.sample == "s0006")
    assert [a.status for a in retried.attempts] == [429, 429, 200]
    by_field = {
        g.trial.sample: g.response.reasoning_field
        for g in run.generations
        if g.response and g.response.reasoning
    }
    field = "reasoning" if host is of_vllm else "reasoning_content"
    assert by_field == {"s0001": field, "s0003": field, "s0004": "<think>"}
    delivered = summarize([run], build_frames([run])).find("fake:model", "delivered")
    assert delivered is not None
    assert (delivered.value, delivered.n) == (5 / 8, 8)


@pytest.mark.parametrize(
    "fault",
    [
        Behaviour(status=500),
        Behaviour(drop=True),
        Behaviour(cut=True),
        Behaviour(body=b'{"choices": [{"mess'),
        Behaviour(status=429, headers={"retry-after": "0.01"}),
    ],
    ids=["500", "dropped", "cut", "malformed", "429"],
)
def test_a_fault_is_asked_again_and_never_scored_as_wrong(
    make_suite: Callable[..., None], declare: Callable[..., None], fault: Behaviour
) -> None:
    make_suite(3)
    seen: set[str] = set()

    def script(body: dict[str, Any]) -> Behaviour:
        prompt = body["messages"][-1]["content"]
        first = prompt not in seen
        seen.add(prompt)
        return fault if first else Behaviour(text="four")

    with FakeProvider(script) as server:
        declare(server)
        assert evalkit("run", "tiny", "--on", "fake:model").returncode == 0
        assert len(server.requests) == 6
    run = load_run(only_run())
    assert [len(g.attempts) for g in run.generations] == [2, 2, 2]
    assert all(r.score and r.score.value == 1.0 for r in run.scores if r.scorer == "match")


def test_a_dead_host_ends_with_five_and_is_finished_later(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(2)
    bad = Behaviour(status=401, body=b'{"error": {"message": "no such key", "code": "invalid_api_key"}}')
    with FakeProvider(bad) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model")
        assert done.returncode == 5
        assert "2 of 2 trials failed" in done.stderr
        server._script = Behaviour(text="four")
        assert evalkit("run", "tiny", "--on", "fake:model").returncode == 0
    run = load_run(only_run())
    last = {r.trial: r for r in run.scores if r.scorer == "match"}
    assert all(r.score and r.score.value == 1.0 for r in last.values())


@pytest.mark.parametrize("after", [3, 9, 17])
def test_kill_9_loses_nothing_and_asks_nothing_twice(
    make_suite: Callable[..., None], declare: Callable[..., None], after: int
) -> None:
    make_suite(40)
    with FakeProvider(Behaviour(text="four", delay_s=0.05)) as server:
        declare(server)
        child = subprocess.Popen([*COMMAND, "run", "tiny", "--on", "fake:model", "-q"])
        while sum(server.answered.values()) < after and child.poll() is None:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        recorded = {g.trial.sample for g in load_run(only_run()).generations}
        assert evalkit("run", "tiny", "--on", "fake:model").returncode == 0
        run = load_run(only_run())
        asked = {p: n for p, n in server.answered.items() if n > 1}
        assert len({g.fingerprint for g in run.generations}) == len(run.generations) == 40
        # What was on the wire when the process died was never received, so it is asked again; no more.
        assert len(asked) <= 8
        assert not {f"s{int(p.split()[-1]):04}" for p in asked} & recorded


def test_ctrl_c_keeps_what_is_paid_for(make_suite: Callable[..., None], declare: Callable[..., None]) -> None:
    make_suite(40)
    with FakeProvider(Behaviour(text="four", delay_s=0.1)) as server:
        declare(server)
        child = subprocess.Popen(
            [*COMMAND, "run", "tiny", "--on", "fake:model", "-q"], stderr=subprocess.PIPE
        )
        while sum(server.answered.values()) < 5 and child.poll() is None:
            time.sleep(0.005)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
        assert child.returncode == 130
        assert b"Traceback" not in said
        assert load_run(only_run()).manifest.status == "interrupted"
        assert evalkit("run", "tiny", "--on", "fake:model").returncode == 0
        assert set(server.answered.values()) == {1}
        assert len(server.answered) == 40


def test_the_openai_client_gives_the_same(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(3)
    with FakeProvider(Behaviour(text="four", reasoning="hm")) as server:
        declare(server)
        assert evalkit("run", "tiny", "--on", "fake:model", "--transport", "openai").returncode == 0
    run = load_run(only_run())
    assert [g.response.text for g in run.generations if g.response] == ["four"] * 3
    assert all(g.timing and g.timing.first_token_s is not None for g in run.generations)


def test_the_policy_stops_before_the_first_byte(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(2, sensitivity="regulated")
    with FakeProvider() as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model")
        assert done.returncode == 3
        assert "only servers of your own are allowed" in done.stderr
        assert server.requests == []
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "tinny", "--on", "fake:model"], "Did you mean 'tiny'"),
        (["run", "tiny", "--on", "fak:model"], "Did you mean 'fake'"),
        (["run", "tiny", "--weights", "org/Modell"], "Did you mean 'org/Model'"),
        (["run", "tiny"], "give --on provider:model or --weights"),
        (["run", "tiny", "--on", "fake:model", "--shard", "3/2"], "is not I/N"),
        (["run", "tiny", "--on", "fake:model", "--set", "temprature=1"], "temprature"),
        (["run", "tiny", "--on", "fake:model", "--results", "/proc/none"], "cannot be written"),
        (["report", "nothing"], "Unknown run"),
        (["suites", "check", "nope"], "Unknown suite"),
    ],
)
def test_errors_are_one_sentence(
    make_suite: Callable[..., None], declare: Callable[..., None], arguments: list[str], message: str
) -> None:
    make_suite(1)
    with FakeProvider() as server:
        declare(server)
        done = evalkit(*arguments)
    assert done.returncode in {2, 5}
    assert message in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert server.requests == []


def test_a_newer_results_folder_is_refused(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(1)
    with FakeProvider() as server:
        declare(server)
        evalkit("run", "tiny", "--on", "fake:model")
    manifest = only_run() / "manifest.json"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace('"schema": 1', '"schema": 99'), encoding="utf-8"
    )
    done = evalkit("report", "latest")
    assert done.returncode == 2
    assert "newer evalkit" in done.stderr


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_tables_are_exported(
    make_suite: Callable[..., None], declare: Callable[..., None], form: str
) -> None:
    import pandas as pd

    make_suite(3)
    with FakeProvider(Behaviour(text="four")) as server:
        declare(server)
        evalkit("run", "tiny", "--on", "fake:model")
    done = evalkit("export", "latest", "-o", "out", "--format", form)
    assert done.returncode == 0, done.stderr
    read = pd.read_parquet if form == "parquet" else pd.read_csv
    assert len(read(Path("out") / f"trials.{form}")) == 3
    estimates = read(Path("out") / f"estimates.{form}").set_index(["suite", "measure"])
    assert estimates.loc[("tiny", "quality"), "value"] == 1.0
    assert estimates.loc[("tiny", "quality"), "n"] == 3


def test_a_report_of_an_older_format_says_what_it_lacks(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(3)
    with FakeProvider(Behaviour(text="four")) as server:
        declare(server)
        evalkit("run", "tiny", "--on", "fake:model")
    folder = only_run()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    older = {
        k: v for k, v in manifest.items() if k not in {"policy", "prices", "software", "options", "judges"}
    }
    (folder / "manifest.json").write_text(json.dumps(older), encoding="utf-8")
    rows = [json.loads(line) for line in (folder / "generations.jsonl").read_bytes().splitlines()]
    bare = [{k: v for k, v in row.items() if k not in {"timing", "cost", "attempts"}} for row in rows]
    (folder / "generations.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in bare), encoding="utf-8"
    )
    done = evalkit("report", "latest", "-o", "r.html")
    assert done.returncode == 0, done.stderr
    assert "unpriced" in Path("r.html").read_text(encoding="utf-8")
    del older["suites"]
    (folder / "manifest.json").write_text(json.dumps(older), encoding="utf-8")
    broken = evalkit("report", "latest", "-o", "r.html")
    assert broken.returncode == 2
    assert "manifest.json: is damaged" in broken.stderr
    assert broken.stderr.strip().count("\n") == 0
