"""Rates and excesses corrected with labels, and what is said where labels are too few."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.analysis.probes.classes import AS_SERVED, CORRECTED, STEERING
from evalkit.analysis.probes.corrected import CLUSTERS, LABELS, calibration_of, corrected_rates
from evalkit.analysis.probes.findings import findings
from evalkit.analysis.probes.rows import probe_rows
from tests.analysis.probes.judged import BLOCKED, METRIC, Judge, judged, label, questions, with_labels

if TYPE_CHECKING:
    from evalkit.types.suite import Sample

HOST = "a:m"
RIGHT: dict[str, Judge] = {"j:1": lambda sample, true: true, "k:2": lambda sample, true: true}
BLIND: dict[str, Judge] = {name: lambda sample, true: "complete" for name in RIGHT}
"""Judges that see no steering."""


def number_of(sample: Sample) -> int:
    return int(sample.data["pair"])


def third(sample: Sample, epoch: int) -> str:
    """Every third topic of CN is steered; nothing else is."""
    del epoch
    at_home = sample.data["jurisdiction"] == "CN" and sample.data["form"] != "benign"
    return "steered" if at_home and number_of(sample) % 3 == 0 else "complete"


def blocks(sample: Sample, epoch: int) -> str:
    """The same on a host that blocks every fourth probe."""
    blocked = sample.data["form"] != "benign" and number_of(sample) % 4 == 0
    return BLOCKED if blocked else third(sample, epoch)


def test_with_every_answer_labelled_the_rate_is_that_of_the_labels() -> None:
    run, true = judged(questions(48), {HOST: blocks}, BLIND)
    found = corrected_rates([with_labels(run, true, 1000)], METRIC)["probes"]
    plain = {r.endpoint: r.rates for r in findings(probe_rows([run], METRIC)[0]).endpoints}[HOST]
    # 12 of 48 pairs are blocked on both sides; of 36 others, 12 are steered at home.
    assert found.rates[HOST, "steering"].estimate.value == pytest.approx(12 / 96)
    assert found.rates[HOST, "not_complete"].estimate.value == pytest.approx((24 + 12) / 96)
    assert found.rates[HOST, "model_refusal"].estimate.value == 0
    assert found.rates[HOST, "as_served"].estimate.value == pytest.approx(plain["as_served"].value)
    assert plain["steering"].value == 0
    assert found.excess[HOST, "steering", "CN", None].estimate.value == pytest.approx(12 / 48)
    assert found.labels == 72 + 96


def test_a_judge_that_is_right_changes_nothing_but_the_width() -> None:
    run, true = judged(questions(60, ("en", "zh")), {HOST: blocks}, RIGHT)
    found = corrected_rates([with_labels(run, true, 60)], METRIC)["probes"]
    (gathered,) = probe_rows([run], METRIC)
    plain = findings(gathered, found)
    rates = plain.endpoints[0].rates
    for measure in CORRECTED:
        fixed = plain.endpoints[0].corrected[measure.key].estimate
        assert fixed.value == pytest.approx(rates[measure.key].value, abs=0.02), measure.key
        assert fixed.low <= rates[measure.key].value <= fixed.high
        assert fixed.n == 120
    contrast = plain.find(HOST, "excess", "CN", STEERING)
    beside = next(c for c in plain.contrasts if c.contrast is contrast).corrected
    assert beside is not None
    assert beside.estimate.low <= contrast.estimate.value <= beside.estimate.high
    assert plain.endpoints[0].corrected_by_language["zh"]["steering"].estimate.n == 60


def test_too_few_labels_are_named_and_give_no_figure() -> None:
    run, true = judged(questions(60, ("en", "zh")), {HOST: third, "b:m": third}, RIGHT)
    some = with_labels(run, true, LABELS)
    short = {key.sample for key in true if ".zh" in key.sample and ".benign" not in key.sample}
    kept, zh = [], 0
    for row in some.labels:
        if row.trial.endpoint == HOST and row.trial.sample in short:
            zh += 1
            if zh > 12:
                continue
        kept.append(row)
    found = corrected_rates([msgspec.structs.replace(run, labels=tuple(kept))], METRIC)["probes"]
    missing = found.rates[HOST, "steering"].estimate
    assert missing.value is None
    assert missing.note == f"uncalibrated: 12 labels in zh, probes; {LABELS} are needed"
    assert found.by_language[HOST, "zh", "steering"].estimate.value is None
    assert found.by_language[HOST, "en", "steering"].estimate.value is not None
    assert found.rates["b:m", "steering"].estimate.value is not None
    assert found.over_blocking[HOST].estimate.value == 0
    excess = found.excess[HOST, "steering", "CN", None].estimate
    assert excess.value is None
    assert "controls of CN" in str(excess.note)


def test_labels_of_few_topics_are_not_enough() -> None:
    run, true = judged(questions(60, forms=("open_description",)), {HOST: third}, RIGHT, epochs=10)
    keys = [key for key in true if key.sample.partition(".")[0].endswith(("-1", "-2"))]
    rows = tuple(label(run, key, true[key]) for key in keys)
    assert len(rows) >= LABELS
    found = corrected_rates([msgspec.structs.replace(run, labels=rows)], METRIC)["probes"]
    note = found.rates[HOST, "steering"].estimate.note
    assert note == f"uncalibrated: labels of 2 topic pairs in en, probes; {CLUSTERS} are needed"


def test_without_labels_every_figure_says_so() -> None:
    run, _ = judged(questions(20), {HOST: blocks}, RIGHT)
    found = corrected_rates([run], METRIC)["probes"]
    assert found.labels == 0
    everything = [*found.rates.values(), *found.over_blocking.values(), *found.excess.values()]
    assert len(everything) == len(CORRECTED) + 1 + 2 * 2
    for fixed in everything:
        assert fixed.estimate.value is None
        assert str(fixed.estimate.note).startswith("uncalibrated: no labels in en")
        assert fixed.rogan_gladen.value is None
        assert str(fixed.rogan_gladen.note).startswith("uncalibrated: no labels")


def test_rogan_gladen_finds_what_a_judge_misses_alike_everywhere() -> None:
    def half(sample: Sample, true: str) -> str:
        """Misses every other steered answer, whoever gave it."""
        return "complete" if true == "steered" and number_of(sample) % 2 else true

    run, true = judged(questions(120), {HOST: third, "b:m": third}, {"j:1": half, "k:2": half})
    found = corrected_rates([with_labels(run, true, 100)], METRIC)["probes"]
    fixed = found.rates[HOST, "steering"]
    assert fixed.rogan_gladen.value == pytest.approx(40 / 240, abs=0.05)
    assert "err alike" in str(fixed.rogan_gladen.note)
    assert fixed.estimate.low <= 40 / 240 <= fixed.estimate.high


def test_an_answer_on_which_people_differ_counts_half() -> None:
    run, true = judged(questions(30, forms=("open_description",)), {HOST: third}, RIGHT)
    rows = [label(run, key, said) for key, said in true.items()]
    steered = [key for key, said in true.items() if said == "steered"]
    rows += [label(run, key, "complete", "b") for key in steered]
    found = corrected_rates([msgspec.structs.replace(run, labels=tuple(rows))], METRIC)["probes"]
    assert found.rates[HOST, "steering"].estimate.value == pytest.approx(len(steered) / 2 / 60)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 3), st.sampled_from([0, 3, 20, 90]))
def test_every_figure_has_limits_or_says_why_not(seed: int, pairs: int, epochs: int, labels: int) -> None:
    """Worlds of any make, however small: nothing fails, and nothing is silent."""
    rng = random.Random(seed)
    languages = rng.sample(["en", "zh", "ru"], rng.randint(1, 3))
    classes = rng.sample([BLOCKED, "refusal", "steered", "complete", "degenerate"], rng.randint(1, 5))

    def anything(sample: Sample, epoch: int) -> str:
        del sample, epoch
        return rng.choice(classes)

    def guess(sample: Sample, true: str) -> str:
        del sample
        return rng.choice([true, "complete", "steered"])

    run, true = judged(
        questions(pairs, languages), {HOST: anything}, {"j:1": guess, "k:2": guess}, epochs=epochs
    )
    found = corrected_rates(
        [with_labels(run, true, labels, seed=seed)], METRIC, needed=rng.choice([1, LABELS])
    )
    for made in found.values():
        figures = [*made.rates.values(), *made.by_language.values(), *made.over_blocking.values()]
        for estimate in [e for f in figures for e in (f.estimate, f.rogan_gladen)]:
            if estimate.value is None:
                assert estimate.note
            else:
                assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        for estimate in [e for f in made.excess.values() for e in (f.estimate, f.rogan_gladen)]:
            if estimate.value is None:
                assert estimate.note
            else:
                assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_counts_of_a_measure_come_from_the_confusion() -> None:
    confusion = {
        "refusal": {"refusal": 8, "steered": 2},
        "steered": {"steered": 5, "official_line": 2, "complete": 3},
        "complete": {"complete": 18, "steered": 2},
    }
    counts = calibration_of(confusion, STEERING.counts)
    assert (counts.positives, counts.found, counts.negatives, counts.left) == (10, 7, 30, 26)
    counts = calibration_of(confusion, AS_SERVED.counts)
    assert (counts.positives, counts.found, counts.negatives, counts.left) == (10, 8, 30, 30)
