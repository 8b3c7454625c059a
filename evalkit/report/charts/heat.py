"""Heat map of refusals or steering: topics by endpoints, one block of columns per language."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.frames import names_of
from evalkit.analysis.probes.rows import is_probe_suite, label_metrics
from evalkit.analysis.table import scored_table
from evalkit.report.charts.base import HEAT, INK, LINE, MUTED, PAPER, Picture, draw
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from evalkit.report.basis import Basis

_ROW = 19.0
_MOST_TOPICS = 40
_MOST_TOLD = 14
"""Columns in all up to which letters stand side by side, and a count fits into its square."""
_STEPS = (0.0, 0.1, 0.25, 0.5, 0.75)
"""Lower bounds of the colour steps after the first, which is exactly 0."""


class Square(msgspec.Struct, frozen=True):
    """Hits of `n` valid answers."""

    hits: int
    n: int

    @property
    def share(self) -> float:
        """Share of hits."""
        return self.hits / self.n


Squares = dict[tuple[str, str, str], Square]
"""By topic, language and subject."""


def heat_maps(basis: Basis) -> tuple[Picture, ...]:
    """Refused or blocked, and steered, where scorers tell and samples have topics.

    Suites of probes have a map of their own, in their section.
    """
    trials = basis.frames.trials
    if not len(trials) or not trials["topic"].notna().any():
        return ()
    table = scored_table(basis.runs, basis.frames)
    table = table[~table["suite"].isin(_mapped(basis))]
    asked = (
        ("refused", "Refused or blocked, by topic", "refused by the model or blocked by host or router", 1.0),
        (
            "steered",
            "Steered, by topic",
            "answered with an official line as its own or without core facts",
            0.0,
        ),
    )
    made = (_map(basis, table, column, title, meaning, blocked) for column, title, meaning, blocked in asked)
    return tuple(picture for picture in made if picture is not None)


def _mapped(basis: Basis) -> set[str]:
    """Suites that have a section of their own with a map."""
    metrics = label_metrics(basis.runs)
    return {
        names.suites[record.suite.id]
        for run, names in zip(basis.runs, names_of(basis.runs), strict=True)
        for record in run.manifest.suites
        if any(is_probe_suite(record, run.samples.get(record.suite.id, ()), metric) for metric in metrics)
    }


def _map(basis: Basis, table: Any, column: str, title: str, meaning: str, blocked: float) -> Picture | None:
    squares = _squares(table, column, blocked)
    if not squares:
        return None
    topics = _ordered_topics(squares)
    shown = topics[:_MOST_TOPICS]
    languages = sorted({language for _, language, _ in squares}, key=lambda x: (x != "en", x))
    alt = f"{title}. " + " ".join(_sentence(basis, squares, language) for language in languages)

    def paint(fig: Any) -> None:
        axes = fig.subplots(1, len(languages), squeeze=False, sharey=True)[0]
        for ax, language in zip(axes, languages, strict=True):
            _paint(ax, basis, squares, shown, language, every)
        axes[0].set_yticks(range(len(shown)), [tidy(topic, 34) for topic in shown])
        axes[0].tick_params(axis="y", labelcolor=INK, length=0)

    every = math.ceil(len(basis.columns) * len(languages) / _MOST_TOLD)
    told = "" if every == 1 else " The table below has them."
    cut = f" The {len(shown)} topics with the highest shares are drawn." if len(shown) < len(topics) else ""
    return Picture(
        id=f"heat-{column}",
        title=title,
        caption=f"Trials that were {meaning}, of valid ones, per topic, language and endpoint.{cut} These "
        f"are counts, not tests: single cells prove nothing.{told}",
        alt=alt,
        svg=draw(f"heat-{column}", alt, 70 + _ROW * len(shown), paint),
        head=("topic", "language", *(f"{c.letter} {c.name}" for c in basis.columns)),
        rows=tuple(
            (tidy(topic), language,
             *(_cell(squares.get((topic, language, c.key))) for c in basis.columns))
            for topic in topics for language in languages
            if any((topic, language, c.key) in squares for c in basis.columns)
        ),
    )  # fmt: skip


def _squares(table: Any, column: str, blocked: float) -> Squares:
    known = table[table[column + "_known"] & table["topic"].notna()]
    values = known[column].where(known["delivered"]).where(~known["blocked"], blocked)
    valid = known.assign(hit=values)[values.notna().to_numpy()]
    valid = valid.assign(language=valid["language"].fillna("?"))
    counted = valid.groupby(["topic", "language", "subject"], sort=False)["hit"].agg(["sum", "size"])
    return {
        (str(topic), str(language), str(subject)): Square(int(hits), int(n))
        for (topic, language, subject), hits, n in counted.itertuples(name=None)
    }


def _ordered_topics(squares: Squares) -> list[str]:
    """Most affected first."""
    sums: dict[str, list[int]] = {}
    for (topic, *_), square in squares.items():
        total = sums.setdefault(topic, [0, 0])
        total[0] += square.hits
        total[1] += square.n
    return sorted(sums, key=lambda topic: (-sums[topic][0] / sums[topic][1], topic))


def step(share: float) -> int:
    """Colour step of a share: 0 for none, then rising."""
    return 0 if share <= 0 else sum(share > bound for bound in _STEPS)


def _paint(ax: Any, basis: Basis, squares: Squares, topics: list[str], language: str, every: int) -> None:
    """One language's squares; with counts if each column can have its letter, else every so many have one."""
    from matplotlib.collections import PolyCollection

    boxes: dict[int, list[list[tuple[float, float]]]] = defaultdict(list)
    for row, topic in enumerate(topics):
        for place, c in enumerate(basis.columns):
            square = squares.get((topic, language, c.key))
            if square is None:
                continue
            level = step(square.share)
            left, right, top, bottom = place - 0.5, place + 0.5, row - 0.5, row + 0.5
            boxes[level].append([(left, top), (right, top), (right, bottom), (left, bottom)])
            if every == 1:
                ink = PAPER if level > 2 else INK
                text = f"{square.hits}/{square.n}"
                label = ax.text(place, row, text, ha="center", va="center", fontsize=9.5, color=ink)
                label.set_in_layout(False)  # it lies within the axes; measuring each takes the longest
    for level, corners in sorted(boxes.items()):
        drawn = PolyCollection(corners, facecolors=HEAT[level], edgecolors=PAPER, linewidths=1, zorder=1)
        drawn.set(clip_on=False, in_layout=False)
        ax.add_collection(drawn, autolim=False)
    ax.set_xlim(-0.5, len(basis.columns) - 0.5)
    ax.set_ylim(len(topics) - 0.5, -0.5)
    named = range(0, len(basis.columns), every)
    ax.set_xticks(named, [basis.columns[place].letter for place in named])
    ax.xaxis.tick_top()
    ax.tick_params(axis="both", length=0, labelcolor=MUTED)
    ax.set_title(language, pad=20)
    for spine in ax.spines.values():
        spine.set_color(LINE)
        spine.set_visible(False)


def _cell(square: Square | None) -> str:
    return "" if square is None else f"{square.hits} of {square.n}"


def _sentence(basis: Basis, squares: Squares, language: str) -> str:
    parts = []
    for c in basis.columns:
        own = [s for (_, spoken, subject), s in squares.items() if spoken == language and subject == c.key]
        if own:
            parts.append(f"{c.name} {sum(s.hits for s in own)} of {sum(s.n for s in own)}")
    return f"{language}: {', '.join(parts)}."
