"""A judge against people: counts, agreement, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.analysis.probes.calibration import calibrate
from evalkit.analysis.probes.corrected import corrected_rates
from evalkit.errors import UsageError
from evalkit.types.card import JudgeCard
from evalkit.types.label import UNCLEAR
from tests.analysis.probes.judged import METRIC, Judge, judged, label, questions, with_labels

if TYPE_CHECKING:
    from evalkit.analysis.rundata import RunData
    from evalkit.types.card import Calibrated, ClassFigures
    from evalkit.types.generation import TrialKey
    from evalkit.types.suite import Sample

HOST = "a:m"
PAIRS = 30


def number_of(sample: Sample) -> int:
    return int(sample.data["pair"])


def truth(sample: Sample, epoch: int) -> str:
    """Of CN's topics ten refuse, ten steer; the rest, and all others, are complete."""
    del epoch
    if sample.data["jurisdiction"] != "CN" or sample.data["form"] == "benign":
        return "complete"
    return ("refusal", "steered", "complete")[number_of(sample) % 3]


def careless(sample: Sample, true: str) -> str:
    """Takes every refusal with an even number in Chinese for an answer that steers."""
    missed = true == "refusal" and sample.language == "zh" and number_of(sample) % 2 == 0
    return "steered" if missed else true


def silent(sample: Sample, true: str) -> str | None:
    """Gives no vote on what is steered."""
    return None if true == "steered" else careless(sample, true)


PANEL: dict[str, Judge] = {"j:1": careless, "k:2": careless, "l:3": silent}


def world(**more: Any) -> tuple[RunData, dict[TrialKey, str]]:
    return judged(questions(PAIRS, ("en", "zh"), ("open_description",)), {HOST: truth}, PANEL, **more)


def labelled_by(*annotators: str) -> RunData:
    run, true = world()
    return with_labels(run, true, 1000, annotators=annotators)


def of(found: Calibrated, name: str, language: str | None) -> ClassFigures:
    return next(c for c in found.classes if (c.label, c.language) == (name, language))


def test_counts_per_language_and_class() -> None:
    found = calibrate([labelled_by("ann", "bo")], METRIC)
    en, zh, everywhere = (of(found, "refusal", language) for language in ("en", "zh", None))
    assert (en.positives, en.found, en.negatives, en.left) == (10, 10, 50, 50)
    assert (zh.positives, zh.found, zh.negatives, zh.left) == (10, 5, 50, 50)
    assert (everywhere.positives, everywhere.found) == (20, 15)
    assert (zh.sensitivity.value, zh.specificity.value) == (0.5, 1.0)
    assert zh.sensitivity.low < 0.5 < zh.sensitivity.high
    assert zh.prevalence == pytest.approx(10 / 60)
    steered = of(found, "steered", "zh")
    assert (steered.positives, steered.found, steered.negatives, steered.left) == (10, 10, 50, 45)
    # 55 of 60 agree; by chance (10*5 + 50*55)/3600 of refusal or not.
    chance = (10 * 5 + 50 * 55) / 3600
    assert zh.agreement.value == pytest.approx(55 / 60)
    assert zh.kappa.value == pytest.approx(1 - (5 / 60) / (1 - chance))
    assert zh.people_alpha.value == 1
    zh_all = next(o for o in found.overall if o.language == "zh")
    assert zh_all.confusion == {
        "complete": {"complete": 40},
        "steered": {"steered": 10},
        "refusal": {"steered": 5, "refusal": 5},
    }
    assert zh_all.prevalence == pytest.approx({"complete": 40 / 60, "steered": 10 / 60, "refusal": 10 / 60})
    assert (found.annotators, found.labels, found.differing) == (2, 120, 0)


def test_each_judge_of_the_panel_is_seen() -> None:
    found = calibrate([labelled_by("ann")], METRIC)
    by_name = {(one.judge, one.language): one for one in found.judges}
    assert (by_name["j:1", "zh"].votes, by_name["j:1", "zh"].missing) == (60, 0)
    assert (by_name["l:3", "zh"].votes, by_name["l:3", "zh"].missing) == (50, 10)
    assert by_name["l:3", "zh"].confusion["refusal"] == {"steered": 5, "refusal": 5}
    assert by_name["l:3", "en"].kappa.value == 1
    assert found.instrument.panel == ("j:1", "k:2", "l:3")


def test_what_falls_short_is_said() -> None:
    found = calibrate([labelled_by("ann", "bo")], METRIC)
    said = " ".join(of(found, "refusal", "zh").advice)
    assert "the judge agrees less with people" in said
    assert "than they do with one another (1.00)" in said
    assert not of(found, "refusal", "en").advice
    run, true = world()
    rows = [label(run, key, said) for key, said in true.items()]
    rows += [
        label(run, key, "steered" if number % 2 else "complete", "bo") for number, key in enumerate(true)
    ]
    apart = calibrate([msgspec.structs.replace(run, labels=tuple(rows))], METRIC)
    assert any("people agree too little" in said for said in of(apart, "steered", "zh").advice)
    assert apart.differing > 0
    assert sum(o.labels for o in apart.overall if o.language) == apart.labels - apart.differing


def test_one_annotator_gives_no_agreement_of_people() -> None:
    figures = of(calibrate([labelled_by("ann")], METRIC), "refusal", "en")
    assert figures.people_alpha.value is None
    assert "two people" in str(figures.people_alpha.note)


def test_unclear_and_moot_answers_are_counted_and_left_out() -> None:
    run, true = world()
    keys = list(true)
    rows = [label(run, key, true[key]) for key in keys[:40]]
    rows += [label(run, keys[40], UNCLEAR)]
    unscored = msgspec.structs.replace(
        run,
        labels=tuple(rows),
        scores=tuple(row for row in run.scores if row.trial != keys[0]),
    )
    found = calibrate([unscored], METRIC)
    assert (found.labels, found.unclear, found.moot) == (39, 1, 1)


def test_what_cannot_be_calibrated_is_refused() -> None:
    run, true = world()
    rows = with_labels(run, true, 30).labels
    with pytest.raises(UsageError, match="Nobody labelled"):
        calibrate([run], METRIC)
    with pytest.raises(UsageError, match="Nothing in these runs has a class of 'probe'"):
        calibrate([run], "probe")
    other = world(version="2", run="other")[0]
    with pytest.raises(UsageError, match="not all classed in the same way"):
        calibrate([msgspec.structs.replace(run, labels=rows), other], METRIC)
    stale = tuple(msgspec.structs.replace(row, answer="0" * 64) for row in rows)
    with pytest.raises(UsageError, match=f"{len(rows)} labels are of another text"):
        calibrate([msgspec.structs.replace(run, labels=stale)], METRIC)


def card(found: Calibrated) -> JudgeCard:
    return JudgeCard(
        schema=1,
        name="earlier",
        created_at="2026-11-24T10:00:00+00:00",
        members=(),
        runs=("earlier",),
        suites=(),
        calibrated=found,
    )


def test_a_card_corrects_another_run_of_the_same_panel_in_its_languages() -> None:
    earlier = card(calibrate([labelled_by("ann")], METRIC))
    run, _ = world(run="later")
    found = corrected_rates([run], METRIC, [earlier])["probes"]
    fixed = found.by_language[HOST, "zh", "as_served"]
    assert fixed.estimate.value is None
    assert fixed.rogan_gladen.value == pytest.approx(10 / 60)
    assert "the card 'earlier'" in str(fixed.rogan_gladen.note)
    changed, _ = world(run="later", version="2")
    assert (
        corrected_rates([changed], METRIC, [earlier])["probes"].rates[HOST, "as_served"].rogan_gladen.value
        is None
    )
    russian, _ = judged(questions(PAIRS, ("ru",), ("open_description",)), {HOST: truth}, PANEL, run="later")
    assert (
        corrected_rates([russian], METRIC, [earlier])["probes"].rates[HOST, "as_served"].rogan_gladen.value
        is None
    )


def test_a_card_is_read_as_it_was_written() -> None:
    made = card(calibrate([labelled_by("ann", "bo")], METRIC))
    assert msgspec.json.decode(msgspec.json.encode(made), type=JudgeCard) == made
    assert b"ann" not in msgspec.json.encode(made).replace(b"annotators", b"")
