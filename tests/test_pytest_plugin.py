"""The pytest plugin, in a pytest of its own, on runs that lie on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from tests.recorded import record
from tests.synthetic import HOSTS, make_run

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
GATE = """\
version: 1
max_delivered_gap: 0.2
{head}
rules:
  - {{metric: quality, suite: coding, id: quality holds, max_drop: 0.5}}
  - {{metric: quality, suite: coding, id: quality is better, max_drop: 0.01}}
  - {{metric: cost_per_1k, max_relative_rise: 0.1}}
  - {{metric: host_verification, require: [matches], on_inconclusive: warn}}
  - {{metric: host_verification, id: verified, require: [matches]}}
"""


@pytest.fixture
def inner(workdir: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    record(make_run({"coding": 300}, run="r"), workdir / "results")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pytest", "-p", "evalkit.pytest_plugin", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, "-W", "error", "-rA", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


def write(head: str = "", name: str = "move.gate.yaml") -> None:
    Path(name).write_text(GATE.format(head=head), encoding="utf-8")


def test_each_rule_is_a_test(inner: Any) -> None:
    write()
    sides = ("--evalkit-run", "r", "--evalkit-baseline", "lab", "--evalkit-candidate", "cutrate")
    done = inner("move.gate.yaml", *sides, "--junitxml", "out.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 2 passed, 1 xfailed" in done.stdout
    assert "PASSED move.gate.yaml::quality holds" in done.stdout
    assert "FAILED move.gate.yaml::quality is better" in done.stdout
    # The failure says the figures, and no line of evalkit's own code.
    assert "candidate minus baseline is −1" in done.stdout
    assert "it must be at least −1 points" in done.stdout
    assert "decide.py" not in done.stdout
    cases = {
        case.get("name"): [child.tag for child in case if child.tag in {"failure", "skipped", "error"}]
        for case in ElementTree.parse("out.xml").iter("testcase")
    }
    assert cases == {
        "quality holds": [],
        "quality is better": ["failure"],
        "cost_per_1k": [],
        "host_verification": ["skipped"],
        "verified": ["failure"],
    }


def test_the_file_may_name_run_and_sides(inner: Any) -> None:
    write("run: r\ncandidate: cutrate\nbaseline: lab")
    done = inner()
    assert "2 failed, 2 passed, 1 xfailed" in done.stdout


def test_a_gate_without_a_run_leaves_other_tests_alone(inner: Any) -> None:
    write()
    Path("test_own.py").write_text("def test_own():\n    assert True\n", encoding="utf-8")
    done = inner()
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert "move.gate.yaml passed over, no run is named" in done.stdout
    named = inner("move.gate.yaml")
    assert named.returncode == 1
    assert "no run is named" in named.stdout
    assert "Traceback" not in named.stdout


@pytest.mark.parametrize(
    ("head", "sides", "words"),
    [
        ("colour: red", (), "unknown key 'colour'"),
        ("", ("--evalkit-run", "nothing"), "Unknown run 'nothing'"),
        ("", ("--evalkit-run", "r", "--evalkit-candidate", "cutrat"), "Did you mean 'cutrate:chat'"),
    ],
)
def test_broken_input_is_one_sentence(inner: Any, head: str, sides: tuple[str, ...], words: str) -> None:
    write(head)
    done = inner("move.gate.yaml", *sides)
    assert done.returncode in {1, 2}
    assert words in done.stdout
    assert "Traceback" not in done.stdout
    assert "evalkit/" not in done.stdout.replace(str(Path.cwd()), "")


def test_a_rule_over_suites_is_one_test_that_names_the_broken_suite(inner: Any, workdir: Path) -> None:
    record(make_run({"coding": 300, "agentic": 300}, run="both", hosts=HOSTS[:2]), workdir / "results")
    Path("all.gate.yaml").write_text(
        "version: 1\nrun: both\nmax_delivered_gap: 0.3\nrules:\n  - {metric: quality, max_drop: 0.01}\n",
        encoding="utf-8",
    )
    done = inner("all.gate.yaml")
    assert "1 failed" in done.stdout
    assert "quality, suite coding" in done.stdout
    assert "quality, suite agentic" in done.stdout


def test_pytest_finds_the_plugin_and_starts_no_slower() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"evalkit": "evalkit.pytest_plugin"}
    code = (
        "import sys, pytest; before = set(sys.modules); import evalkit.pytest_plugin; "
        "print(sorted(m for m in set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=100
    )
    assert done.stdout.strip() == "['evalkit', 'evalkit.pytest_plugin']"
