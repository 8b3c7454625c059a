"""What every picture has."""

from __future__ import annotations

import msgspec


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A chart. `svg` is safe markup, `alt` says what is to be seen, `head` and `rows` are its data."""

    id: str
    title: str
    caption: str
    alt: str
    svg: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
