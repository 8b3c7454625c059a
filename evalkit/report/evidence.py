"""The evidence as deflated blocks: an index of all rows, and details in chunks that are read on demand.

A row is one sample of one suite in one epoch, with every endpoint's trial of it side by side. Details are
cut into chunks of about `CHUNK_BYTES` of JSON, so that opening a row inflates one chunk and no more.
Nothing here is markup: the browser puts every text into text nodes.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.frames import latest_scores, latest_turns, names_of, planned, topic_of
from evalkit.analysis.labels import reference_of, subjects_of
from evalkit.report.transcript import Turn, describe_answer, describe_input, describe_value
from evalkit.report.words import LAYERS, NOT_ITS_OWN, NOT_RUN, letter, tidy
from evalkit.types.generation import Generation, TrialKey
from evalkit.types.run import SuiteRecord
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.rundata import RunData
    from evalkit.types.score import ScoreRow

CHUNK_BYTES = 192 * 1024
SNIPPET = 120


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One deflated JSON document, base64, as the text of the element `id`."""

    id: str
    text: str


class _Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint's part of a row."""

    subject: int
    key: TrialKey
    rows: list[Generation]
    record: SuiteRecord
    sample: Sample | None


RowKey = tuple[str, str, int]


def pack(runs: Sequence[RunData]) -> tuple[Block, ...]:
    """Index and detail blocks of all runs; none if nothing was planned."""
    subjects = subjects_of(runs)
    rows, scores = _collect(runs)
    if not rows:
        return ()
    index = _Index([s.name for s in subjects])
    reference = reference_of(runs, subjects)
    index.reference = subjects.index(reference) if reference else None
    blocks: list[Block] = []
    chunk: list[bytes] = []
    size = 0
    for place, (key, trials) in enumerate(rows.items()):
        if not chunk:
            index.chunk_start.append(place)
        index.add(key, trials, scores, len(blocks))
        chunk.append(msgspec.json.encode(_detail(trials, scores, len(subjects))))
        size += len(chunk[-1])
        if size >= CHUNK_BYTES:
            blocks.append(_block(f"evidence-{len(blocks)}", b"[" + b",".join(chunk) + b"]"))
            chunk, size = [], 0
    if chunk:
        blocks.append(_block(f"evidence-{len(blocks)}", b"[" + b",".join(chunk) + b"]"))
    return (_block("evidence-index", msgspec.json.encode(index.columns())), *blocks)


Scores = dict[tuple[int, "TrialKey"], list["ScoreRow"]]


def _collect(runs: Sequence[RunData]) -> tuple[dict[RowKey, list[_Trial]], Scores]:
    """Trials by row, suites in the order of the runs, and the scores of each trial."""
    order = {s.name: i for i, s in enumerate(subjects_of(runs))}
    rows: dict[RowKey, list[_Trial]] = {}
    scores: Scores = {}
    for run, names in zip(runs, names_of(runs), strict=True):
        worked = latest_turns(run.generations)
        records = {record.suite.id: record for record in run.manifest.suites}
        for key, sample in planned(run, worked):
            if names.knows(key):
                trial = _Trial(
                    subject=order[names.subjects[key.endpoint]],
                    key=key,
                    rows=worked.get(key, []),
                    record=records[key.suite],
                    sample=sample,
                )
                rows.setdefault((names.suites[key.suite], key.sample, key.epoch), []).append(trial)
        for (key, _), row in latest_scores(run.scores).items():
            if names.knows(key):
                scores.setdefault((order[names.subjects[key.endpoint]], key), []).append(row)
    return rows, scores


class _Index:
    """Columns of the index, filled row by row. Texts that repeat are numbers into a list of names."""

    def __init__(self, subjects: list[str]) -> None:
        self.subjects = subjects
        self.reference: int | None = None
        self.suites: dict[str, dict[str, Any]] = {}
        self.topics: dict[str, int] = {}
        self.languages: dict[str, int] = {}
        self.labels: dict[str, int] = {}
        self.outcomes: dict[str, int] = {}
        self.chunk_start: list[int] = []
        self.cells: dict[str, list[Any]] = {
            name: [] for name in ("suite", "id", "epoch", "topic", "language", "snippet", "chunk")
        }
        self.outcome: list[list[int]] = [[] for _ in subjects]
        self.label: list[list[int]] = [[] for _ in subjects]
        self.value: list[list[float | None]] = [[] for _ in subjects]

    def add(self, key: RowKey, trials: list[_Trial], scores: Scores, chunk: int) -> None:
        """One row."""
        suite, sample_id, epoch = key
        record, sample = trials[0].record, trials[0].sample
        primary = next((m for m in record.metrics if m.name == record.suite.primary), None)
        if suite not in self.suites:
            self.suites[suite] = {
                "name": suite,
                "title": tidy(suite),
                "kind": primary.kind if primary else "number",
                "higher_is_better": primary.higher_is_better if primary else True,
            }
        cells = {
            "suite": list(self.suites).index(suite),
            "id": tidy(sample_id),
            "epoch": epoch,
            "topic": _number(self.topics, tidy(topic_of(sample) or "")) if sample else -1,
            "language": _number(self.languages, tidy(sample.language or "")) if sample else -1,
            "snippet": " ".join(describe_input(sample)[0]["content"].split())[:SNIPPET] if sample else "",
            "chunk": chunk,
        }
        for name, cell in cells.items():
            self.cells[name].append(cell)
        for column in (self.outcome, self.label):
            for cells_of_subject in column:
                cells_of_subject.append(-1)
        for values in self.value:
            values.append(None)
        for trial in trials:
            self._standing(trial, scores.get((trial.subject, trial.key), []), record.suite.primary)

    def _standing(self, trial: _Trial, rows: list[ScoreRow], primary: str) -> None:
        subject = [g for g in trial.rows if g.role == "subject"]
        outcome = subject[-1].outcome.value if subject else NOT_RUN
        if any(g.excluded for g in subject):
            outcome = NOT_ITS_OWN
        self.outcome[trial.subject][-1] = _number(self.outcomes, outcome)
        for row in rows:
            if row.score is not None and row.score.metric == primary:
                self.value[trial.subject][-1] = row.score.value
                self.label[trial.subject][-1] = _number(self.labels, tidy(row.score.label or ""))

    def columns(self) -> dict[str, Any]:
        """The index as the browser reads it."""
        return {
            "subjects": self.subjects,
            "letters": [letter(i) for i in range(len(self.subjects))],
            "reference": self.reference,
            "suites": list(self.suites.values()),
            "topics": list(self.topics),
            "languages": list(self.languages),
            "labels": [name.replace("_", " ") for name in self.labels],
            "outcomes": [{"name": name, **LAYERS[name]} for name in self.outcomes],
            "epochs": max(self.cells["epoch"]) > 1,
            "chunk_start": self.chunk_start,
            "outcome": self.outcome,
            "label": self.label,
            "value": self.value,
            **self.cells,
        }


def _number(names: dict[str, int], name: str) -> int:
    return names.setdefault(name, len(names)) if name else -1


def _detail(trials: list[_Trial], scores: Scores, subjects: int) -> dict[str, Any]:
    sample = trials[0].sample
    answers: list[Turn | None] = [None] * subjects
    for trial in trials:
        rows = scores.get((trial.subject, trial.key), [])
        answers[trial.subject] = describe_answer(trial.rows, rows, trial.record.metrics, sample)
    return {
        "input": describe_input(sample) if sample else [],
        "target": describe_value(sample.target) if sample and sample.target is not None else None,
        "tags": [tidy(tag) for tag in sample.tags] if sample else [],
        "answers": answers,
    }


def _block(name: str, document: bytes) -> Block:
    return Block(id=name, text=base64.b64encode(zlib.compress(document, 7)).decode("ascii"))
