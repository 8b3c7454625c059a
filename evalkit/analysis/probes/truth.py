"""What people say of answers to probes: the truth that a judge is held against. Pure.

With one annotator it is that person's class, with more the class on which they agree. Where they differ, the
row that `settles` decides; without one, the answer counts in equal parts for each class that was given. Who
finds an answer unclear gives it no class. A label of another text than the run holds is not used.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.frames import latest_turns, names_of
from evalkit.analysis.probes.classes import Item
from evalkit.scorers.phrases import shown
from evalkit.scorers.probe import CLASSES
from evalkit.types.label import LabelRow, answer_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalkit.analysis.rundata import RunData
    from evalkit.types.generation import TrialKey


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What people say of one answer.

    `shares` has each class that it may be, summing to 1; two classes where annotators differ and nobody
    settled it. `said` is each annotator's own word before anything was settled, `unclear` included.
    """

    shares: dict[str, float]
    said: dict[str, str]

    @property
    def label(self) -> str | None:
        """The class; None where annotators differ and nobody settled it."""
        return next(iter(self.shares)) if len(self.shares) == 1 else None

    def among(self, classes: Iterable[str]) -> float:
        """How far the answer is of these classes, in [0, 1]."""
        return sum(self.shares.get(name, 0.0) for name in classes)


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """The labelled answers of one suite.

    `truths` has those with a class, `unclear` what was said of those that nobody could class, `stale` counts
    labels of another text than the run holds now (or of none), `annotators` the people.
    """

    truths: dict[Item, Truth]
    unclear: dict[Item, dict[str, str]] = {}
    stale: int = 0
    annotators: int = 0

    @property
    def differing(self) -> int:
        """Answers on which annotators differ, and nobody settled it."""
        return sum(truth.label is None for truth in self.truths.values())


def labelled(runs: Sequence[RunData]) -> dict[str, Labelled]:
    """Labelled answers of every suite, by the suite's name in the report."""
    told: dict[str, dict[Item, list[LabelRow]]] = {}
    stale: Counter[str] = Counter()
    for run, names in zip(runs, names_of(runs), strict=True):
        shown = _shown(run)
        for row in run.labels:
            if not names.knows(row.trial):
                continue
            suite = names.suites[row.trial.suite]
            items = told.setdefault(suite, {})
            if shown.get(row.trial) != row.answer:
                stale[suite] += 1
                continue
            item = names.subjects[row.trial.endpoint], row.trial.sample, row.trial.epoch
            items.setdefault(item, []).append(row)
    return {suite: _joined(items, stale[suite]) for suite, items in told.items()}


def _shown(run: RunData) -> dict[TrialKey, str]:
    """Hash of the text that a reader sees, of every trial that somebody labelled."""
    wanted = {row.trial for row in run.labels}
    turns = latest_turns(g for g in run.generations if g.trial in wanted and g.role == "subject")
    return {
        trial: answer_hash(shown(own[-1].response))
        for trial, own in turns.items()
        if own[-1].response is not None
    }


def _joined(items: Mapping[Item, Sequence[LabelRow]], stale: int) -> Labelled:
    truths: dict[Item, Truth] = {}
    unclear: dict[Item, dict[str, str]] = {}
    people: set[str] = set()
    for item, rows in items.items():
        said = {row.annotator: row.label for row in rows if not row.settles}  # a later row replaces
        people |= said.keys()
        classes = _classes([row for row in rows if row.settles], said)
        if classes:
            truths[item] = Truth(shares=dict.fromkeys(sorted(classes), 1 / len(classes)), said=said)
        else:
            unclear[item] = said
    return Labelled(truths=truths, unclear=unclear, stale=stale, annotators=len(people))


def _classes(settling: Sequence[LabelRow], said: Mapping[str, str]) -> set[str]:
    """What the answer may be: as settled last, else what annotators said who gave it a class."""
    given = {settling[-1].label} if settling else set(said.values())
    return given & set(CLASSES)
