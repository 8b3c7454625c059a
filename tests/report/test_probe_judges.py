"""What the page says of a panel of judges, and of figures that people's labels correct."""

from __future__ import annotations

import json
import random
import re
import zlib
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.analysis.probes.calibration import calibrate
from evalkit.report.basis import build_basis
from evalkit.report.page import build_report
from evalkit.report.probes import ProbeSection, probe_sections
from evalkit.types.card import JudgeCard
from evalkit.types.generation import Cost
from evalkit.types.score import Score, ScoreRow, Unscored
from evalkit.types.suite import Plugin
from evalkit.types.vote import Vote
from tests.analysis.probes.judged import METRIC, ORDER, judged, label, questions, told, with_labels
from tests.analysis.probes.recorded import Said, endpoint, generation, knowing, record
from tests.report.test_page import words
from tests.report.test_probe_section import ENGLISH, HOME, on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.analysis.rundata import RunData
    from evalkit.report.cells import Cell
    from evalkit.report.matrix import Matrix
    from evalkit.types.suite import Sample

JUDGES = ("mistral:mistral-large", "openai:gpt")
BAD = "</script><script>window.__ran=1</script><img src=x onerror=window.__ran=1>\u202etxt.exe"
VAGUE = (
    "It is a matter that people of the country have talked about for many years, and opinions on what it "
    "means for towns, families and the young differ from place to place, as they do with most things."
)


def with_panel(run: RunData, voting: Callable[[ScoreRow, str], Sequence[Vote]]) -> RunData:
    """A run that rules classed, with a panel's votes beside; `voting` sees the rules' row and the text."""
    texts = {g.trial: g.response.text for g in run.generations if g.response is not None}
    scores, asked = list(run.scores), []
    samples = {sample.id: sample for own in run.samples.values() for sample in own}
    for row in run.scores:
        if row.score is None or row.trial not in texts:
            continue
        is_check = row.score.label not in ORDER  # nobody judges a letter
        votes = () if is_check else voting(row, texts[row.trial])
        said = msgspec.structs.replace(row.score, metric=METRIC) if is_check else told(votes)
        if isinstance(said, Score) and not is_check:
            seen = [fact for vote in votes for fact in vote.found]
            found = [fact for fact in dict.fromkeys(seen) if seen.count(fact) * 2 >= len(votes)]
            said = msgspec.structs.replace(said, data={**said.data, "found": found})
        scores.append(
            ScoreRow(
                trial=row.trial,
                scorer=METRIC,
                version="1+abc123def456",
                at=1.0,
                score=said if isinstance(said, Score) else None,
                unscored=said if isinstance(said, Unscored) else None,
            )
        )
        for vote in votes:
            made = generation(row.trial, samples[row.trial.sample], Said(text="{}"), f"judge:{vote.judge}")
            asked.append(
                msgspec.structs.replace(
                    made, endpoint=vote.judge, cost=Cost(usd=0.001, price="row"), turn=len(asked)
                )
            )
    manifest = run.manifest
    (suite,) = manifest.suites
    metric = msgspec.structs.replace(suite.metrics[0], name=METRIC, labels=(*ORDER, "correct", "incorrect"))
    plugin = Plugin(name=METRIC, options={"judges": list(JUDGES)})
    suite = msgspec.structs.replace(
        suite,
        metrics=(*suite.metrics, metric),
        suite=msgspec.structs.replace(suite.suite, scorers=(*suite.suite.scorers, plugin)),
    )
    weights = dict(zip(JUDGES, ("mistralai/Mistral-Large", "openai/gpt-oss-120b"), strict=True))
    manifest = msgspec.structs.replace(
        manifest, suites=(suite,), judges=tuple(endpoint(name, weights[name]) for name in JUDGES)
    )
    return msgspec.structs.replace(
        run, manifest=manifest, scores=tuple(scores), generations=(*run.generations, *asked)
    )


def recorded_run() -> RunData:
    return record(
        {
            "lab:m": on(set(HOME[:12]), "I'm sorry, but I can't discuss this at any length today."),
            "filtered:m": on(set(HOME[:20]), VAGUE),
            "other:n": knowing,
        },
        ENGLISH,
        weights={"other:n": "qwen/n"},
    )


def like_rules(row: ScoreRow, text: str) -> Sequence[Vote]:
    """Two judges: one says what the rules say, the other mostly; each quotes the first words."""
    assert row.score is not None
    rng = random.Random(str(row.trial))
    label = row.score.label or "complete"
    other = "complete" if label == "steered" and rng.random() < 0.3 else label
    found = tuple(row.score.data.get("found", ()))
    return [
        Vote(judge=judge, label=said, found=found, quotes={"declines": text[:20], "K1.stated": text[10:40]})
        for judge, said in zip(JUDGES, (label, other), strict=True)
    ]


@pytest.fixture(scope="module")
def run() -> RunData:
    return with_panel(recorded_run(), like_rules)


@pytest.fixture(scope="module")
def sections(run: RunData) -> tuple[ProbeSection, ...]:
    return probe_sections(build_basis([run]))


def cells(matrix: Matrix, title: str) -> list[Cell]:
    """The cells of the first row of a title."""
    found = [row.cells for group in matrix.groups for row in group.rows if row.title == title]
    assert found, title
    return list(found[0])


def titles(matrix: Matrix) -> list[str]:
    return [row.title for group in matrix.groups for row in group.rows]


def items_of(section: ProbeSection) -> list[dict[str, Any]]:
    assert section.block is not None
    picks = json.loads(zlib.decompress(b64decode(section.block.text)))
    return [item for pick in picks for item in pick]


def test_the_panel_comes_first_and_the_rules_fold(sections: tuple[ProbeSection, ...], run: RunData) -> None:
    assert [section.title for section in sections] == [
        "probes, classes by a panel of judges",
        "probes, classes by rules",
    ]
    assert [section.folded for section in sections] == [False, True]
    assert sections[1].judges is None
    page = build_report([run])
    assert page.index('id="probes-0"') < page.index('<details class="floor"') < page.index('id="probes-1"')
    assert "By rules alone" in words(page)
    regions = re.findall(r'role="region" aria-label="([^"]*)"', page)
    assert len(regions) > 20
    assert len(regions) == len(set(regions))  # a list of landmarks tells them apart


def test_it_says_who_judged_with_which_words_and_what_it_cost(sections: tuple[ProbeSection, ...]) -> None:
    said = " ".join(sections[0].lead)
    assert "mistral:mistral-large (mistral, FR); openai:gpt (openai, US)" in said
    assert "neither the endpoint nor the other judges" in sections[0].judges.note  # type: ignore[union-attr]
    assert "1+abc123def456" in sections[0].judges.note  # type: ignore[union-attr]
    votes = sum(int(row[3].replace("\u202f", "")) for row in sections[0].judges.rows)  # type: ignore[union-attr]
    assert f"Judging cost ${votes / 1000:.2f}".rstrip("0") in said
    assert "nobody classed any of these answers" in said


def test_agreement_stands_with_raw_agreement_and_prevalence(sections: tuple[ProbeSection, ...]) -> None:
    part = sections[0].judges
    assert part is not None
    (row,) = part.agreement
    assert row[0] == "all"
    assert re.fullmatch(r"0\.\d\d \[0\.\d\d,\u00a0\d\.\d\d\]", row[2])
    (pair,) = part.pairs
    assert pair[0] == "mistral:mistral-large and openai:gpt"
    assert pair[4].startswith("complete ")
    assert pair[4] != pair[5]


def test_rates_stand_under_each_judge_alone(sections: tuple[ProbeSection, ...]) -> None:
    (group,) = (g for g in sections[0].rates.groups if g.title == "Under each judge alone: steered")
    assert [row.title for row in group.rows] == list(JUDGES)
    first, second = (row.cells[1].text for row in group.rows)
    assert first != second
    assert all("under" not in group.title.lower() for group in sections[1].rates.groups)


def voted(*labels: str | None) -> Callable[[ScoreRow, str], Sequence[Vote]]:
    names = (*JUDGES, "third:t")

    def voting(row: ScoreRow, text: str) -> Sequence[Vote]:
        del text
        assert row.score is not None
        true = row.score.label or "complete"
        return [
            Vote(
                judge=judge, label=true if said == "true" else said, missing=None if said else "rate_limited"
            )
            for judge, said in zip(names, labels, strict=False)
        ]

    return voting


def test_no_figure_is_given_where_the_sign_depends_on_the_judge() -> None:
    section = probe_sections(build_basis([with_panel(recorded_run(), voted("true", "true", "complete"))]))[0]
    said = [text for text in section.sentences if "depends on the judge" in text]
    assert any(
        text.startswith("B filtered:m: whether answers on topics of China are steered more often")
        and "third:t 0.0 points" in text
        for text in said
    )
    assert not any("B filtered:m: steered on topics" in text for text in section.sentences)
    cell = cells(section.contrasts, "Steered: excess over controls")[1]
    assert cell.text == "depends on the judge"
    assert [name for name, _ in cell.facts] == [
        "no figure",
        *(f"under {j} alone" for j in (*JUDGES, "third:t")),
    ]


def test_one_vote_only_is_no_panel_and_none_at_all_is_said() -> None:
    one = with_panel(recorded_run(), voted("true", None))
    (section,) = probe_sections(build_basis([one]))
    assert section.title == "probes, classes by rules"
    assert not section.folded
    bare = with_panel(recorded_run(), lambda row, text: [])
    assert [s.judges for s in probe_sections(build_basis([bare]))] == [None]


def test_blocked_judges_are_said_to_be_missing_not_at_random() -> None:
    def voting(row: ScoreRow, text: str) -> Sequence[Vote]:
        votes = list(like_rules(row, text))
        if row.trial.sample.startswith(HOME[0]):
            votes[1] = Vote(judge=JUDGES[1], missing="host_output_filter")
        return votes

    section = probe_sections(build_basis([with_panel(recorded_run(), voting)]))[0]
    said = " ".join(section.lead)
    assert re.search(
        r"\d+ of [\d\u202f]+ answers had no panel \(fewer than two votes, or of one country\)", said
    )
    assert "not missing at random" in said
    assert section.judges is not None
    assert section.judges.rows[1][4] != "0"


def test_hostile_votes_stay_text_and_stay_short() -> None:
    def voting(row: ScoreRow, text: str) -> Sequence[Vote]:
        if row.trial.epoch > 1 or HOME[0] not in row.trial.sample:
            return like_rules(row, text)
        return [
            Vote(
                judge=BAD,
                label="steered",
                steering=BAD,
                quotes={f"{BAD}{n}": BAD * 20 for n in range(60)},
                unproven=(BAD,) * 60,
            ),
            Vote(judge="l:3", label="complete", quotes={"\u202e.stated": "..." * 300, "K1.stated": text[:9]}),
            Vote(judge="m:4", missing=BAD, instead_of=BAD),
        ]

    run = with_panel(recorded_run(), voting)
    page = build_report([run])
    assert "<img" not in page
    assert "window.__ran=1</script>" not in page
    assert "\u202e" not in page
    votes = [item["votes"] for item in items_of(probe_sections(build_basis([run]))[0])]
    hostile = [own for own in votes if own and own[0]["judge"].startswith("</script>")]
    assert hostile
    for own in hostile:
        assert len(json.dumps(own)) < 60_000
        assert len(own[0]["quotes"]) == len(own[0]["unproven"]) == 40


def test_opened_answers_have_each_judges_class_and_its_words(
    sections: tuple[ProbeSection, ...], run: RunData
) -> None:
    texts = {(g.trial.sample, g.endpoint): g.response.text for g in run.generations if g.response}
    names = [e.id for e in run.manifest.endpoints]
    marked = 0
    for item in items_of(sections[0]):
        text = texts.get((item["sample"], names[item["subject"]]))
        if not item["votes"]:
            continue
        assert text is not None
        assert [vote["judge"] for vote in item["votes"]] == list(JUDGES)
        assert item["spans"] == []
        assert item["votes"][0]["quotes"][0] == ["declines", text[:20]]
        assert item["votes"][0]["quotes"][1][0] == "states K1"
        assert [mark[2] for mark in item["quoted"][:3]] == ["declines", "K1, declines", "K1"]
        assert text[item["quoted"][0][0] : item["quoted"][1][1]] == text[:20].rstrip()
        marked += 1
    assert marked > 10
    assert sections[1].block is None  # the same answers, once is enough
    found = [fact[3] for item in items_of(sections[0]) for fact in item["facts"]]
    assert any(found)
    assert not all(found)


def blind_world(labels: int) -> RunData:
    """Judges that miss every third steered answer, and people who see them all."""

    def steered(sample: Sample, epoch: int) -> str:
        at_home = sample.data["jurisdiction"] == "CN" and sample.data["form"] != "benign"
        return "steered" if at_home else "complete"

    def misses(sample: Sample, true: str) -> str:
        return "complete" if int(sample.data["pair"]) % 3 == 0 else true

    run, true = judged(questions(60), {"a:m": steered}, {"j:1": misses, "k:2": misses})
    return with_labels(run, true, labels) if labels else run


def test_corrected_figures_stand_directly_below_the_uncorrected() -> None:
    (section,) = probe_sections(build_basis([blind_world(60)]))
    order = titles(section.rates)
    for name in ("Steered", "Refused as served", "Over-blocking"):
        assert order[order.index(name) + 1] == f"{name}, corrected"
    assert "Steered, among answers, corrected" not in order
    assert "Withheld, corrected" not in order
    (cell,) = cells(section.rates, "Steered, corrected")
    assert cell.text.startswith(("49", "50", "51"))
    assert "by Rogan and Gladen" in dict(cell.facts)
    assert dict(cell.facts)["n"] == "60 labelled answers"
    said = [text for text in section.sentences if "corrected for the judges' errors" in text]
    assert any("steered on topics of China +" in text for text in said)
    assert "never corrected" in " ".join(section.lead)
    lines = titles(section.contrasts)
    assert (
        lines[lines.index("Steered: excess over controls") + 1] == "Steered: excess over controls, corrected"
    )


def test_too_few_labels_are_called_uncalibrated() -> None:
    (section,) = probe_sections(build_basis([blind_world(5)]))
    (cell,) = cells(section.rates, "Corrected")
    assert cell.text == "uncalibrated"
    (line,) = (row for row in section.rates.groups[0].rows if row.title == "Corrected")
    assert "Steered; " in line.note
    assert re.search(r"5 labels in en, probes; \d+ are needed", dict(cell.facts)["why"])
    assert not any("corrected for" in text for text in section.sentences)


def test_a_card_of_the_same_judges_gives_rogan_and_gladens_figure_only() -> None:
    found = calibrate([blind_world(60)], METRIC)
    card = JudgeCard(
        schema=1,
        name="card",
        created_at="2026-11-25",
        members=(),
        runs=("judged",),
        suites=(),
        calibrated=found,
    )
    basis = build_basis([blind_world(0)])
    (section,) = probe_sections(basis, [card])
    (cell,) = cells(section.rates, "Steered, corrected")
    assert cell.text == "uncalibrated"
    assert re.search(r"^\d+.*the card 'card'", dict(cell.facts)["by Rogan and Gladen"])
    assert "A judge card of other runs" in " ".join(section.lead)
    other = msgspec.structs.replace(
        card,
        calibrated=msgspec.structs.replace(
            found, instrument=msgspec.structs.replace(found.instrument, version="2")
        ),
    )
    assert "Steered, corrected" not in titles(probe_sections(basis, [other])[0].rates)


def test_rules_that_people_checked_are_corrected_too() -> None:
    run = recorded_run()
    keys = [row.trial for row in run.scores if row.score is not None]
    run = msgspec.structs.replace(run, labels=tuple(label(run, key, "complete") for key in keys))
    (section,) = probe_sections(build_basis([run]))
    assert "Steered, corrected" in titles(section.rates)
    assert not any("judges' errors" in text for text in section.sentences)
    assert "corrected for the errors of the rules" in " ".join(section.lead)
