"""Stacked bars: how trials ended, and what the money went to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.report.charts.base import BAD, BLOCK, GOOD, INK, LINE, MUTED, PAPER, SERIES, Picture, draw
from evalkit.report.numbers import count, dollars
from evalkit.report.words import LAYERS

if TYPE_CHECKING:
    from evalkit.report.basis import Basis

_ROW = 34.0
_KINDS = (
    ("ok", "answered", GOOD),
    ("weak", "cut, empty or broken format", MUTED),
    ("block", "blocked by host or router", BLOCK),
    ("fail", "host failed", BAD),
    ("none", "not run yet", LINE),
)
_PARTS = (
    ("input_usd", "input", SERIES[0]),
    ("cached_usd", "cached input", SERIES[2]),
    ("reasoning_usd", "reasoning", SERIES[3]),
    ("output_usd", "output", SERIES[1]),
    ("billed", "billed, not split", MUTED),
)
_ROOM_FOR_LETTER = 0.0125
"""Share of the widest bar that a letter takes."""


def outcomes(basis: Basis) -> Picture | None:
    """Shares of outcome layers per endpoint; None without trials."""
    layers = {x.subject: x for x in basis.summary.layers if x.suite is None}
    if not layers:
        return None
    totals = {c.key: layers[c.key].planned for c in basis.columns if c.key in layers}
    amounts: dict[str, dict[str, float]] = {c.key: {} for c in basis.columns if c.key in layers}
    for key, cell in amounts.items():
        for name, number in layers[key].counts.items():
            kind = LAYERS[name]["kind"]
            cell[kind] = cell.get(kind, 0) + number
    alt = " ".join(
        f"{c.name}: " + ", ".join(
            f"{count(n)} {LAYERS[name]['title'].lower()}" for name, n in layers[c.key].counts.items()
        ) + f" of {count(layers[c.key].planned)}."
        for c in basis.columns if c.key in layers
    )  # fmt: skip
    shares = {key: {k: n / totals[key] for k, n in cell.items()} for key, cell in amounts.items()}
    names = [name for name in LAYERS if any(name in layer.counts for layer in layers.values())]
    return Picture(
        id="outcomes",
        title="How trials ended",
        caption="Share of planned trials, all suites, by the layer that decided the outcome.",
        alt=alt,
        svg=_stacked(basis, "outcomes", alt, shares, _KINDS, amounts),
        head=("endpoint", *(LAYERS[name]["title"] for name in names), "planned"),
        rows=tuple(
            (f"{c.letter} {c.name}", *(count(layers[c.key].counts.get(name, 0)) for name in names),
             count(layers[c.key].planned))
            for c in basis.columns if c.key in layers
        ),
    )  # fmt: skip


def cost(basis: Basis) -> Picture | None:
    """Dollars per thousand answered samples by kind of token; None if nothing is priced."""
    rows = basis.frames.generations
    own = rows[rows["role"] == "subject"] if len(rows) else rows
    trials = basis.frames.trials
    parts: dict[str, dict[str, float]] = {}
    for c in basis.columns:
        priced = own[(own["subject"] == c.key) & own["usd"].notna()] if len(own) else own
        answered = int((trials["answered"] & (trials["subject"] == c.key) & trials["usd"].notna()).sum())
        if not len(priced) or not answered:
            continue
        known = {name: float(priced[name].sum()) * 1000 / answered for name, *_ in _PARTS[:-1]}
        known["billed"] = max(0.0, float(priced["usd"].sum()) * 1000 / answered - sum(known.values()))
        parts[c.key] = {name: value for name, value in known.items() if value > 1e-12}
    if not parts:
        return None
    names = [name for name, *_ in _PARTS if any(name in cell for cell in parts.values())]
    titles = {name: title for name, title, _ in _PARTS}
    alt = " ".join(
        f"{c.name}: " + ", ".join(f"{titles[n]} {dollars(v)}" for n, v in parts[c.key].items()) + "."
        for c in basis.columns if c.key in parts
    )  # fmt: skip
    unpriced = [f"{c.letter} {c.name}" for c in basis.columns if c.key not in parts]
    return Picture(
        id="cost",
        title="What the money goes to",
        caption="US dollars per 1,000 answered samples by kind of token, retries included."
        + (f" Unpriced: {', '.join(unpriced)}." if unpriced else ""),
        alt=alt,
        svg=_stacked(basis, "cost", alt, parts, _PARTS, None),
        head=("endpoint", *(titles[name] for name in names), "sum"),
        rows=tuple(
            (f"{c.letter} {c.name}",
             *(dollars(parts[c.key][n]) if n in parts[c.key] else "" for n in names),
             dollars(sum(parts[c.key].values())))
            for c in basis.columns if c.key in parts
        ),
    )  # fmt: skip


def _stacked(
    basis: Basis,
    name: str,
    alt: str,
    cells: dict[str, dict[str, float]],
    kinds: tuple[tuple[str, str, str], ...],
    counts: dict[str, dict[str, float]] | None,
) -> str:
    """Horizontal stacked bars; `counts` are written into segments with room for them."""
    columns = [c for c in basis.columns if c.key in cells]
    widest = max(sum(cell.values()) for cell in cells.values())

    def paint(fig: Any) -> None:
        ax = fig.subplots()
        for kind, title, tone in kinds:
            if not any(kind in cells[c.key] for c in columns):
                continue
            lefts = [_before(cells[c.key], kind, kinds) for c in columns]
            widths = [cells[c.key].get(kind, 0.0) for c in columns]
            ax.barh(
                range(len(columns)), widths, left=lefts, height=0.62, color=tone, edgecolor=PAPER,
                linewidth=1.0, label=title,
            )  # fmt: skip
            for row, (left, width) in enumerate(zip(lefts, widths, strict=True)):
                if not width:
                    continue
                text = count(counts[columns[row].key][kind]) if counts else dollars(width)
                if width > _ROOM_FOR_LETTER * len(text) * widest:
                    ink = INK if tone == LINE else PAPER
                    ax.text(left + width / 2, row, text, ha="center", va="center", color=ink, fontsize=10.5)
        ax.set_yticks(range(len(columns)), [c.letter for c in columns])
        ax.tick_params(axis="y", labelcolor=INK)
        ax.set_ylim(len(columns) - 0.5, -0.5)
        ax.set_xlim(0, widest)
        form = (lambda v, _: f"{v * 100:.0f} %") if counts else (lambda v, _: f"${v:.3g}")
        ax.xaxis.set_major_formatter(form)
        ax.spines["left"].set_visible(False)
        fig.legend(
            loc="outside upper left", ncols=3, handlelength=1.0, handleheight=1.0, columnspacing=1.4,
            labelcolor=MUTED,
        )  # fmt: skip

    return draw(name, alt, 90 + _ROW * len(columns), paint)


def _before(cell: dict[str, float], kind: str, kinds: tuple[tuple[str, str, str], ...]) -> float:
    """Where the segment begins."""
    total = 0.0
    for name, *_ in kinds:
        if name == kind:
            return total
        total += cell.get(name, 0.0)
    return total
