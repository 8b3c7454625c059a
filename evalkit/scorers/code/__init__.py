"""Runs the answer's code against the sample's tests, in the sandbox.

`code` is 1 when every test passes. Its label tells a wrong answer from a crash, a time-out, code that does
not compile, an answer without code, and one that was cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import msgspec
from msgspec.structs import replace

from evalkit.scorers.code.extract import Extraction, extract
from evalkit.scorers.code.job import Judged, Problem, Verdict, execution_of, judge, problem_of, same
from evalkit.scorers.code.literals import arguments_of, value_of
from evalkit.types.effects import Execute
from evalkit.types.generation import Outcome
from evalkit.types.score import Metric, Score, Unscored

if TYPE_CHECKING:
    from evalkit.ports.core import Judging, Scorer, Scores
    from evalkit.types.effects import Worked
    from evalkit.types.execution import ExecutionResult

LABELS: tuple[str, ...] = get_args(Verdict)


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


def build(options: Options) -> Scorer:
    """The scorer `code`."""
    del options
    return Code()


class Code:
    """See `evalkit.ports.core.Scorer`."""

    name = "code"
    version = "1"
    needs_sandbox = True
    metrics: tuple[Metric, ...] = (
        Metric(
            name="code",
            title="Solved",
            meaning="Share of answers whose code passes every test of its problem, hidden ones among them.",
            labels=LABELS,
        ),
        Metric(
            name="tests_passed",
            title="Tests passed",
            meaning="Share of a problem's tests that the code passes: partial credit, not the headline.",
            kind="fraction",
        ),
    )

    def score(self, worked: Worked) -> Judging:
        """See `evalkit.ports.core.Scorer`."""
        problem = problem_of(worked.sample.id, worked.sample.data)
        last = worked.solution.last
        text = last.response.text if last.response else ""
        if problem.kind == "literal":
            return _literal(problem, text)
        if problem.kind == "arguments":
            given = arguments_of(text)
            found = Extraction(program=problem.preamble if given else None, rule="literal", blocks=0)
            tests = [replace(test, run=test.run.replace("{answer}", given or "")) for test in problem.tests]
            problem = replace(problem, tests=tests)
        else:
            found = extract(text, problem.entry if problem.kind != "module" else None, problem.preamble)
        if found.program is None:
            verdict: Verdict = "truncated" if last.outcome is Outcome.TRUNCATED else "no_code"
            return _scores(found, Judged(verdict=verdict, passed=0, total=len(problem.tests)))
        execution = execution_of(problem, found.program)
        result: ExecutionResult = yield Execute(execution=execution)
        judged = judge(problem, result)
        if judged.verdict == "timeout":
            # Once more, with the machine to itself: it may have been busy.
            result = yield Execute(execution=replace(execution, alone=True))
            judged = judge(problem, result)
        if judged.verdict == "compile_error" and last.outcome is Outcome.TRUNCATED:
            judged = replace(judged, verdict="truncated")
        return _scores(found, judged)


def _literal(problem: Problem, text: str) -> Scores:
    """A value is compared here, by type and content; nothing is executed."""
    given, test = value_of(text), problem.tests[0]
    passed = given is not None and same(given, test.expect or "None")
    verdict: Verdict = "no_code" if given is None else "pass" if passed else "wrong"
    found = Extraction(program=given, rule="literal", blocks=0)
    return _scores(found, Judged(verdict=verdict, passed=int(passed), total=1))


def _scores(found: Extraction, judged: Judged) -> Scores:
    if judged.verdict == "sandbox_error":
        detail = "; ".join(judged.failing)
        return tuple(Unscored(metric=m.name, reason="sandbox_error", detail=detail) for m in Code.metrics)
    return (
        Score(
            metric="code",
            value=float(judged.verdict == "pass"),
            label=judged.verdict,
            answer=found.program,
            explanation="\n".join(judged.failing) or None,
            data={"rule": found.rule, "blocks": found.blocks, "passed": judged.passed, "total": judged.total},
        ),
        Score(metric="tests_passed", value=judged.passed / judged.total if judged.total else 0.0),
    )
