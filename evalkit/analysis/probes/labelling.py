"""How far the labelling of a run has come, and how far annotators agree. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.probes.sampling import ENOUGH, Candidate, candidates
from evalkit.scorers.probe import CLASSES
from evalkit.stats.agreement import krippendorff_alpha
from evalkit.types.estimate import Estimate
from evalkit.types.label import LabelRow, answer_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.analysis.probes.sampling import Stratum
    from evalkit.analysis.rundata import RunData
    from evalkit.types.generation import TrialKey


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a run: its answers, how many each annotator labelled, and how many somebody did.

    `lacking` is how many more labels a correction of rates needs here; what is not there cannot be labelled.
    """

    suite: str
    endpoint: str
    language: str
    kind: str
    answers: int
    by: dict[str, int]
    labelled: int
    lacking: int


class Labelling(msgspec.Struct, frozen=True, kw_only=True):
    """How far labelling has come.

    `twice` counts answers that two annotators or more gave a class, `agreeing` those of them with one class
    of all, `differing` those of the others that nobody settled. `unclear` counts answers that somebody found
    unclear, `stale` labels of another text than the run holds now, or of none that is to be labelled.
    """

    run: str
    parts: tuple[Part, ...]
    annotators: tuple[str, ...]
    twice: int
    agreeing: int
    differing: int
    settled: int
    unclear: int
    stale: int
    alpha: Estimate

    @property
    def enough(self) -> int:
        """Answers to draw so that every part has what a correction needs, or all that it holds."""
        return sum(min(ENOUGH, part.answers) for part in self.parts)

    @property
    def agreement(self) -> float | None:
        """Share of answers with two classes on which all annotators agree."""
        return self.agreeing / self.twice if self.twice else None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What people say of one answer: each annotator's label, and what settled it last."""

    candidate: Candidate
    said: dict[str, str]
    settled: str | None = None

    @property
    def classes(self) -> list[str]:
        """Classes that annotators gave, `unclear` left out."""
        return [label for label in self.said.values() if label in CLASSES]

    @property
    def differs(self) -> bool:
        """Whether annotators gave it different classes."""
        return len(set(self.classes)) > 1


def heard(run: RunData) -> tuple[tuple[Heard, ...], int]:
    """Answers that people labelled, and how many labels are of no text that is to be labelled now."""
    known = {one.trial: one for own in candidates(run).values() for one in own}
    rows: dict[TrialKey, list[LabelRow]] = defaultdict(list)
    stale = 0
    for row in run.labels:
        one = known.get(row.trial)
        if one is None or row.answer != answer_hash(one.text):
            stale += 1
        else:
            rows[row.trial].append(row)
    return tuple(_heard(known[trial], own) for trial, own in rows.items()), stale


def to_settle(run: RunData) -> tuple[Heard, ...]:
    """Answers on which annotators differ and nobody decided."""
    return tuple(one for one in heard(run)[0] if one.differs and one.settled is None)


def labelling(run: RunData) -> Labelling:
    """How far the labelling of a run has come."""
    found, stale = heard(run)
    people = sorted({name for one in found for name in one.said})
    twice = [one for one in found if len(one.classes) > 1]
    return Labelling(
        run=run.manifest.run,
        parts=tuple(
            _part(stratum, len(own), [one for one in found if one.candidate.stratum == stratum], people)
            for stratum, own in candidates(run).items()
        ),
        annotators=tuple(people),
        twice=len(twice),
        agreeing=sum(not one.differs for one in twice),
        differing=sum(one.differs and one.settled is None for one in twice),
        settled=sum(one.settled is not None for one in found),
        unclear=sum(len(one.classes) < len(one.said) for one in found),
        stale=stale,
        alpha=_alpha(found, people),
    )


def _heard(candidate: Candidate, rows: Sequence[LabelRow]) -> Heard:
    settling = [row.label for row in rows if row.settles]
    return Heard(
        candidate=candidate,
        said={row.annotator: row.label for row in rows if not row.settles},
        settled=settling[-1] if settling else None,
    )


def _part(stratum: Stratum, size: int, found: Sequence[Heard], people: Iterable[str]) -> Part:
    classed = sum(bool(one.classes) for one in found)
    return Part(
        suite=stratum.suite,
        endpoint=stratum.endpoint,
        language=stratum.language,
        kind=stratum.kind,
        answers=size,
        by={name: sum(name in one.said for one in found) for name in people},
        labelled=classed,
        lacking=max(0, min(ENOUGH, size) - classed),
    )


def _alpha(found: Sequence[Heard], people: Sequence[str]) -> Estimate:
    """Over all classes; forms, languages and hosts of one topic pair are one cluster."""
    ratings = [
        [label if (label := one.said.get(name)) in CLASSES else None for name in people] for one in found
    ]
    clusters = [(one.candidate.trial.suite, one.candidate.sample.data["pair"]) for one in found]
    return krippendorff_alpha(ratings, clusters)
