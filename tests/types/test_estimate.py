from __future__ import annotations

import msgspec

from evalkit.types.estimate import Estimate


def test_absent_has_no_numbers_and_a_reason() -> None:
    estimate = Estimate.absent("no sample was answered", failed=4)
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (None, None, None, 0)
    assert estimate.planned == 4
    assert estimate.half_width is None


def test_missing_counts_and_round_trip() -> None:
    estimate = Estimate(
        value=0.5, low=0.4, high=0.7, level=0.95, n=10, clusters=10, method="wilson"
    ).with_missing(failed=2, unscored=1)
    assert estimate.planned == 13
    assert msgspec.json.decode(msgspec.json.encode(estimate), type=Estimate) == estimate
