"""What is missing or unusual in the runs, said before any figure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from evalkit.analysis.frames import EXCLUDED, PENDING
from evalkit.report.numbers import count
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.analysis.rundata import RunData
    from evalkit.report.basis import Basis

_STATUS = {
    "running": "is still in progress or was killed",
    "interrupted": "was interrupted",
    "stopped": "was stopped by its budget",
}


def notices(basis: Basis) -> tuple[str, ...]:
    """Sentences for the top of the page; none if nothing is missing."""
    return tuple(_notices(basis))


def _notices(basis: Basis) -> Iterator[str]:
    if not basis.columns:
        yield "No endpoint is in these runs, so there is nothing to compare."
        return
    for run in basis.runs:
        yield from _of_run(run)
    yield from _versions(basis)
    trials = basis.frames.trials
    pending = int((trials["outcome"] == PENDING).sum()) if len(trials) else 0
    if pending:
        yield (
            f"{count(pending)} of {count(len(trials))} planned trials have not been run. Every figure is "
            "over the trials that were run; run the same command again to finish them."
        )
    excluded = int((trials["outcome"] == EXCLUDED).sum()) if len(trials) else 0
    if excluded:
        yield (
            f"{count(excluded)} of {count(len(trials))} planned trials are excluded from every figure, "
            "because another host than the pinned one, or a router's cache, answered."
        )
    yield from _reused(basis)
    if len(basis.columns) == 1:
        yield "One endpoint only: figures without a comparison."


def _reused(basis: Basis) -> Iterator[str]:
    """What was taken from which earlier run, and how old it was when this run began."""
    for run in basis.runs:
        asked_at: dict[str, list[float]] = {}
        for generation in run.generations:
            if generation.source is not None:
                asked_at.setdefault(generation.source, []).append(generation.at)
        began = datetime.fromisoformat(run.manifest.created_at).timestamp()
        for source, times in asked_at.items():
            days = (began - min(times)) / 86400
            yield (
                f"{count(len(times))} answers of run {tidy(run.manifest.run)} were taken from run "
                f"{tidy(source)}, the oldest {f'{days:.0f} days' if days >= 1 else 'less than a day'} "
                "before; latency figures leave them out."
            )


def _of_run(run: RunData) -> Iterator[str]:
    manifest = run.manifest
    name = tidy(manifest.run)
    if manifest.status != "finished":
        yield f"Run {name} {_STATUS[manifest.status]}: the figures may still change."
    if not run.generations:
        yield f"Run {name} has no recorded answer yet."
    elif not run.scores:
        yield f"Run {name} has no scores: quality and refusal cannot be shown. `evalkit score` makes them."
    missing = [tidy(r.suite.id) for r in manifest.suites if not run.samples.get(r.suite.id)]
    if missing:
        yield (
            f"Run {name} does not hold the samples of {', '.join(missing)}: answers are counted, but "
            "questions cannot be shown and trials that were never run are not known."
        )
    if manifest.options.get("unsandboxed"):
        yield f"UNSANDBOXED: run {name} executed code that models wrote without a sandbox (--sandbox none)."
    if manifest.note:
        yield f"Note of run {name}: {tidy(manifest.note, 400)}"


def _versions(basis: Basis) -> Iterator[str]:
    hashes: dict[str, set[str]] = {}
    for run in basis.runs:
        for record in run.manifest.suites:
            hashes.setdefault(record.suite.id, set()).add(record.hash)
    for suite, found in hashes.items():
        if len(found) > 1:
            yield (
                f"Suite {tidy(suite)} has different contents in these runs; its versions are shown apart and "
                "never compared with each other."
            )
