"""How large, how fast and how smooth the report of 40,000 generations is: 10,000 samples on 4 endpoints.

    python -m benchmarks.report

The run is drawn, its records are real ones. Building is measured as a whole process, opening in Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import msgspec
from playwright.sync_api import sync_playwright

from benchmarks.engine import Cost, measure
from tests.synthetic import EXTRA, HOSTS, make_run

SAMPLES = 10_000
_WATCH = """
window.__long = 0;
const keep = entry => { window.__long = Math.max(window.__long, entry.duration); };
const watch = new PerformanceObserver(list => list.getEntries().forEach(keep));
watch.observe({ type: "longtask", buffered: true });
"""


def write_run(folder: Path) -> None:
    """A drawn run in the form in which runs are recorded."""
    run = make_run({"coding": SAMPLES}, hosts=(*HOSTS, EXTRA), words=90)
    (folder / "samples").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(run.manifest))
    rows = {
        "generations.jsonl": run.generations,
        "scores.jsonl": run.scores,
        "samples/coding.jsonl": run.samples["coding"],
    }
    for name, records in rows.items():
        (folder / name).write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))


def look(page_file: Path) -> dict[str, float]:
    """Seconds until the page can be used and until the evidence is there, and the longest pause in ms."""
    browser_path = next(p for n in ("chromium", "google-chrome") if (p := shutil.which(n)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_context(bypass_csp=True).new_page()
        page.add_init_script(_WATCH)
        page.goto(page_file.as_uri())
        ready = page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive") / 1000
        loaded = page.evaluate("performance.now()") / 1000
        page.evaluate("window.__from = performance.now()")
        page.locator("#evidence").scroll_into_view_if_needed()
        page.wait_for_selector("#rows [role=option]", timeout=60_000)
        unpacked = page.evaluate("performance.now() - window.__from") / 1000
        page.evaluate("window.__long = 0")
        for value in ("differ", "worse", "unscored", ""):
            page.select_option("#f-show", value)
            page.wait_for_timeout(150)
        for _ in range(20):
            page.evaluate("document.getElementById('rows').scrollBy(0, 4000)")
            page.wait_for_timeout(30)
        page.fill("#f-find", "coding-09")
        page.wait_for_timeout(400)
        longest = page.evaluate("window.__long")
        browser.close()
    return {"interactive": ready, "loaded": loaded, "evidence": unpacked, "longest pause": longest}


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder / "results" / "big")
        command = "from evalkit.cli import main; main()"
        built: Cost = measure([sys.executable, "-c", command, "report", "big", "-o", "big.html"], folder)
        size = (folder / "big.html").stat().st_size / 2**20
        seen = look(folder / "big.html")
    print("| what | seen | wanted |\n|---|---|---|")
    print(f"| size, MB | {size:.1f} | ≤ 25 |")
    print(f"| built in, s | {built.wall:.1f} | ≤ 20 |")
    print(f"| memory to build, MB | {built.memory:.0f} | ≤ 1000 |")
    print(f"| interactive after, s | {seen['interactive']:.2f} | ≤ 2 |")
    print(f"| evidence unpacked in, s | {seen['evidence']:.2f} | |")
    print(f"| longest pause while filtering, scrolling and searching, ms | {seen['longest pause']:.0f} | |")


if __name__ == "__main__":
    main()
