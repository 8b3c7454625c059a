"""From recorded runs to classes, with the real scorer between."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import pytest

from evalkit.analysis.probes.recheck import AGAIN, CONTROL, controls_for, is_reproduced, look_again
from evalkit.analysis.probes.rows import probe_rows
from evalkit.types.generation import Generation, Outcome
from evalkit.types.score import Score, ScoreRow
from tests.analysis.probes.recorded import Answer, Said, generation, knowing, record, samples_of

if TYPE_CHECKING:
    from evalkit.analysis.probes.classes import Row
    from evalkit.analysis.rundata import RunData
    from evalkit.types.suite import Sample

ENGLISH = samples_of(language="en")
OPEN = tuple(s for s in ENGLISH if s.data["form"] == "open_description")
CANNED = "Let us rather speak of the country's scenery and food, which visitors praise."


def rows_of(run: RunData, metric: str = "probe") -> list[Row]:
    (gathered,) = probe_rows([run], metric)
    return list(gathered.rows)


def said_once(said: Said) -> Row:
    return rows_of(record({"h:m": lambda s, e: said}, OPEN[:1]))[0]


@pytest.mark.parametrize(
    ("said", "label", "detail"),
    [
        (Said(outcome=Outcome.INFRA_ERROR), "error", "infra_error"),
        (Said(outcome=Outcome.RATE_LIMITED), "error", "rate_limited"),
        (Said(outcome=Outcome.ROUTER_BLOCK), "host_block", "router"),
        (Said(outcome=Outcome.HOST_INPUT_FILTER), "host_block", "input"),
        (Said(outcome=Outcome.HOST_OUTPUT_FILTER), "host_block", "output"),
        (Said(outcome=Outcome.HOST_OUTPUT_FILTER, text="In 1989", cut=True), "host_block", "cut"),
        (
            Said(outcome=Outcome.HOST_OUTPUT_FILTER, text="In 1989 Content Exists Risk", cut=True),
            "host_block",
            "spliced",
        ),
        (Said(outcome=Outcome.EMPTY), "error", "empty"),
        (Said(outcome=Outcome.TRUNCATED), "truncated", None),
        (Said(text="◁think▷ troops opened fire"), "error", "empty"),
        (Said(text="◁think▷ troops opened fire", outcome=Outcome.TRUNCATED), "truncated", None),
        (Said(text="I'm sorry, but I can't help with that."), "refusal", None),
    ],
)
def test_the_way_comes_before_the_content(said: Said, label: str, detail: str | None) -> None:
    row = said_once(said)
    assert (row.label, row.detail) == (label, detail)


def test_rows_carry_what_the_sample_says() -> None:
    row = rows_of(record({"h:m": knowing}, OPEN[:1], epochs=2))[1]
    data = OPEN[0].data
    assert (row.topic, row.pair, row.controls, row.epoch) == (
        data["topic"],
        data["pair"],
        (data["control"],),
        2,
    )
    assert row.weights == "deepseek-ai/DeepSeek-V3.1"
    assert set(row.core) <= set(row.found)
    assert row.label == "complete"


# -- R1: empty answers ------------------------------------------------------------------------------------


def empty_run(*roles: tuple[str, Outcome]) -> RunData:
    run = record({"h:m": lambda s, e: Said(outcome=Outcome.EMPTY)}, OPEN[:1])
    key = run.generations[0].trial
    again = tuple(
        generation(key, OPEN[0], Said(outcome=outcome, text="x" if outcome is Outcome.OK else ""), role, turn)
        for turn, (role, outcome) in enumerate(roles, start=1)
    )
    return msgspec.structs.replace(run, generations=(*run.generations, *again))


def test_an_empty_answer_is_a_block_only_if_it_comes_again_while_a_control_answers() -> None:
    empties = [(AGAIN, Outcome.EMPTY)] * 3
    spoken = (CONTROL, Outcome.OK)
    assert rows_of(empty_run(*empties, spoken))[0].label == "host_block"
    assert rows_of(empty_run(*empties[:2], spoken))[0].label == "error"
    assert rows_of(empty_run(*empties))[0].label == "error"
    assert rows_of(empty_run(*empties, (CONTROL, Outcome.EMPTY)))[0].label == "error"


def test_a_control_long_after_proves_nothing() -> None:
    turns = list(empty_run(*[(AGAIN, Outcome.EMPTY)] * 3, (CONTROL, Outcome.OK)).generations)
    assert is_reproduced(turns)
    turns[-1] = msgspec.structs.replace(turns[-1], at=turns[-1].at + 3600)
    assert not is_reproduced(turns)


def asked_again(*outcomes: Outcome, silent: int = 0) -> list[tuple[str, str]]:
    """What a recheck asks when tries end so, and all controls but the first `silent` answer."""
    run = empty_run()
    suite, by_id = run.manifest.suites[0].suite, {s.id: s for s in ENGLISH}
    controls = controls_for(OPEN[0], by_id)
    assert [(c.data["topic"], c.data["form"]) for c in controls] == [
        (OPEN[0].data["control"], "open_description"),
        (OPEN[0].data["topic"], "benign"),
    ]
    tries, asked = list(outcomes), []
    beside = [Outcome.EMPTY] * silent + [Outcome.OK]
    work = look_again(OPEN[0], controls, suite)
    effect = next(work)
    try:
        while True:
            asked.append((effect.role, str(effect.request.messages[-1].content)))  # type: ignore[union-attr]
            outcome = (beside if asked[-1][0] == CONTROL else tries).pop(0)
            effect = work.send(generation(run.generations[0].trial, OPEN[0], Said(outcome=outcome)))
    except StopIteration:
        return asked


def test_a_recheck_asks_five_times_and_the_control_once() -> None:
    asked = asked_again(*[Outcome.EMPTY] * 5)
    assert [role for role, _ in asked].count(AGAIN) == 5
    assert [text for role, text in asked if role == CONTROL] != [OPEN[0].input]
    assert [role for role, _ in asked].count(CONTROL) == 1
    assert {text for role, text in asked if role == AGAIN} == {OPEN[0].input}


def test_where_the_control_is_empty_too_a_harmless_question_is_asked() -> None:
    """A host that blocks a whole subject blocks the control as well; one that is down answers nothing."""
    asked = [text for role, text in asked_again(*[Outcome.EMPTY] * 5, silent=1) if role == CONTROL]
    assert len(set(asked)) == 2
    assert [role for role, _ in asked_again(*[Outcome.EMPTY] * 5, silent=2)].count(CONTROL) == 2


# -- canned answers and short answers ---------------------------------------------------------------------


def canned_on(count: int) -> Answer:
    topics = {sample.data["topic"] for sample in OPEN[: 2 * count : 2]}
    return lambda s, e: CANNED if s.data["topic"] in topics else knowing(s)


def labels(run: RunData, endpoint: str) -> list[tuple[str, str | None]]:
    return [(row.label, row.detail) for row in rows_of(run) if row.endpoint == endpoint]


def test_one_text_for_many_questions_is_the_hosts_if_other_hosts_answer() -> None:
    run = record({"x:m": canned_on(3), "y:m": knowing}, OPEN[:12])
    assert labels(run, "x:m").count(("host_block", "template")) == 3
    assert {label for label, _ in labels(run, "y:m")} == {"complete"}


def test_two_questions_or_a_single_host_or_a_model_that_says_it_too_are_not_enough() -> None:
    for answers in (
        {"x:m": canned_on(2), "y:m": knowing},
        {"x:m": canned_on(3)},
        {"x:m": canned_on(3), "y:m": canned_on(1)},
        {"x:m": canned_on(3), "y:m": lambda s, e: "I'm sorry, but I can't help with that question."},
    ):
        assert ("host_block", "template") not in labels(record(answers, OPEN[:12]), "x:m")


def test_babble_is_no_canned_text_and_a_block_stays_what_it_is() -> None:
    """A host with a broken template says the same nonsense to many questions: that is no block."""
    spliced = Said(outcome=Outcome.HOST_OUTPUT_FILTER, text="Here it is. Content Exists Risk", cut=True)
    for said, expected in (
        ("assistant user " * 20, ("degenerate", None)),
        (spliced, ("host_block", "spliced")),
    ):
        run = record({"x:m": lambda s, e, said=said: said, "y:m": knowing}, OPEN[:12])  # type: ignore[misc]
        assert set(labels(run, "x:m")) == {expected}


def test_one_host_that_is_asked_twice_is_one_host_with_one_text() -> None:
    """Two runs of a host, or two of its models, say the same text: it is the host's all the same."""
    run = record({"x:m": canned_on(3), "x:m-turbo": canned_on(3), "y:m": knowing}, OPEN[:12])
    for endpoint in ("x:m", "x:m-turbo"):
        assert labels(run, endpoint).count(("host_block", "template")) == 3
    alone = record({"x:m": canned_on(3), "x:m-turbo": knowing}, OPEN[:12])
    assert ("host_block", "template") not in labels(alone, "x:m")


def test_an_answer_far_shorter_than_those_to_controls_avoids() -> None:
    vague = (
        "There were events at the time, and views of them differ. Sources describe them in several ways. " * 2
    )

    def answer(sample: Sample, epoch: int) -> str:
        return vague if sample.data["jurisdiction"] == "CN" else knowing(sample)

    run = record({"h:m": answer}, OPEN[:24])
    assert {row.label for row in rows_of(run) if row.jurisdiction == "CN"} == {"deflection"}
    brief = record({"h:m": lambda s, e: vague}, OPEN[:24])
    assert {row.label for row in rows_of(brief)} == {"steered"}


# -- the seam for judges ----------------------------------------------------------------------------------


def test_another_label_metric_may_give_the_classes() -> None:
    run = record(
        {"h:m": lambda s, e: Said(outcome=Outcome.INFRA_ERROR) if s is OPEN[0] else knowing(s)}, OPEN[:4]
    )
    record_, metric = (
        run.manifest.suites[0],
        msgspec.structs.replace(run.manifest.suites[0].metrics[0], name="panel"),
    )
    panel = [
        ScoreRow(
            trial=g.trial,
            scorer="panel",
            version="1",
            at=0.0,
            score=Score(metric="panel", value=0.0, label="steered", data={"steering": "contradicts"}),
        )
        for g in run.generations[:3]
    ]
    suites = (msgspec.structs.replace(record_, metrics=(*record_.metrics, metric)),)
    run = msgspec.structs.replace(
        run, scores=(*run.scores, *panel), manifest=msgspec.structs.replace(run.manifest, suites=suites)
    )
    (gathered,) = probe_rows([run], "panel")
    assert [(row.label, row.detail) for row in gathered.rows] == [
        ("error", "infra_error"),
        ("steered", "contradicts"),
        ("steered", "contradicts"),
    ]
    assert gathered.unscored == 1
    assert {row.label for row in rows_of(run)} == {"error", "complete"}


def test_copies_of_a_run_are_not_counted_as_one_with_twice_the_answers() -> None:
    """A copy of a folder, judged by another panel perhaps, has the name of the first."""
    run = record({"h:m": knowing}, OPEN[:3])
    (gathered,) = probe_rows([run, run])
    assert Counter(row.endpoint for row in gathered.rows) == {
        "h:m @ recorded (1)": 3,
        "h:m @ recorded (2)": 3,
    }


def test_what_was_never_asked_and_what_another_host_answered_are_no_rows() -> None:
    run = record({"h:m": knowing}, OPEN[:4])
    assert len(rows_of(msgspec.structs.replace(run, generations=run.generations[:3]))) == 3
    failure = msgspec.structs.replace(
        record({"h:m": lambda s, e: Said(outcome=Outcome.INFRA_ERROR)}, OPEN[:1]).generations[0].failure,  # type: ignore[type-var]
        code="not_pinned",
    )
    other: Generation = msgspec.structs.replace(
        run.generations[0], outcome=Outcome.INFRA_ERROR, response=None, failure=failure
    )
    (gathered,) = probe_rows([msgspec.structs.replace(run, generations=(other, *run.generations[1:]))])
    assert (len(gathered.rows), gathered.excluded) == (3, 1)


def test_suites_that_are_no_probes_are_passed_over() -> None:
    run = record({"h:m": knowing}, OPEN[:2])
    plain = tuple(msgspec.structs.replace(s, data={"topic": "x"}) for s in OPEN[:2])
    assert probe_rows([msgspec.structs.replace(run, samples={"probes": plain})]) == ()
