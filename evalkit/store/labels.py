"""Writes what people say of answers. Reading is `evalkit.store.journal.read_labels`.

Two annotators may work on one run at the same time, each with a process of their own, and while a run is
being judged: the run's lock is not taken. A lock on the file itself is held for as long as a row takes.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from evalkit.errors import InfrastructureError
from evalkit.store.journal import LABELS, mend_tail

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.types.label import LabelRow


def append_label(folder: Path, row: LabelRow) -> None:
    """Add a row to a run's labels; it is on the disk when this returns.

    Raises:
        InfrastructureError: it cannot be written. The file is as it was.
    """
    path = folder / LABELS
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        mend_tail(path)
        _write_whole(handle, msgspec.json.encode(row) + b"\n")
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        os.close(handle)  # gives the lock back


def _write_whole(handle: int, data: bytes) -> None:
    """All of it or nothing."""
    size = os.fstat(handle).st_size
    try:
        written = 0
        while written < len(data):
            written += os.write(handle, data[written:])
        os.fdatasync(handle)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, size)
        raise


def _unwritable(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"{path}: cannot be written ({error.strerror}); make room or check rights. Labels before are kept."
    )
