"""Answers of earlier runs, to be taken instead of asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from evalkit.store.folder import read_manifest
from evalkit.store.journal import Head, read_rows
from evalkit.types.generation import Generation

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class EarlierRun:
    """The successes of a recorded run by fingerprint; a context manager that holds the file open."""

    def __init__(self, folder: Path) -> None:
        """Index the answers.

        Raises:
            StoreError: the folder holds no run, or a line of its journal is damaged.
        """
        self.name = read_manifest(folder).run
        path = folder / "generations.jsonl"
        self._index = {
            row.fingerprint: offset for offset, row in read_rows(path, Head) if not row.outcome.is_failure
        }
        self._file = path.open("rb")
        self._decoder = msgspec.json.Decoder(Generation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        self._file.close()

    def find(self, fingerprint: str) -> Generation | None:
        """The recorded success for exactly these bytes, this endpoint and this draw."""
        offset = self._index.get(fingerprint)
        if offset is None:
            return None
        self._file.seek(offset)
        return self._decoder.decode(self._file.readline())
