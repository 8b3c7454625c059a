"""The report of a run takes the judge cards of the folder, and names the one that is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.app.calibrating import calibrate_judges
from evalkit.app.report import report_on
from evalkit.errors import StoreError
from tests.app.test_calibrating import stored
from tests.report.test_page import words


def test_a_card_in_the_folder_corrects_a_run_of_the_same_judges(workdir: Path) -> None:
    del workdir
    stored("labelled", "ann")
    stored("bare")
    page = Path("report.html")
    report_on([Path("results/bare")], page)
    assert "Refused as served, corrected" not in words(page.read_text("utf-8"))
    calibrate_judges([Path("results/labelled")], "probe_judge", "ours")
    report_on([Path("results/bare")], page)
    said = words(page.read_text("utf-8"))
    assert "Refused as served, corrected" in said
    assert "the card 'ours'" in said
    assert "uncalibrated" in said


def test_another_version_of_the_judges_task_takes_no_card(workdir: Path) -> None:
    del workdir
    stored("labelled", "ann")
    stored("other", version="2")
    calibrate_judges([Path("results/labelled")], "probe_judge", "ours")
    report_on([Path("results/other")], Path("report.html"))
    assert "Refused as served, corrected" not in words(Path("report.html").read_text("utf-8"))


def test_a_damaged_card_is_named(workdir: Path) -> None:
    del workdir
    stored("bare")
    Path("judges").mkdir()
    Path("judges/bad.json").write_text("{")
    with pytest.raises(StoreError, match=r"judges/bad\.json"):
        report_on([Path("results/bare")], Path("report.html"))


def test_a_run_that_is_named_twice_counts_once(workdir: Path) -> None:
    """By its name and as `latest`, for instance: twice the answers would be no more knowledge."""
    del workdir
    stored("bare")
    report_on([Path("results/bare")], Path("once.html"))
    report_on([Path("results/bare"), Path("results/../results/bare")], Path("twice.html"))
    assert Path("once.html").read_text("utf-8") == Path("twice.html").read_text("utf-8")
