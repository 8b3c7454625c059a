"""The site builds without a warning: no broken link, no page outside of the index, no broken docstring."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from evalkit.cli import app
from tests.docs.pages import ROOT, pages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


class Targets(HTMLParser):
    """Every `href` and `src`, and every `id`, of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.loaded: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {given["id"]} if given.get("id") else set()
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag in {"script", "img", "iframe"} and given.get("src"):
            self.loaded.append(str(given["src"]))
        if tag == "link" and given.get("rel") == "stylesheet":
            self.loaded.append(str(given["href"]))


def pages_of(site: Path) -> list[Path]:
    """All pages but the example of a report, which has tests of its own."""
    return [path for path in site.rglob("*.html") if "_downloads" not in path.parts]


@pytest.mark.timeout(400)
def test_every_internal_link_has_its_target(site: Path) -> None:
    read = {path: Targets(path.read_text(encoding="utf-8")) for path in pages_of(site)}
    assert len(read) > len(pages())
    for path, page in read.items():
        for link in page.links:
            if link.startswith(("http:", "https:", "mailto:")):
                continue
            place, _, anchor = link.partition("#")
            target = (path.parent / place).resolve() if place else path
            assert target.is_file(), f"{path.name}: {link}"
            if anchor and target in read:
                assert anchor in read[target].ids, f"{path.name}: {link}"


@pytest.mark.timeout(400)
def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    for path in pages_of(site):
        assert not [url for url in Targets(path.read_text("utf-8")).loaded if "//" in url], path


@pytest.mark.timeout(400)
def test_generated_pages_tell_everything(site: Path) -> None:
    import typer

    from evalkit import __all__ as names
    from evalkit.analysis.measures import MEASURES
    from evalkit.app.schemas import KINDS

    made = site / "reference" / "generated"
    commands = (made / "cli.html").read_text("utf-8")
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"evalkit {name}" in commands
        for inner in getattr(command, "commands", {}):
            assert f"evalkit {name} {inner}" in commands
    assert all(f">{key}<" in (made / "measures.html").read_text("utf-8") for key in MEASURES)
    definitions = (made / "definitions.html").read_text("utf-8")
    assert all(f'id="{kind}"' in definitions for kind in KINDS)
    functions = (site / "reference" / "api.html").read_text("utf-8")
    assert all(f'id="evalkit.{name}"' in functions for name in names)
