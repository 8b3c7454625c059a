"""What is said of a panel: agreement, missing votes, and rates under each judge alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from evalkit.analysis.probes.panel import Ballots, PanelFindings, ballots, panel_findings
from evalkit.analysis.probes.rows import probe_rows
from evalkit.types.score import Score, Unscored
from evalkit.types.vote import Vote
from tests.analysis.probes.judged import METRIC, Judge, judged, question, questions, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalkit.analysis.rundata import RunData
    from evalkit.types.score import ScoreRow
    from evalkit.types.suite import Sample

HOST = "a:m"


def right(sample: Sample, true: str) -> str:
    del sample
    return true


def third(sample: Sample, epoch: int) -> str:
    """Every third topic of CN is steered; nothing else is."""
    del epoch
    at_home = sample.data["jurisdiction"] == "CN" and sample.data["form"] != "benign"
    return "steered" if at_home and int(sample.data["pair"]) % 3 == 0 else "complete"


def of(run: RunData) -> PanelFindings:
    (gathered,) = probe_rows([run], METRIC)
    return panel_findings(gathered, ballots([run])[gathered.suite])


def world(panel: Mapping[str, Judge], pairs: int = 48, languages: Sequence[str] = ("en",)) -> RunData:
    return judged(questions(pairs, languages), {HOST: third}, panel)[0]


def revoted(run: RunData, change: Callable[[ScoreRow], Sequence[Vote]]) -> RunData:
    """The run with other votes behind every score."""
    rows = []
    for row in run.scores:
        score = told(change(row))
        rows.append(
            msgspec.structs.replace(
                row,
                score=score if isinstance(score, Score) else None,
                unscored=score if isinstance(score, Unscored) else None,
            )
        )
    return msgspec.structs.replace(run, scores=tuple(rows))


def test_judges_that_always_agree_have_a_kappa_and_an_alpha_of_one() -> None:
    found = of(world({"j:1": right, "k:2": right}))
    (whole,) = found.agreements
    assert (whole.alpha.value, whole.alpha_complete.value, whole.differing.value) == (1, 1, 0)
    assert whole.answers == found.judged == 192
    (pair,) = found.pairs
    assert pair.agreement.kappa.value == 1
    assert pair.agreement.first == pytest.approx({"complete": 176 / 192, "steered": 16 / 192})
    assert found.contested == frozenset()
    assert whole.alpha.clusters == 48


def test_judges_that_guess_agree_no_more_than_chance() -> None:
    rng = random.Random(4)
    guess: Judge = lambda sample, true: rng.choice(["complete", "steered", "refusal"])  # noqa: E731
    found = of(world({"j:1": guess, "k:2": guess, "l:3": guess}, pairs=150))
    alpha = found.agreements[0].alpha
    assert alpha.low is not None
    assert alpha.high is not None
    assert alpha.low <= 0 <= alpha.high
    assert len(found.pairs) == 3
    assert found.agreements[0].differing.value == pytest.approx(1 - 1 / 9, abs=0.05)


def test_agreement_is_told_by_language_and_in_all() -> None:
    blind_in_zh: Judge = lambda sample, true: "complete" if sample.language == "zh" else true  # noqa: E731
    found = of(world({"j:1": right, "k:2": blind_in_zh}, languages=("en", "zh")))
    by_language = {one.language: one for one in found.agreements}
    assert list(by_language) == [None, "en", "zh"]
    assert by_language["en"].alpha.value == 1
    assert by_language["zh"].alpha.value is not None
    assert by_language["zh"].alpha.value < 0.1
    assert {pair.language for pair in found.pairs} == {None, "en", "zh"}


def test_each_judge_alone_has_its_own_rates() -> None:
    blind: Judge = lambda sample, true: "complete"  # noqa: E731
    found = of(world({"j:1": right, "k:2": blind}))
    steering = {one.judge: one.rates["steering"].value for one in found.alone}
    assert steering == {"j:1": pytest.approx(16 / 96), "k:2": 0}
    assert found.excesses(HOST, "steering", "CN")["j:1"].value == pytest.approx(1 / 3)


def test_an_excess_that_one_judge_alone_does_not_see_is_contested() -> None:
    blind: Judge = lambda sample, true: "complete"  # noqa: E731
    found = of(world({"j:1": right, "k:2": right, "l:3": blind}))
    assert found.contested == {(HOST, "steering", "CN"), (HOST, "steering", "XX")}


def test_no_effect_is_not_contested_because_judges_scatter_around_it() -> None:
    rng = random.Random(1)
    noisy: Judge = lambda sample, true: "steered" if rng.random() < 0.1 else "complete"  # noqa: E731
    run = judged(
        questions(80), {HOST: lambda sample, epoch: "complete"}, {"j:1": noisy, "k:2": noisy, "l:3": noisy}
    )[0]
    found = of(run)
    values = [found.excesses(HOST, "steering", "CN")[name].value for name in ("j:1", "k:2", "l:3")]
    assert min(v for v in values if v is not None) < 0 < max(v for v in values if v is not None)
    assert found.contested == frozenset()


def test_blocked_judges_are_counted_apart_and_a_reserve_stands_in() -> None:
    def change(row: ScoreRow) -> Sequence[Vote]:
        hit = ".open_description." in row.trial.sample
        return (
            Vote(judge="j:1", label="complete", unproven=("K1.denied",)),
            Vote(judge="k:2", missing="host_input_filter")
            if hit
            else Vote(judge="k:2", missing="no_verdict"),
            Vote(judge="r:3", label="steered" if hit else "complete", instead_of="k:2"),
        )

    found = of(revoted(world({"j:1": right, "k:2": right}), change))
    judges = {one.judge: one for one in found.judges}
    assert judges["k:2"].blocked == 96
    assert judges["k:2"].missing == {"no_verdict": 96}
    assert judges["k:2"].votes == 0
    assert judges["j:1"].unproven == 192
    assert judges["r:3"].stood_in == judges["r:3"].votes == 192
    assert [one.member for one in found.judges] == [True, True, False]
    assert {one.judge for one in found.alone if one.rates["steering"].n} == {"j:1"}
    (pair,) = found.pairs
    assert {pair.first, pair.second} == {"j:1", "r:3"}


def test_answers_with_one_vote_have_no_panel() -> None:
    def change(row: ScoreRow) -> Sequence[Vote]:
        return Vote(judge="j:1", label="complete"), Vote(judge="k:2", missing="rate_limited")

    run = revoted(world({"j:1": right, "k:2": right}), change)
    found = of(run)
    assert found.without == found.judged == 192
    assert found.agreements[0].alpha.value is None
    assert found.pairs == ()
    assert found.judges[1].missing == {"rate_limited": 192}


def test_no_votes_and_votes_in_no_known_form_are_no_panel() -> None:
    run = world({"j:1": right, "k:2": right})
    bare = [
        msgspec.structs.replace(row, score=msgspec.structs.replace(row.score, data=data))
        for number, row in enumerate(run.scores)
        for data in [{}, {"votes": "<script>"}, {"votes": [{"judge": 3}]}][number % 3 : number % 3 + 1]
        if row.score is not None
    ]
    run = msgspec.structs.replace(run, scores=tuple(bare))
    assert ballots([run]) == {}
    (gathered,) = probe_rows([run], METRIC)
    found = panel_findings(gathered, Ballots(votes={}, without=frozenset()))
    assert found.judges == ()
    assert found.alone == ()


def test_what_nobody_judged_stays_under_every_judge() -> None:
    samples = [question("cn-1", "open_description", "en"), question("xx-1", "open_description", "en")]
    run, _ = judged(
        samples,
        {HOST: lambda s, e: "host_block" if s.data["topic"] == "cn-1" else "complete"},
        {"j:1": right, "k:2": right},
    )
    assert {one.judge: one.rates["as_served"].value for one in of(run).alone} == {"j:1": 0.5, "k:2": 0.5}
