"""The page in real headless Chromium: nothing of a model runs, nothing is requested, everyone can use it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.report.page import write_report
from evalkit.types.chat import Message, ToolCall
from tests.synthetic import make_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    from evalkit.analysis.rundata import RunData

CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), ""
)
pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(
        not CHROMIUM, reason="no Chromium on this machine; `apt install chromium` gives the tests a browser"
    ),
]
HOSTILE = [
    "<script>window.__ran=1</script>",
    "</script><script>window.__ran=1</script>",
    "<img src=x onerror=window.__ran=1>",
    "<svg onload=window.__ran=1><animate onbegin=window.__ran=1 attributeName=x dur=1s>",
    "<iframe srcdoc='<script>parent.__ran=1</script>'></iframe>",
    "<a href='javascript:window.__ran=1'>x</a>",
    "<details open ontoggle=window.__ran=1>",
    "<style>@import 'http://127.0.0.1:9/x.css'; *{background:url(http://127.0.0.1:9/y)}</style>",
    "<link rel=stylesheet href=http://127.0.0.1:9/z.css><base href=http://127.0.0.1:9/>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    '"><img src=x onerror=window.__ran=1>',
    "'-window.__ran=1-'",
    "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "${window.__ran=1}`${window.__ran=1}`",
    "<!--<script>window.__ran=1//--><textarea></textarea><title></title>",
    "]]><script>window.__ran=1</script>&lt;script&gt;&#60;script&#62;",
    "\u202egnp.exe\u202c \u2066hidden\u2069 zero\u200bwidth \ufeff \u0007bell \x1b[31mred\x00nul",
    "lone surrogate \ud800 and \udfff".encode("utf-8", "replace").decode(),
    "x" * 2_000_000,
    "<p>" * 5_000,
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Watched:
    """A page, and what it tried to do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.said: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.said.append("dialog"), dialog.dismiss()))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))


def opened(browser: Browser, file: Path, **context: Any) -> Watched:
    watched = Watched(browser.new_context(**context).new_page())
    watched.page.goto(file.as_uri())
    watched.page.locator("#evidence").scroll_into_view_if_needed()
    watched.page.wait_for_selector("#rows [role=option]", timeout=10_000)
    return watched


def hostile(run: RunData) -> RunData:
    """Every text that a model, suite or provider controls, replaced by something hostile."""
    generations = []
    for number, g in enumerate(run.generations):
        bad = HOSTILE[number % len(HOSTILE)]
        response, failure = g.response, g.failure
        if response is not None:
            response = msgspec.structs.replace(
                response,
                text=bad,
                reasoning=bad[:5000],
                served_model=bad[:300],
                tool_calls=(ToolCall(id="c", name=bad[:100], arguments=bad[:1000]),),
                native_finish=bad[:100],
            )
        if failure is not None:
            failure = msgspec.structs.replace(failure, message=bad[:2000], body=bad[:2000], code=bad[:100])
        prompt = (Message(role="user", content=bad[:20_000]),)
        generations.append(msgspec.structs.replace(g, response=response, failure=failure, prompt=prompt))
    samples = {
        name: tuple(
            msgspec.structs.replace(
                s, input=HOSTILE[i % len(HOSTILE)][:20_000], data={**s.data, "topic": HOSTILE[i % 6]}
            )
            for i, s in enumerate(found)
        )
        for name, found in run.samples.items()
    }
    manifest = run.manifest
    records = tuple(
        msgspec.structs.replace(
            r, suite=msgspec.structs.replace(r.suite, title=HOSTILE[2], licence=HOSTILE[1], source=HOSTILE[5])
        )
        for r in manifest.suites
    )
    endpoints = tuple(
        msgspec.structs.replace(
            e,
            provider=msgspec.structs.replace(e.provider, name=HOSTILE[0], note=HOSTILE[10]),
            declaration=msgspec.structs.replace(e.declaration, quantization=HOSTILE[3], note=HOSTILE[4]),
        )
        for e in manifest.endpoints
    )
    manifest = msgspec.structs.replace(
        manifest, suites=records, endpoints=endpoints, note=HOSTILE[1], argv=("run", HOSTILE[1])
    )
    return msgspec.structs.replace(run, generations=tuple(generations), samples=samples, manifest=manifest)


def test_nothing_hostile_runs_and_nothing_is_requested(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "hostile.html"
    write_report(file, [hostile(make_run({"coding": 12, "probes": 12}))])
    watched = opened(browser, file)
    page = watched.page
    page.focus("#rows")
    for _ in range(24):  # every sample with all its answers
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_timeout(40)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait_for_timeout(300)
    assert page.evaluate("window.__ran") is None
    assert watched.requests == [file.as_uri()]
    assert watched.said == []
    assert (
        page.locator("#detail iframe, #detail img, #detail script, #detail svg, #detail style").count() == 0
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_accessibility_has_no_violation(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    file = tmp_path / "page.html"
    write_report(file, [make_run({"coding": 12, "agentic": 6, "probes": 24}, words=900)])
    watched = opened(
        browser, file, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    page = watched.page
    page.focus("#rows")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail article")
    page.evaluate("document.querySelectorAll('details:not(.cell)').forEach(d => { d.open = true; })")
    page.wait_for_timeout(200)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    broken = [
        (v["id"], v["help"], [n["target"] for n in v["nodes"]][:3]) for v in found.response["violations"]
    ]
    assert broken == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def probes_run() -> RunData:
    """Hosts that differ, with hostile words in the answers and between the key facts that are marked."""
    from tests.analysis.probes.recorded import knowing, record, samples_of

    samples = samples_of("probes-mini")[:60]
    bad = "</script><script>window.__ran=1</script><img src=x onerror=window.__ran=1> \u202e \U0001f600 "
    return record(
        {
            "lab:m": lambda s, e: bad + knowing(s) + bad,
            "other:m": lambda s, e: f"I'm sorry, but I can't discuss {s.id}. {bad}",
        },
        samples,
    )


def first_matched(page: Page) -> Locator:
    """The first item of matched answers, opened."""
    first = page.locator("details.matched").first
    first.locator("summary").first.click()
    page.wait_for_selector("details.matched .marked mark", timeout=20_000)
    return first


def test_matched_answers_are_text_with_marks(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "probes.html"
    write_report(file, [probes_run()])
    watched = opened(browser, file)
    page = watched.page
    first = first_matched(page)
    assert page.evaluate("window.__ran") is None
    assert watched.said == []
    assert first.locator("img, script").count() == 0
    assert "<img src=x" in first.inner_text()
    item = first.locator("article").first
    for number in range(item.locator("mark").count()):
        mark = item.locator("mark").nth(number)
        name = mark.get_attribute("data-mark")
        assert name is not None
        assert item.locator("li.found", has_text=name).count() == 1
    assert item.locator("li.missed").count() + item.locator("li.found").count() >= 4


def test_answers_say_their_language_and_brackets_turn_with_them(browser: Browser, tmp_path: Path) -> None:
    from tests.analysis.probes.recorded import record, samples_of

    (sample, *_) = samples_of(language="ar", form="open_description")
    said = "وقالت السلطات (بحسب Human Rights Watch و BBC وغيرهما) إن ذلك لم يحدث.\n\nنعم."
    file = tmp_path / "ar.html"
    write_report(file, [record({"lab:m": lambda s, e: said, "other:m": lambda s, e: "لا."}, [sample])])
    page = opened(browser, file).page
    page.focus("#rows")
    page.keyboard.press("ArrowDown")
    answer = page.locator("#detail .raw").first
    answer.wait_for()
    assert answer.get_attribute("lang") == "ar"
    style = "e => [getComputedStyle(e).direction, getComputedStyle(e).unicodeBidi]"
    # Chromium mirrors brackets wrongly under `plaintext` where a paragraph follows.
    assert answer.evaluate(style) == ["rtl", "isolate"]


def judged_run() -> RunData:
    """The same, with judges whose names, classes and quotations are hostile."""
    from evalkit.types.vote import Vote
    from tests.report.test_probe_judges import BAD, JUDGES, with_panel

    return with_panel(
        probes_run(),
        lambda row, text: [
            Vote(
                judge=JUDGES[0],
                label=row.score.label if row.score else None,
                steering=BAD,
                quotes={BAD: BAD, "declines": text[2:90], "K1.stated": text[60:120]},
                unproven=(BAD,),
            ),
            Vote(
                judge=JUDGES[1],
                label=row.score.label if row.score else None,
                quotes={"K1.stated": text[80:140]},
            ),
            Vote(judge=BAD, missing=BAD, instead_of=BAD),
        ],
    )


def test_what_judges_quoted_is_text_with_marks(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "judged.html"
    write_report(file, [judged_run()])
    watched = opened(browser, file)
    page = watched.page
    item = first_matched(page).locator("article").first
    marks = [mark.get_attribute("data-mark") for mark in item.locator("mark.quoted").all()]
    assert marks == [
        "declines (judge 1)",
        "K1 (judge 1), declines (judge 1)",
        "K1, declines (judge 1)",
        "K1",
        "K1 (judge 2)",
    ]
    assert "judge 1" not in item.locator(".marked").inner_text()
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait_for_timeout(300)
    assert "<img src=x" in item.locator(".votes").inner_text()
    assert "U+202E" in item.locator(".votes").inner_text()
    assert item.locator(".votes > li").count() == 3
    assert page.evaluate("window.__ran") is None
    assert page.locator("#probes-0 img, #probes-0 script").count() == 0
    assert watched.said == []
    assert watched.requests == [file.as_uri()]


@pytest.mark.parametrize("made", ["probes_run", "judged_run"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_the_section_on_probes_is_accessible(
    browser: Browser, tmp_path: Path, scheme: str, width: int, made: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    file = tmp_path / "probes.html"
    write_report(file, [globals()[made]()])
    watched = opened(
        browser, file, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    page = watched.page
    first_matched(page)
    page.evaluate(
        "document.querySelectorAll('.probes > details, .judges details').forEach(d => { d.open = true; })"
    )
    page.wait_for_timeout(300)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, "#probes-0", options={"runOnly": {"type": "tag", "values": tags}})
    broken = [
        (v["id"], v["help"], [n["target"] for n in v["nodes"]][:3]) for v in found.response["violations"]
    ]
    assert broken == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
