"""The section on probes: what it says, what it rests on, and what it does not say."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.analysis.probes.findings import findings
from evalkit.analysis.probes.rows import probe_rows
from evalkit.report.basis import build_basis
from evalkit.report.page import build_report
from evalkit.report.probes import ProbeSection, probe_sections
from evalkit.report.probes_tables import parts
from evalkit.report.probes_words import points, sentences
from evalkit.types.estimate import Estimate
from evalkit.types.generation import Outcome
from tests.analysis.probes.recorded import Answer, Said, knowing, record, samples_of
from tests.report.test_page import words

if TYPE_CHECKING:
    from evalkit.analysis.probes.attribution import Attribution
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
    assert "on 194 questions that all of its 2 endpoints answered" in said
    assert re.search(
        r"B filtered:m differs from that by \+\d+\.?\d* points \[\+[\d., +]+\]. This is the host's part "
        r"\(against another host p < 0\.001 after Holm's correction\)",
        said,
    )
    assert "For C other:n no question has a valid answer of another host of the same weights too, so" in said
    assert re.search(r"\d of \d contrasts stand here, those whose 95\u202f% interval leaves 0 out", said)
    assert "A lab:m differs" not in said
    excess = r"A lab:m: refused as served \(by host or model\) on topics of China \+\d+\.?\d* points \["
    assert re.search(excess, said)
    assert "other:n:" not in said
    (table,) = section.parts
    assert [row[0] for row in table.rows] == ["A lab:m", "B filtered:m"]
    assert table.tests[0][2:4] == ("0", "36")


def attributed(run: RunData, part: Attribution) -> str:
    basis = build_basis([run])
    (gathered,) = probe_rows([run])
    found = msgspec.structs.replace(findings(gathered), attributions=(part,))
    return " ".join((*sentences(basis, found), *(made.note for made in parts(basis, found))))


def test_no_host_differs_that_holms_correction_does_not_let_stand(run: RunData) -> None:
    (gathered,) = probe_rows([run])
    (part,) = findings(gathered).attributions
    weak = tuple(msgspec.structs.replace(test, adjusted=0.2) for test in part.tests)
    said = attributed(run, msgspec.structs.replace(part, tests=weak))
    assert "But no comparison with another host stands after Holm's correction (least p = 0.20)" in said
    assert "This is the host's part" not in said


def test_what_hosts_of_one_maker_share_is_not_the_models_for_certain(run: RunData) -> None:
    (gathered,) = probe_rows([run])
    (part,) = findings(gathered).attributions
    assert ", or that of" not in attributed(run, part)
    said = attributed(run, msgspec.structs.replace(part, operator="alibaba"))
    assert said.count("odel's part, or that of alibaba, whose hosts all of them are") == 2


def test_one_host_in_two_runs_is_not_two_hosts(run: RunData) -> None:
    again = msgspec.structs.replace(run, manifest=msgspec.structs.replace(run.manifest, run="again"))
    basis = build_basis([run, again])
    (section,) = probe_sections(basis)
    kept = {host.split(" ")[1] for part in section.parts for host in (row[0] for row in part.rows)}
    assert kept == {"lab:m", "filtered:m"}
    alone = {
        key: msgspec.structs.replace(
            one, manifest=msgspec.structs.replace(one.manifest, endpoints=one.manifest.endpoints[:1])
        )
        for key, one in (("first", run), ("again", again))
    }
    (section,) = probe_sections(build_basis(list(alone.values())))
    assert section.parts == ()
    assert {pick.title.split(":")[0] for pick in section.matched} == {"Control"}
    assert "For A lab:m @ recorded, B lab:m @ again no question" in " ".join(section.sentences)


def test_a_figure_of_few_topics_is_exploratory_however_many_its_jurisdiction_has(run: RunData) -> None:
    """An endpoint that answered on a dozen topics only gets no sentence, and its cells say what they are."""
    few = set(HOME[:12])
    failed = Said(outcome=Outcome.INFRA_ERROR)

    def flaky(sample: Sample, epoch: int) -> Said | str:
        if sample.data["topic"] in few:
            return on(few, "I'm sorry, but I can't discuss this.")(sample, epoch)
        return failed if sample.data["jurisdiction"] == "CN" else knowing(sample, epoch)

    section = section_of(
        record({"whole:m": on(set(HOME), "No. I can't discuss it."), "few:m": flaky}, ENGLISH)
    )
    said = " ".join(section.sentences)
    assert "A whole:m: refused as served" in said
    assert "B few:m: refused as served" not in said
    (line,) = [
        r for r in section.contrasts.groups[0].rows if r.title == "Refused as served: excess over controls"
    ]
    assert [cell.interval.endswith(" exploratory") for cell in line.cells] == [False, True]


def test_flags_stand_beside_the_classes(run: RunData) -> None:
    answer = "I can't give opinions. But here it is. "
    section = section_of(record({"lab:m": lambda s, e: answer + knowing(s)}, ENGLISH[:8]))
    (group,) = [g for g in section.rates.groups if g.title == "Beside the class"]
    asked = sum(s.data["form"] != "benign" for s in ENGLISH[:8])
    told = {row.title: (row.cells[0].text, row.cells[0].interval) for row in group.rows}
    assert told["Refused, then answered"] == (str(asked), f"of {asked}")


def test_it_claims_no_more_than_was_measured(section: ProbeSection) -> None:
    said = " ".join((*section.lead, *section.sentences, section.closing)).lower()
    assert "associations on these questions" in said
    assert "a floor" in said
    assert "an argument counts as written if it is long enough and does not decline, whatever it says" in said
    for word in ("because", "intend", "censor", "propaganda", "bias", "chinese models", "models from"):
        assert word not in said


def test_every_rate_has_an_interval_and_a_denominator(section: ProbeSection) -> None:
    cells = [c for g in section.rates.groups[:1] for row in g.rows for c in row.cells if not c.missing]
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
    rows = {row.topic: row.squares for _, group in section.heats[0].groups for row in group}
    assert len(rows) == len({s.data["topic"] for s in run.samples["probes"]})
    assert [s.text for s in rows[HOME[0]]] == ["2/2", "2/2", "0/2"]
    assert [s.text for s in rows[HOME[20]]] == ["0/2", "2/2", "0/2"]
    assert section.heats[0].groups[0][0] == "China"


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
    assert len(page) - len(plain) < 255_000


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


CHINESE = samples_of(language="zh", form="open_description")
TRADITIONAL_OF = str.maketrans("们国对这时后会军学动张东车", "們國對這時後會軍學動張東車")


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text,
        lambda text: text.translate(TRADITIONAL_OF),
        lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isdigit() and c.isascii() else c for c in text),
        lambda text: "**" + text.replace("年", " 年 ") + "**",
        lambda text: "\U0001f600\u200b" + text,
    ],
)
def test_what_the_scorer_finds_is_marked_in_the_text_as_it_was_written(written: Any) -> None:
    section = section_of(
        record(
            {
                "lab:m": lambda s, e: written(knowing(s)),
                "other:m": lambda s, e: "很抱歉，我无法回答。",
            },
            CHINESE[:4],
        )
    )
    mine = [one for pick in unpacked(section) for one in pick if one["class"] == "Complete"]
    assert mine
    for one in mine:
        assert all(found for _, _, _, found in one["facts"])
        assert {number for _, _, number in one["spans"]} != set()


def test_facts_of_reasoning_are_not_marked_in_the_answer() -> None:
    def leaks(sample: Sample, epoch: int) -> str:
        return f"<think>{knowing(sample)}</think>I'm sorry, but I can't discuss this."

    section = section_of(record({"lab:m": leaks, "other:m": knowing}, ENGLISH[:4]))
    refused = [one for pick in unpacked(section) for one in pick if one["class"] == "Refused by the model"]
    assert refused
    for one in refused:
        assert one["spans"] == []
        assert not any(found for _, _, _, found in one["facts"])
