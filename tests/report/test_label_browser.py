"""The page of labels in headless Chromium: by keyboard only, hostile answers, a server that goes away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from evalkit.store.journal import read_labels
from tests.analysis.probes.recorded import knowing, record, samples_of
from tests.app.test_labelling import serving, stored
from tests.report.test_browser import CHROMIUM, HOSTILE, browser, pytestmark

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.app.test_labelling import Served

__all__ = ["CHROMIUM", "browser", "pytestmark"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    samples = [s for s in samples_of("probes-mini") if s.data["form"] != "knowledge_check"][:24]
    bad = iter(HOSTILE * 10)
    answers = {"lab:m": lambda s, e: knowing(s), "other:m": lambda s, e: next(bad)}
    return stored(record(answers, samples), tmp_path / "recorded")


class Seen:
    """A page, what it asked for and what its console says."""

    def __init__(self, browser: Browser, served: Served, **context: Any) -> None:
        self.page = browser.new_context(**context).new_page()
        self.requests: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.said.append("dialog"), dialog.dismiss()))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.served = served
        self.page.goto(served.origin + served.base + "/")
        self.page.wait_for_selector("#work:not([hidden]), #end:not([hidden])")

    def press(self, *keys: str) -> None:
        """Press keys, each when the step before it is saved."""
        for key in keys:
            self.page.keyboard.press(key)
            self.page.wait_for_selector("body:not(.busy)")

    @property
    def count(self) -> str:
        return self.page.locator("#count").inner_text()


def labels(folder: Path) -> list[str]:
    return [row.label for row in read_labels(folder)]


def test_labelling_by_keyboard_only(browser: Browser, folder: Path) -> None:
    with serving(folder, n=10) as served:
        seen = Seen(browser, served)
        read = seen.page.locator("section.read")
        first = read.inner_text()
        seen.press("5", "6", "1")
        assert labels(folder) == ["steered", "complete", "refusal"]
        assert seen.count == "3 of 10"
        assert read.inner_text() != first
        seen.press("Shift+Z")  # with the shift key down no less
        assert labels(folder) == ["steered", "complete"]
        assert seen.count == "2 of 10"
        seen.page.keyboard.press("n")
        seen.page.keyboard.type("6 u z: no keys in here")
        seen.page.keyboard.press("Enter")
        seen.press("3")
        rows = list(read_labels(folder))
        assert (rows[-1].label, rows[-1].note) == ("deflection", "6 u z: no keys in here")
        assert seen.page.locator("#note").input_value() == ""
        put_off = read.inner_text()
        seen.press("l", "u")
        assert seen.count == "4 of 10, 1 put off"
        seen.page.reload()
        seen.page.wait_for_selector("#work:not([hidden])")
        assert seen.count == "4 of 10, 1 put off"
        seen.press(*"666666")
        assert seen.page.locator("#end").is_hidden() is False
        assert seen.count == "10 of 10"
        seen.press("z")
        assert read.inner_text() == put_off
        seen.press("6")
        assert len(labels(folder)) == 10
        assert seen.said == []
    with serving(folder, n=12) as served:
        assert Seen(browser, served).count == "10 of 12"


def test_a_key_that_is_held_down_counts_once(browser: Browser, folder: Path) -> None:
    with serving(folder, n=10) as served:
        seen = Seen(browser, served)
        for _ in range(5):
            seen.page.keyboard.down("6")  # without its up: the browser repeats
        seen.page.wait_for_selector("body:not(.busy)")
        assert labels(folder) == ["complete"]
        seen.page.keyboard.up("6")
        seen.press("Control+6", "Alt+6")
        assert labels(folder) == ["complete"]


def test_hostile_answers_stay_text(browser: Browser, folder: Path) -> None:
    with serving(folder, n=1000) as served:
        seen = Seen(browser, served)
        texts = []
        while seen.page.locator("#work").is_visible():
            texts.append(seen.page.locator("#answer").text_content() or "")
            assert (
                seen.page.locator("#work img, #work script, #work iframe, #work svg, #work style").count()
                == 0
            )
            assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            seen.press("u")
        assert seen.page.evaluate("window.__ran") is None
        assert any("<script>window.__ran=1</script>" in text for text in texts)
        assert any("U+202E RIGHT-TO-LEFT OVERRIDE" in text for text in texts)
        assert max(map(len, texts)) >= 2_000_000
        assert seen.said == []
        assert all(url.startswith(served.origin + served.base) for url in seen.requests)


def test_a_lost_connection_loses_nothing(browser: Browser, folder: Path) -> None:
    with serving(folder, n=10) as served:
        seen = Seen(browser, served)
        seen.press("6")
        seen.page.context.set_offline(True)
        asked = seen.page.locator("#question").inner_text()
        seen.press("5")
        assert "Not saved" in seen.page.locator("#trouble").inner_text()
        assert seen.page.locator("#question").inner_text() == asked
        assert labels(folder) == ["complete"]
        seen.page.context.set_offline(False)
        seen.press("r")
        assert labels(folder) == ["complete", "steered"]
        assert seen.page.locator("#trouble").is_hidden()
        assert seen.count == "2 of 10"
    seen.press("1")
    assert "Is evalkit label still running" in seen.page.locator("#trouble").inner_text()
    assert labels(folder) == ["complete", "steered"]


def test_settling_shows_the_two_classes_and_no_name(browser: Browser, folder: Path) -> None:
    for name, key in (("ada", "6"), ("benjamin", "5")):
        with serving(folder, name, n=10) as served:
            Seen(browser, served).press(key, key)
    with serving(folder, "eve", settle=True) as served:
        seen = Seen(browser, served)
        between = seen.page.locator("#between").inner_text()
        assert {"Complete", "Steered"} == {
            word for word in ("Complete", "Steered", "Refusal") if word in between
        }
        assert "benjamin" not in seen.page.content()
        assert seen.page.locator("button.said").count() == 2
        seen.press("6", "4")
        assert seen.page.locator("#end").is_visible()
    assert [(row.label, row.settles) for row in read_labels(folder)][-2:] == [
        ("complete", True),
        ("official_line", True),
    ]


def broken(page: Page) -> list[Any]:
    """What axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    return [(v["id"], v["help"], [n["target"] for n in v["nodes"]][:3]) for v in found.response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_accessibility_has_no_violation(browser: Browser, folder: Path, scheme: str, width: int) -> None:
    with serving(folder, n=3) as served:
        seen = Seen(
            browser,
            served,
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            bypass_csp=True,
        )
        assert broken(seen.page) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        seen.page.keyboard.press("n")
        seen.page.keyboard.type("note")
        assert broken(seen.page) == []
        seen.page.keyboard.press("Escape")
        seen.page.keyboard.press("?")
        assert seen.page.locator("#help").is_visible()
        assert seen.page.evaluate("document.activeElement.id") == "help-close"
        assert broken(seen.page) == []
        seen.page.keyboard.press("Escape")
        seen.press("6", "6", "6")
        assert broken(seen.page) == []
