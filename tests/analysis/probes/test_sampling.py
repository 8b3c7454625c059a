"""What is drawn to be labelled: a simple random sample within each part, the same for everybody."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from evalkit.analysis.probes.classes import MODEL
from evalkit.analysis.probes.rows import probe_rows
from evalkit.analysis.probes.sampling import ENOUGH, Stratum, allotted, candidates, to_label
from evalkit.analysis.probes.truth import labelled
from evalkit.types.generation import Failure, Outcome
from evalkit.types.label import LabelRow, answer_hash
from tests.analysis.probes.recorded import Said, knowing, record, samples_of

if TYPE_CHECKING:
    from evalkit.analysis.rundata import RunData
    from evalkit.types.suite import Sample


def answered(sample: Sample, epoch: int) -> str:
    return knowing(sample)


def mixed(sample: Sample, epoch: int) -> Said | str:
    """A host that also blocks, fails, is empty and cuts, each with a text where it can have one."""
    number = sum(sample.id.encode()) % 7
    cases = {
        0: Said(text="", outcome=Outcome.EMPTY),
        1: Said(outcome=Outcome.HOST_INPUT_FILTER),
        2: Said(text="It began and", outcome=Outcome.HOST_OUTPUT_FILTER, cut=True),
        3: Said(outcome=Outcome.INFRA_ERROR),
        4: Said(text="", outcome=Outcome.TRUNCATED, reasoning="Let me think"),
        5: Said(text=knowing(sample), outcome=Outcome.TRUNCATED),
    }
    return cases.get(number, knowing(sample))


@pytest.fixture(scope="module")
def run() -> RunData:
    return record({"lab:m": answered, "other:m": mixed}, samples_of("probes-mini"))


def seeded(run: RunData, seed: int) -> RunData:
    return msgspec.structs.replace(run, manifest=msgspec.structs.replace(run.manifest, seed=seed))


def test_only_delivered_answers_to_open_questions_are_drawn(run: RunData) -> None:
    drawn = to_label(run, 10**6)
    outcome = {g.trial: g.outcome for g in run.generations}
    assert {outcome[one.trial] for one in drawn} == {Outcome.OK, Outcome.TRUNCATED}
    assert all(one.text for one in drawn)
    assert {one.cut for one in drawn} == {True, False}
    forms = {one.sample.data["form"] for one in drawn}
    assert "knowledge_check" not in forms
    assert {"benign", "open_description"} <= forms


def test_everything_that_has_a_class_of_the_model_can_be_drawn(run: RunData) -> None:
    # Otherwise the labelled would be a sample of something else than what rates are made of.
    (rows,) = probe_rows([run])
    classed = {r.item for r in rows.rows if r.label in MODEL and r.form != "knowledge_check"}
    drawn = {(one.trial.endpoint, one.trial.sample, one.trial.epoch) for one in to_label(run, 10**6)}
    names = {item[0] for item in classed}
    assert len(names) == 2
    assert {item[1:] for item in classed} <= {item[1:] for item in drawn}
    assert len(classed) <= len(drawn)


def test_what_a_reader_sees_is_drawn_and_labelled_and_nothing_else() -> None:
    """A refusal that the API gives apart from the text is shown; reasoning alone is no answer to class."""
    apart, alone = Said(refusal="I do not discuss that."), Said(text="◁think▷ troops opened fire")
    run = record({"apart:m": lambda s, e: apart, "alone:m": lambda s, e: alone}, samples_of("probes-mini"))
    (gathered,) = probe_rows([run])
    drawn = to_label(run, 10**6)
    assert {(one.trial.endpoint, one.text) for one in drawn} == {("apart:m", apart.refusal)}
    labels = tuple(
        LabelRow(trial=c.trial, annotator="a", label="refusal", answer=answer_hash(c.text), at=1.0)
        for c in drawn
    )
    (told,) = labelled([msgspec.structs.replace(run, labels=labels)]).values()
    assert (len(told.truths), told.stale) == (len(drawn), 0)
    assert {row.label for row in gathered.rows if row.endpoint == "apart:m"} == {"refusal"}
    assert {(r.label, r.detail) for r in gathered.rows if r.endpoint == "alone:m"} == {("error", "empty")}


def test_what_another_host_answered_is_left_out(run: RunData) -> None:
    first = next(g for g in run.generations if g.outcome is Outcome.OK)
    failure = Failure(message="served by another host", code="not_pinned")
    foreign = msgspec.structs.replace(first, outcome=Outcome.INFRA_ERROR, failure=failure)
    changed = msgspec.structs.replace(
        run, generations=tuple(foreign if g is first else g for g in run.generations)
    )
    assert first.trial in {one.trial for one in to_label(run, 10**6)}
    assert first.trial not in {one.trial for one in to_label(changed, 10**6)}


def test_classes_have_no_say_and_everybody_gets_the_same(run: RunData) -> None:
    reversed_ = msgspec.structs.replace(run, scores=(), generations=run.generations[::-1])
    assert [one.trial for one in to_label(run, 60)] == [one.trial for one in to_label(reversed_, 60)]
    assert [one.trial for one in to_label(run, 60)] != [one.trial for one in to_label(seeded(run, 1), 60)]


def test_more_keeps_what_fewer_had(run: RunData) -> None:
    few, many = ({one.trial for one in to_label(run, n)} for n in (50, 120))
    assert len(few) == 50
    assert few < many


def test_every_beginning_has_its_share_of_each_part(run: RunData) -> None:
    drawn = to_label(run, 120)
    whole = Counter(one.stratum for one in drawn)
    for size in range(10, 121, 10):
        for stratum, count in Counter(one.stratum for one in drawn[:size]).items():
            assert abs(count - whole[stratum] * size / 120) < 3.5, (size, stratum)


def test_the_order_tells_no_endpoint(run: RunData) -> None:
    repeats = total = 0
    for seed in range(20):
        order = [one.trial.endpoint for one in to_label(seeded(run, seed), 80)]
        share = Counter(order)["lab:m"] / len(order)
        expected = share**2 + (1 - share) ** 2
        repeats += sum(a == b for a, b in pairwise(order)) - round(expected * (len(order) - 1))
        total += len(order) - 1
    assert abs(repeats) / total < 0.12  # blocks of one endpoint would give 0.5, strict turns -0.5


def test_a_beginning_is_a_simple_random_sample_of_each_part(run: RunData) -> None:
    """Over many seeds, every answer of a part is as often among the first as any other."""
    draws, first = 600, 40
    hits: Counter[object] = Counter()
    sizes: dict[Stratum, list[object]] = {s: [c.trial for c in own] for s, own in candidates(run).items()}
    expected: Counter[Stratum] = Counter()
    for seed in range(draws):
        for one in to_label(seeded(run, seed), 120)[:first]:
            hits[one.trial] += 1
            expected[one.stratum] += 1
    tested = 0
    for stratum, trials in sizes.items():
        if len(trials) >= 10:
            assert chisquare([hits[trial] for trial in trials]).pvalue > 1e-4, stratum
            tested += 1
        assert expected[stratum] > 0
    assert tested >= 4


PARTS = st.dictionaries(
    st.builds(Stratum, st.just("s"), st.text("ab", max_size=3), st.sampled_from(["en", "zh"]), st.just("p")),
    st.integers(1, 400),
    min_size=1,
)


@settings(deadline=None)
@given(PARTS, st.integers(1, 3000))
def test_labels_are_allotted_as_promised(sizes: dict[Stratum, int], n: int) -> None:
    found = allotted(sizes, n)
    more = allotted(sizes, n + 1)
    assert all(found[part] <= more[part] for part in sizes)
    assert sum(found.values()) == min(n, sum(sizes.values()))
    assert all(0 <= found[part] <= size for part, size in sizes.items())
    least = {part: min(ENOUGH, size) for part, size in sizes.items()}
    if sum(least.values()) <= n:
        assert all(found[part] >= least[part] for part in sizes)
        above = [part for part in sizes if found[part] > least[part]]
        shares = [found[part] / sizes[part] for part in above]
        for part, share in zip(above, shares, strict=True):
            assert share <= min(shares) + 1.001 / sizes[part] + 1.001 / min(sizes[p] for p in above)
    else:
        assert all(found[part] <= least[part] for part in sizes)
        free = [found[part] for part in sizes if found[part] < least[part]]
        assert not free or max(free) - min(free) <= 1
