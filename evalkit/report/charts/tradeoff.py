"""Quality against cost, and against waiting time: one panel per suite, the Pareto front drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.measures import MEASURES, Unit
from evalkit.report.cells import figure
from evalkit.report.charts.base import INK, LINE, MUTED, Picture, color, draw, marker
from evalkit.report.words import tidy
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.report.basis import Basis

_ACROSS = 3
_MOST_PANELS = 6
_PANEL_HEIGHT = 215.0


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint in a panel; `place` is its column."""

    place: int
    letter: str
    name: str
    x: Estimate
    y: Estimate


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One suite."""

    suite: str
    title: str
    unit: Unit
    points: tuple[Point, ...]
    front: tuple[str, ...]


def tradeoff(basis: Basis, measure: str, title: str, axis: str) -> Picture | None:
    """Quality against a measure that should be small; None if no endpoint has both."""
    panels = tuple(p for p in (_panel(basis, suite, measure) for suite in basis.records) if p.points)
    if not panels:
        return None
    shown = panels[:_MOST_PANELS]
    rows = math.ceil(len(shown) / _ACROSS)
    across = min(_ACROSS, len(shown))
    name = f"quality-{measure.replace('_', '-')}"
    alt = " ".join(_sentence(panel, axis) for panel in shown)

    def paint(fig: Any) -> None:
        axes = fig.subplots(rows, across, squeeze=False).ravel()
        for ax, panel in zip(axes, shown, strict=False):
            _paint(ax, panel, measure)
        for ax in axes[len(shown) :]:
            ax.set_axis_off()
        fig.supxlabel(axis, fontsize=11.5, color=MUTED)

    missing = _missing(basis, panels)
    caption = (
        "Up and to the left is better. Bars are 95 % intervals. The line joins the endpoints that no other "
        f"one beats in both (Pareto front).{missing}"
    )
    return Picture(
        id=name,
        title=title,
        caption=caption,
        alt=alt,
        svg=draw(name, alt, _PANEL_HEIGHT * rows + 20, paint),
        head=(
            "suite",
            "endpoint",
            "quality",
            "95 % interval",
            MEASURES[measure].title,
            "95 % interval",
            "front",
        ),
        rows=tuple(_row(panel, point, measure) for panel in panels for point in panel.points),
    )


def _panel(basis: Basis, suite: str, measure: str) -> Panel:
    record = basis.records[suite]
    metric = next((m for m in record.metrics if m.name == record.suite.primary), None)
    points = []
    for place, column in enumerate(basis.columns):
        x = basis.summary.find(column.key, measure, suite)
        y = basis.summary.find(column.key, "quality", suite)
        if x is not None and y is not None and x.value is not None and y.value is not None:
            points.append(Point(place=place, letter=column.letter, name=column.name, x=x, y=y))
    higher = metric is None or metric.higher_is_better
    return Panel(
        suite=suite,
        title=tidy(suite),
        unit="number" if metric is not None and metric.kind == "number" else "share",
        points=tuple(points),
        front=pareto(
            [(p.letter, p.x.value or 0.0, (p.y.value or 0.0) * (1 if higher else -1)) for p in points]
        ),
    )


def pareto(points: Sequence[tuple[str, float, float]]) -> tuple[str, ...]:
    """Names of the points that none has both smaller x and larger y, by rising x.

    Args:
        points: name, x (small is good), y (large is good).
    """
    front: list[str] = []
    best = -math.inf
    for name, _, y in sorted(points, key=lambda p: (p[1], -p[2])):
        if y > best:
            front.append(name)
            best = y
    return tuple(front)


def _paint(ax: Any, panel: Panel, measure: str) -> None:
    factor = 100.0 if panel.unit == "share" else 1.0
    on_front = sorted((p for p in panel.points if p.letter in panel.front), key=lambda p: p.x.value or 0.0)
    ax.plot(
        [p.x.value for p in on_front], [p.y.value * factor for p in on_front if p.y.value is not None],
        color=MUTED, linewidth=1.0, zorder=1,
    )  # fmt: skip
    for p in panel.points:
        assert p.x.value is not None
        assert p.y.value is not None
        x, y = p.x.value, p.y.value * factor
        ax.errorbar(
            [x], [y], xerr=_error(p.x, 1.0), yerr=_error(p.y, factor), fmt=marker(p.place), markersize=6,
            color=color(p.place), elinewidth=1.0, alpha=1.0, zorder=2,
        )  # fmt: skip
        ax.annotate(p.letter, (x, y), (5, 4), textcoords="offset points", weight="bold", color=INK)
    ax.set_title(panel.title)
    ax.grid(visible=True)
    ax.margins(0.18)
    if panel.unit == "share":
        low, high = ax.get_ylim()
        ax.set_ylim(max(-4, low), min(104, high))
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:.0f} %" if panel.unit == "share" else f"{v:g}")
    ax.xaxis.set_major_formatter(lambda v, _: _tick(v, measure))
    ax.locator_params(axis="x", nbins=4)
    ax.locator_params(axis="y", nbins=5)
    ax.spines["left"].set_color(LINE)


def _tick(value: float, measure: str) -> str:
    unit = MEASURES[measure].unit
    if unit == "usd":
        return f"${value:.3g}"
    return f"{value:.3g} s" if unit == "seconds" else f"{value:g}"


def _error(estimate: Estimate, factor: float) -> list[list[float]] | None:
    """Lengths below and above; a side without limit has no bar."""
    if estimate.value is None or (estimate.low is None and estimate.high is None):
        return None
    below = 0.0 if estimate.low is None else max(0.0, estimate.value - estimate.low)
    above = 0.0 if estimate.high is None else max(0.0, estimate.high - estimate.value)
    return [[below * factor], [above * factor]]


def _row(panel: Panel, point: Point, measure: str) -> tuple[str, ...]:
    quality, interval = figure(point.y, panel.unit)
    other, other_interval = figure(point.x, MEASURES[measure].unit)
    front = "yes" if point.letter in panel.front else "no"
    return panel.title, f"{point.letter} {point.name}", quality, interval, other, other_interval, front


def _sentence(panel: Panel, axis: str) -> str:
    names = {p.letter: p.name for p in panel.points}
    front = ", ".join(names[letter] for letter in panel.front)
    return f"{panel.title}: on the front of quality against {axis.lower()} are {front}."


def _missing(basis: Basis, panels: tuple[Panel, ...]) -> str:
    drawn = {p.letter for panel in panels for p in panel.points}
    absent = [f"{c.letter} {c.name}" for c in basis.columns if c.letter not in drawn]
    return f" Without a figure, so not drawn: {', '.join(absent)}." if absent else ""
