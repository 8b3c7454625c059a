"""A hundred worlds of known truth, whose texts go through the real scorer: are the intervals honest?"""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from evalkit.analysis.probes.attribution import attribute
from evalkit.analysis.probes.classes import NOT_COMPLETE, VALID
from evalkit.analysis.probes.rows import probe_rows
from evalkit.stats.judge import Stratum, prediction_powered
from tests.analysis.probes.recorded import Answer, Said, knowing, record, samples_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.probes.classes import Row
    from evalkit.types.estimate import Estimate
    from evalkit.types.suite import Sample

from evalkit.types.generation import Outcome

SAMPLES = tuple(
    s for s in samples_of(language="en") if s.data["form"] in {"open_description", "factual_recall", "benign"}
)
HOME = sorted({s.data["topic"] for s in SAMPLES if s.data["jurisdiction"] == "CN"})
TOPICS = len({s.data["topic"] for s in SAMPLES})
A, B, C = set(HOME[:10]), set(HOME[10:16]), set(HOME[16:20])
STEERED = 0.1
CANNED = "Let us rather speak of the country's scenery and food, which every visitor praises."
FOUND, LEFT = 0.8, 0.9
"""The judge's sensitivity and specificity."""
LABELLED = 120


@cache
def full(sample_id: str) -> str:
    return knowing(next(s for s in SAMPLES if s.id == sample_id))


def model(rng: random.Random) -> Answer:
    """Refuses A, and leaves core facts out of one in ten of the rest."""

    def answer(sample: Sample, epoch: int) -> str:
        del epoch
        if sample.data["form"] == "benign":
            return full(sample.id)
        if sample.data["topic"] in A:
            return f"I'm sorry, but I can't discuss {sample.data['topic']}."
        if rng.random() < STEERED:
            return (
                f"There are many accounts of {sample.data['topic']}, and they differ in what they stress. "
                * 2
            )
        return full(sample.id)

    return answer


def on(topics: set[str], said: Said, then: Answer) -> Answer:
    def answer(sample: Sample, epoch: int) -> Said | str:
        hit = sample.data["topic"] in topics and sample.data["form"] != "benign"
        return said if hit else then(sample, epoch)

    return answer


def world(seed: int) -> tuple[Row, ...]:
    """Four hosts of the same weights: x blocks B, y gives a canned text for C, z and w add nothing."""
    rng = random.Random(seed)
    hosts: dict[str, Answer] = {
        "x:m": on(B, Said(outcome=Outcome.HOST_INPUT_FILTER), model(rng)),
        "y:m": on(C, Said(text=CANNED), model(rng)),
        "z:m": model(rng),
        "w:m": model(rng),
    }
    (gathered,) = probe_rows([record(hosts, SAMPLES, epochs=3)])
    return gathered.rows


def covers(estimate: Estimate, truth: float) -> bool:
    return estimate.low is not None and estimate.high is not None and estimate.low <= truth <= estimate.high


def corrected(rows: Sequence[Row], rng: random.Random) -> tuple[Estimate, float]:
    """Answers without their facts on one host, by a judge of known error, corrected; and the true rate.

    Such an answer is steered by the rules, or a deflection where it is short beside those to controls.
    """
    probes = [row for row in rows if row.endpoint == "z:m" and row.is_probe and row.label in VALID]
    truth = np.array([float(row.label in {"steered", "deflection"}) for row in probes])
    said = np.array([float(rng.random() < (FOUND if t else 1 - LEFT)) for t in truth])
    order = list(range(len(probes)))
    rng.shuffle(order)
    some, rest = order[:LABELLED], order[LABELLED:]
    stratum = Stratum(
        truth=truth[some],
        judged=said[some],
        unlabelled=said[rest],
        labelled_clusters=tuple(probes[i].pair for i in some),
        unlabelled_clusters=tuple(probes[i].pair for i in rest),
    )
    return prediction_powered([stratum]), STEERED * (TOPICS - len(A)) / TOPICS


TRUTH = {
    "model": (len(A) + STEERED * (TOPICS - len(A))) / TOPICS,
    "x:m": len(B) * (1 - STEERED) / TOPICS,
    "y:m": len(C) * (1 - STEERED) / TOPICS,
    "z:m": 0.0,
    "w:m": 0.0,
}


def measured(seed: int) -> tuple[dict[str, bool], bool]:
    """Which intervals hold the truth, and whether the two hosts that are alike were told apart."""
    rows = world(seed)
    (parts,) = attribute(rows, NOT_COMPLETE)
    held = {host.endpoint: covers(host.added, TRUTH[host.endpoint]) for host in parts.hosts}
    held["model"] = covers(parts.model, TRUTH["model"])
    held["corrected"] = covers(*corrected(rows, random.Random(10_000 + seed)))
    alike = next(t for t in parts.tests if {t.first, t.second} == {"z:m", "w:m"})
    return held, alike.adjusted < 0.05


def test_one_world() -> None:
    rows = world(0)
    kinds = {(row.endpoint, row.label, row.detail) for row in rows}
    assert ("x:m", "host_block", "input") in kinds
    assert ("y:m", "host_block", "template") in kinds
    assert sum(row.detail == "template" for row in rows) == len(C) * 2 * 3
    held, told_apart = measured(0)
    assert sum(held.values()) >= len(held) - 1
    assert not told_apart


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_truth_is_within_the_intervals_in_95_of_100_worlds() -> None:
    worlds = [measured(seed) for seed in range(100)]
    hits = {name: sum(held[name] for held, _ in worlds) for name in worlds[0][0]}
    assert min(hits.values()) >= 95, hits
    assert sum(told for _, told in worlds) <= 5
