"""The composite action: its shell steps are run as GitHub runs them, against a host on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
GATE = """\
version: 1
rules:
  - {metric: quality, suite: tiny, min: %s}
  - {metric: delivered, min: 0.8}
"""


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ACTION["runs"]["steps"]
    return found


def value(text: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    """What GitHub puts in the place of `${{ … }}`."""

    def one(expression: str) -> str:
        for part in expression.split("||"):
            name = part.strip()
            known = {
                **{f"inputs.{key}": text for key, text in inputs.items()},
                **{f"steps.gate.outputs.{key}": text for key, text in outputs.items()},
                "github.action_path": str(ROOT),
            }
            if known[name]:
                return known[name]
        return ""

    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: one(m[1]), text)


class Runner:
    """Runs the action's own steps one after the other, with GitHub's files and shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs: dict[str, str] = {}
        self.summary = folder / "summary.md"
        self.log = ""

    def run(self, **given: str) -> int:
        """The exit code of the first step that fails, or 0."""
        defaults = {name: str(spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
        inputs = {**defaults, **{name.replace("_", "-"): text for name, text in given.items()}}
        for step in steps():
            skipped = step.get("if") == "inputs.suites != ''" and not inputs["suites"]
            if "run" not in step or skipped:
                continue
            code = self._step(step, inputs)
            if code:
                return code
        return 0

    def _step(self, step: dict[str, Any], inputs: dict[str, str]) -> int:
        written = self.folder / "output"
        written.write_text("", encoding="utf-8")
        env = {name: value(text, inputs, self.outputs) for name, text in step.get("env", {}).items()}
        script = self.folder / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "RUNNER_TEMP": str(self.folder),
                "GITHUB_OUTPUT": str(written),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        self.log += done.stdout + done.stderr
        for line in written.read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition("=")
            self.outputs[name] = text
        return done.returncode


@pytest.fixture
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("runner"))


def as_words(body: dict[str, Any]) -> Behaviour:
    """Every fifth question is answered wrongly."""
    number = int(body["messages"][-1]["content"].split()[-1])
    return Behaviour(text="five" if number % 5 == 0 else "four")


@pytest.mark.parametrize(("least", "code", "decision"), [("0.5", 0, "pass"), ("0.95", 1, "fail")])
def test_it_runs_judges_and_summarizes(
    make_suite: Callable[..., None],
    declare: Callable[..., None],
    runner: Runner,
    least: str,
    code: int,
    decision: str,
) -> None:
    make_suite(60)
    Path("move.gate.yaml").write_text(GATE % least, encoding="utf-8")
    with FakeProvider(as_words) as server:
        declare(server)
        # The package is there already, so pip has nothing to fetch.
        ended = runner.run(
            gate="move.gate.yaml",
            suites="tiny",
            on="fake:model",
            arguments="--max-requests 100\n--seed 3",
            evalkit="evalkit",
        )
        assert len(server.requests) == 60
    assert ended == code, runner.log
    assert runner.outputs["decision"] == decision
    assert runner.outputs["exit-code"] == str(code)
    kept = Path(runner.outputs["folder"])
    assert {path.name for path in kept.iterdir()} == {"gate.json", "gate.md", "report.html"}
    assert f"evalkit gate: {decision}" in runner.summary.read_text(encoding="utf-8")
    # The recorded run is judged again without a request.
    assert runner.run(gate="move.gate.yaml", run="ci", evalkit="evalkit") == code, runner.log


def test_what_cannot_be_judged_says_so(workdir: Path, runner: Runner) -> None:
    (workdir / "move.gate.yaml").write_text(GATE % "0.5", encoding="utf-8")
    assert runner.run(gate="move.gate.yaml", run="none", evalkit="evalkit") == 2
    assert runner.outputs["decision"] == ""
    assert "judged nothing and ended with code 2" in runner.summary.read_text(encoding="utf-8")
    assert "Unknown run 'none'" in runner.log


def test_an_input_is_never_code(workdir: Path, runner: Runner) -> None:
    (workdir / "move.gate.yaml").write_text(GATE % "0.5", encoding="utf-8")
    evil = '$(touch pwned) `touch pwned` "; touch pwned; #'
    runner.run(gate=evil, suites=evil, run=evil, candidate=evil, baseline=evil, evalkit="evalkit")
    assert not (workdir / "pwned").exists()
    for step in steps():
        assert "${{" not in step.get("run", ""), step["name"]


def test_other_actions_are_pinned_and_every_step_is_known() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for step in steps():
        assert set(step) <= {"name", "id", "if", "uses", "with", "env", "shell", "run"}
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
        else:
            assert step["shell"] == "bash"
    used = set(re.findall(r"inputs\.([a-z-]+)", yaml.safe_dump(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
