"""Measures the statistics that evalkit signs with, and writes the tables of `docs/statistics.md`.

    python benchmarks/statistics.py            # all tables, about six minutes on one core
    python benchmarks/statistics.py --quick    # a twentieth of the data sets; prints and writes nothing

Seeds are fixed: the same code gives the same tables.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    # This file's own folder would hide Python's `statistics` behind this file's name.
    sys.path[0] = str(ROOT)

from benchmarks.coverage_tables import tables  # noqa: E402
from benchmarks.marks import put  # noqa: E402
from benchmarks.sequential_table import BATCH, DESIGNS, Run, simulate  # noqa: E402
from benchmarks.simulation import Cell, Coverage, measure  # noqa: E402

PAGE = ROOT / "docs" / "statistics.md"
RUNS = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate coverage and sequential error rates.")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the data sets; writes nothing")
    quick = parser.parse_args().quick
    started = time.monotonic()
    coverage = coverage_text(0.05 if quick else 1.0, started)
    sequential = sequential_text(200 if quick else RUNS)
    if quick:
        print(coverage, sequential, sep="\n")
    else:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(put(put(text, "coverage", coverage), "sequential", sequential), encoding="utf-8")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)


def coverage_text(share: float, started: float) -> str:
    """All coverage tables, after a count of what they hold."""
    parts: list[str] = []
    low = high = total = 0
    seed = 0
    for table in tables():
        lines = [f"#### {table.title}", "", _row(("", *table.head)), _row(["---"] * (len(table.head) + 1))]
        for label, cells in table.rows:
            texts = []
            for cell in cells:
                seed += 1
                found = measure(cell, seed, share)
                total += 1
                low += found.inside < 0.93
                high += found.inside > 0.97
                texts.append(_cell(cell, found))
            lines.append(_row((label, *texts)))
        parts.append("\n".join(lines))
        print(f"{time.monotonic() - started:5.0f} s  {table.title}", file=sys.stderr)
    count = (
        f"{total} cells of at least {int(2000 * share)} data sets each: {total - low - high} within 93 to "
        f"97 %, {high} above (conservative), {low} below."
    )
    return "\n\n".join([count, *parts])


def _cell(cell: Cell, found: Coverage) -> str:
    """Coverage in percent; bold below 93; with the reason above 97; `∞` where most have no limit."""
    text = f"{100 * found.inside:.1f}"
    if found.inside < 0.93:
        text = f"**{text}**"
    if found.inside > 0.97:
        text += f" {cell.reason}" if cell.reason else " ?"
    return text + (" ∞" if found.unbounded > 0.5 else "")


def sequential_text(runs: int) -> str:
    """One table per design."""
    parts = []
    for seed, design in enumerate(DESIGNS):
        made = simulate(design, runs, seed)
        repeats = f", {design.repeats} repeats per prompt" if design.repeats > 1 else ""
        title = (
            f"#### Margin {design.margin:g}, discordance {design.discordance:g}{repeats}; at most "
            f"{made[0].cap} samples"
        )
        head = (
            "true drop",
            "passes",
            "fails",
            "undecided",
            "mean samples",
            "fixed design, same power",
            "saved",
        )
        lines = [title, "", _row(head), _row(["---"] * len(head)), *(_row(_drawn(run)) for run in made)]
        parts.append("\n".join(lines))
    return "\n\n".join([f"{runs} runs for each line, a look every {BATCH} samples.", *parts])


def _drawn(run: Run) -> tuple[str, ...]:
    names = {0.0: "0", 0.5: "half the margin", 1.0: "the margin", 2.0: "twice the margin"}
    return (
        names[round(run.drop / run.design.margin, 6)],
        f"{100 * run.passed:.2f} %",
        f"{100 * run.failed:.2f} %",
        f"{100 * (1 - run.passed - run.failed):.1f} %",
        f"{run.mean_n:.0f}",
        str(run.fixed),
        f"{100 * (1 - run.mean_n / run.fixed):.0f} %",
    )


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
