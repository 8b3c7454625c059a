"""Server-sent events, decoded from complete bytes (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """The data of one event and the offset at which its bytes were complete."""

    data: bytes
    end: int


def events(body: bytes) -> Iterator[Event]:
    """Every event that carries data. Comments are skipped; a last event without its blank line counts."""
    start = 0
    while start < len(body):
        blank = _BLANK.search(body, start)
        stop, following = (blank.start(), blank.end()) if blank else (len(body), len(body))
        block = body[start:stop]
        if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
            yield Event(block[6:], following)
        else:
            data = [line[5:].removeprefix(b" ") for line in _LINE.split(block) if line.startswith(b"data:")]
            if data:
                yield Event(b"\n".join(data), following)
        start = following
