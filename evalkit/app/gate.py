"""Holds recorded runs against a gate file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.compare import Sides, flips_between
from evalkit.analysis.decide import decide_gate
from evalkit.analysis.evidence import Case, decide_rules
from evalkit.analysis.frames import build_frames
from evalkit.analysis.labels import Subject, named, reference_of, subjects_of
from evalkit.analysis.table import scored_table, suite_metrics
from evalkit.app.look import load_whole_run
from evalkit.app.report import report_on
from evalkit.catalog.gates import load_gate
from evalkit.errors import UnknownNameError, UsageError
from evalkit.report.markdown import markdown as as_markdown
from evalkit.report.verdict import RuleNote, VerdictNote
from evalkit.store.folder import find_run, list_runs, replace_file
from evalkit.types.gate import Flip, GateVerdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.rundata import RunData
    from evalkit.types.gate import RuleVerdict

DEMO_GATE = Path(__file__).with_name("demo.gate.yaml")


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict, and the runs that it was read from: the baseline's first."""

    verdict: GateVerdict
    folders: tuple[Path, ...]


def judge(
    runs: Sequence[str],
    gate_file: Path,
    *,
    candidate: str | None = None,
    baseline: str | None = None,
    results: Path = Path("results"),
) -> Judged:
    """The verdict of a gate on what was recorded.

    Args:
        runs: Runs that hold the candidate, by name or path; none for the one that the gate file names.
        gate_file: Its YAML. It may name run and sides itself.
        candidate: Endpoint or its provider; may be left out if there is just one beside the baseline.
        baseline: Endpoint or provider in these runs, or another run by name or path; default is the first
            run's reference. In another run it is the candidate's endpoint if that is there, else its
            reference.
        results: Where runs are found by name.

    Raises:
        UsageError: a name is unknown or ambiguous, the runs cannot be compared, or nothing is recorded.
        DefinitionError: the gate file breaks its schema.
        StoreError: a run is missing, damaged, or not as it was when it was closed.
    """
    gate = load_gate(gate_file)
    candidate, baseline = candidate or gate.candidate, baseline or gate.baseline
    names = tuple(runs) or ((gate.run,) if gate.run else ())
    if not names:
        raise UsageError(
            f"{gate_file}: no run is named; name one on the command line, or as `run` in the file."
        )
    folders = [find_run(name, results) for name in names]
    loaded = [load_whole_run(folder) for folder in folders]
    other = _baseline_run(baseline, loaded, results)
    every = [*loaded, load_whole_run(other)] if other is not None else loaded
    case = case_of(every, *sides_of(every, len(loaded), candidate, None if other is not None else baseline))
    verdict = verdict_on(decide_rules(gate, case), case)
    return Judged(verdict=verdict, folders=(*([other] if other is not None else []), *folders))


def verdict_on(rules: Sequence[RuleVerdict], case: Case) -> GateVerdict:
    """The verdict on a gate from those on its rules, with what a reader must know of the runs."""
    verdict = decide_gate(
        rules,
        candidate=case.candidate.name,
        baseline=case.baseline.name if case.baseline else None,
    )
    return msgspec.structs.replace(
        verdict,
        baseline_at=case.manifest(case.baseline).created_at if case.baseline else None,
        notes=_notes(case),
        flips=_flips(case),
    )


def judge_runs(
    folders: Sequence[Path], gate_file: Path, *, candidate: str | None = None, baseline: str | None = None
) -> GateVerdict:
    """The verdict alone; see `judge`."""
    names = [str(folder) for folder in folders]
    return judge(names, gate_file, candidate=candidate, baseline=baseline).verdict


def case_of(runs: Sequence[RunData], candidate: Subject, baseline: Subject | None) -> Case:
    """What rules are decided on."""
    frames = build_frames(runs)
    sides = Sides(table=scored_table(runs, frames), metrics=suite_metrics(runs))
    return Case(runs=tuple(runs), sides=sides, scores=frames.scores, candidate=candidate, baseline=baseline)


def write_verdict(
    judged: Judged, *, report: Path | None = None, markdown: Path | None = None, json: Path | None = None
) -> None:
    """Write the verdict to files: the HTML report of its runs, Markdown, JSON. Nothing is left half-written.

    Raises:
        InfrastructureError: a file cannot be written.
    """
    verdict = judged.verdict
    age = age_of(verdict.baseline_at) if verdict.baseline_at else None
    if report is not None:
        report_on(judged.folders, report, note_of(verdict))
    if markdown is not None:
        replace_file(markdown, as_markdown(verdict, age=age).encode())
    if json is not None:
        replace_file(json, msgspec.json.format(msgspec.json.encode(verdict), indent=2))


def note_of(verdict: GateVerdict) -> VerdictNote:
    """The verdict as the report shows it."""
    versus = f" instead of {verdict.baseline}" if verdict.baseline else ""
    return VerdictNote(
        decision=verdict.decision,
        sentence=f"{verdict.candidate}{versus}: {verdict.sentence}",
        baseline=verdict.baseline,
        baseline_age=age_of(verdict.baseline_at) if verdict.baseline_at else None,
        rules=tuple(
            RuleNote(title=rule.title, decision=rule.decision, sentence=rule.reason) for rule in verdict.rules
        ),
    )


def age_of(created_at: str) -> str:
    """How long ago something was made, in days."""
    days = (datetime.now(UTC) - datetime.fromisoformat(created_at)).days
    return "today" if days <= 0 else f"{days} days" if days > 1 else "1 day"


def _baseline_run(name: str | None, runs: Sequence[RunData], results: Path) -> Path | None:
    """The folder of a baseline that is another run; None if it is an endpoint of these runs, or unnamed."""
    if name is None or named(name, subjects_of(runs)):
        return None
    try:
        folder = find_run(name, results)
    except UnknownNameError:
        endpoints = [s.name for s in subjects_of(runs)]
        known = [*endpoints, *(path.name for path in list_runs(results))]
        raise UnknownNameError(
            "baseline", name, known, f"Name a run, or an endpoint of the run: {', '.join(endpoints)}."
        ) from None
    if any(folder.name == run.manifest.run for run in runs):
        raise UsageError(f"The baseline {name!r} is the run that is judged; name another run or an endpoint.")
    return folder


def sides_of(
    runs: Sequence[RunData], judged: int, candidate: str | None, baseline: str | None
) -> tuple[Subject, Subject | None]:
    """Candidate and baseline; runs from number `judged` on are the baseline's."""
    subjects = subjects_of(runs)
    own = [s for s in subjects if s.run < judged]
    if judged < len(runs):
        chosen = _one("candidate", candidate, own) if candidate else _only(own, None)
        theirs = [s for s in subjects if s.run >= judged]
        wanted = (chosen.endpoint, runs[judged].manifest.reference)
        found = (s for endpoint in wanted for s in theirs if s.endpoint == endpoint)
        return chosen, next(found, theirs[0])
    base = _one("baseline", baseline, own) if baseline else reference_of(runs, own)
    if base is not None and len(own) == 1:
        return own[0], None
    chosen = _one("candidate", candidate, own) if candidate else _only(own, base)
    if base is not None and chosen.name == base.name:
        raise UsageError(f"{chosen.name} is candidate and baseline; name another --candidate or --baseline.")
    return chosen, base


def _one(what: str, name: str, subjects: Sequence[Subject]) -> Subject:
    found, names = named(name, subjects), [s.name for s in subjects]
    if len(found) > 1:
        raise UsageError(
            f"--{what} {name!r} fits {', '.join(s.name for s in found)}; give one of these names whole."
        )
    if not found:
        raise UnknownNameError(what, name, names, f"The run has {', '.join(names)}.")
    return found[0]


def _only(subjects: Sequence[Subject], base: Subject | None) -> Subject:
    others = [s for s in subjects if base is None or s.name != base.name]
    if len(others) != 1:
        beside = f" beside the baseline {base.name}" if base is not None else ""
        raise UsageError(
            f"The run has {len(others)} endpoints{beside} ({', '.join(s.name for s in others)}); "
            "name a --candidate."
        )
    return others[0]


def _notes(case: Case) -> tuple[str, ...]:
    """What a reader of the verdict must know of the runs."""
    table, notes = case.sides.table, []
    for side in (case.candidate, case.baseline):
        if side is None:
            continue
        own = table[table["subject"] == side.name]
        pending = int(own["pending"].sum())
        if pending:
            notes.append(f"{side.name}: {pending} of {len(own)} planned trials have no answer yet")
    return (*notes, *_other_settings(case))


def _other_settings(case: Case) -> list[str]:
    """Suites that the two sides were asked with different generation settings."""
    if case.baseline is None or case.baseline.run == case.candidate.run:
        return []
    told = []
    for suite in case.suites(case.candidate):
        if suite not in case.suites(case.baseline):
            continue
        ours, theirs = (
            msgspec.to_builtins(case.record(side, suite).suite.generation)
            for side in (case.candidate, case.baseline)
        )
        keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        told += [
            f"suite {suite}: {key} is {ours.get(key)} at the candidate and {theirs.get(key)} at the baseline"
            for key in keys
        ]
    return told


def _flips(case: Case) -> tuple[Flip, ...]:
    if case.baseline is None:
        return ()
    names = [case.candidate.name, case.baseline.name]
    return tuple(flips_between(case.sides.table, case.scores, names, case.baseline.name))
