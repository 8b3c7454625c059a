"""Keeps a run within what its user wants to spend.

The most that a request can cost is reserved before it is sent and replaced by its real cost afterwards, so
that the limit is exceeded by no more than the error of one estimate. A stopped run can be resumed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from evalkit.engine.stop import StoppedError, StopReason
from evalkit.pricing.cost import cost_of
from evalkit.types.generation import Response, Usage
from evalkit.types.run import PriceRecord

if TYPE_CHECKING:
    from evalkit.types.generation import Cost
    from evalkit.types.provider import Endpoint
    from evalkit.types.wire import Decoded


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a run: US dollars and requests count from its beginning, minutes from this start of it."""

    usd: float | None = None
    requests: int | None = None
    minutes: float | None = None


class BudgetSpentError(StoppedError):
    """The next request does not fit in the budget."""


class Budget:
    """What one run may still spend."""

    def __init__(self, bounds: Bounds, usd: float = 0.0, requests: int = 0) -> None:
        """`usd` and `requests` were spent before."""
        self._bounds = bounds
        self.usd = usd
        self.requests = requests
        self._reserved = 0.0
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def reserve(self, usd: float) -> None:
        """Reserve the most that one request can cost; waits while a request in flight may leave enough.

        Raises:
            BudgetSpentError: it does not fit, and nothing in flight can change that.
        """
        while True:
            if self._bounds.requests is not None and self.requests >= self._bounds.requests:
                raise BudgetSpentError(StopReason.MAX_REQUESTS)
            if self._bounds.usd is None or self.usd + self._reserved + usd <= self._bounds.usd:
                break
            if not self._in_flight:
                raise BudgetSpentError(StopReason.MAX_COST)
            settled = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled
        self.requests += 1
        self._reserved += usd
        self._in_flight += 1

    def settle(self, reserved: float, usd: float) -> None:
        """Put the real cost in the place of what was reserved."""
        self._reserved -= reserved
        self._in_flight -= 1
        self.usd += usd
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.done():
                ticket.set_result(None)


class Tokens(NamedTuple):
    """Tokens of one request."""

    input: int
    output: int

    @property
    def total(self) -> int:
        """Both together, as hosts count them for their limits."""
        return self.input + self.output


class Purse(msgspec.Struct, frozen=True, kw_only=True):
    """What requests cost, and what may still be spent on them; without a budget, anything.

    `prices` are by endpoint.
    """

    prices: Mapping[str, PriceRecord]
    budget: Budget | None = None

    def cost(self, decoded: Decoded, endpoint: Endpoint, at: float) -> Cost | None:
        """What an answer cost at a Unix time; None if nothing came or its price is unknown."""
        return cost_of(decoded.response, self.prices.get(endpoint.id), at)

    async def reserve(self, endpoint: Endpoint, most: Tokens) -> float:
        """Reserve the most that one request can cost, and give it in US dollars.

        Raises:
            BudgetSpentError: it does not fit, and nothing in flight can change that.
        """
        if self.budget is None:
            return 0.0
        usage = Usage(input=most.input, output=most.output)
        cost = cost_of(Response(usage=usage), self.prices.get(endpoint.id), time.time())
        usd = 0.0 if cost is None else cost.usd
        await self.budget.reserve(usd)
        return usd

    def settle(self, reserved: float, decoded: Decoded | None, endpoint: Endpoint) -> None:
        """A failure costs nothing; an answer that the host did not count costs what was reserved."""
        if self.budget is None:
            return
        spent = 0.0
        if decoded is not None and decoded.response is not None:
            cost = self.cost(decoded, endpoint, time.time())
            spent = reserved if cost is None else cost.usd
        self.budget.settle(reserved, spent)
