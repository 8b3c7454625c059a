"""Faults, kills, budgets and re-use, through the command line and a real socket."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.app.look import load_run
from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]
FOUR = Behaviour(text="four")


def evalkit(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def faulty(seed: int) -> Callable[[dict[str, Any]], Behaviour]:
    """10 % 429, 2 % 500, 1 % dropped, 0.5 % each malformed, cut and trickling, drawn for each request."""
    draw = random.Random(seed)
    kinds = [
        (0.10, Behaviour(status=429, headers={"retry-after": "0.1"})),
        (0.02, Behaviour(status=500)),
        (0.01, Behaviour(drop=True)),
        (0.005, Behaviour(body=b'{"choices": [{"mess')),
        (0.005, Behaviour(text="four", cut=True)),
        (0.005, Behaviour(text="four", gap_s=0.1)),
    ]

    def script(_: dict[str, Any]) -> Behaviour:
        x = draw.random()
        for share, how in kinds:
            if x < share:
                return how
            x -= share
        return FOUR

    return script


def test_under_faults_every_sample_is_answered_and_none_is_wrong(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(400)
    with FakeProvider(faulty(1)) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "-c", "16")
        assert done.returncode == 0, done.stderr
        statuses = len(server.requests)
    run = load_run(Path("results/" + next(Path("results").iterdir()).name))
    assert statuses > 420
    assert len(run.generations) == 400
    assert {g.outcome.value for g in run.generations} == {"ok"}
    assert sum(len(g.attempts) for g in run.generations) == statuses
    assert all(r.score and r.score.value == 1.0 for r in run.scores if r.scorer == "match")
    slow = [g for g in run.generations if len(g.attempts) > 1]
    assert all(g.timing and g.timing.queued_s > 0 for g in slow)


def killed_at_random(server: FakeProvider, rounds: int, seed: int, samples: int) -> None:
    draw = random.Random(seed)
    for number in range(rounds):
        name = f"r{number}"
        server.answered.clear()
        child = subprocess.Popen(
            [*COMMAND, "run", "tiny", "--on", "fake:model", "-q", "--run", name], stderr=subprocess.PIPE
        )
        if number % 4:  # after some answer; every fourth at an instant of the clock, start-up included
            wanted = draw.randrange(samples)
            while sum(server.answered.values()) < wanted and child.poll() is None:
                time.sleep(0.001)
        else:
            time.sleep(draw.uniform(0.0, 0.8))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        folder = Path("results") / name
        journal = folder / "generations.jsonl"
        recorded = [json.loads(x)["trial"] for x in _whole_lines(journal)] if journal.exists() else []
        again = evalkit("run", "tiny", "--on", "fake:model", "-q", "--run", name)
        assert again.returncode == 0, again.stderr
        run = load_run(folder)
        assert Counter(g.trial.sample for g in run.generations) == {f"s{n:04}": 1 for n in range(samples)}
        twice = {f"s{int(p.split()[-1]):04}" for p, n in server.answered.items() if n > 1}
        assert not twice & {trial["sample"] for trial in recorded}
        scored = Counter(r.trial.sample for r in run.scores if r.scorer == "match")
        assert set(scored) == {f"s{n:04}" for n in range(samples)}


def _whole_lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def test_ten_random_kills_lose_nothing(make_suite: Callable[..., None], declare: Callable[..., None]) -> None:
    make_suite(24)
    with FakeProvider(Behaviour(text="four", delay_s=0.01)) as server:
        declare(server)
        killed_at_random(server, 10, seed=random.SystemRandom().randrange(10**6), samples=24)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_random_kills_lose_nothing(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(40)
    with FakeProvider(Behaviour(text="four", delay_s=0.01)) as server:
        declare(server)
        killed_at_random(server, 200, seed=20261123, samples=40)


def test_a_bound_on_requests_stops_and_can_be_resumed(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(30)
    with FakeProvider(FOUR) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--max-requests", "7", "--run", "r")
        assert done.returncode == 0, done.stderr
        assert "Stopped by --max-requests" in done.stderr
        assert len(server.requests) == 7
        assert load_run(Path("results/r")).manifest.status == "stopped"
        evalkit("resume", "r", "--max-requests", "12")
        assert len(server.requests) == 12
        assert evalkit("resume", "r").returncode == 0
        assert len(server.requests) == 30
    assert load_run(Path("results/r")).manifest.status == "finished"


def test_a_bound_in_dollars_is_kept_and_needs_prices(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    """Each answer costs 10 × $1 + 1 × $2 a million tokens = 0.000012; `max_tokens` of 50 is what may come."""
    make_suite(40)
    with FakeProvider(FOUR) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--max-cost", "0.0003", "--run", "r")
        assert done.returncode == 0, done.stderr
        spent = sum(g.cost.usd for g in load_run(Path("results/r")).generations if g.cost)
        assert 0 < spent <= 0.0003
        assert 1 <= len(server.requests) < 40
        before = len(server.requests)
        declare(server, name="bare", endpoints=())
        unpriced = evalkit("run", "tiny", "--on", "bare:model", "--max-cost", "1")
        assert unpriced.returncode == 2
        assert "bare:model has no price" in unpriced.stderr
        assert len(server.requests) == before


def test_a_bound_in_minutes_stops_starting_trials(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(200)
    with FakeProvider(Behaviour(text="four", delay_s=0.05)) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--max-minutes", "0.01", "--run", "r")
        assert "Stopped by --max-minutes" in done.stderr
        assert 0 < len(server.requests) < 200


def test_a_bound_in_minutes_holds_while_a_host_rests(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(40)
    with FakeProvider(Behaviour(status=500)) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--max-minutes", "0.1", "--run", "r")
        assert "Stopped by --max-minutes" in done.stderr
        assert "given up" not in done.stderr  # which it is after rests of almost six minutes
    assert len(load_run(Path("results/r")).generations) < 40


def test_answers_of_another_run_are_taken_and_marked(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(6)
    with FakeProvider(FOUR) as server:
        declare(server)
        evalkit("run", "tiny", "--on", "fake:model", "--limit", "4", "--run", "old")
        done = evalkit("run", "tiny", "--on", "fake:model", "--reuse", "old", "--run", "new")
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 6
        more = evalkit("run", "tiny", "--on", "fake:model", "--epochs", "2", "--reuse", "new", "--run", "two")
        assert more.returncode == 0, more.stderr
        assert len(server.requests) == 12  # the second epoch is another draw
    sources = Counter(g.source for g in load_run(Path("results/new")).generations)
    assert sources == {"old": 4, None: 2}
    evalkit("report", "two", "-o", "two.html")
    page = Path("two.html").read_text(encoding="utf-8")
    assert "4 answers of run two were taken from run old, the oldest less than a day" in page
    sources = Counter(g.source for g in load_run(Path("results/two")).generations)
    assert sources == {"old": 4, "new": 2, None: 6}


def test_a_dead_host_is_given_up_while_the_other_goes_on(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(40)
    bad = Behaviour(status=401, body=b'{"error": {"message": "no such key", "code": "invalid_api_key"}}')
    with FakeProvider(FOUR) as good, FakeProvider(bad) as dead:
        declare(good)
        declare(dead, name="dead")
        done = evalkit("run", "tiny", "--on", "fake:model", "--on", "dead:model", "--run", "r")
        assert done.returncode == 5
        assert "dead: given up after" in done.stderr
        assert len(good.requests) == 40
        assert len(dead.requests) < 40
        run = load_run(Path("results/r"))
        lost = [g for g in run.generations if g.endpoint == "dead:model"]
        assert {g.outcome.value for g in lost} == {"infra_error", "config_error"}
        assert len(lost) == 40
        dead._script = FOUR
        assert evalkit("resume", "r").returncode == 0
        assert len(good.requests) == 40


def test_events_for_machines(make_suite: Callable[..., None], declare: Callable[..., None]) -> None:
    make_suite(3)
    with FakeProvider(FOUR) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--progress", "json")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert Counter(event["event"] for event in events) == {"run": 1, "generation": 3, "trial": 3}
    assert all(e["outcome"] == "ok" and e["usd"] > 0 for e in events if e["event"] == "generation")


def test_a_host_that_hangs_is_left_after_the_time_given(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(2)
    with FakeProvider(Behaviour(text="four", delay_s=30)) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--timeout", "0.5", timeout=30)
        assert done.returncode == 5
    run = load_run(next(Path("results").iterdir()))
    assert all(g.failure and "timeout" in g.failure.message for g in run.generations)
