"""Reports of many endpoints: rows instead of columns, a short answer first, no text over another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evalkit.report.basis import build_basis
from evalkit.report.cells import Cell
from evalkit.report.findings import findings, headline, where
from evalkit.report.matrix import MOST_COLUMNS, Row, matrix
from evalkit.report.page import build_report, write_report
from tests.report.test_browser import CHROMIUM, browser, opened
from tests.report.test_page import words
from tests.synthetic import HOSTS, Host, make_run

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from evalkit.analysis.rundata import RunData

__all__ = ["browser"]
LONG = "a-name-that-is-as-long-as-names-of-models-are-today-"
MANY = (*HOSTS, *(Host(f"{LONG}{number}", skill=-0.4 * (number % 2)) for number in range(10)))


@pytest.fixture(scope="module")
def many() -> RunData:
    return make_run({"coding": 40, "probes": 24}, hosts=MANY)


def test_many_endpoints_are_rows(many: RunData) -> None:
    page = build_report([many])
    assert '<details class="tall" open><summary>Quality' in page
    few = build_report([make_run({"coding": 8})])
    assert 'class="tall"' not in few
    assert matrix(build_basis([many])).is_tall
    assert len(HOSTS) <= MOST_COLUMNS < len(MANY)


def test_the_answer_on_many_endpoints_is_short(many: RunData) -> None:
    page = build_report([many])
    said = words(page)
    found = findings(build_basis([many]))
    worse = [text for finding in found for text in finding.worse]
    assert worse
    assert all("], n\u00a0" in text for text in worse)
    kinds = [finding.kind for finding in found]
    assert set(kinds) >= {"worse", ""}
    assert f"▼ worse in something: {kinds.count('worse')}" in said
    assert f"≈ no proven difference: {kinds.count('')}" in said
    assert f"What differs, for each of {len(MANY) - 1} endpoints" in said


def test_it_says_that_no_verdict_was_asked_for_and_who_gets_the_data() -> None:
    run = make_run({"coding": 8})
    said = words(build_report([run]))
    assert "No verdict was asked for" in said
    basis = build_basis([run])
    assert where(basis, basis.columns[0]).startswith("data go to ")
    assert "(NL)" in where(basis, basis.columns[0])
    for column in basis.columns:
        assert where(basis, column) in said


def test_figures_that_nobody_has_are_named_once() -> None:
    run = make_run({"coding": 8})
    basis = build_basis([run])
    rows = [row for group in matrix(basis).groups for row in group.rows]
    assert not any(row.is_void for row in rows)
    assert headline(basis).endswith("8 samples of coding.")


@pytest.mark.parametrize(
    ("counts", "shared"), [(("12", "12"), "12"), (("12", "11"), ""), (("12", ""), ""), ((), "")]
)
def test_a_denominator_that_all_share_stands_once(counts: tuple[str, ...], shared: str) -> None:
    cells = tuple(Cell(text="1", n=n) for n in counts)
    missing = Cell(text="–", missing=True)
    assert Row(title="x", tip="", cells=(*cells, missing)).n == shared


@pytest.mark.chromium
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine; `apt install chromium` gives one")
@pytest.mark.parametrize("width", [1440, 360])
def test_no_figure_runs_into_another(browser: Browser, tmp_path: Path, many: RunData, width: int) -> None:
    file = tmp_path / "many.html"
    write_report(file, [many])
    page = opened(browser, file, viewport={"width": width, "height": 900}).page
    page.evaluate("document.querySelectorAll('details:not(.cell)').forEach(d => { d.open = true; })")
    wider = page.evaluate(
        "[...document.querySelectorAll('.matrix td, .matrix th[scope=row]')]"
        ".filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.innerText)"
    )
    assert wider == []
    broken = page.evaluate(
        "[...document.querySelectorAll('.matrix tbody th[scope=row]')]"
        ".filter(cell => cell.clientHeight > 160).map(cell => cell.innerText)"
    )
    assert broken == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.chromium
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine; `apt install chromium` gives one")
def test_evidence_of_many_endpoints_is_counted_and_a_chosen_one_stands_alone(
    browser: Browser, tmp_path: Path, many: RunData
) -> None:
    file = tmp_path / "many.html"
    write_report(file, [many])
    page = opened(browser, file).page
    numbers = [int(text) for text in page.locator("#item-0 .mini b").all_inner_texts()]
    assert sum(numbers) == len(MANY)
    page.focus("#rows")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#detail article")
    assert page.locator("#detail article").count() == len(MANY)
    page.select_option("#f-against", index=4)
    page.wait_for_function("document.querySelectorAll('#detail article').length === 2")
    assert page.locator("#detail article .tagged").count() == 1


@pytest.mark.chromium
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine; `apt install chromium` gives one")
def test_paper_shows_what_is_folded(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_report(file, [make_run({"coding": 8})])
    page = opened(browser, file).page
    folded = page.locator("details.method-part:not([open])").count()
    assert folded > 3
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.method-part:not([open])").count() == 0
    assert page.locator("details.cell[open]").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.method-part:not([open])").count() == folded
