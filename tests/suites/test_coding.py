"""Every reference solution passes in the sandbox, and every wrong one fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalkit.catalog.suites import load_suite
from evalkit.errors import UsageError
from evalkit.sandbox import choose
from evalkit.scorers.code.job import Judged, execution_of, judge, problem_of

LOADED = load_suite("coding")
REFERENCES = {
    row["id"]: row
    for row in map(
        json.loads, (Path(LOADED.folder) / "reference.jsonl").read_text(encoding="utf-8").splitlines()
    )
}


@pytest.fixture(scope="module")
def sandbox():  # type: ignore[no-untyped-def]
    try:
        return choose()
    except UsageError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


@pytest.mark.parametrize("sample", LOADED.samples, ids=lambda s: s.id)
def test_the_reference_passes_and_wrong_solutions_do_not(sample, sandbox) -> None:  # type: ignore[no-untyped-def]
    problem = problem_of(sample.id, sample.data)

    def verdict(program: str) -> Judged:
        return judge(problem, sandbox.run_blocking(execution_of(problem, program)))

    row = REFERENCES[sample.id]
    assert verdict(row["solution"]).verdict == "pass"
    assert len(row["mutants"]) >= 3
    for mutant in row["mutants"]:
        assert mutant != row["solution"]
        assert verdict(mutant).verdict in {"wrong", "crash"}
    assert len([t for t in problem.tests if not t.hidden]) >= 8
    assert [t for t in problem.tests if t.hidden]


FORGERIES = {
    "leaves at once": "import os\nos._exit(0)\n",
    "claims success": "import os\nos.write(1, b'pass')\ndef add_tax(p, r):\n    return 0\n",
    "equals everything": (
        "class Any(float):\n    def __eq__(self, o):\n        return True\n    __hash__ = None\n"
        "def add_tax(p, r):\n    return Any()\n"
    ),
    "writes to every descriptor": (
        "import os, json\nfor fd in range(3, 64):\n    for n in range(10):\n        try:\n"
        "            os.write(fd, json.dumps({'test': n, 'result': '1'}).encode() + b'\\n')\n"
        "        except OSError:\n            pass\nos._exit(0)\n"
    ),
    "patches the builtins": "import builtins\nbuiltins.repr = lambda x: '120.0'\ndef add_tax(p, r):\n    return 7\n",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_pass_does_not_pass(name: str, sandbox) -> None:  # type: ignore[no-untyped-def]
    sample = next(s for s in LOADED.samples if s.id == "add-tax")
    problem = problem_of(sample.id, sample.data)
    judged = judge(problem, sandbox.run_blocking(execution_of(problem, FORGERIES[name])))
    assert judged.verdict != "pass"
