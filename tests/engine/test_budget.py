from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.engine.budget import Bounds, Budget, BudgetSpentError
from evalkit.engine.stop import StopReason


def test_requests_are_counted_with_those_before() -> None:
    async def work() -> int:
        budget = Budget(Bounds(requests=5), requests=2)
        sent = 0
        while budget.requests < 5:
            await budget.reserve(0.0)
            budget.settle(0.0, 0.0)
            sent += 1
        with pytest.raises(BudgetSpentError, match=StopReason.MAX_REQUESTS):
            await budget.reserve(0.0)
        return sent

    assert asyncio.run(work()) == 3


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), limit=st.floats(0.5, 5.0), workers=st.integers(1, 12))
def test_the_limit_in_dollars_is_never_exceeded(seed: int, limit: float, workers: int) -> None:
    """Costs are at most what was reserved, so that nothing is exceeded at all."""
    draw = random.Random(seed)

    async def worker(budget: Budget) -> None:
        while True:
            reserved = draw.uniform(0.1, 0.5)
            try:
                await budget.reserve(reserved)
            except BudgetSpentError:
                return
            await asyncio.sleep(0)
            budget.settle(reserved, draw.uniform(0.0, reserved))
            assert budget.usd <= limit + 1e-9

    async def work() -> float:
        budget = Budget(Bounds(usd=limit))
        await asyncio.wait_for(asyncio.gather(*(worker(budget) for _ in range(workers))), 5)
        return budget.usd

    spent = asyncio.run(work())
    assert limit - 0.5 <= spent + 1e-9 <= limit + 2e-9
