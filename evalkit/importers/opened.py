"""Foreign files, read within bounds: they may be hostile.

Nothing is unpacked to disk and nothing but JSON is decoded. What a file claims of its own size is not
believed: reading stops at the bound.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
import zlib
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from evalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")

_MIB = 1 << 20
MAX_LINE = 64 * _MIB
MAX_DOCUMENT = 512 * _MIB
MAX_MEMBER = 256 * _MIB
MAX_MEMBERS = 1_000_000
MAX_TOTAL = 64 * 1024 * _MIB
"""Bytes after decompression: of one line, one JSON document, one member of a zip, and a whole file."""
MAX_RATIO = 1000
"""A file that grows more than this when it is unpacked is refused; JSON of equal rows stays below."""

MAX_EMPTY = 10_000
_OPENING = 64 * 1024
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_ZSTD = 93
"""Compression method of zip members that the standard library before Python 3.14 cannot read."""


class Opened:
    """One file."""

    def __init__(self, path: Path) -> None:
        """Look at the file's beginning.

        Raises:
            UsageError: it cannot be read.
        """
        self.path = path
        self.name = path.name
        try:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                self._magic = file.read(4)
                file.seek(0)
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror}); check the name.") from None

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip archive."""
        return self._magic == _ZIP

    @cached_property
    def opening(self) -> bytes:
        """The first bytes, unpacked; of a zip, nothing."""
        if self.is_zip:
            return b""
        try:
            with self._stream() as file:
                return file.read(_OPENING)
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"{self.path}: is damaged ({error}); export it again.") from None

    @cached_property
    def first_object(self) -> dict[str, Any]:
        """The first line as a JSON object; empty if it is none."""
        line = self.opening.lstrip().split(b"\n", 1)[0]
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines with their numbers from 1; empty ones are left out.

        Raises:
            UsageError: a line or the whole is too large, or the file is damaged.
        """
        number = total = empty = 0
        try:
            with self._stream() as file:
                while line := file.readline(MAX_LINE + 1):
                    number += 1
                    total += len(line)
                    self._check(total, number)
                    if len(line) > MAX_LINE:
                        raise UsageError(
                            f"{self.path}:{number}: the line is longer than {MAX_LINE // _MIB} MiB; "
                            "is this one JSON object on each line?"
                        )
                    if line.strip():
                        yield number, line
                        continue
                    empty += 1
                    if empty > MAX_EMPTY:
                        raise UsageError(f"{self.path}: has more than {MAX_EMPTY} empty lines; is it JSONL?")
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(
                f"{self.path}: is damaged after line {number} ({error}); export it again."
            ) from None

    def rows(self, kind: type[T]) -> Iterator[tuple[int, T]]:
        """Every line as a record of a kind.

        Raises:
            UsageError: a line is not such a record; the message names it.
        """
        decoder = msgspec.json.Decoder(kind)
        for number, line in self.lines():
            try:
                row = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                row = _decoded(line, kind, f"{self.path}:{number}")
            yield number, row

    def document(self, kind: type[T]) -> T:
        """The whole file as one record.

        Raises:
            UsageError: it is too large or not such a record.
        """
        try:
            with self._stream() as file:
                data = file.read(MAX_DOCUMENT + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"{self.path}: is damaged ({error}); export it again.") from None
        self._check(len(data), 1)
        if len(data) > MAX_DOCUMENT:
            raise UsageError(
                f"{self.path}: is larger than {MAX_DOCUMENT // _MIB} MiB; import it in parts, or as JSONL."
            )
        return _decoded(data, kind, str(self.path))

    def members(self) -> dict[str, int]:
        """Names of a zip's members with the sizes that it claims.

        Raises:
            UsageError: it is no zip, or has too many or too large members.
        """
        infos = self._zip.infolist()
        if len(infos) > MAX_MEMBERS:
            raise UsageError(f"{self.path}: has more than {MAX_MEMBERS} members; it is no log.")
        claimed = sum(info.file_size for info in infos)
        if claimed > MAX_TOTAL or claimed > MAX_RATIO * max(self.size, 1):
            raise UsageError(
                f"{self.path}: {self.size} bytes would unpack to {claimed}, more than {MAX_RATIO} times as "
                "much; a log does not do that, so it was not read."
            )
        return {info.filename: info.file_size for info in infos}

    def member(self, name: str, kind: type[T]) -> T:
        """One member of a zip as one record.

        Raises:
            UsageError: it is too large, damaged, or not such a record.
        """
        where = f"{self.path}!{name}"
        try:
            data = self._unpacked(self._zip.getinfo(name), where)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, KeyError, RuntimeError) as error:
            raise UsageError(f"{where}: is damaged ({error}); copy the log again.") from None
        if len(data) > MAX_MEMBER:
            raise UsageError(f"{where}: is larger than {MAX_MEMBER // _MIB} MiB; it was not read.")
        return _decoded(data, kind, where)

    def close(self) -> None:
        """Let go of the archive, if one was opened."""
        if "_zip" in self.__dict__:
            self._zip.close()

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise UsageError(f"{self.path}: is no zip archive ({error}); copy the log again.") from None

    def _unpacked(self, info: zipfile.ZipInfo, where: str) -> bytes:
        if info.compress_type != _ZSTD:
            with self._zip.open(info) as member:
                return member.read(MAX_MEMBER + 1)
        return _zstd_unpacked(self._raw(info), where)

    def _raw(self, info: zipfile.ZipInfo) -> bytes:
        """A member's packed bytes, for methods that the standard library does not know."""
        if info.compress_size > MAX_MEMBER:
            raise zipfile.BadZipFile("a packed member is too large")
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            head = file.read(30)
            if len(head) < 30 or head[:4] != _ZIP:
                raise zipfile.BadZipFile("a member's header is missing")
            skip = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            file.seek(info.header_offset + 30 + skip)
            return file.read(info.compress_size)

    def _stream(self) -> IO[bytes]:
        if self._magic[:2] == _GZIP:
            return cast("IO[bytes]", gzip.open(self.path, "rb"))
        return self.path.open("rb", buffering=_MIB)

    def _check(self, total: int, line: int) -> None:
        if total > MAX_TOTAL or (total > 16 * _MIB and total > MAX_RATIO * max(self.size, 1)):
            raise UsageError(
                f"{self.path}:{line}: {self.size} bytes unpack to more than {total}; refused as a zip bomb."
            )


def _zstd_unpacked(packed: bytes, where: str) -> bytes:
    """Zstandard data, never more than one byte beyond the bound."""
    try:
        import zstandard
    except ImportError:
        raise UsageError(
            f"{where}: is packed with Zstandard; pip install 'evalkit[inspect]', or convert the log with "
            "`inspect log convert --to json`."
        ) from None
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(packed) as reader:
            return reader.read(MAX_MEMBER + 1)
    except zstandard.ZstdError as error:
        raise zipfile.BadZipFile(str(error)) from None


def _decoded(data: bytes, kind: type[T], where: str) -> T:
    """JSON as a record. `NaN`, which some tools write though JSON has no such value, is read too."""
    try:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if b"NaN" not in data and b"Infinity" not in data:
                raise
            return msgspec.convert(json.loads(data), type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise UsageError(f"{where}: {_reason(error)}; nothing was imported.") from None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "its JSON is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return f"not valid JSON ({error})"
