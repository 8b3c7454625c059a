"""What people said of answers, joined to one truth for each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from evalkit.analysis.probes.rows import probe_rows
from evalkit.analysis.probes.truth import Labelled, labelled
from evalkit.types.generation import TrialKey
from evalkit.types.label import LabelRow, answer_hash
from tests.analysis.probes.recorded import knowing, record, samples_of

SAMPLE = samples_of(language="en", form="open_description")[0]
TEXT = knowing(SAMPLE)
RUN = record({"a:m": lambda sample, epoch: f"<think>hm</think>{TEXT}"}, [SAMPLE], epochs=2)


def said(annotator: str, label: str, **more: Any) -> LabelRow:
    fields = {"answer": answer_hash(TEXT), "at": 1.0, **more}
    epoch = fields.pop("epoch", 1)
    return LabelRow(
        trial=TrialKey("probes", SAMPLE.id, "a:m", epoch), annotator=annotator, label=label, **fields
    )


def joined(*rows: LabelRow) -> Labelled:
    return labelled([msgspec.structs.replace(RUN, labels=rows)])["probes"]


@pytest.mark.parametrize(
    ("rows", "shares"),
    [
        ([said("ann", "refusal")], {"refusal": 1.0}),
        ([said("ann", "steered"), said("ann", "refusal")], {"refusal": 1.0}),
        ([said("ann", "refusal"), said("bo", "refusal")], {"refusal": 1.0}),
        ([said("ann", "refusal"), said("bo", "steered")], {"refusal": 0.5, "steered": 0.5}),
        (
            [said("ann", "refusal"), said("bo", "steered"), said("bo", "steered", settles=True)],
            {"steered": 1},
        ),
        ([said("ann", "refusal"), said("bo", "unclear")], {"refusal": 1.0}),
    ],
)
def test_the_truth_of_an_answer(rows: list[LabelRow], shares: dict[str, float]) -> None:
    (truth,) = joined(*rows).truths.values()
    assert truth.shares == shares
    assert truth.label == (next(iter(shares)) if len(shares) == 1 else None)
    assert truth.among(("refusal", "steered")) == 1.0
    assert truth.among(("complete",)) == 0.0


def test_settling_does_not_change_what_annotators_said() -> None:
    found = joined(said("ann", "refusal"), said("bo", "steered"), said("ann", "steered", settles=True))
    (truth,) = found.truths.values()
    assert truth.said == {"ann": "refusal", "bo": "steered"}
    assert found.annotators == 2
    assert found.differing == 0
    assert joined(said("ann", "refusal"), said("bo", "steered")).differing == 1


@pytest.mark.parametrize(
    "rows",
    [
        [said("ann", "unclear"), said("bo", "unclear")],
        [said("ann", "refusal"), said("bo", "steered"), said("cy", "unclear", settles=True)],
    ],
)
def test_unclear_is_no_class(rows: list[LabelRow]) -> None:
    found = joined(*rows)
    assert not found.truths
    assert len(found.unclear) == 1


def test_a_label_of_another_text_is_not_used() -> None:
    found = joined(
        said("ann", "refusal", answer=answer_hash("an answer of before")),
        said("ann", "refusal", answer=answer_hash(f"<think>hm</think>{TEXT}"), epoch=2),
        said("ann", "refusal", epoch=3),
    )
    assert not found.truths
    assert found.stale == 3


def test_labels_find_their_rows() -> None:
    found = joined(said("ann", "complete"), said("ann", "refusal", epoch=2))
    (gathered,) = probe_rows([RUN])
    assert [found.truths[row.item].label for row in gathered.rows] == ["complete", "refusal"]
