"""Collects a reply as it arrives, with the time of each piece."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from evalkit.types.wire import Reply, Timeouts, WireError, WireFault

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_BODY = 64 << 20
"""Bytes. More is not an answer; a hostile host must not fill the memory."""

_MOVE_S = 0.25
"""Seconds. Deadlines move in steps of at least this: moving one costs more than reading a piece."""


class Arrival:
    """What arrived so far, and when the next piece is overdue.

    Comments that only keep a line alive are not data and do not move the deadline.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self.status: int | None = None
        self.phase: WireFault = "timeout_first"
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._marks: list[tuple[int, float]] = []
        self._size = 0
        self._error: WireError | None = None
        self._started_at = time.time()
        self._start = time.monotonic()
        self._last = self._start + timeouts.total
        self.deadline = min(self._start + timeouts.first, self._last)

    def begin(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """The head is here."""
        self.status = status
        self._headers = {name.lower(): value for name, value in headers}

    def add(self, chunk: bytes) -> bool:
        """Keep a piece; True when the deadline moved by enough to matter."""
        now = time.monotonic()
        self._pieces.append(chunk)
        self._size += len(chunk)
        if self._size > _MAX_BODY:
            raise ValueError(f"the reply is larger than {_MAX_BODY >> 20} MiB")
        self._marks.append((self._size, now - self._start))
        if chunk.startswith(b":"):
            return False
        first, self.phase = self.phase == "timeout_first", "timeout_idle"
        deadline = min(now + self.timeouts.idle, self._last)
        if not first and deadline - self.deadline < _MOVE_S:
            return False
        self.deadline = deadline
        return True

    def fail(self, fault: WireFault, message: str) -> None:
        """The exchange ended before the reply was complete."""
        if fault.startswith("timeout") and time.monotonic() >= self._last:
            fault = "timeout_total"
        self._error = WireError(fault=fault, message=message)

    def reply(self) -> Reply:
        """What there is."""
        return Reply(
            status=self.status,
            headers=self._headers,
            body=b"".join(self._pieces),
            marks=tuple(self._marks),
            started_at=self._started_at,
            duration_s=time.monotonic() - self._start,
            error=self._error,
        )
