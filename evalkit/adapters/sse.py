"""Server-sent events, decoded from complete bytes (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")

Event = tuple[bytes, int]
"""The data of one event, and the offset at which its bytes were complete. A plain tuple: there are many."""


def events(body: bytes) -> Iterator[Event]:
    """Every event that carries data. Comments are skipped; a last event without its blank line counts."""
    if b"\r" in body:
        yield from _of_any_line_end(body)
        return
    end, size = 0, len(body)
    for block in body.split(b"\n\n"):
        end += len(block) + 2
        if block.startswith(b"data: ") and b"\n" not in block:
            yield block[6:], min(end, size)
        elif (data := _data(block)) is not None:
            yield data, min(end, size)


def _of_any_line_end(body: bytes) -> Iterator[Event]:
    start = 0
    while start < len(body):
        blank = _BLANK.search(body, start)
        stop, following = (blank.start(), blank.end()) if blank else (len(body), len(body))
        data = _data(body[start:stop])
        if data is not None:
            yield data, following
        start = following


def _data(block: bytes) -> bytes | None:
    lines = [line[5:].removeprefix(b" ") for line in _LINE.split(block) if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
