"""Measures that are not fixed: any metric, percentile, pass@k, tags, and excess refusal."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest

from evalkit.analysis.compare import compare
from evalkit.analysis.estimates import change, figure, matched
from evalkit.analysis.frames import build_frames
from evalkit.analysis.measures import MEASURES, measure_of
from evalkit.analysis.quantities import quantity_of
from evalkit.analysis.rundata import RunData
from evalkit.analysis.summary import estimate_of, summarize
from evalkit.analysis.table import scored_table, suite_metrics, tagged
from evalkit.stats.passk import pass_at_k
from evalkit.types.estimate import Estimate
from evalkit.types.generation import Failure, Generation, Outcome, Response, Timing, TrialKey
from evalkit.types.score import Metric, Score, ScoreRow
from evalkit.types.suite import Sample
from tests.synthetic import HOSTS, make_run, suite

PASSED = Metric(name="passed", title="Passed", meaning="All tests pass")
STEPS = Metric(name="steps", title="Steps", meaning="Calls", kind="number", higher_is_better=False)
VALID = Metric(name="calls_valid", title="Valid calls", meaning="Share of valid calls", kind="fraction")


def run_of(
    samples: list[Sample],
    answers: dict[tuple[str, str, int], Any],
    metrics: tuple[Metric, ...] = (PASSED, STEPS, VALID),
    hosts: int = 2,
    epochs: int = 1,
) -> RunData:
    """A run of one suite `work`; answers map (host, sample, epoch) to metric values or an outcome."""
    base = make_run({"coding": 1}, hosts=HOSTS[:hosts])
    generations, scores = [], []
    for host, sample, epoch in product(HOSTS[:hosts], samples, range(1, epochs + 1)):
        said = answers.get((host.name, sample.id, epoch))
        if said is None:
            continue
        key = TrialKey("work", sample.id, f"{host.name}:chat", epoch)
        outcome = said if isinstance(said, Outcome) else Outcome.OK
        generations.append(
            Generation(
                fingerprint=f"{key}",
                trial=key,
                turn=0,
                endpoint=key.endpoint,
                outcome=outcome,
                at=1.0,
                response=Response(text="text") if outcome is Outcome.OK else None,
                failure=None if outcome is Outcome.OK else Failure(message="no"),
                timing=Timing(total_s=2.0, first_token_s=1.0, first_answer_s=1.5),
            )
        )
        if not isinstance(said, Outcome):
            scores += [
                ScoreRow(trial=key, scorer="s", version="1", at=2.0, score=Score(metric=name, value=value))
                for name, value in said.items()
            ]
    record = suite("work", metrics, samples=len(samples), epochs=epochs)
    manifest = msgspec.structs.replace(base.manifest, suites=(record,))
    return RunData(
        manifest=manifest,
        generations=tuple(generations),
        scores=tuple(scores),
        samples={"work": tuple(samples)},
    )


def items(count: int, **more: Any) -> list[Sample]:
    return [Sample(id=f"s{n}", input="?", **more) for n in range(count)]


def test_any_metric_is_a_measure_by_suite() -> None:
    run = run_of(
        items(4),
        {("lab", f"s{n}", 1): {"passed": 1.0, "steps": 2.0 + n, "calls_valid": n / 4} for n in range(4)},
        hosts=1,
    )
    summary = summarize([run], build_frames([run]))
    steps, valid = (summary.find("lab:chat", f"score:{name}", "work") for name in ("steps", "calls_valid"))
    assert steps is not None
    assert valid is not None
    assert (steps.value, steps.n, steps.method) == (3.5, 4, "CR2 t, skew-corrected")
    assert (valid.value, valid.n) == (0.375, 4)
    assert summary.measures["score:steps"].unit == "number"
    assert summary.measures["score:calls_valid"].better == "higher"
    assert "score:passed" not in summary.measures, "the primary metric is quality"
    assert next(iter(summary.measures)) == next(iter(MEASURES))


def test_metrics_are_compared_in_their_own_direction() -> None:
    answers = {
        (host, f"s{n}", 1): {"passed": 1.0, "steps": steps + n % 3, "calls_valid": 1.0}
        for n in range(12)
        for host, steps in (("lab", 2.0), ("cutrate", 5.0))
    }
    answers["cutrate", "s0", 1]["steps"] = 9.0
    run = run_of(items(12), answers)
    found = compare([run], build_frames([run])).find("cutrate:chat", "score:steps", "work")
    assert found is not None
    assert found.estimate.value == pytest.approx(3 + 4 / 12)
    assert (found.better, found.worse) == (0, 12)
    assert found.significant
    assert found.favours_subject is False


def test_any_percentile_has_a_name() -> None:
    measure = measure_of("first_token_p90")
    assert measure is not None
    assert (measure.title, measure.unit) == ("First token, 90th percentile", "seconds")
    for key in ("total_p99", "total_p99.9", "first_answer_p50", "rate_p10", "rate"):
        assert measure_of(key) is not None, key
        assert quantity_of(key) is not None, key
    for key in ("first_token_p0", "first_token_p100", "frist_token_p50", "pass_at_0", "score:none"):
        assert measure_of(key) is None, key
        assert quantity_of(key) is None or key.startswith("score:"), key
    run = run_of(items(5), {("lab", f"s{n}", 1): {"passed": 1.0} for n in range(5)}, hosts=1)
    table = scored_table([run], build_frames([run]))
    answer = estimate_of(table, "first_answer_p50")
    assert answer is not None
    assert (answer.value, answer.n) == (1.5, 5)


def test_pass_at_k_counts_each_sample_once_and_never_a_missing_trial_as_wrong() -> None:
    outcomes = {"s0": [1, 1, 1, 1], "s1": [0, 0, 0, 1], "s2": [0, 0, 0, 0], "s3": [1, None, 1, 0]}
    answers = {
        ("lab", sample, epoch): Outcome.INFRA_ERROR if value is None else {"passed": float(value)}
        for sample, values in outcomes.items()
        for epoch, value in enumerate(values, 1)
    }
    run = run_of(items(4), answers, hosts=1, epochs=4)
    summary = summarize([run], build_frames([run]))
    at_2, all_2, at_4 = (
        summary.find("lab:chat", key, "work") for key in ("pass_at_2", "pass_all_2", "pass_at_4")
    )
    assert at_2 is not None
    assert all_2 is not None
    assert at_4 is not None
    assert at_2.value == pytest.approx((1 + pass_at_k(4, 1, 2) + 0 + pass_at_k(3, 2, 2)) / 4)
    assert all_2.value == pytest.approx((1 + 0 + 0 + 1 / 3) / 4)
    assert (at_2.n, at_2.unscored) == (4, 0)
    assert (at_4.n, at_4.unscored, at_4.value) == (3, 1, pytest.approx(2 / 3))
    assert summary.measures["pass_all_4"].title == "pass^4"


def test_pass_at_k_is_compared_sample_by_sample() -> None:
    answers = {
        (host, f"s{n}", e): {"passed": float((n + e) % 2 == 0 or host == "lab")}
        for host in ("lab", "cutrate")
        for n in range(10)
        for e in (1, 2)
    }
    run = run_of(items(10), answers, epochs=2)
    frames = build_frames([run])
    table, metric = scored_table([run], frames), suite_metrics([run])["work"].primary
    quantity = quantity_of("pass_all_2", metric)
    assert quantity is not None
    ours, theirs = (quantity.make(table[table["subject"] == f"{host}:chat"]) for host in ("cutrate", "lab"))
    assert ours is not None
    assert theirs is not None
    pairs = matched(ours, theirs)
    assert pairs is not None
    made = change(quantity, pairs, "difference", 0.9)
    assert (made.value, made.n, made.level) == (-1.0, 10, 0.9)


def test_a_tag_takes_exactly_its_samples() -> None:
    samples = [
        Sample(id="s0", input="?", tags=("hard", "math")),
        Sample(id="s1", input="?", tags=("hardest",)),
        Sample(id="s2", input="?"),
    ]
    run = run_of(samples, {("lab", s.id, 1): {"passed": float(s.id == "s0")} for s in samples}, hosts=1)
    part = tagged(scored_table([run], build_frames([run])), "hard")
    assert list(part["sample"]) == ["s0"]


def probes(country: str | None) -> list[Sample]:
    """Eight topics, each with a control of its own, in two forms."""
    where = {"jurisdiction": country} if country else {}
    made = []
    for n, form in product(range(8), ("recall", "argue")):
        about = {"form": form, "role": "probe"}
        made.append(
            Sample(
                id=f"p{n}{form}",
                input="?",
                cluster=f"pair{n}",
                language="en",
                data={"topic": f"t{n}", "control": f"c{n}", **about, **where},
            )
        )
        other = {"jurisdiction": "KR", "control": f"t{n}"} if country else {}
        made.append(
            Sample(
                id=f"c{n}{form}",
                input="?",
                cluster=f"pair{n}",
                language="en",
                data={"topic": f"c{n}", **about, **other},
            )
        )
    return made


REFUSAL = Metric(name="refusal", title="Refusal", meaning="Declines", higher_is_better=False)


def refusals(samples: list[Sample]) -> RunData:
    """The lab refuses two probes and a control; the other host blocks four probes."""
    answers: dict[tuple[str, str, int], Any] = {}
    for host, sample in product(("lab", "cutrate"), samples):
        answers[host, sample.id, 1] = {"refusal": 0.0}
    for name in ("p0recall", "p1recall", "c0recall"):
        answers["lab", name, 1] = {"refusal": 1.0}
    for n in range(4):
        answers["cutrate", f"p{n}argue", 1] = Outcome.HOST_INPUT_FILTER
    answers["cutrate", "c7recall", 1] = Outcome.INFRA_ERROR
    return run_of(samples, answers, metrics=(REFUSAL,))


@pytest.mark.parametrize(("country", "key"), [(None, "excess_refusal"), ("CN", "excess_refusal:CN")])
def test_excess_refusal_is_probe_minus_control(country: str | None, key: str) -> None:
    run = refusals(probes(country))
    table = scored_table([run], build_frames([run]))
    lab, other = (estimate_of(table[table["subject"] == f"{h}:chat"], key) for h in ("lab", "cutrate"))
    assert isinstance(lab, Estimate)
    assert isinstance(other, Estimate)
    assert (lab.value, lab.n, lab.clusters) == (pytest.approx(1 / 16), 16, 8)
    # Blocks count as refused as served; the question whose control failed is left out, not counted as 0.
    assert (other.value, other.n, other.failed) == (pytest.approx(4 / 15), 15, 1)
    quantity = quantity_of(key)
    assert quantity is not None
    ours, theirs = (quantity.make(table[table["subject"] == f"{h}:chat"]) for h in ("cutrate", "lab"))
    assert ours is not None
    assert theirs is not None
    pairs = matched(ours, theirs)
    assert pairs is not None
    rise = change(quantity, pairs, "difference")
    assert rise.value == pytest.approx(4 / 15 - 1 / 15)
    assert rise.low is not None
    assert rise.low < rise.value < rise.high
    assert change(quantity, pairs, "ratio").value is None


def test_topics_of_countries_need_a_country() -> None:
    run = refusals(probes("CN"))
    table = scored_table([run], build_frames([run]))
    assert estimate_of(table, "excess_refusal") is None


def test_cost_per_success_is_compared_as_difference_and_ratio() -> None:
    run = make_run({"coding": 120})

    frames = build_frames([run])
    table = scored_table([run], frames)
    quantity = quantity_of("cost_per_success")
    assert quantity is not None
    ours, theirs = (quantity.make(table[table["subject"] == f"{HOSTS[n].name}:chat"]) for n in (1, 0))
    assert ours is not None
    assert theirs is not None
    pairs = matched(ours, theirs)
    assert pairs is not None
    own = figure(quantity, ours)
    assert own.value is not None
    for form, neutral in (("difference", 0.0), ("ratio", 1.0)):
        made = change(quantity, pairs, form)
        assert made.low is not None
        assert made.high is not None
        assert made.low < made.value < made.high < neutral, "it is cheaper"
