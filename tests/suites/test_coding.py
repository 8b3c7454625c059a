"""The coding suite: its rows are fresh, its problems obey the rules, and only right answers pass."""

from __future__ import annotations

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from evalkit.catalog.suites import load_suite
from evalkit.errors import UsageError
from evalkit.sandbox import choose
from evalkit.scorers.code.job import Judged, Problem, execution_of, judge, problem_of
from suites.coding.build import build, tables
from suites.coding.problem import HERE, PROBLEMS, load_problems, one_test, read, wrong_answers

LOADED = load_suite(str(HERE))
PROBLEM = {sample.id: problem_of(sample.id, sample.data) for sample in LOADED.samples}
REFERENCES = {
    row["id"]: row
    for row in map(
        json.loads, (Path(LOADED.folder) / "reference.jsonl").read_text(encoding="utf-8").splitlines()
    )
}
MEASURED = json.loads((HERE / "measured.json").read_text(encoding="utf-8"))
LEAST = {"function": 36, "repair": 18, "module": 18, "easy": 20, "medium": 26, "hard": 26}
DEMO = {
    "add-tax",
    "count-vowels",
    "largest-of-three",
    "is-even",
    "reverse-words",
    "sum-of-squares",
    "first-repeated",
    "merge-intervals",
    "repair-median",
}


def test_the_committed_rows_are_what_the_problems_give() -> None:
    samples, references = build(load_problems())
    assert (HERE / "samples.jsonl").read_text(encoding="utf-8") == samples
    assert (HERE / "reference.jsonl").read_text(encoding="utf-8") == references


def test_the_readme_says_what_is_in_the_suite() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    assert tables(load_problems()) in readme
    tests = [test for problem in PROBLEM.values() for test in problem.tests]
    wrong = sum(len(row["mutants"]) for row in REFERENCES.values())
    assert f"{len(tests)} tests" in readme
    assert f"({sum(t.hidden for t in tests)} in all, `hidden`)" in readme
    assert f"({wrong} in all)" in readme


def test_the_suite_is_as_large_as_it_promises() -> None:
    ids = [sample.id for sample in LOADED.samples]
    assert len(ids) == len(set(ids)) >= 72
    for tag, least in LEAST.items():
        assert sum(tag in sample.tags for sample in LOADED.samples) >= least, tag


def test_the_first_samples_are_a_fair_mix() -> None:
    for tag in ("function", "repair", "module", "easy", "medium", "hard"):
        share = sum(tag in sample.tags for sample in LOADED.samples) / len(LOADED.samples)
        first = sum(tag in sample.tags for sample in LOADED.samples[:24])
        assert abs(first - 24 * share) <= 3, tag


def test_the_demo_has_its_nine_samples() -> None:
    assert {sample.id for sample in LOADED.samples if "demo" in sample.tags} == DEMO


@pytest.mark.parametrize("sample", LOADED.samples, ids=lambda s: s.id)
def test_a_problem_obeys_the_rules(sample) -> None:  # type: ignore[no-untyped-def]
    problem, row = PROBLEM[sample.id], REFERENCES[sample.id]
    assert len([t for t in problem.tests if not t.hidden]) >= 8
    assert len([t for t in problem.tests if t.hidden]) >= 3
    assert len({t.run for t in problem.tests}) == len(problem.tests), "a test is there twice"
    assert all((t.expect is None) != (t.raises is None) for t in problem.tests)
    assert not {t.expect for t in problem.tests} & {"True", "False"}, "a bare bool is guessed too easily"
    assert problem.entry
    assert f"`{problem.entry}" in sample.input
    assert problem.kind != "module" or (problem.files and problem.answer_file in sample.input)
    assert sample.cluster
    assert len({row["solution"], *row["mutants"]}) == 1 + len(row["mutants"]) >= 4
    for program in (row["solution"], *row["mutants"]):
        compile(program, sample.id, "exec")


def test_limits_leave_ten_times_what_the_reference_took() -> None:
    assert set(MEASURED) == set(PROBLEM), "run python -m benchmarks.coding_limits"
    for name, problem in PROBLEM.items():
        assert problem.limits.cpu_s >= max(4, 10 * MEASURED[name]["cpu_s"]), name
        assert problem.limits.memory_mb >= 2 * MEASURED[name]["memory_mb"], name


@pytest.fixture(scope="module")
def verdicts():  # type: ignore[no-untyped-def]
    """Verdicts by id, the reference's first: all executions are queued at once and use every core."""
    try:
        sandbox = choose()
    except UsageError as error:
        pytest.skip(f"no sandbox on this machine: {error}")

    def verdict(problem: Problem, program: str) -> Judged:
        return judge(problem, sandbox.run_blocking(execution_of(problem, program)))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        queued: dict[str, list[Future[Judged]]] = {
            name: [pool.submit(verdict, PROBLEM[name], p) for p in (row["solution"], *row["mutants"])]
            for name, row in REFERENCES.items()
        }
        yield queued
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", list(PROBLEM))
def test_the_reference_passes_and_wrong_solutions_do_not(name: str, verdicts) -> None:  # type: ignore[no-untyped-def]
    reference, *mutants = (future.result() for future in verdicts[name])
    assert reference.verdict == "pass", reference.failing
    for number, mutant in enumerate(mutants):
        assert mutant.verdict in {"wrong", "crash", "timeout"}, f"mutant {number}: {mutant}"


def test_a_session_becomes_a_test() -> None:
    assert one_test(">>> a = [\n...     1]\n>>> a[0]\n1", "import x\n") == {
        "run": "import x\na = [\n    1]\nresult = a[0]",
        "expect": "1",
    }
    assert one_test(">>> f()\nraises KeyError", "") == {"run": "result = f()", "raises": "KeyError"}
    for bad in (">>> f()", "7", ">>> a = 1\n1", ">>> f()\nelse"):
        with pytest.raises((ValueError, SyntaxError)):
            one_test(bad, "")


def test_a_fault_in_a_problem_file_is_named(tmp_path: Path) -> None:
    text = (PROBLEMS / "shout.yaml").read_text(encoding="utf-8")
    file = tmp_path / "shout.yaml"
    file.write_text(text.replace("topic:", "topics:"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"shout\.yaml: .*topics"):
        read(file)
    file.write_text(text.replace("old: upper", "old: lower"), encoding="utf-8")
    with pytest.raises(ValueError, match="exactly once"):
        wrong_answers(read(file))


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
    "patches the builtins": (
        "import builtins\nbuiltins.repr = lambda x: '120.0'\ndef add_tax(p, r):\n    return 7\n"
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_pass_does_not_pass(name: str) -> None:
    try:
        sandbox = choose()
    except UsageError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    problem = PROBLEM["add-tax"]
    judged = judge(problem, sandbox.run_blocking(execution_of(problem, FORGERIES[name])))
    assert judged.verdict != "pass"
