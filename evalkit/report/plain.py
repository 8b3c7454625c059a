"""Figures and differences as rows of text, for terminals and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.analysis.measures import MEASURES
from evalkit.report.cells import change_text, figure

if TYPE_CHECKING:
    from evalkit.analysis.compare import Comparisons
    from evalkit.analysis.summary import Summary
    from evalkit.types.estimate import Estimate

_SHOWN = ("delivered", "quality", "refused", "blocked", "total_p50", "rate", "cost_per_1k")


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
                str(test.only_one),
                f"{test.adjusted:.2g}",
            ]
        )
    return [
        "endpoint",
        "suite",
        "measure",
        "difference",
        "better/worse",
        "n",
        "one side only",
        "p (Holm)",
    ], rows


def _cell(estimate: Estimate | None, key: str) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    value, interval = figure(estimate, MEASURES[key].unit)
    return f"{value} {interval} n={estimate.n}"
