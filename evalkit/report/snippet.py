"""Small tables as HTML, for notebooks: the rows that a terminal shows, escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_ROWS = 60


def html_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without style or script of its own; long ones are cut, and say so."""
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows[:_MOST_ROWS]
    )
    left = len(rows) - _MOST_ROWS
    more = html_lines([f"{left} more rows"]) if left > 0 else ""
    caption = f"<caption>{_text(title)}</caption>" if title else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def html_lines(lines: Iterable[str]) -> str:
    """A paragraph for each line."""
    return "".join(f"<p>{_text(line)}</p>" for line in lines)


def _text(text: str) -> str:
    """Names come from files of others: hidden characters are named, markup is text."""
    return escape(tidy(text, 400))
