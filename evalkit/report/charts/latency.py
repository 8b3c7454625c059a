"""How long answers took: empirical distribution of first token and whole answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.report.charts.base import MUTED, Picture, color, dash, draw
from evalkit.report.numbers import count, seconds

if TYPE_CHECKING:
    from evalkit.report.basis import Basis

_MOST_POINTS = 160
_PANELS = (("first_token_s", "first token"), ("total_s", "whole answer"))
_SHOWN_SHARE = 0.99
_LOG_FROM = 25
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def latency(basis: Basis) -> Picture | None:
    """ECDF per endpoint; None if nothing was timed."""
    trials = basis.frames.trials
    timed = trials[trials["delivered"] & ~trials["reused"]] if len(trials) else trials
    times = {
        column: {
            place: np.sort(timed.loc[timed["subject"] == c.key, column].dropna().to_numpy(dtype=float))
            for place, c in enumerate(basis.columns)
        }
        for column, _ in _PANELS
    }
    panels = [(column, title) for column, title in _PANELS if any(v.size for v in times[column].values())]
    if not panels:
        return None
    alt = " ".join(_sentence(basis, times[column], title) for column, title in panels)

    def paint(fig: Any) -> None:
        axes = fig.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for ax, (column, title) in zip(axes, panels, strict=True):
            _paint(ax, basis, times[column], title)
        axes[0].yaxis.set_major_formatter(lambda v, _: f"{v * 100:.0f} %")
        fig.supxlabel("seconds since sending", fontsize=11.5, color=MUTED)

    return Picture(
        id="latency",
        title="Waiting time",
        caption="Share of answers that had arrived after so many seconds; further left is faster. Waiting "
        "for admission and earlier attempts are not counted; answers from earlier runs are left out.",
        alt=alt,
        svg=draw("latency", alt, 260, paint),
        head=("endpoint", "of", "n", *(f"{q * 100:g} %" for q in _QUANTILES)),
        rows=tuple(
            (f"{c.letter} {c.name}", title, count(values.size),
             *(seconds(float(np.quantile(values, q))) for q in _QUANTILES))
            for column, title in panels
            for place, c in enumerate(basis.columns)
            if (values := times[column][place]).size
        ),
    )  # fmt: skip


def _paint(ax: Any, basis: Basis, times: dict[int, Any], title: str) -> None:
    seen = [values for values in times.values() if values.size]
    limit = max(float(np.quantile(values, _SHOWN_SHARE)) for values in seen)
    start = min(float(np.quantile(values, 1 - _SHOWN_SHARE)) for values in seen)
    for place, values in times.items():
        if not values.size:
            continue
        shares = np.linspace(0, 1, min(_MOST_POINTS, values.size + 1))
        ax.plot(
            np.quantile(values, shares, method="inverted_cdf"), shares, drawstyle="steps-post",
            color=color(place), linestyle=dash(place), label=basis.columns[place].letter,
        )  # fmt: skip
    if limit > _LOG_FROM * start > 0:
        ax.set_xscale("log", subs=(2, 5))
        ax.set_xlim(start * 0.9, limit * 1.1)
        ax.xaxis.set_minor_formatter(lambda v, _: f"{v:g}")
    else:
        ax.set_xlim(0, limit * 1.05)
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    ax.set_ylim(0, 1.01)
    ax.set_title(title)
    ax.grid(visible=True)
    ax.legend(loc="lower right", handlelength=2.6, labelcolor=MUTED)


def _sentence(basis: Basis, times: dict[int, Any], title: str) -> str:
    parts = [
        f"{basis.columns[place].name} {seconds(float(np.median(values)))}"
        for place, values in times.items()
        if values.size
    ]
    return f"Median time to {title}: {', '.join(parts)}."
