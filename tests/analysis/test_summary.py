"""Denominators: what enters a figure, and what is counted beside it."""

from __future__ import annotations

import msgspec
import pytest

from evalkit.analysis.compare import compare
from evalkit.analysis.frames import build_frames
from evalkit.analysis.rundata import RunData
from evalkit.analysis.summary import Summary, summarize
from evalkit.types.generation import Cost, Failure, Generation, Outcome, Response, Timing, TrialKey, Usage
from evalkit.types.score import Score, ScoreRow, Unscored
from tests.synthetic import HOSTS, make_run


def generation(key: TrialKey, outcome: Outcome, **more: object) -> Generation:
    fields = {
        "fingerprint": f"{key}",
        "trial": key,
        "turn": 0,
        "endpoint": key.endpoint,
        "outcome": outcome,
        "at": 1.0,
    }
    if outcome in {Outcome.OK, Outcome.TRUNCATED, Outcome.EMPTY}:
        text = "an answer" if outcome is Outcome.OK else ""
        fields["response"] = Response(text=text, usage=Usage(input=10, output=101))
        fields["timing"] = Timing(total_s=3.0, first_token_s=1.0)
    else:
        fields["failure"] = Failure(message="no")
    return Generation(**(fields | more))


def one_host(outcomes: list[Outcome], values: list[float | None], **more: object) -> Summary:
    """Figures of one endpoint whose trials ended so and were scored so; None is unscored."""
    base = make_run({"coding": len(outcomes)}, hosts=HOSTS[:1])
    generations, scores = [], []
    for sample, outcome, value in zip(base.samples["coding"], outcomes, values, strict=True):
        key = TrialKey("coding", sample.id, "lab:chat", 1)
        generations.append(generation(key, outcome, **more))
        said = (
            {"unscored": Unscored(metric="passed", reason="no answer")}
            if value is None
            else {"score": Score(metric="passed", value=value)}
        )
        scores.append(ScoreRow(trial=key, scorer="passed", version="1", at=2.0, **said))
    run = msgspec.structs.replace(base, generations=tuple(generations), scores=tuple(scores))
    return summarize([run], build_frames([run]))


def test_failures_and_blocks_are_not_wrong_answers() -> None:
    outcomes = [Outcome.OK] * 4 + [Outcome.INFRA_ERROR, Outcome.HOST_INPUT_FILTER]
    summary = one_host(outcomes, [1.0, 1.0, 1.0, 0.0, None, None])
    quality = summary.find("lab:chat", "quality", "coding")
    planned = summary.find("lab:chat", "quality_planned", "coding")
    assert quality is not None
    assert planned is not None
    assert (quality.value, quality.n, quality.failed, quality.unscored) == (0.75, 4, 2, 0)
    assert (planned.value, planned.n) == (0.5, 6)


def test_an_unscored_answer_leaves_both_figures() -> None:
    summary = one_host([Outcome.OK] * 4, [1.0, 0.0, 1.0, None])
    for measure in ("quality", "quality_planned"):
        estimate = summary.find("lab:chat", measure, "coding")
        assert estimate is not None
        assert (estimate.n, estimate.unscored) == (3, 1)
        assert estimate.value == pytest.approx(2 / 3)


def test_thinking_that_reached_no_answer_is_not_delivered() -> None:
    summary = one_host([Outcome.OK, Outcome.TRUNCATED, Outcome.EMPTY, Outcome.OK], [1.0, None, None, 1.0])
    delivered = summary.find("lab:chat", "delivered", "coding")
    assert delivered is not None
    assert (delivered.value, delivered.n) == (0.5, 4)


def test_host_failures_leave_the_denominator_of_blocks() -> None:
    outcomes = [Outcome.OK, Outcome.INFRA_ERROR, Outcome.HOST_OUTPUT_FILTER]
    blocked = one_host(outcomes, [1.0, None, None]).find("lab:chat", "blocked", "coding")
    assert blocked is not None
    assert (blocked.value, blocked.n, blocked.failed) == (0.5, 2, 1)


def test_unpriced_has_no_cost() -> None:
    cost = one_host([Outcome.OK] * 3, [1.0] * 3).find("lab:chat", "cost_per_1k", "coding")
    assert cost is not None
    assert cost.value is None
    assert (cost.n, cost.unscored, cost.note) == (0, 3, "unpriced")


def test_cost_per_success_counts_the_cost_of_failures() -> None:
    summary = one_host([Outcome.OK] * 4, [1.0, 0.0, 0.0, 1.0], cost=Cost(usd=0.5, price="declared"))
    cost = summary.find("lab:chat", "cost_per_success", "coding")
    assert cost is not None
    assert cost.value == pytest.approx(1.0)


def test_time_and_tokens_per_success_count_failures_and_leave_reused_time_out() -> None:
    fresh = one_host([Outcome.OK] * 4, [1.0, 0.0, 0.0, 1.0])
    each = {key: fresh.find("lab:chat", key, "coding") for key in ("total_p50", "tokens_in", "tokens_out")}
    for key, whole in (
        ("time_per_success", each["total_p50"]),
        ("tokens_per_success", None),
    ):
        found = fresh.find("lab:chat", key, "coding")
        assert found is not None
        assert found.n == 4
        if whole is not None:
            assert found.value == pytest.approx(2 * (whole.value or 0.0))
    both = fresh.find("lab:chat", "tokens_per_success", "coding")
    assert both is not None
    assert each["tokens_in"] is not None
    assert each["tokens_out"] is not None
    assert both.value == pytest.approx(2 * ((each["tokens_in"].value or 0) + (each["tokens_out"].value or 0)))
    reused = one_host([Outcome.OK] * 3, [1.0] * 3, source="an-earlier-run")
    timed = reused.find("lab:chat", "time_per_success", "coding")
    assert timed is not None
    assert (timed.value, timed.unscored) == (None, 3)


def test_latency_leaves_reused_answers_out() -> None:
    summary = one_host([Outcome.OK] * 3, [1.0] * 3, source="an-earlier-run")
    total = summary.find("lab:chat", "total_p50", "coding")
    assert total is not None
    assert total.value is None
    assert (total.n, total.unscored) == (0, 3)


def test_speed_counts_tokens_after_the_first() -> None:
    rate = one_host([Outcome.OK] * 3, [1.0] * 3).find("lab:chat", "rate", "coding")
    assert rate is not None
    assert rate.value == pytest.approx(100 / 2)


def test_layers_sum_to_what_was_planned() -> None:
    run = make_run({"coding": 20, "probes": 24})
    summary = summarize([run], build_frames([run]))
    for layer in summary.layers:
        assert sum(layer.counts.values()) == layer.planned


def test_a_later_row_overtakes_an_earlier_one() -> None:
    base = make_run({"coding": 2}, hosts=HOSTS[:1])
    keys = [TrialKey("coding", s.id, "lab:chat", 1) for s in base.samples["coding"]]
    rows = (
        generation(keys[0], Outcome.INFRA_ERROR),
        generation(keys[1], Outcome.OK),
        generation(keys[0], Outcome.OK),
    )
    scores = tuple(
        ScoreRow(trial=keys[1], scorer="passed", version=v, at=1.0, score=Score(metric="passed", value=x))
        for v, x in (("1", 0.0), ("2", 1.0))
    )
    run = msgspec.structs.replace(base, generations=rows, scores=scores)
    frames = build_frames([run])
    assert list(frames.trials["outcome"]) == ["ok", "ok"]
    assert list(frames.scores["value"]) == [1.0]


def test_known_differences_are_found_and_corrected() -> None:
    run = make_run({"coding": 200})
    found = compare([run], build_frames([run]))
    worse = found.find("cutrate:chat", "quality", "coding")
    same = found.find("filtered:chat", "quality", "coding")
    assert worse is not None
    assert same is not None
    assert worse.significant
    assert worse.favours_subject is False
    assert not same.significant
    assert all(test.adjusted >= test.p_value for test in found.tests)
    assert found.family == len(found.tests)
    assert found.best[None, "total_p50"] == "cutrate:chat"
    flips = [f for f in found.flips if f.subject == "cutrate:chat"]
    assert len(flips) == worse.better + worse.worse
    assert all(f.reference_reason and f.subject_reason for f in flips)


def test_the_same_host_twice_shows_no_difference() -> None:
    once, again = (
        make_run({"coding": 60}, hosts=HOSTS[:1], run="a"),
        make_run({"coding": 60}, hosts=HOSTS[:1], run="b"),
    )
    found = compare([once, again], build_frames([once, again]))
    assert found.reference == "lab:chat @ a"
    assert found.tests
    assert not any(test.significant for test in found.tests)
    assert not found.best


def test_an_empty_run_has_no_figures() -> None:
    base = make_run({"coding": 2})
    bare = RunData(manifest=base.manifest)
    assert summarize([bare], build_frames([bare])).figures == ()
