"""A gate that asks just as much as it takes, through the command line and a real socket."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.app.look import load_run
from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

GATE = """\
version: 1
min_pairs: 20
sequential: {{batch: 20, seed: 3}}
rules:
  - metric: quality
    suite: tiny
    max_drop: 0.25
{more}"""


def evalkit(*words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", *words], capture_output=True, text=True, timeout=240, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def write_gate(more: str = "") -> None:
    Path("move.gate.yaml").write_text(GATE.format(more=more), encoding="utf-8")


def right(body: dict[str, Any]) -> Behaviour:
    number = int(body["messages"][-1]["content"].split()[-1])
    return Behaviour(text="five" if number % 10 == 0 else "four")


def half_wrong(body: dict[str, Any]) -> Behaviour:
    number = int(body["messages"][-1]["content"].split()[-1])
    return Behaviour(text="four" if number % 2 and number % 10 else "five")


WORDS = ("gate", "tiny", "--sequential", "--baseline", "lab:model", "-g", "move.gate.yaml", "--run", "s")


def test_equal_hosts_pass_and_a_worse_one_fails_before_the_suite_is_used_up(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(400)
    with FakeProvider(right) as lab, FakeProvider(right) as same, FakeProvider(half_wrong) as worse:
        for server, name in ((lab, "lab"), (same, "same"), (worse, "worse")):
            declare(server, name=name)
        write_gate("  - metric: cost_per_1k\n    max_relative_rise: 0.5\n    tier: supporting\n")
        passed = evalkit(*WORDS, "--candidate", "same:model", "--json", "v.json")
        assert passed.returncode == 0, passed.stderr
        asked = len(lab.requests)
        assert asked < 400
        assert asked == len(same.requests)
        assert asked % 20 == 0
        verdict = json.loads(Path("v.json").read_text(encoding="utf-8"))
        assert verdict["decision"] == "pass"
        quality, cost = verdict["rules"]
        assert "confidence sequence" in quality["estimate"]["method"]
        assert quality["estimate"]["n"] == asked
        assert "confidence sequence" not in cost["estimate"]["method"]
        assert cost["estimate"]["n"] == asked
        assert verdict["notes"] == [f"tiny: {asked} of 400 clusters drawn"]
        assert load_run(Path("results/s")).manifest.status == "stopped"
        again = evalkit(*WORDS, "--candidate", "same:model")
        assert again.returncode == 0
        assert len(lab.requests) == asked
        failed = evalkit(*WORDS[:-1], "w", "--candidate", "worse:model")
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert len(worse.requests) < 400
        assert "1 of 1 rules settled" in failed.stderr


def test_a_recorded_baseline_is_not_asked_again(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(200)
    write_gate()
    with FakeProvider(right) as lab, FakeProvider(right) as same:
        declare(lab, name="lab")
        declare(same, name="same")
        assert evalkit("run", "tiny", "--on", "lab:model", "--run", "old").returncode == 0
        words = ("gate", "tiny", "--sequential", "--baseline", "old", "--candidate", "same:model")
        done = evalkit(*words, "-g", "move.gate.yaml", "--run", "new")
        assert done.returncode == 0, done.stderr
        assert len(lab.requests) == 200
        assert 0 < len(same.requests) < 200


@pytest.mark.parametrize(
    ("words", "rules", "sentence"),
    [
        (("gate", "--sequential", "-g", "move.gate.yaml"), "", "needs suites to ask and a --candidate"),
        ((*WORDS, "--candidate", "lab:model"), "", "is candidate and baseline"),
        ((*WORDS, "--candidate", "nobody:model"), "", "Unknown provider 'nobody'"),
    ],
)
def test_what_cannot_be_gated_is_said_before_a_request(
    make_suite: Callable[..., None],
    declare: Callable[..., None],
    words: tuple[str, ...],
    rules: str,
    sentence: str,
) -> None:
    make_suite(10)
    write_gate(rules)
    with FakeProvider(right) as lab:
        declare(lab, name="lab")
        done = evalkit(*words)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert not lab.requests


def test_a_gate_without_a_rule_on_a_share_is_refused(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(10)
    Path("move.gate.yaml").write_text(
        "version: 1\nrules: [{metric: cost_per_1k, max_relative_rise: 0.1}]\n", encoding="utf-8"
    )
    with FakeProvider(right) as lab:
        declare(lab, name="lab")
        done = evalkit(*WORDS, "--candidate", "lab:model")
        assert done.returncode == 2
        assert "no rule bounds a share" in done.stderr
        assert not lab.requests
