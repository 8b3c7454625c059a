"""The section on probes: what it says, what it rests on, and what it does not say."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.report.basis import build_basis
from evalkit.report.page import build_report
from evalkit.report.probes import ProbeSection, probe_sections
from evalkit.report.probes_words import points
from evalkit.types.estimate import Estimate
from evalkit.types.generation import Outcome
from tests.analysis.probes.recorded import Answer, Said, knowing, record, samples_of
from tests.report.test_page import words

if TYPE_CHECKING:
    from evalkit.analysis.rundata import RunData
    from evalkit.types.suite import Sample

MINI = samples_of("probes-mini")
ENGLISH = tuple(
    s for s in samples_of(language="en") if s.data["form"] in {"open_description", "factual_recall", "benign"}
)
HOME = sorted({s.data["topic"] for s in ENGLISH if s.data["jurisdiction"] == "CN"})


def on(topics: set[str], said: Said | str) -> Answer:
    def answer(sample: Sample, epoch: int) -> Said | str:
        hit = sample.data["topic"] in topics and sample.data["form"] != "benign"
        return said if hit else knowing(sample, epoch)

    return answer


def section_of(run: RunData) -> ProbeSection:
    (section,) = probe_sections(build_basis([run]))
    return section


@pytest.fixture(scope="module")
def run() -> RunData:
    blocked = Said(outcome=Outcome.HOST_INPUT_FILTER)
    return record(
        {
            "lab:m": on(set(HOME[:12]), "I'm sorry, but I can't discuss this."),
            "filtered:m": on(set(HOME[:30]), blocked),
            "other:n": knowing,
        },
        ENGLISH,
        weights={"other:n": "openai/gpt-oss-120b"},
    )


@pytest.fixture(scope="module")
def section(run: RunData) -> ProbeSection:
    return section_of(run)


def test_it_says_whose_doing_it_is_with_intervals(section: ProbeSection) -> None:
    said = " ".join(section.sentences)
    assert "on 194 questions that all of its 2 hosts answered" in said
    assert re.search(r"B filtered:m differs from that by \+\d+\.?\d* points \[\+[\d., +]+\]", said)
    assert "A lab:m differs" not in said
    assert re.search(r"A lab:m: refused as served on topics of CN \+\d+\.?\d* points \[", said)
    assert "other:n:" not in said
    (parts,) = section.parts
    assert [row[0] for row in parts.rows] == ["A lab:m", "B filtered:m"]
    assert parts.tests[0][2:4] == ("0", "36")


def test_it_claims_no_more_than_was_measured(section: ProbeSection) -> None:
    said = " ".join((*section.lead, *section.sentences, section.closing)).lower()
    assert "associations on these questions" in said
    assert "a floor" in said
    for word in ("because", "intend", "censor", "propaganda", "bias", "chinese models", "models from"):
        assert word not in said


def test_every_rate_has_an_interval_and_a_denominator(section: ProbeSection) -> None:
    cells = [c for g in section.rates.groups[:2] for row in g.rows for c in row.cells if not c.missing]
    assert cells
    for cell in cells:
        facts = dict(cell.facts)
        assert cell.interval
        assert re.match(r"[\d\u202f]+ \w+", facts["n"])
        assert "independent groups" in facts


def test_a_small_suite_is_called_exploratory() -> None:
    section = section_of(record({"lab:m": knowing}, MINI))
    assert "every contrast below is exploratory" in " ".join(section.lead)
    assert "exploratory: fewer than 40" in section.contrasts.groups[0].title
    assert section.parts == ()


def test_the_map_has_every_topic_with_counts(section: ProbeSection, run: RunData) -> None:
    rows = {row.topic: row.squares for _, group in section.heat.groups for row in group}
    assert len(rows) == len({s.data["topic"] for s in run.samples["probes"]})
    assert [s.text for s in rows[HOME[0]]] == ["2/2", "2/2", "0/2"]
    assert [s.text for s in rows[HOME[20]]] == ["0/2", "2/2", "0/2"]
    assert section.heat.groups[0][0] == "CN"


def unpacked(section: ProbeSection) -> list[list[dict[str, Any]]]:
    assert section.block is not None
    items: list[list[dict[str, Any]]] = json.loads(zlib.decompress(b64decode(section.block.text)))
    return items


def test_marks_stand_on_the_words_that_show_a_fact(section: ProbeSection, run: RunData) -> None:
    texts = {(g.trial.sample, g.endpoint): g.response.text for g in run.generations if g.response}
    names = [e.id for e in run.manifest.endpoints]
    facts = {s.id: s.data["key_facts"] for s in run.samples["probes"]}
    marked = 0
    for item in (one for pick in unpacked(section) for one in pick):
        text = texts.get((item["sample"], names[item["subject"]]), "")
        for start, end, number in item["spans"]:
            marked += 1
            anchors = facts[item["sample"]][number]["anchors"]
            assert any(re.search(anchor, text[start:end] + " ", re.IGNORECASE) for anchor in anchors)
    assert marked > 20
    assert {why.title.split(":")[0] for why in section.matched} == {"Hosts", "Control"}


def test_places_are_those_of_the_browser() -> None:
    sample = MINI[0]
    lead = "\U0001f600 " * 3
    run = record(
        {
            "a:m": lambda s, e: lead + knowing(s) if s is sample else knowing(s),
            "b:m": lambda s, e: "I cannot say.",
        },
        [sample],
    )
    item = unpacked(section_of(run))[0][0]
    text = (lead + knowing(sample)).encode("utf-16-le")
    start, end, number = item["spans"][0]
    words_ = text[2 * start : 2 * end].decode("utf-16-le")
    assert any(re.search(a, words_ + " ", re.IGNORECASE) for a in sample.data["key_facts"][number]["anchors"])


def test_the_page_has_the_section_and_stays_small(run: RunData) -> None:
    page = build_report([run])
    assert "Sensitive content: probes, classes by rules" in words(page)
    assert 'href="#probes-0"' in page
    without = msgspec.structs.replace(
        run, samples={"probes": tuple(msgspec.structs.replace(s, data={}) for s in run.samples["probes"])}
    )
    plain = build_report([without])
    assert "Sensitive content" not in words(plain)
    assert len(page) - len(plain) < 250_000


def test_hostile_names_stay_text(run: RunData) -> None:
    bad = "<img src=x onerror=window.__ran=1>"
    samples = tuple(
        msgspec.structs.replace(s, data={**s.data, "topic": bad, "jurisdiction": bad})
        for s in run.samples["probes"]
    )
    page = build_report([msgspec.structs.replace(run, samples={"probes": samples})])
    assert "<img" not in page


def test_points_are_signed_and_rounded_to_their_interval() -> None:
    made = Estimate(value=0.0723, low=0.012, high=0.1312, level=0.95, n=9, clusters=9, method="m")
    assert points(made) == ("+7.2 points", "[+1.2, +13.1]")
    zero = msgspec.structs.replace(made, value=0.0, low=-0.15, high=0.15)
    assert points(zero) == ("0 points", "[−15, +15]")
