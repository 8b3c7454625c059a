"""What is worth asking again is asked again, as often and as late as the policy and the host say."""

from __future__ import annotations

import asyncio
import time

import pytest

from evalkit.engine.retry import RetryPolicy, with_retries
from evalkit.types.generation import Outcome
from evalkit.types.wire import Decoded

DONE = Decoded(outcome=Outcome.OK)
AGAIN = Decoded(outcome=Outcome.INFRA_ERROR, retryable=True)
QUICK = RetryPolicy(first_s=0.01)


def ask(replies: list[Decoded], policy: RetryPolicy = QUICK) -> tuple[Decoded, int]:
    asked = 0

    async def attempt() -> Decoded:
        nonlocal asked
        asked += 1
        return replies[min(asked, len(replies)) - 1]

    return asyncio.run(with_retries(policy, attempt)), asked


def test_success_is_not_asked_again() -> None:
    assert ask([DONE]) == (DONE, 1)


def test_a_failure_is_asked_again_until_it_succeeds() -> None:
    assert ask([AGAIN, AGAIN, DONE]) == (DONE, 3)


def test_what_is_not_retryable_is_final() -> None:
    blocked = Decoded(outcome=Outcome.HOST_INPUT_FILTER)
    assert ask([blocked, DONE]) == (blocked, 1)
    assert ask([AGAIN, blocked, DONE]) == (blocked, 2)


def test_the_number_of_attempts_is_bounded() -> None:
    assert ask([AGAIN], RetryPolicy(attempts=4, first_s=0.01)) == (AGAIN, 4)


@pytest.mark.parametrize("asked_s", [0.0, 0.15])
def test_the_host_says_how_long_to_wait(asked_s: float) -> None:
    limited = Decoded(outcome=Outcome.RATE_LIMITED, retryable=True, retry_after_s=asked_s)
    started = time.monotonic()
    assert ask([limited, DONE], RetryPolicy(first_s=30.0)) == (DONE, 2)
    assert time.monotonic() - started >= asked_s


def test_a_host_that_asks_for_too_much_is_given_up_on() -> None:
    limited = Decoded(outcome=Outcome.RATE_LIMITED, retryable=True, retry_after_s=3600.0)
    assert ask([limited, DONE], RetryPolicy(longest_s=60.0)) == (limited, 1)
