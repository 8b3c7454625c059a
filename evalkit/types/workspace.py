"""Workspaces: the folder that a program works in, as one tar archive in memory.

A workspace is never unpacked on the host. It is packed from named contents, laid out inside of a sandbox,
and comes back packed. What comes back is hostile: only regular files, folders and relative symbolic links
that stay inside are read, under bounds on size and number. This file needs the standard library only,
because it also runs inside of sandboxes.

The archive is the subset of POSIX ustar with GNU long names (types `0`, `5`, `2`, `L`, `K`) that `tar`
reads; see tar(5).
"""

from __future__ import annotations

import io
import posixpath
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BLOCK = 512
MAX_BYTES = 1 << 30
MAX_ENTRIES = 20_000
_LONGEST_NAME = 4096


class ArchiveError(ValueError):
    """An archive that is broken, too large, or holds what a workspace may not."""


class Entry(NamedTuple):
    """A file, a folder, or (with `link`) a symbolic link. `mtime` is in whole seconds since 1970."""

    data: bytes = b""
    mode: int = 0o644
    mtime: int = 0
    link: str | None = None
    folder: bool = False


def pack(entries: Mapping[str, Entry | bytes]) -> bytes:
    """An archive of named contents; folders above them need no entry.

    Raises:
        ArchiveError: a name or link leads out of the workspace.
    """
    named = ((name, Entry(item) if isinstance(item, bytes) else item) for name, item in entries.items())
    return b"".join(pieces(sorted(named, key=lambda pair: pair[0])))


def unpack(archive: bytes, *, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES) -> dict[str, Entry]:
    """Every entry by its name. A name that occurs twice has its last content.

    Raises:
        ArchiveError: the archive breaks a rule of workspaces.
    """
    return dict(read(io.BytesIO(archive), max_bytes=max_bytes, max_entries=max_entries))


def pieces(entries: Iterable[tuple[str, Entry]]) -> Iterator[bytes]:
    """The archive's bytes, one piece after the other, so that it need not be in memory at once."""
    for name, entry in entries:
        name = _inside(name)
        kind, target, data = b"0", "", entry.data
        if entry.folder:
            kind, data = b"5", b""
        elif entry.link is not None:
            kind, target, data = b"2", _inside_link(name, entry.link), b""
        for long, mark in ((target, b"K"), (name, b"L")):
            raw = _raw(long)
            if len(raw) > 100:
                yield _header(b"././@LongLink", Entry(mode=0), mark, b"", len(raw) + 1)
                yield _padded(raw + b"\0")
        yield _header(_raw(name)[:100], entry, kind, _raw(target)[:100], len(data))
        yield _padded(data)
    yield bytes(2 * BLOCK)


def read(
    stream: IO[bytes], *, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES
) -> Iterator[tuple[str, Entry]]:
    """Entries as they come.

    Raises:
        ArchiveError: the archive breaks a rule of workspaces.
    """
    used, count, pending = 0, 0, {b"L": b"", b"K": b""}
    while True:
        header = _exactly(stream, BLOCK)
        if header == bytes(BLOCK):
            return
        kind, size = header[156:157], _number(header[124:136])
        _check_sum(header)
        used, count = used + size, count + 1
        if used > max_bytes or count > 3 * max_entries:
            raise ArchiveError(f"the workspace is larger than {max_bytes} bytes or {max_entries} entries")
        if kind in pending:
            if size > _LONGEST_NAME:
                raise ArchiveError("a name in the workspace is too long")
            pending[kind] = _content(stream, size).rstrip(b"\0")
            continue
        name = _text(pending[b"L"] or _field(header[345:500], header[:100]))
        target = _text(pending[b"K"] or header[157:257].split(b"\0")[0])
        pending = {b"L": b"", b"K": b""}
        yield _entry(name, kind, target, header, _content(stream, size))


def _entry(name: str, kind: bytes, target: str, header: bytes, data: bytes) -> tuple[str, Entry]:
    mode, mtime = _number(header[100:108]) & 0o777, _number(header[136:148])
    if kind in {b"0", b"\0"}:
        return _inside(name), Entry(data, mode, mtime)
    if kind == b"5":
        return _inside(name.rstrip("/")), Entry(b"", mode, mtime, folder=True)
    if kind == b"2":
        inside = _inside(name)
        return inside, Entry(b"", 0o777, mtime, link=_inside_link(inside, target))
    raise ArchiveError(f"{name!r}: neither a file, a folder nor a symbolic link")


def stays_inside(name: str, target: str) -> bool:
    """Whether a symbolic link at `name` leads to a place in the workspace."""
    if not target or target.startswith("/") or "\0" in target:
        return False
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    return reached != ".." and not reached.startswith("../")


def _inside(name: str) -> str:
    parts = name.split("/")
    if not name or "\0" in name or any(part in {"", ".", ".."} for part in parts):
        raise ArchiveError(f"{name!r}: expected a plain relative path")
    return name


def _inside_link(name: str, target: str) -> str:
    if not stays_inside(name, target):
        raise ArchiveError(f"{name!r}: the link leads out of the workspace")
    return target


def _header(name: bytes, entry: Entry, kind: bytes, target: bytes, size: int) -> bytes:
    if size >= 8**11:
        raise ArchiveError("a file in the workspace is too large")
    fields = (
        name.ljust(100, b"\0"),
        b"%07o\0" % (entry.mode & 0o777),
        b"%07o\0%07o\0" % (0, 0),
        b"%011o\0" % size,
        b"%011o\0" % min(max(entry.mtime, 0), 8**11 - 1),
        b" " * 8,
        kind,
        target.ljust(100, b"\0"),
        b"ustar\x0000",
    )
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _check_sum(header: bytes) -> None:
    if _number(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise ArchiveError("the workspace is no tar archive, or it was cut")


def _number(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not set(digits) <= set(b"01234567"):
        raise ArchiveError("the workspace is no tar archive, or it was cut")
    return int(digits, 8)


def _field(prefix: bytes, name: bytes) -> bytes:
    before, last = prefix.split(b"\0")[0], name.split(b"\0")[0]
    return before + b"/" + last if before else last


def _content(stream: IO[bytes], size: int) -> bytes:
    data = _exactly(stream, size)
    _exactly(stream, -size % BLOCK)
    return data


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size) if size else b""
    if len(data) != size:
        raise ArchiveError("the workspace is no tar archive, or it was cut")
    return data


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
