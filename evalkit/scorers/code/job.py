"""From a sample and an answer to a program for the sandbox, and from its report to a verdict. Pure.

The verdict is made here, outside of the sandbox: the report holds values, and the expected ones never went
in, so a forged report would have to know them.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from evalkit.errors import DefinitionError
from evalkit.types.execution import Execution, ExecutionResult, Limits

Verdict = Literal[
    "pass", "wrong", "crash", "compile_error", "timeout", "no_code", "truncated", "sandbox_error"
]

_DRIVER = Path(__file__).with_name("driver.py")
_TOLERANCE = 1e-6


class Test(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`run` assigns `result`, which must equal the literal `expect`; or an exception `raises` must come."""

    __test__ = False
    run: str
    expect: str | None = None
    raises: str | None = None
    hidden: bool = False


class CodeLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of all tests of a sample together."""

    cpu_s: float = 10.0
    memory_mb: int = 512


class Problem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the scorer reads of a sample's `data`.

    For `function` and `repair` the answer's names are in scope of the tests. For `module` the answer is the
    file `answer_file`, laid out with `files`, and the tests import what they need. `preamble` is code that a
    bare body continues.
    """

    kind: Literal["function", "repair", "module"]
    tests: list[Test]
    entry: str | None = None
    files: dict[str, str] = {}
    answer_file: str = "solution.py"
    preamble: str = ""
    limits: CodeLimits = CodeLimits()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one answer. `failing` are the first tests that did not pass, in words."""

    verdict: Verdict
    passed: int
    total: int
    failing: tuple[str, ...] = ()


def problem_of(sample_id: str, data: dict[str, Any]) -> Problem:
    """The problem that a sample declares.

    Raises:
        DefinitionError: its `data` is not one.
    """
    try:
        return msgspec.convert(data, Problem)
    except msgspec.ValidationError as error:
        raise DefinitionError(f"sample {sample_id!r} $.data: {error}.") from None


def execution_of(problem: Problem, program: str) -> Execution:
    """What to run in the sandbox."""
    loads = problem.kind != "module"
    files = {name: text.encode() for name, text in problem.files.items()}
    files["solution.py" if loads else problem.answer_file] = program.encode("utf-8", "replace")
    files["job.json"] = msgspec.json.encode({"load": loads, "tests": [test.run for test in problem.tests]})
    files["driver.py"] = _DRIVER.read_bytes()
    cpu_s = problem.limits.cpu_s
    return Execution(
        argv=("{python}", "-I", "-S", "-B", "driver.py", "{channel}"),
        files=files,
        limits=Limits(cpu_s=cpu_s, wall_s=4 * cpu_s + 10, memory_mb=problem.limits.memory_mb),
    )


def judge(problem: Problem, result: ExecutionResult) -> Judged:
    """Compare what came out with what was expected."""
    total = len(problem.tests)
    records = _records(result.channel)
    loaded = next((r for r in records if "load" in r), None)
    if loaded is None and result.ended == "exited" and result.stderr.startswith(b"bwrap:"):
        return Judged(verdict="sandbox_error", passed=0, total=total, failing=(_tail(result.stderr),))
    if loaded is not None and loaded["load"] == "syntax":
        return Judged(verdict="compile_error", passed=0, total=total, failing=(str(loaded.get("error")),))
    by_test = {r["test"]: r for r in reversed(records) if isinstance(r.get("test"), int)}
    wrong = [
        (n, why) for n, test in enumerate(problem.tests) if (why := _wrong(test, by_test.get(n))) is not None
    ]
    failing = tuple(f"{problem.tests[n].run.strip()[:300]} → {why}" for n, why in wrong[:3])
    passed = total - len(wrong)
    if not wrong:
        return Judged(verdict="pass", passed=passed, total=total)
    return Judged(verdict=_kind(result, loaded, records), passed=passed, total=total, failing=failing)


def _kind(result: ExecutionResult, loaded: dict[str, Any] | None, records: list[dict[str, Any]]) -> Verdict:
    if result.ended in {"cpu_limit", "wall_limit"}:
        return "timeout"
    finished = any(r.get("end") for r in records)
    if loaded is None or loaded["load"] == "crash" or not finished or result.ended != "exited":
        return "crash"
    return "crash" if all("raised" in r for r in records if "test" in r) else "wrong"


def _wrong(test: Test, record: dict[str, Any] | None) -> str | None:
    """Why a test did not pass, or None if it did."""
    if record is None:
        return "no result"
    if test.raises is not None:
        raised = record.get("raised")
        return (
            None if raised == test.raises else f"expected {test.raises}, got {raised or record.get('result')}"
        )
    if "raised" in record:
        return f"{record['raised']}: {record.get('error', '')}"
    got = str(record.get("result"))
    return None if test.expect is not None and same(got, test.expect) else f"got {got[:200]}"


def same(got: str, expected: str) -> bool:
    """Whether two literals mean the same value of the same types; floats within 1e-6."""
    try:
        return _equal(ast.literal_eval(got), ast.literal_eval(expected))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float | int) and not isinstance(b, bool):
        return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if isinstance(b, float) and isinstance(a, int) and not isinstance(a, bool):
        return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return bool(a == b)


def _records(channel: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in channel.split(b"\n"):
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


def _tail(text: bytes) -> str:
    return text.decode("utf-8", "replace").strip().split("\n")[-1][:300]
