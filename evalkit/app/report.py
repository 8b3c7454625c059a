"""Measures recorded runs and writes their report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.analysis.compare import Comparisons, compare
from evalkit.analysis.frames import build_frames
from evalkit.analysis.measures import MEASURES
from evalkit.analysis.summary import Summary, summarize
from evalkit.app.look import load_run
from evalkit.report.cells import change_text, figure
from evalkit.report.page import write_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.report.verdict import VerdictNote
    from evalkit.types.estimate import Estimate

_SHOWN = ("delivered", "quality", "refused", "blocked", "total_p50", "rate", "cost_per_1k")


def measure(folders: Sequence[Path]) -> tuple[Summary, Comparisons]:
    """Every figure of the runs, and every comparison with their reference.

    Raises:
        StoreError: a run is missing or damaged.
    """
    runs = [load_run(folder) for folder in folders]
    frames = build_frames(runs)
    return summarize(runs, frames), compare(runs, frames)


def report_on(folders: Sequence[Path], path: Path, verdict: VerdictNote | None = None) -> None:
    """Write the report of some runs to one HTML file.

    Raises:
        StoreError: a run is missing or damaged.
        InfrastructureError: the file cannot be written.
    """
    write_report(path, [load_run(folder) for folder in folders], verdict=verdict)


def comparison_rows(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """A table of endpoint by suite, for a terminal."""
    columns = ["endpoint", "suite", *(MEASURES[key].title for key in _SHOWN)]
    rows = [
        [subject, suite, *(_cell(summary.find(subject, key, suite), key) for key in _SHOWN)]
        for suite in summary.suites
        for subject in summary.subjects
    ]
    return columns, rows


def difference_rows(comparisons: Comparisons) -> tuple[list[str], list[list[str]]]:
    """A table of differences to the reference, for a terminal."""
    rows = []
    for test in comparisons.tests:
        value, interval = change_text(test, comparisons.measures[test.measure].unit)
        rows.append(
            [
                test.subject,
                test.suite or "all",
                comparisons.measures[test.measure].title,
                f"{value} {interval}".strip() + ("*" if test.significant else ""),
                f"{test.better}/{test.worse}",
                str(test.estimate.n),
                f"{test.adjusted:.2g}",
            ]
        )
    return ["endpoint", "suite", "measure", "difference", "better/worse", "n", "p (Holm)"], rows


def _cell(estimate: Estimate | None, key: str) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    value, interval = figure(estimate, MEASURES[key].unit)
    return f"{value} {interval} n={estimate.n}"
