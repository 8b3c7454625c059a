"""Tables in Markdown, and their places in the pages of `docs/`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def put(page: str, name: str, part: str) -> str:
    """A page's text with the part between its two marks replaced."""
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"The page has no place for {name}; it needs <!-- {name} --> and <!-- /{name} -->.")
    return pattern.sub(lambda match: f"{match[1]}\n{part}\n\n{match[2]}", page)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells under a head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
