"""The append-only journal of a run.

Every row is one JSON object on one line, written by one `write` to a file opened for appending, so it is
with the operating system before anything else happens to the answer. `fsync` follows at most once a second:
a killed process loses nothing, a power cut at most that second. A torn last line is cut off when the file
is opened again; everything before it is kept.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from evalkit.errors import InfrastructureError, StoreError
from evalkit.types.generation import Generation, Outcome, TrialKey
from evalkit.types.label import LATER, WITHDRAWN, LabelRow
from evalkit.types.score import ScoreRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

T = TypeVar("T")

LABELS = "labels.jsonl"
_SYNC_EVERY_S = 1.0
_READ_BLOCK = 1 << 20


_SCORES_AT_ONCE = 64
_NO_NUMBER = re.compile(rb'":\s*(-?NaN|-?Infinity|nan|-?inf)\s*[,}\]]')


class Head(msgspec.Struct, frozen=True):
    """The part of a generation that the index needs."""

    fingerprint: str
    outcome: Outcome


class AppendFile:
    """A file of JSON lines that only grows."""

    def __init__(self, path: Path, secrets: Sequence[str] = ()) -> None:
        """Open or create `path` and cut a torn last line. `secrets` are struck out of every row.

        Raises:
            InfrastructureError: it cannot be written.
        """
        self.path = path
        self._secrets = [msgspec.json.encode(secret)[1:-1] for secret in secrets]
        self._encoder = msgspec.json.Encoder()
        try:
            mend_tail(path)
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            self.size = os.fstat(self._fd).st_size
        except OSError as error:
            raise InfrastructureError(
                f"{path}: cannot be written ({error.strerror}); check the folder."
            ) from None
        self._synced_at = time.monotonic()
        self._dirty = False

    def append(self, rows: Sequence[msgspec.Struct]) -> int:
        """Write rows and hand them to the operating system; gives the offset of the first.

        Raises:
            InfrastructureError: the disk is full or gone. The file ends where it ended before.
        """
        data = b"".join(self._encoder.encode(row) + b"\n" for row in rows)
        for secret in self._secrets:
            if secret in data:
                data = data.replace(secret, b"*" * len(secret))
        start = self.size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
            self.size += len(data)
            self._dirty = True
            if time.monotonic() - self._synced_at >= _SYNC_EVERY_S:
                self.sync()
        except OSError as error:
            self._roll_back(start)
            raise InfrastructureError(
                f"{self.path}: cannot be written ({error.strerror}); all answers before this one are kept. "
                "Make room and run the same command again."
            ) from None
        return start

    def sync(self) -> None:
        """Force what was written to the disk."""
        if self._dirty:
            os.fdatasync(self._fd)
            self._dirty = False
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """Sync and let go."""
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1

    def _roll_back(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            return  # the next opening cuts the torn line instead


class RunJournal:
    """Generations and scores of one run, with an index of what was answered."""

    def __init__(self, folder: Path, scores: str = "scores.jsonl", secrets: Sequence[str] = ()) -> None:
        """Open the journals in `folder` and index the answers that are there.

        Raises:
            StoreError: a line other than the last is damaged.
            InfrastructureError: the folder cannot be written.
        """
        self._path = folder / "generations.jsonl"
        self._generations = AppendFile(self._path, secrets)
        self._scores = AppendFile(folder / scores, secrets)
        self._unwritten: list[ScoreRow] = []
        self._index: dict[bytes, int] = {}
        self._failed: dict[bytes, int] = {}
        try:
            for offset, row in read_rows(self._path, Head):
                (self._failed if row.outcome.is_failure else self._index)[_key(row.fingerprint)] = offset
        except StoreError:
            self._generations.close()
            self._scores.close()
            raise
        self._decoder = msgspec.json.Decoder(Generation)
        self._reader = self._path.open("rb")

    def __len__(self) -> int:
        return len(self._index)

    def find(self, fingerprint: str) -> Generation | None:
        """See `evalkit.ports.core.Journal.find`."""
        return self._read(self._index.get(_key(fingerprint)))

    def recall(self, fingerprint: str) -> Generation | None:
        """See `evalkit.ports.core.Journal.recall`."""
        return self.find(fingerprint) or self._read(self._failed.get(_key(fingerprint)))

    def _read(self, offset: int | None) -> Generation | None:
        if offset is None:
            return None
        self._reader.seek(offset)
        return self._decoder.decode(self._reader.readline())

    def append(self, generation: Generation) -> None:
        """See `evalkit.ports.core.Journal.append`."""
        offset = self._generations.append((generation,))
        index = self._index if generation.succeeded else self._failed
        index[_key(generation.fingerprint)] = offset

    def append_scores(self, rows: Sequence[ScoreRow]) -> None:
        """See `evalkit.ports.core.Journal.append_scores`.

        Scores are written a few dozen at a time: what a crash loses of them is scored again from the
        recorded answers, without a call.
        """
        self._unwritten += rows
        if len(self._unwritten) >= _SCORES_AT_ONCE:
            self._write_scores()

    def _write_scores(self) -> None:
        rows, self._unwritten = self._unwritten, []
        if rows:
            self._scores.append(rows)

    def sync(self) -> None:
        """Force both journals to the disk."""
        self._generations.sync()
        self._write_scores()
        self._scores.sync()

    def close(self) -> None:
        """Sync and let go of the files."""
        self._generations.close()
        try:
            self._write_scores()
        finally:
            self._scores.close()
            self._reader.close()


def _key(fingerprint: str) -> bytes:
    """Half of the hash's bytes: still no two alike, and a third of the memory of its text."""
    return bytes.fromhex(fingerprint[:32])


def read_rows(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Every row with its offset. A torn last line is left out; a missing file has no rows.

    Raises:
        StoreError: a line other than the last is damaged.
    """
    decoder = msgspec.json.Decoder(kind)
    offset = 0
    try:
        with path.open("rb", buffering=_READ_BLOCK) as file:
            for number, line in enumerate(file, 1):
                try:
                    row = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    if not line.endswith(b"\n"):
                        return
                    raise StoreError(f"{path}:{number} {_fault(line, error)}") from None
                yield offset, row
                offset += len(line)
    except FileNotFoundError:
        return


def _fault(line: bytes, error: Exception) -> str:
    found = _NO_NUMBER.search(line)
    if found is not None and isinstance(error, msgspec.DecodeError):
        word = found[1].decode()
        return f"holds {word}, which is no number; a score that has none is unscored. Score the run again."
    return f"is damaged ({error}); restore the file or delete that line."


def read_generations(folder: Path) -> Iterator[Generation]:
    """Every recorded generation of a run, in the order in which they ended."""
    for _, row in read_rows(folder / "generations.jsonl", Generation):
        yield row


def read_scores(folder: Path) -> Iterator[ScoreRow]:
    """Every recorded score of a run. A later row for one trial, scorer and metric replaces an earlier."""
    for _, row in read_rows(folder / "scores.jsonl", ScoreRow):
        yield row


def read_labels(folder: Path) -> Iterator[LabelRow]:
    """What people say of a run's answers, in the order in which they said it.

    What an annotator withdrew is left out, with the rows of theirs before it on the same answer; so is what
    they put off.
    """
    return (row for row in read_label_steps(folder) if row.label != LATER)


def read_label_steps(folder: Path) -> Iterator[LabelRow]:
    """Each annotator's last step on each answer, in the order in which they took it.

    That is a label, or that the answer was put off; where it was withdrawn there is none.
    """
    standing: dict[tuple[TrialKey, str, bool], LabelRow] = {}
    for _, row in read_rows(folder / LABELS, LabelRow):
        key = row.trial, row.annotator, row.settles
        standing.pop(key, None)  # a later row stands at its own place in the order
        standing[key] = row
    for row in standing.values():
        if row.label != WITHDRAWN:
            yield row


def mend_tail(path: Path) -> None:
    """Cut a last line without its newline, or complete it if only the newline is missing."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return
    with path.open("r+b") as file:
        position = size
        tail = b""
        while position > 0:
            step = min(_READ_BLOCK, position)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
            newline = tail.rfind(b"\n")
            if newline == len(tail) - 1:
                return
            if newline >= 0 or position == 0:
                torn = tail[newline + 1 :]
                if _is_json(torn):
                    file.seek(0, os.SEEK_END)
                    file.write(b"\n")
                else:
                    file.truncate(size - len(torn))
                return


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return line.startswith(b"{")
