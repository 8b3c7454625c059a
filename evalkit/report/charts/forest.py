"""Forest plot of the paired differences in quality to the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.report.cells import change_text, p_text
from evalkit.report.charts.base import BAD, GOOD, INK, LINE, MUTED, PAPER, Picture, draw
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from evalkit.analysis.compare import Comparison
    from evalkit.report.basis import Basis

_ROW = 26.0


def forest(basis: Basis) -> Picture | None:
    """Difference and interval per suite and endpoint; None without bounded differences."""
    letters = {c.key: c.letter for c in basis.columns}
    measured = [t for t in basis.comparisons.tests if t.measure == "quality" and t.estimate.low is not None]
    tests = [t for suite in basis.records if _bounded(basis, suite) for t in measured if t.suite == suite]
    if not tests or basis.reference is None:
        return None
    labels = [f"{tidy(t.suite or '', 28)}  {letters[t.subject]}" for t in tests]
    alt = " ".join(_sentence(t) for t in tests)

    def paint(fig: Any) -> None:
        ax = fig.subplots()
        for row, test in enumerate(tests):
            _paint_row(ax, row, test)
        ax.axvline(0, color=MUTED, linewidth=1.0, zorder=0)
        ax.set_yticks(range(len(tests)), labels)
        ax.tick_params(axis="y", labelcolor=INK)
        ax.set_ylim(len(tests) - 0.5, -0.5)
        ax.grid(visible=True, axis="x")
        ax.spines["left"].set_visible(False)
        ax.set_xlabel("difference in quality, percentage points")
        ax.xaxis.set_major_formatter(lambda v, _: f"{v:+.0f}".replace("-", "\u2212") if v else "0")
        ax.spines["bottom"].set_color(LINE)

    reference = f"{basis.reference.letter} {basis.reference.name}"
    return Picture(
        id="forest",
        title="Difference in quality from the reference",
        caption=f"Each line: same samples on both sides, against {reference}. Left of 0 is worse. Filled: "
        "significant after correction for all tests of the report; hollow: not.",
        alt=alt,
        svg=draw("forest", alt, 60 + _ROW * len(tests), paint),
        head=("suite", "endpoint", "difference", "95 % interval", "p, corrected", "common samples"),
        rows=tuple(
            (tidy(t.suite or ""), f"{letters[t.subject]} {tidy(t.subject)}", *change_text(t, "share"),
             p_text(t.adjusted), str(t.estimate.n))
            for t in tests
        ),
    )  # fmt: skip


def _bounded(basis: Basis, suite: str) -> bool:
    record = basis.records[suite]
    metric = next((m for m in record.metrics if m.name == record.suite.primary), None)
    return metric is not None and metric.kind != "number"


def _paint_row(ax: Any, row: int, test: Comparison) -> None:
    e = test.estimate
    assert e.value is not None
    assert e.low is not None
    assert e.high is not None
    tone = MUTED
    if test.significant:
        tone = GOOD if test.favours_subject else BAD
    ax.plot([e.low * 100, e.high * 100], [row, row], color=tone, linewidth=1.8, solid_capstyle="butt")
    face = tone if test.significant else PAPER
    ax.plot(
        [e.value * 100],
        [row],
        marker="o",
        markersize=7,
        linestyle="none",
        markerfacecolor=face,
        markeredgecolor=tone,
    )


def _sentence(test: Comparison) -> str:
    change, interval = change_text(test, "share")
    proven = "significant" if test.significant else "not significant"
    return f"{tidy(test.subject)} on {tidy(test.suite or '')}: {change} {interval}, {proven}."
