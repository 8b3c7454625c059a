"""`plan` and `run --dry-run` tell what a run takes, and send nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

FOUR = Behaviour(text="four")


def evalkit(*words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", *words], capture_output=True, text=True, timeout=240, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def planned(*words: str) -> dict[str, Any]:
    done = evalkit("plan", "tiny", "--on", "fake:model", "--json", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_bounds_without_an_earlier_run_and_expectations_with_one_both_hold(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(40)
    with FakeProvider(FOUR) as server:
        declare(server, key_env="FAKE_API_KEY", auth="bearer")
        before = planned("--epochs", "2")
        assert not server.requests
        declare(server)
        share = before["shares"][0]
        assert share["trials"] == 80
        assert share["requests"] == {"low": 80.0, "high": 80.0, "value": None}
        assert share["output"]["high"] == 80 * 50
        assert share["seconds"]["low"] is None
        assert before["sizes"][0]["clusters"] == 40
        run = evalkit("run", "tiny", "--on", "fake:model", "--epochs", "2", "--run", "r", "--json")
        assert run.returncode == 0, run.stderr
        asked = len(server.requests)
        spent = 80 * (10 * 1.0 + 1 * 2.0) / 1e6
        assert share["usd"]["low"] <= spent <= share["usd"]["high"]
        after = planned("--epochs", "2")
        assert len(server.requests) == asked
    share = after["shares"][0]
    assert share["basis"] == "80 answered trials of fake:model in run r"
    assert abs(share["usd"]["value"] - spent) < 1e-9
    assert share["seconds"]["value"] > 0
    text = evalkit("run", "tiny", "--on", "fake:model", "--dry-run", "--run", "never")
    assert text.returncode == 0, text.stderr
    assert "policy: 1 of 1 allowed" in text.stdout
    assert "40 samples in 40 clusters; finds differences from" in text.stdout
    assert not Path("results/never").exists()


def test_a_gate_that_this_size_cannot_decide_is_said_before_the_run(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(40)
    Path("g.yaml").write_text(
        "version: 1\nrules:\n  - {metric: quality, suite: tiny, max_drop: 0.02}\n"
        "  - {metric: quality, suite: tiny, id: loose, max_drop: 0.3}\n"
        "  - {metric: cost_per_1k, max_relative_rise: 0.1}\n",
        encoding="utf-8",
    )
    with FakeProvider(FOUR) as server:
        declare(server)
        done = evalkit("plan", "tiny", "--on", "fake:model", "--gate", "g.yaml")
        assert done.returncode == 4, done.stderr
        assert (
            "the same result on every sample, 40 independent ones, does not prove it; it takes" in done.stdout
        )
        assert "gate: loose: can be decided with 40 independent samples" in done.stdout
        assert "depends on how much the values spread" in done.stdout
        assert not server.requests


def test_a_rule_on_a_suite_that_is_not_planned_and_a_policy_are_said(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(10, sensitivity="regulated")
    Path("g.yaml").write_text(
        "version: 1\nrules: [{metric: quality, suite: tyni, max_drop: 0.02}]\n", encoding="utf-8"
    )
    with FakeProvider(FOUR) as server:
        declare(server, processing_countries=None)
        assert evalkit("plan", "tiny", "--on", "fake:model").returncode == 3
        assert not server.requests
    suite = Path("suites/tiny/suite.yaml")
    suite.write_text(suite.read_text(encoding="utf-8").replace("regulated", "public"), encoding="utf-8")
    done = evalkit("plan", "tiny", "--on", "fake:model", "-g", "g.yaml")
    assert done.returncode == 2
    assert "Did you mean 'tiny'?" in done.stderr
