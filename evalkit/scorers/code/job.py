"""From a sample and an answer to a program for the sandbox, and from its report to a verdict. Pure.

Tests by value are judged here, outside of the sandbox: the report holds values, and the expected ones never
went in, so a forged report would have to know them.
"""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from evalkit.scorers.code.problem import Problem, Test, problem_of
from evalkit.scorers.code.values import same
from evalkit.types.execution import Execution, ExecutionResult, Limits

__all__ = ["Judged", "Problem", "Test", "Verdict", "execution_of", "judge", "problem_of", "same"]

Verdict = Literal[
    "pass", "wrong", "crash", "compile_error", "timeout", "no_code", "truncated", "sandbox_error"
]

_INSIDE = ".evalkit"
"""The folder of the driver's own files, where no suite's or answer's file is."""

_SIGXCPU = "signal 24"
_MARSHAL = 2
"""A version of the format that every Python reads."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one answer. `failing` are the first tests that did not pass, in words."""

    verdict: Verdict
    passed: int
    total: int
    failing: tuple[str, ...] = ()


class Record(NamedTuple):
    """One record of the driver: what came, of which test, and its text."""

    what: str
    number: int
    text: str


def execution_of(problem: Problem, program: str) -> Execution:
    """What to run in the sandbox."""
    loads = problem.kind in {"function", "repair", "arguments"}
    modes = ["program" if problem.kind == "program" else "load" if loads else "module"]
    files = {name: text.encode() for name, text in problem.files.items()}
    files[problem.answer_file if problem.kind == "module" else "solution.py"] = program.encode(
        "utf-8", "replace"
    )
    own = ["driver.py"]
    if any(test.check is not None for test in problem.tests):
        modes.append("check")
        own.append("values.py")
        if any("numpy" in (test.check or "") for test in problem.tests):
            own.append("allclose.py")
    files |= {f"{_INSIDE}/{name}": Path(__file__).with_name(name).read_bytes() for name in own}
    tests = [_sent(test) for test in problem.tests]
    job = {"tests": tests, "entry": problem.entry or "", "preamble": problem.preamble}
    cpu_s = problem.limits.cpu_s
    return Execution(
        argv=("{python}", "-I", "-S", "-B", f"{_INSIDE}/driver.py", "{channel}", ",".join(modes)),
        files=files,
        stdin=marshal.dumps(job, _MARSHAL),
        limits=Limits(
            cpu_s=cpu_s,
            wall_s=4 * cpu_s + 10,
            memory_mb=problem.limits.memory_mb,
            output_kb=problem.limits.output_kb,
        ),
    )


def _sent(test: Test) -> tuple[str, str]:
    """How a test is run and its code or input; what is expected is not sent."""
    for what, code in (("check", test.check), ("beside", test.beside), ("input", test.stdin)):
        if code is not None:
            return what, code
    return "run", test.run


def judge(problem: Problem, result: ExecutionResult) -> Judged:
    """Compare what came out with what was expected."""
    total = len(problem.tests)
    records = read_records(result.channel)
    if not records and result.ended in {"exited", "crashed"}:
        return Judged(verdict="sandbox_error", passed=0, total=total, failing=(_tail(result.stderr),))
    whats = {record.what for record in records}
    if "syntax" in whats:
        said = next(record.text for record in records if record.what == "syntax")
        return Judged(verdict="compile_error", passed=0, total=total, failing=(said,))
    by_test = {record.number: record for record in reversed(records) if record.what in _RESULTS}
    wrong = [
        (n, why) for n, test in enumerate(problem.tests) if (why := _wrong(test, by_test.get(n))) is not None
    ]
    failing = tuple(f"{_shown(problem.tests[n])} → {why}" for n, why in wrong[:3])
    passed = total - len(wrong)
    if not wrong:
        return Judged(verdict="pass", passed=passed, total=total)
    return Judged(verdict=_kind(result, records, by_test), passed=passed, total=total, failing=failing)


_RESULTS = frozenset({"value", "raised", "failed"})


def _kind(result: ExecutionResult, records: list[Record], by_test: dict[int, Record]) -> Verdict:
    last = records[-1] if records else Record("none", 0, "")
    out_of_time = any(r.what == "gone" and _SIGXCPU in r.text for r in records)
    if result.ended in {"cpu_limit", "wall_limit"} or out_of_time:
        return "timeout"
    if last.what != "end" or result.ended != "exited" or any(r.what == "crash" for r in records):
        return "crash"
    came = [record for record in by_test.values() if not record.text.startswith("AssertionError")]
    crashed = [record for record in came if record.what in {"raised", "failed"}]
    return "crash" if crashed and len(crashed) == len(by_test) else "wrong"


def _wrong(test: Test, record: Record | None) -> str | None:
    """Why a test did not pass, or None if it did."""
    if record is None:
        return "no result"
    name, _, message = record.text.partition("\n")
    if record.what != "value":
        if test.raises is not None and record.what == "raised" and name == test.raises:
            return None
        wanted = f"expected {test.raises}, got " if test.raises is not None else ""
        return f"{wanted}{name}: {message}"
    if test.raises is not None:
        return f"expected {test.raises}, got {record.text[:200]}"
    if test.output is not None:
        return None if _lines(record.text) == _lines(test.output) else f"printed {record.text[:200]}"
    expected = test.expect if test.expect is not None else "None"
    return None if same(record.text, expected) else f"got {record.text[:200]}"


def _lines(text: str) -> list[str]:
    """Lines without blanks at their ends, and without empty ones at the end."""
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _shown(test: Test) -> str:
    return (test.run or test.check or test.stdin or test.beside or "").strip()[-300:]


def read_records(channel: bytes) -> list[Record]:
    """What the driver wrote; a record that was cut is left out."""
    found: list[Record] = []
    position = 0
    while True:
        end = channel.find(b"\n", position)
        parts = channel[position:end].split() if end >= 0 else []
        if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
            return found
        start, size = end + 1, int(parts[2])
        if start + size >= len(channel):
            return found
        text = channel[start : start + size].decode("utf-8", "replace")
        found.append(Record(parts[0].decode("ascii", "replace"), int(parts[1]), text))
        position = start + size + 1


def _tail(text: bytes) -> str:
    return text.decode("utf-8", "replace").strip().split("\n")[-1][:300]
