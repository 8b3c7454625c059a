from __future__ import annotations

import asyncio
import time

import pytest

from evalkit.engine.breaker import Breaker, BreakerPolicy
from evalkit.engine.limiter import Limiter
from evalkit.engine.room import Room
from evalkit.engine.stop import StoppedError, StopReason
from evalkit.types.generation import Failure, Outcome
from evalkit.types.provider import Limits
from evalkit.types.wire import Decoded

OK = Decoded(outcome=Outcome.OK, first_token_s=0.1)
LIMITED = Decoded(outcome=Outcome.RATE_LIMITED, retryable=True, retry_after_s=0.001)
BROKEN = Decoded(outcome=Outcome.INFRA_ERROR, failure=Failure(message="HTTP 500"), retryable=True)


async def one(limiter: Limiter, decoded: Decoded, room: Room | None = None) -> bool:
    if not await limiter.enter(100):
        return False
    limiter.told(decoded, room)
    limiter.leave(100, None)
    return True


def test_who_stops_waits_for_no_provider_that_rests() -> None:
    async def work() -> list[str]:
        limiter = Limiter(Limits(), breaker=Breaker(BreakerPolicy(after=2, pause_s=3600.0)))
        await one(limiter, BROKEN)
        await one(limiter, BROKEN)
        waiting = asyncio.create_task(limiter.enter(100))
        await asyncio.sleep(0.01)
        limiter.halt(StopReason.MAX_MINUTES)
        told = []
        for late in (waiting, asyncio.create_task(limiter.enter(100))):
            with pytest.raises(StoppedError) as stopped:
                await asyncio.wait_for(late, 10)
            told.append(stopped.value.reason.value)
        return told

    assert asyncio.run(work()) == ["max_minutes", "max_minutes"]


def test_who_stops_still_ends_what_a_working_provider_has_begun() -> None:
    async def work() -> bool:
        limiter = Limiter(Limits())
        limiter.halt(StopReason.INTERRUPTED)
        return await one(limiter, OK)

    assert asyncio.run(work())


def test_concurrency_grows_with_answers_up_to_the_ceiling() -> None:
    async def work() -> Limiter:
        limiter = Limiter(Limits())
        for _ in range(400):
            await one(limiter, OK)
        return limiter

    assert asyncio.run(work()).allowed == 64


def test_it_does_not_grow_while_first_tokens_take_much_longer() -> None:
    async def work() -> tuple[float, float]:
        limiter = Limiter(Limits())
        for _ in range(20):
            await one(limiter, OK)
        before = limiter.allowed
        for _ in range(200):
            await one(limiter, Decoded(outcome=Outcome.OK, first_token_s=2.0))
        return before, limiter.allowed

    before, after = asyncio.run(work())
    assert after <= before * 1.5  # at most the window in which the slowdown began


def test_a_few_refusals_do_not_cut_concurrency_but_a_quarter_does() -> None:
    async def work(every: int) -> float:
        limiter = Limiter(Limits(concurrency=32))
        for number in range(320):
            await one(limiter, LIMITED if number % every == 0 else OK)
        return limiter.allowed

    assert asyncio.run(work(10)) == 32
    assert asyncio.run(work(3)) < 8


def test_a_window_of_refusals_pauses_the_whole_provider_and_a_few_do_not() -> None:
    async def work(refusals: int) -> float:
        limiter = Limiter(Limits(concurrency=4))
        await limiter.enter(1)  # another is on its way
        for number in range(4):
            limited = Decoded(outcome=Outcome.RATE_LIMITED, retry_after_s=0.2)
            await one(limiter, limited if number < refusals else OK)
        started = time.monotonic()
        await one(limiter, OK)
        return time.monotonic() - started

    assert asyncio.run(work(4)) >= 0.19
    assert asyncio.run(work(0)) < 0.1


def test_fast_refusals_before_slow_answers_do_not_stop_the_others() -> None:
    """With 10 % refusals and 64 in flight, those of a burst come back first."""

    async def work() -> float:
        limiter = Limiter(Limits(concurrency=64))
        for _ in range(64):
            await limiter.enter(1)
        for number in range(64):
            limiter.told(Decoded(outcome=Outcome.RATE_LIMITED, retry_after_s=1.0) if number < 6 else OK)
            limiter.leave(1, None)
        started = time.monotonic()
        await one(limiter, OK)
        assert limiter.allowed == 64
        return time.monotonic() - started

    assert asyncio.run(work()) < 0.1


def test_requests_a_minute_are_spread() -> None:
    async def work() -> float:
        limiter = Limiter(Limits(requests_per_minute=1200))
        started = time.monotonic()
        await asyncio.gather(*(one(limiter, OK) for _ in range(5)))
        return time.monotonic() - started

    assert asyncio.run(work()) >= 0.19


def test_tokens_a_minute_are_kept_and_unused_ones_come_back() -> None:
    async def work(used: int | None) -> float:
        limiter = Limiter(Limits(tokens_per_minute=6000))  # 100 a second
        started = time.monotonic()
        for _ in range(3):
            await limiter.enter(2010)
            limiter.told(OK)
            limiter.leave(2010, used)
        return time.monotonic() - started

    assert asyncio.run(work(None)) >= 0.29
    assert asyncio.run(work(5)) < 0.2


def test_what_the_host_says_about_its_room_is_heeded() -> None:
    async def work() -> tuple[float, float]:
        limiter = Limiter(Limits(concurrency=32))
        await one(limiter, OK, Room(requests=5))
        allowed = limiter.allowed
        await one(limiter, OK, Room(requests=0, resets_s=0.2))
        started = time.monotonic()
        await one(limiter, OK)
        return allowed, time.monotonic() - started

    allowed, waited = asyncio.run(work())
    assert allowed == 5
    assert waited >= 0.19


def test_a_failing_provider_rests_is_probed_and_taken_up_again() -> None:
    notices: list[str] = []

    async def work() -> list[bool]:
        breaker = Breaker(BreakerPolicy(after=3, pause_s=0.05, probes=4))
        limiter = Limiter(Limits(concurrency=8), breaker=breaker, notice=notices.append)
        script = [BROKEN] * 5 + [OK] * 5
        return [await one(limiter, decoded) for decoded in script]

    assert all(asyncio.run(work()))
    assert [n.split()[0] for n in notices] == ["fails", "fails", "fails", "answers"]


def test_a_dead_provider_is_given_up_and_nobody_waits_for_it() -> None:
    async def work() -> tuple[list[bool], str | None]:
        breaker = Breaker(BreakerPolicy(after=3, pause_s=0.01, longest_s=0.02, probes=2))
        limiter = Limiter(Limits(concurrency=4), breaker=breaker)
        admitted = await asyncio.wait_for(asyncio.gather(*(one(limiter, BROKEN) for _ in range(40))), 5)
        return admitted, limiter.given_up

    admitted, reason = asyncio.run(work())
    assert 5 <= sum(admitted) <= 9
    assert reason is not None
    assert "HTTP 500" in reason


def test_a_wrong_configuration_is_given_up_without_waiting() -> None:
    wrong = Decoded(outcome=Outcome.CONFIG_ERROR, failure=Failure(message="HTTP 401: no such key"))

    async def work() -> tuple[int, float]:
        limiter = Limiter(Limits(concurrency=1))
        started = time.monotonic()
        admitted = [await one(limiter, wrong) for _ in range(30)]
        return sum(admitted), time.monotonic() - started

    asked, seconds = asyncio.run(work())
    assert asked == 10
    assert seconds < 1


def test_a_cancelled_wait_leaves_no_place_taken() -> None:
    async def work() -> int:
        limiter = Limiter(Limits(concurrency=1))
        await limiter.enter(1)
        waiting = asyncio.create_task(limiter.enter(1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        limiter.leave(1, None)
        assert await asyncio.wait_for(limiter.enter(1), 1)
        return limiter.in_flight

    assert asyncio.run(work()) == 1


@pytest.mark.parametrize("step_ms", [1, 7, 13, 19, 37, 61, 99])
def test_a_request_whose_time_comes_while_the_limiter_looks_is_not_forgotten(
    step_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock finds it later, as on a machine that is busy elsewhere."""
    now = [1000.0]

    def later() -> float:
        now[0] += step_ms / 1000
        return now[0]

    monkeypatch.setattr("evalkit.engine.limiter.time.monotonic", later)

    async def run() -> None:
        limiter = Limiter(Limits(concurrency=4, requests_per_minute=600))
        for _ in range(5):
            assert await asyncio.wait_for(limiter.enter(10), 20)
            limiter.leave(10, None)

    asyncio.run(run())
