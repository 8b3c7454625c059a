"""Which attempts are followed by another, how often and how long. Built on `tenacity`.

Content filters, refusals and faults of the request are never asked again: the answer would be the same, or
another draw, which is another measurement.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import tenacity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from evalkit.types.wire import Decoded


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of asking again. Times are seconds; a host's `Retry-After` beyond `longest_s` is given up on."""

    attempts: int = 6
    total_s: float = 600.0
    first_s: float = 0.5
    longest_s: float = 120.0


async def with_retries(policy: RetryPolicy, attempt: Callable[[], Awaitable[Decoded]]) -> Decoded:
    """Make attempts until one is not worth repeating, or the policy's bounds are reached.

    Gives the last attempt's reading. Nearly all requests succeed at once, so that `tenacity` is only entered
    after a first failure.
    """
    first = await attempt()
    if not first.retryable:
        return first
    pending: list[Decoded] = [first]

    async def again() -> Decoded:
        return pending.pop() if pending else await attempt()

    loop = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_result(lambda decoded: decoded.retryable),
        stop=tenacity.stop_any(
            tenacity.stop_after_attempt(policy.attempts),
            tenacity.stop_after_delay(policy.total_s),
            _HostAsksTooLong(policy.longest_s),
        ),
        wait=_AsTheHostAsks(policy),
        sleep=asyncio.sleep,
        retry_error_callback=_last,
    )
    return await loop(again)


class _AsTheHostAsks(tenacity.wait.wait_base):
    """`Retry-After` where the host sent one, else exponential back-off with jitter."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._backoff = tenacity.wait_exponential_jitter(
            multiplier=policy.first_s, max=policy.longest_s / 4, jitter=policy.first_s
        )

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        asked = _last(retry_state).retry_after_s
        return self._backoff(retry_state) if asked is None else asked


class _HostAsksTooLong(tenacity.stop.stop_base):
    """Give up when the host wants a longer pause than the policy allows."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        asked = _last(retry_state).retry_after_s
        return asked is not None and asked > self._longest_s


def _last(state: tenacity.RetryCallState) -> Decoded:
    assert state.outcome is not None  # `tenacity` asks only after an attempt
    decoded: Decoded = state.outcome.result()
    return decoded
