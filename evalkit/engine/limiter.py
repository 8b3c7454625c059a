"""How many requests a provider is sent at once.

Each provider has a limiter of its own, so a slow host never slows another. Concurrency starts low, grows by
one for each window of successes, and is cut when the host says that it is too much (AIMD, as TCP does); a
declared number is kept as the upper bound. `Retry-After` pauses the whole provider, not one request.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from evalkit.types.provider import Limits

START = 8
CEILING = 64
_CUT = 0.7


class Limiter:
    """Admission to one provider; use as an async context manager around one attempt."""

    def __init__(self, limits: Limits, ceiling: int | None = None) -> None:
        """`ceiling` is the user's own bound, which wins over a higher declared one."""
        declared = limits.concurrency or CEILING
        self.ceiling = min(declared, ceiling) if ceiling else declared
        self.allowed = float(min(self.ceiling, limits.concurrency or ceiling or START))
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._resume_at = 0.0
        self._interval = 60.0 / limits.requests_per_minute if limits.requests_per_minute else 0.0
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        """Wait for admission."""
        if not self._waiting and self._admissible():
            self._admit()
            return
        ticket = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        self._wake()
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self._leave()

    def succeeded(self) -> None:
        """The host coped: allow a little more."""
        if self.allowed < self.ceiling:
            self.allowed = min(float(self.ceiling), self.allowed + 1.0 / self.allowed)

    def overloaded(self, pause_s: float | None) -> None:
        """The host said that it is too much: allow less, and wait as long as it asked for."""
        self.allowed = max(1.0, self.allowed * _CUT)
        if pause_s:
            self._resume_at = max(self._resume_at, time.monotonic() + pause_s)

    def _admissible(self) -> bool:
        now = time.monotonic()
        return self.in_flight < int(self.allowed) and now >= self._resume_at and now >= self._next_at

    def _admit(self) -> None:
        self.in_flight += 1
        if self._interval:
            self._next_at = max(time.monotonic(), self._next_at) + self._interval

    def _leave(self) -> None:
        self.in_flight -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._admissible():
            ticket = self._waiting.popleft()
            if not ticket.done():
                self._admit()
                ticket.set_result(None)
        delay = max(self._resume_at, self._next_at) - time.monotonic()
        if self._waiting and delay > 0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake()
