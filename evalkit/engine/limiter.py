"""How many requests and tokens a provider is sent at once.

Each provider has a limiter of its own, so a slow host never slows another. Concurrency grows with each window
of answers while the time to the first token holds. When a quarter of a window's answers say that it is too
much, it is cut, and the whole provider rests for as long as the host asks; a few among many are the requests'
own affair, which their `Retry-After` settles. (Refusals come back at once and answers do not, so that several
in a row say nothing.) Declared limits are kept, those that the host tells in its headers are learnt.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from evalkit.engine.breaker import Breaker
from evalkit.engine.stop import StoppedError, StopReason
from evalkit.types.generation import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.engine.room import Room
    from evalkit.types.provider import Limits
    from evalkit.types.wire import Decoded

START = 8
CEILING = 64
_CUT = 0.7
_TOO_MANY = 0.25
"""Share of a window's answers that must be overload before concurrency is cut."""
_GROWTH = 1.5
_SLOWER = 2.0
"""Concurrency does not grow while first tokens take this many times as long as they did at best."""
_REST_S = 1.0


class Limiter:
    """Admission to one provider."""

    def __init__(
        self,
        limits: Limits,
        ceiling: int | None = None,
        breaker: Breaker | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        """`ceiling` is the user's own bound, which wins over a higher declared one."""
        declared = limits.concurrency or CEILING
        self.ceiling = min(declared, ceiling) if ceiling else declared
        self.allowed = float(min(self.ceiling, limits.concurrency or ceiling or START))
        self.in_flight = 0
        self._breaker = breaker or Breaker()
        self._notice = notice or (lambda _: None)
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._resume_at = 0.0
        self._interval = 60.0 / limits.requests_per_minute if limits.requests_per_minute else 0.0
        self._next_at = 0.0
        self._bucket = _Bucket(limits.tokens_per_minute) if limits.tokens_per_minute else None
        self._timer: asyncio.TimerHandle | None = None
        self._probing = False
        self._asked_rest = 0.0
        self._halted: StopReason | None = None
        self._window = [0, 0]  # answers, and those among them that were overload
        self._limited_ever = False
        self._pace = _Pace()

    @property
    def given_up(self) -> str | None:
        """Why the provider is not asked any more, if it is not."""
        return self._breaker.given_up

    async def enter(self, tokens: int) -> bool:
        """Wait for admission of a request that may use this many tokens; False if given up meanwhile.

        Raises:
            StoppedError: the run is to stop, and the provider rests.
        """
        if self._breaker.given_up is not None:
            return False
        if self._halted is not None and self._breaker.resting:
            raise StoppedError(self._halted)
        if not self._waiting and self._admissible(tokens):
            self._admit(tokens)
            return True
        ticket = asyncio.get_running_loop().create_future()
        self._waiting.append((ticket, tokens))
        self._wake()
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled() and self._breaker.given_up is None:
                self.leave(tokens, None)
            raise
        return self._breaker.given_up is None

    def halt(self, reason: StopReason) -> None:
        """The run is to stop: from now on nobody waits for a provider that rests."""
        self._halted = reason
        self._let_go()

    def _let_go(self) -> None:
        if self._halted is None or not self._breaker.resting:
            return
        while self._waiting:
            ticket, _ = self._waiting.popleft()
            if not ticket.done():
                ticket.set_exception(StoppedError(self._halted))

    def leave(self, reserved: int, used: int | None) -> None:
        """Give the place back, with the tokens reserved for it and those used, where the host counted."""
        self.in_flight -= 1
        self._probing = False
        if self._bucket is not None and used is not None:
            self._bucket.put_back(reserved - used)
        self._wake()

    def told(self, decoded: Decoded, room: Room | None = None) -> None:
        """Learn from an answer and from what its headers say; call it before `leave`."""
        if decoded.outcome is Outcome.RATE_LIMITED:
            self._limited(decoded.retry_after_s)
        elif decoded.outcome.is_failure:
            message = decoded.failure.message if decoded.failure else decoded.outcome.value
            self._failed(decoded.outcome, message[:300])
        else:
            self._succeeded(decoded.first_token_s)
        if room is not None:
            self._heed(room)

    def _succeeded(self, first_token_s: float | None) -> None:
        if self._breaker.succeeded():
            self._notice("answers again")
        if first_token_s is not None:
            self._pace.saw(first_token_s)
        self._count(limited=False)

    def _limited(self, pause_s: float | None) -> None:
        self._limited_ever = True
        self._asked_rest = max(self._asked_rest, pause_s or _REST_S)
        if self.in_flight == 1 and pause_s:
            self._pause(pause_s)
        self._count(limited=True)

    def _failed(self, outcome: Outcome, message: str) -> None:
        rest_s = self._breaker.failed(outcome, message, probe=self._probing)
        if self._breaker.given_up is not None:
            self._notice(f"given up after {self._breaker.given_up}")
            self._release_all()
        elif rest_s is not None:
            self._notice(f"fails again and again ({message}); next try in {rest_s:.0f} s")
            self._pause(rest_s)
            self._let_go()

    def _heed(self, room: Room) -> None:
        """The host told how much it will still take: stay below, or wait until it takes more."""
        if 0 in {room.requests, room.tokens}:
            self._pause(room.resets_s or 0.0)
        elif room.requests is not None and room.requests < self.allowed:
            self.allowed = max(1.0, float(room.requests))

    def _count(self, *, limited: bool) -> None:
        """Adjust concurrency once for each window of as many answers as are allowed at once."""
        self._window[0] += 1
        self._window[1] += limited
        seen, too_many = self._window
        if seen < max(4, int(self.allowed)):
            return
        self._window = [0, 0]
        rest, self._asked_rest = self._asked_rest, 0.0
        if too_many >= _TOO_MANY * seen:
            self._pause(rest)
            self.allowed = max(1.0, self.allowed * _CUT)
        elif not too_many and self.allowed < self.ceiling and self._pace.holds():
            grown = self.allowed + 1 if self._limited_ever else self.allowed * _GROWTH
            self.allowed = min(float(self.ceiling), grown)

    def _pause(self, seconds: float) -> None:
        self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def _admissible(self, tokens: int) -> bool:
        now = time.monotonic()
        return (
            self.in_flight < (1 if self._breaker.resting else int(self.allowed))
            and now >= self._resume_at
            and now >= self._next_at
            and (self._bucket is None or self._bucket.ready_in(tokens, now) <= 0)
        )

    def _admit(self, tokens: int) -> None:
        self.in_flight += 1
        self._probing = self._breaker.resting
        if self._interval:
            self._next_at = max(time.monotonic(), self._next_at) + self._interval
        if self._bucket is not None:
            self._bucket.take(tokens)

    def _wake(self) -> None:
        waiting = self._waiting
        while waiting:
            ticket, tokens = waiting[0]
            if ticket.done():
                waiting.popleft()
            elif self._admissible(tokens):
                waiting.popleft()
                self._admit(tokens)
                ticket.set_result(None)
            elif (delay := self._delay(tokens)) > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)
                break
            elif not self._admissible(tokens):  # else its time came between the two looks at the clock
                break

    def _delay(self, tokens: int) -> float:
        now = time.monotonic()
        bucket = self._bucket.ready_in(tokens, now) if self._bucket is not None else 0.0
        return max(self._resume_at - now, self._next_at - now, bucket)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake()

    def _release_all(self) -> None:
        while self._waiting:
            ticket, _ = self._waiting.popleft()
            if not ticket.done():
                ticket.set_result(None)


class _Bucket:
    """Tokens per minute: fills evenly, holds one minute's worth; a debt is paid off by waiting."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60.0
        self._size = float(per_minute)
        self._level = float(per_minute)
        self._at = time.monotonic()

    def ready_in(self, tokens: int, now: float) -> float:
        """Seconds until so many tokens may be used; more than the bucket holds waits for a full one."""
        self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now
        return (min(float(tokens), self._size) - self._level) / self._rate

    def take(self, tokens: int) -> None:
        self._level -= tokens

    def put_back(self, tokens: int) -> None:
        self._level = min(self._size, self._level + tokens)


class _Pace:
    """Whether first tokens come as fast as they did at best; a moving mean of about sixteen answers."""

    def __init__(self) -> None:
        self._recent: float | None = None
        self._best: float | None = None

    def saw(self, seconds: float) -> None:
        self._recent = seconds if self._recent is None else self._recent + (seconds - self._recent) / 16
        self._best = self._recent if self._best is None else min(self._best, self._recent)

    def holds(self) -> bool:
        if self._recent is None or self._best is None:
            return True
        return self._recent <= _SLOWER * self._best + 0.05
