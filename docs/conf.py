"""How the site is built: `make docs`. Pages that can be made from code are made from it, at build time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generated  # noqa: E402  # lies beside this file

from evalkit import __version__  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

generated.write(HERE / "reference" / "generated")

project = "evalkit"
author = "the evalkit authors"
copyright = "the evalkit authors"  # noqa: A001  # Sphinx's name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "fieldlist"]
suppress_warnings = ["myst.header"]  # pages skip a level where every heading is a function
exclude_patterns: list[str] = []

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"evalkit {release}"
html_show_sphinx = False
html_copy_source = False
html_static_path: list[str] = []


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _with_the_rest)


def _with_the_rest(_: Sphinx, name: str, text: list[str]) -> None:
    """Put guides that the index does not name at the end of its list of guides."""
    if name == "index":
        pages = sorted(page.stem for page in HERE.glob("*.md"))
        rest = [page for page in pages if page != "index" and f"\n{page}\n" not in text[0]]
        text[0] = text[0].replace("THE_REST", "\n".join(rest))
