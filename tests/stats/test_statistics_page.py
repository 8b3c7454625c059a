"""The measured tables: a reduced simulation each time, the whole one behind `slow`, and the page itself."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from benchmarks.coverage_tables import tables
from benchmarks.sequential_table import ALPHA, DESIGNS, Design, simulate
from benchmarks.simulation import measure
from benchmarks.statistics import RUNS, coverage_text, sequential_text

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
LONG_TAIL = "very long tail"


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.title.split(" (`")[0])
def test_a_sample_of_every_table_covers(table: object) -> None:
    """200 data sets for the corners of each table; 93 % less three standard errors of so few."""
    rows = (table.rows[0], table.rows[-1])
    for number, (_, cells) in enumerate(rows):
        for column in (0, len(cells) - 1):
            if table.head[column].startswith(LONG_TAIL):
                continue
            found = measure(cells[column], seed=number, share=0.1)
            assert found.inside >= 0.93 - 0.054, table.head[column]


def test_sequential_gate_in_short() -> None:
    none, half, margin, twice = simulate(Design(0.1, 0.2), runs=400, seed=0)
    error = 3 * (ALPHA * (1 - ALPHA) / 400) ** 0.5
    assert margin.passed + margin.failed <= ALPHA + error
    assert max(none.failed, half.failed, twice.passed) <= ALPHA / 2
    assert none.passed > 0.8
    assert twice.failed > 0.9
    assert none.mean_n < none.fixed
    assert twice.mean_n < 0.75 * twice.fixed


def test_the_page_says_where_coverage_is_too_low_and_why_it_is_too_high() -> None:
    head: list[str] = []
    cells = 0
    for line in _part("coverage").splitlines():
        columns = [text.strip() for text in line.strip("| ").split("|")]
        if line.startswith("|  |"):
            head = columns
        elif line.startswith("| ") and not line.startswith("| ---"):
            for title, text in zip(head, columns[1:], strict=True):
                cells += 1
                share = float(re.sub(r"[^0-9.]", "", text))
                if share < 93:
                    assert title.startswith(LONG_TAIL), line
                    assert "**" in text
                if share > 97:
                    assert re.search(r" [dcbf]\b", text), line
    assert cells == sum(len(row) for table in tables() for _, row in table.rows)
    assert f"{cells} cells of at least 2000 data sets" in _part("coverage")


def test_the_page_shows_errors_below_alpha_and_what_is_saved() -> None:
    rows = re.findall(
        r"^\| ([\w ]+) \| ([\d.]+) % \| ([\d.]+) % \| [\d.]+ % \| \d+ \| \d+ \| (-?\d+) % \|$",
        _part("sequential"),
        re.MULTILINE,
    )
    assert len(rows) == 4 * len(DESIGNS)
    for drop, passed, failed, saved in rows:
        wrong = {
            "0": float(failed),
            "half the margin": float(failed),
            "the margin": float(passed) + float(failed),
            "twice the margin": float(passed),
        }[drop]
        assert wrong <= 100 * ALPHA
        if drop in ("0", "twice the margin"):
            assert int(saved) > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_page_is_what_the_simulation_gives() -> None:
    assert coverage_text(1.0, time.monotonic()) in _part("coverage")
    assert sequential_text(RUNS) in _part("sequential")


def _part(name: str) -> str:
    return PAGE.read_text(encoding="utf-8").split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
