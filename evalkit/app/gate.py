"""Holds recorded runs against a gate file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.analysis.compare import Comparison, Comparisons, compare
from evalkit.analysis.decide import GOVERNANCE, Evidence, decide_gate, decide_rule
from evalkit.analysis.frames import build_frames
from evalkit.analysis.measures import MEASURES
from evalkit.analysis.summary import Summary, summarize
from evalkit.app.look import load_run
from evalkit.catalog.gates import load_gate
from evalkit.errors import UnknownNameError, UsageError
from evalkit.report.verdict import RuleNote, VerdictNote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.rundata import RunData
    from evalkit.types.estimate import Estimate
    from evalkit.types.gate import Gate, GateVerdict, Rule

DEMO_GATE = Path(__file__).with_name("demo.gate.yaml")


def judge_runs(
    folders: Sequence[Path], gate_file: Path, *, candidate: str | None = None, baseline: str | None = None
) -> GateVerdict:
    """The verdict of a gate on what was recorded.

    Args:
        folders: Runs; all endpoints in them are known to the gate.
        gate_file: Its YAML.
        candidate: Endpoint or its provider; may be left out if there is just one beside the baseline.
        baseline: Endpoint or its provider; default is the first run's reference.

    Raises:
        UsageError: a name is unknown or ambiguous, or the runs cannot be compared.
        DefinitionError: the gate file breaks its schema.
        StoreError: a run is missing or damaged.
    """
    gate = load_gate(gate_file)
    runs = [load_run(folder) for folder in folders]
    frames = build_frames(runs)
    summary, comparisons = summarize(runs, frames), compare(runs, frames)
    base = _named("baseline", baseline, summary.subjects) if baseline else comparisons.reference
    if base is None:
        raise UsageError("The runs have one endpoint only; name a --baseline run beside it.")
    if base != comparisons.reference:
        raise UsageError(
            f"The runs were planned with {comparisons.reference} as reference, so that is the baseline; "
            f"run again with --reference {base} to compare with it."
        )
    chosen = _candidate(candidate, summary.subjects, base)
    _require_known(gate, summary)
    verdicts = [
        decide_rule(rule, gate, _evidence(rule, runs, summary, comparisons, chosen)) for rule in gate.rules
    ]
    return decide_gate(verdicts, candidate=chosen, baseline=base)


def note_of(verdict: GateVerdict, runs: Sequence[RunData]) -> VerdictNote:
    """The verdict as the report shows it."""
    created = datetime.fromisoformat(runs[0].manifest.created_at)
    days = (datetime.now(UTC) - created).days
    return VerdictNote(
        decision=verdict.decision,
        sentence=f"{verdict.candidate} instead of {verdict.baseline}: {verdict.sentence}",
        baseline=verdict.baseline,
        baseline_age="today" if days == 0 else f"{days} days",
        rules=tuple(
            RuleNote(title=rule.title, decision=rule.decision, sentence=rule.reason) for rule in verdict.rules
        ),
    )


def _named(what: str, name: str, subjects: Sequence[str]) -> str:
    found = [subject for subject in subjects if name in {subject, subject.split(":")[0]}]
    if len(found) != 1:
        raise UnknownNameError(what, name, subjects, f"The runs have {', '.join(subjects)}.")
    return found[0]


def _candidate(name: str | None, subjects: Sequence[str], baseline: str) -> str:
    if name is not None:
        return _named("candidate", name, subjects)
    others = [subject for subject in subjects if subject != baseline]
    if len(others) != 1:
        raise UsageError(f"The runs have {len(others)} endpoints beside {baseline}; name a --candidate.")
    return others[0]


def _require_known(gate: Gate, summary: Summary) -> None:
    for rule in gate.rules:
        if rule.metric not in {*MEASURES, GOVERNANCE}:
            raise UnknownNameError(
                "metric", rule.metric, (*MEASURES, GOVERNANCE), f"in the rule {rule.title!r}."
            )
        if rule.suite is not None and rule.suite not in summary.suites:
            raise UnknownNameError("suite", rule.suite, summary.suites, f"in the rule {rule.title!r}.")
        if rule.tag is not None:
            raise UsageError(f"The rule {rule.title!r} names a tag; rules on tags are not supported yet.")


def _evidence(
    rule: Rule, runs: Sequence[RunData], summary: Summary, comparisons: Comparisons, candidate: str
) -> Evidence:
    if rule.metric == GOVERNANCE:
        refused = [
            p for run in runs for p in run.manifest.policy if p.endpoint == candidate and not p.allowed
        ]
        return Evidence(
            word="refused" if refused else "allowed", word_reason=refused[0].rule if refused else None
        )
    base = comparisons.reference
    assert base is not None  # the caller looked
    test = comparisons.find(candidate, rule.metric, rule.suite)
    delivered = [summary.find(side, "delivered", rule.suite) for side in (candidate, base)]
    shares = [estimate.value for estimate in delivered if estimate is not None and estimate.value is not None]
    cost = summary.find(candidate, "cost_per_1k", rule.suite)
    return Evidence(
        candidate=summary.find(candidate, rule.metric, rule.suite),
        baseline=summary.find(base, rule.metric, rule.suite),
        difference=_estimate(test, "difference"),
        ratio=_estimate(test, "ratio"),
        delivered=(shares[0], shares[1]) if len(shares) == 2 and rule.metric != "delivered" else None,
        usd_per_sample=cost.value / 1000 if cost is not None and cost.value is not None else None,
    )


def _estimate(test: Comparison | None, form: str) -> Estimate | None:
    return test.estimate if test is not None and test.form == form else None
