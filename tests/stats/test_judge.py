from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import UsageError
from evalkit.stats.intervals import rate
from evalkit.stats.judge import (
    Calibration,
    Stratum,
    independent_difference,
    prediction_powered,
    rogan_gladen,
)
from evalkit.types.estimate import Estimate

GOOD = Calibration(positives=200, found=180, negatives=200, left=190)


def world(rng: np.random.Generator, n: int, p: float, se: float, sp: float) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.random(n) < p
    judged = np.where(truth, rng.random(n) < se, rng.random(n) >= sp)
    return truth.astype(float), judged.astype(float)


def test_rogan_gladen_is_its_formula() -> None:
    estimate = rogan_gladen([1] * 30 + [0] * 70, GOOD)
    assert estimate.value == pytest.approx((0.3 + 0.95 - 1) / (0.9 + 0.95 - 1))
    assert 0.15 < estimate.low < estimate.value < estimate.high < 0.45
    assert (estimate.n, estimate.clusters) == (100, 100)


def test_a_nearly_perfect_judge_changes_little() -> None:
    perfect = Calibration(positives=10_000, found=10_000, negatives=10_000, left=10_000)
    corrected = rogan_gladen([1] * 30 + [0] * 70, perfect)
    plain = rate([1] * 30 + [0] * 70)
    assert (corrected.low, corrected.high) == pytest.approx((plain.low, plain.high), abs=0.01)


def test_fewer_labels_widen_the_interval() -> None:
    few = Calibration(positives=20, found=18, negatives=20, left=19)
    judged = [1] * 30 + [0] * 70
    assert rogan_gladen(judged, few).half_width > 1.2 * rogan_gladen(judged, GOOD).half_width


def test_repeats_widen_it_too() -> None:
    judged = [1] * 90 + [0] * 210
    clustered = rogan_gladen(judged, GOOD, [i // 3 for i in range(300)])
    assert clustered.half_width > 1.2 * rogan_gladen(judged, GOOD).half_width


def test_a_coin_gives_no_estimate() -> None:
    estimate = rogan_gladen([1, 0], Calibration(positives=10, found=5, negatives=10, left=5))
    assert estimate.value is None
    assert "chance" in str(estimate.note)


def test_prediction_powered_point_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    truth, judged = world(rng, 80, 0.3, 0.8, 0.9)
    _, others = world(rng, 500, 0.3, 0.8, 0.9)
    tuning = np.cov(truth, judged)[0, 1] / judged.var(ddof=1) / (1 + 80 / 500)
    expected = tuning * others.mean() + (truth - tuning * judged).mean()
    estimate = prediction_powered([Stratum(truth=truth, judged=judged, unlabelled=others)])
    assert estimate.value == pytest.approx(expected, rel=1e-12)
    assert estimate.n == 80


def test_a_good_judge_narrows_and_a_useless_one_does_not_harm() -> None:
    rng = np.random.default_rng(1)
    truth, judged = world(rng, 100, 0.4, 0.95, 0.95)
    _, others = world(rng, 2000, 0.4, 0.95, 0.95)
    alone = rate(truth).half_width
    assert (
        prediction_powered([Stratum(truth=truth, judged=judged, unlabelled=others)]).half_width < 0.7 * alone
    )
    noise, more = rng.integers(0, 2, 100).astype(float), rng.integers(0, 2, 2000).astype(float)
    useless = prediction_powered([Stratum(truth=truth, judged=noise, unlabelled=more)])
    assert useless.half_width < 1.1 * alone


def test_no_disagreement_still_leaves_a_width() -> None:
    ones = np.ones(40)
    estimate = prediction_powered([Stratum(truth=ones, judged=ones, unlabelled=np.ones(4000))])
    assert estimate.value == 1
    assert estimate.low < 0.97


def test_rare_and_common_events_mirror_each_other() -> None:
    rng = np.random.default_rng(2)
    truth, judged = world(rng, 60, 0.1, 0.9, 0.95)
    _, others = world(rng, 300, 0.1, 0.9, 0.95)
    rare = prediction_powered([Stratum(truth=truth, judged=judged, unlabelled=others)])
    common = prediction_powered([Stratum(truth=1 - truth, judged=1 - judged, unlabelled=1 - others)])
    assert (1 - common.high, 1 - common.low) == pytest.approx((rare.low, rare.high), abs=1e-9)


def test_strata_remove_what_one_pooled_calibration_gets_wrong() -> None:
    """The judge misses most positives in one language; half of the labels come from each."""
    rng = np.random.default_rng(3)
    strata, verdicts, pooled = [], [], np.zeros(4, dtype=int)
    for size, sensitivity in ((9000, 0.95), (1000, 0.3)):
        truth, judged = world(rng, 1500, 0.3, sensitivity, 0.98)
        _, others = world(rng, size, 0.3, sensitivity, 0.98)
        strata.append(Stratum(truth=truth, judged=judged, unlabelled=others, weight=size))
        verdicts.append(others)
        hits = [truth.sum(), (judged * truth).sum(), (1 - truth).sum(), ((1 - truth) * (1 - judged)).sum()]
        pooled += np.array(hits, dtype=int)
    p, f, n, left = (int(v) for v in pooled)
    estimate = prediction_powered(strata)
    assert estimate.low < 0.3 < estimate.high
    naive = rogan_gladen(np.concatenate(verdicts), Calibration(positives=p, found=f, negatives=n, left=left))
    assert naive.low > 0.3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rogan_gladen([0.5], GOOD), "0 or 1"),
        (lambda: rogan_gladen([1], Calibration(positives=0, found=0, negatives=1, left=1)), "positives"),
        (lambda: prediction_powered([]), "strata"),
        (
            lambda: prediction_powered([Stratum(truth=np.ones(1), judged=np.ones(1), unlabelled=np.ones(5))]),
            "fewer than two clusters",
        ),
        (
            lambda: prediction_powered([Stratum(truth=np.ones(2), judged=np.ones(3), unlabelled=np.ones(5))]),
            "observations",
        ),
    ],
)
def test_bad_input(call: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()  # type: ignore[operator]


def test_a_stratum_that_is_labelled_throughout_has_the_rate_of_its_labels() -> None:
    truth = np.array([1.0] * 12 + [0.0] * 18)
    clusters = tuple(i // 3 for i in range(30))
    found = prediction_powered([Stratum(truth=truth, judged=1 - truth, labelled_clusters=clusters)])
    plain = rate(truth, clusters)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert (found.n, found.clusters) == (30, 10)


def test_known_items_count_as_they_are_and_need_no_labels() -> None:
    rng = np.random.default_rng(4)
    truth, judged = world(rng, 80, 0.3, 0.8, 0.9)
    _, others = world(rng, 220, 0.3, 0.8, 0.9)
    rest = Stratum(truth=truth, judged=judged, unlabelled=others)
    alone = prediction_powered([rest])
    blocked = msgspec.structs.replace(rest, known=np.ones(100))
    found = prediction_powered([blocked])
    assert found.value == pytest.approx(0.75 * alone.value + 0.25)
    assert found.n == 80
    only = prediction_powered([Stratum(known=np.array([1.0] * 30 + [0.0] * 70))])
    plain = rate([1] * 30 + [0] * 70)
    assert (only.value, only.low, only.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert only.n == 0


def test_how_many_are_known_is_uncertain_too() -> None:
    """Blocks come in whole clusters, so their share is known as badly as their clusters are few."""
    rng = np.random.default_rng(5)
    truth, judged = world(rng, 80, 0.3, 0.8, 0.9)
    _, others = world(rng, 220, 0.3, 0.8, 0.9)
    spread = {
        "labelled_clusters": tuple(i % 30 for i in range(80)),
        "unlabelled_clusters": tuple(i % 30 for i in range(220)),
    }
    widths = []
    for clusters in (tuple(range(100, 200)), tuple(100 + i // 20 for i in range(100))):
        known = {"known": np.ones(100), "known_clusters": clusters}
        stratum = Stratum(truth=truth, judged=judged, unlabelled=others, **spread, **known)
        widths.append(prediction_powered([stratum]).half_width)
    assert widths[1] > 1.5 * widths[0]


def test_a_difference_is_that_of_its_parts() -> None:
    first, second = rate([1] * 40 + [0] * 60), rate([1] * 10 + [0] * 90)
    found = independent_difference(first, second)
    assert found.value == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - math.hypot(first.value - first.low, second.high - second.value))
    mirrored = independent_difference(second, first)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_a_difference_needs_both_sides() -> None:
    absent = independent_difference(rate([1, 0]), Estimate.absent("uncalibrated: no labels"))
    assert absent.value is None
    assert absent.note == "uncalibrated: no labels"


def test_clusters_in_several_strata_widen_the_interval() -> None:
    """The same topics in two languages are not twice as many topics."""
    rng = np.random.default_rng(6)
    topics = np.repeat(np.arange(40), 10)
    likely = rng.beta(0.5, 0.5, 40)[topics]
    truth = (rng.random(400) < likely).astype(float)
    judged = np.where(rng.random(400) < 0.95, truth, 1 - truth)
    labelled = rng.random(400) < 0.25

    def stratum(first: int) -> Stratum:
        return Stratum(
            truth=truth[labelled],
            judged=judged[labelled],
            unlabelled=judged[~labelled],
            labelled_clusters=tuple((topics + first)[labelled].tolist()),
            unlabelled_clusters=tuple((topics + first)[~labelled].tolist()),
        )

    apart = prediction_powered([stratum(0), stratum(1000)])
    shared = prediction_powered([stratum(0), stratum(0)])
    assert shared.value == pytest.approx(apart.value)
    assert shared.half_width > 1.25 * apart.half_width


UNIT = st.floats(0, 1).map(lambda x: round(x, 3))


@st.composite
def strata(draw: st.DrawFn) -> Stratum:
    """A stratum of any make: labelled or not throughout, with known items or none."""
    labels, others, known = draw(st.integers(0, 12)), draw(st.integers(0, 12)), draw(st.integers(0, 6))
    labels = labels if labels > 1 else 2 * (others > 0 or known < 2)
    others = others if others != 1 else 2

    def values(n: int) -> np.ndarray:
        return np.array(draw(st.lists(UNIT, min_size=n, max_size=n)))

    return Stratum(
        truth=values(labels),
        judged=values(labels),
        unlabelled=values(others) if labels else np.zeros(0),
        known=values(known),
        weight=draw(st.floats(0.1, 5)),
        labelled_clusters=tuple(range(labels)),
        unlabelled_clusters=tuple(range(others)) if labels else (),
        known_clusters=tuple(range(known)),
    )


@given(st.lists(strata(), min_size=1, max_size=4))
def test_a_corrected_rate_lies_within_its_limits_and_all_are_shares(parts: list[Stratum]) -> None:
    found = prediction_powered(parts)
    assert 0 <= found.low <= found.value <= found.high <= 1
    again = prediction_powered(parts[::-1])
    assert (again.value, again.low, again.high) == pytest.approx((found.value, found.low, found.high))
    everything = sum(s.known.size + s.unlabelled.size + s.truth.size for s in parts)
    assert found.n == sum(s.truth.size for s in parts) <= everything
