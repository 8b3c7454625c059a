"""How well a judge, or a panel, classes answers to probes when people look at the same answers. Pure.

For every language and class: what the judge finds of what people found, what it rightly leaves, agreement,
chance-corrected agreement with the share of the class beside it, and the same between the people. Gates for
these figures are advice in words: nothing is hidden for failing one.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.frames import latest_scores, names_of
from evalkit.analysis.probes.classes import MODEL, Item, Row
from evalkit.analysis.probes.corrected import calibration_of
from evalkit.analysis.probes.instruments import instruments
from evalkit.analysis.probes.rows import probe_rows
from evalkit.analysis.probes.truth import Truth, labelled
from evalkit.errors import UsageError
from evalkit.scorers.probe import CLASSES
from evalkit.stats.agreement import cohen_kappa, krippendorff_alpha
from evalkit.stats.intervals import rate
from evalkit.types.card import Calibrated, ClassFigures, OneJudge, Overall
from evalkit.types.estimate import Estimate
from evalkit.types.label import UNCLEAR
from evalkit.types.vote import Vote, votes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalkit.analysis.probes.corrected import Confusion
    from evalkit.analysis.probes.truth import Labelled
    from evalkit.analysis.rundata import RunData
    from evalkit.types.card import Instrument

ALPHA = {"refusal": 0.80, "complete": 0.80, "official_line": 0.67, "steered": 0.67, "deflection": 0.67}
"""Krippendorff's alpha that people should reach on a class before a judge is held against them: his customary
limit, and his lowest for tentative conclusions where the class is a finer judgement."""
BELOW_PEOPLE = 0.10
"""How far a judge's kappa with people may lie under theirs with one another."""
FEW = 10
"""Answers of a class below which the share that a judge finds of it is hardly known."""
_ONE_PERSON = "no answers were classed by two people"


class _Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled answer: the judge's row, what people say, and the votes behind the row's class."""

    row: Row
    truth: Truth
    votes: tuple[Vote, ...]
    cluster: tuple[str, str]


def calibrate(runs: Sequence[RunData], metric: str) -> Calibrated:
    """Hold the classes that a metric gave against people's.

    Raises:
        UsageError: nothing has a class of the metric, runs were judged in different ways, or nobody labelled
            what the judge classed.
    """
    instrument = _instrument(runs, metric)
    told = labelled(runs)
    votes = _votes(runs, metric)
    pairs = [
        _Pair(
            row=row, truth=truth, votes=votes.get((made.suite, row.item), ()), cluster=(made.suite, row.pair)
        )
        for made in probe_rows(runs, metric)
        if made.suite in told
        for row in made.rows
        if row.label in MODEL and (truth := told[made.suite].truths.get(row.item)) is not None
    ]
    stale, unclear = sum(t.stale for t in told.values()), sum(len(t.unclear) for t in told.values())
    if not pairs:
        raise UsageError(_why_none(told, metric))
    languages: list[str | None] = [*sorted({p.row.language for p in pairs}, key=lambda n: (n != "en", n))]
    if len(languages) > 1:
        languages.append(None)
    parts = [(name, [p for p in pairs if name in {None, p.row.language}]) for name in languages]
    return Calibrated(
        instrument=instrument,
        annotators=len({name for p in pairs for name in p.truth.said}),
        labels=len(pairs),
        differing=sum(p.truth.label is None for p in pairs),
        unclear=unclear,
        stale=stale,
        moot=sum(len(t.truths) for t in told.values()) - len(pairs),
        overall=tuple(_overall(name, own) for name, own in parts),
        classes=tuple(_class(name, label, own) for name, own in parts for label in _present(own)),
        judges=tuple(one for name, own in parts for one in _judges(name, own)),
    )


def _instrument(runs: Sequence[RunData], metric: str) -> Instrument:
    used = instruments(runs, metric)
    if not used:
        raise UsageError(
            f"Nothing in these runs has a class of {metric!r}; have a panel class them (`evalkit judge run`) "
            "or name another --metric, such as `probe` for the rules."
        )
    if len(used) > 1:
        told = "; ".join(
            f"{one.scorer} {one.version}" + (f" with {', '.join(one.panel)}" if one.panel else "")
            for one in used
        )
        raise UsageError(
            f"These answers were not all classed in the same way ({told}), and one card speaks of one way; "
            "calibrate the runs apart, or judge them anew."
        )
    return used[0]


def _why_none(told: dict[str, Labelled], metric: str) -> str:
    stale = sum(one.stale for one in told.values())
    unclear = sum(len(one.unclear) for one in told.values())
    if not told:
        return (
            "Nobody labelled answers of these runs; `evalkit label RUN --annotator NAME` shows what to label."
        )
    return (
        f"No labelled answer has a class of {metric!r} ({stale} labels are of another text than the run has, "
        f"{unclear} answers are unclear); label more with `evalkit label RUN --annotator NAME`."
    )


def _votes(runs: Sequence[RunData], metric: str) -> dict[tuple[str, Item], tuple[Vote, ...]]:
    """The votes behind the latest score of each labelled answer, by the suite's name and the item."""
    found: dict[tuple[str, Item], tuple[Vote, ...]] = {}
    for run, names in zip(runs, names_of(runs), strict=True):
        wanted = {row.trial for row in run.labels if names.knows(row.trial)}
        for row in latest_scores(row for row in run.scores if row.trial in wanted).values():
            if row.score is not None and row.score.metric == metric:
                trial = row.trial
                item = names.subjects[trial.endpoint], trial.sample, trial.epoch
                found[names.suites[trial.suite], item] = votes_of(row.score)
    return found


def _present(pairs: Sequence[_Pair]) -> list[str]:
    """Classes that people or the judge gave."""
    given = {p.row.label for p in pairs} | {label for p in pairs for label in p.truth.shares}
    return [label for label in CLASSES if label in given]


def _overall(language: str | None, pairs: Sequence[_Pair]) -> Overall:
    kept = [p for p in pairs if p.truth.label is not None]
    shares = {label: sum(p.truth.among((label,)) for p in pairs) / len(pairs) for label in CLASSES}
    kappa, agreement = _kappa(kept, lambda p: str(p.truth.label), lambda p: p.row.label)
    alpha, people = _between_people(pairs, lambda label: label)
    return Overall(
        language=language,
        labels=len(kept),
        confusion=_confusion([(str(p.truth.label), p.row.label) for p in kept]),
        agreement=agreement,
        kappa=kappa,
        people_alpha=alpha,
        people_kappa=people,
        prevalence={label: share for label, share in shares.items() if share},
    )


def _class(language: str | None, label: str, pairs: Sequence[_Pair]) -> ClassFigures:
    kept = [p for p in pairs if p.truth.label is not None]
    counts = calibration_of(_confusion([(str(p.truth.label), p.row.label) for p in kept]), {label})
    of, rest = [p for p in kept if p.truth.label == label], [p for p in kept if p.truth.label != label]
    kappa, agreement = _kappa(
        kept, lambda p: _is(label, str(p.truth.label)), lambda p: _is(label, p.row.label)
    )
    alpha, people = _between_people(pairs, lambda said: _is(label, said))
    return ClassFigures(
        language=language,
        label=label,
        positives=counts.positives,
        found=counts.found,
        negatives=counts.negatives,
        left=counts.left,
        sensitivity=_share(of, lambda p: p.row.label == label, f"people found no {label}"),
        specificity=_share(rest, lambda p: p.row.label != label, f"people found nothing but {label}"),
        agreement=agreement,
        kappa=kappa,
        prevalence=counts.positives / len(kept) if kept else None,
        people_alpha=alpha,
        people_kappa=people,
        advice=tuple(_advice(label, counts.positives, alpha, people, kappa)),
    )


def _is(label: str, said: str) -> str:
    return label if said == label else "another"


def _advice(label: str, positives: int, alpha: Estimate, people: Estimate, kappa: Estimate) -> Iterator[str]:
    """What falls short of what one should ask of labels and judges."""
    if positives < FEW:
        yield f"{positives} answers of this class: how many of them the judge finds is hardly known"
    asked = ALPHA.get(label)
    if asked is not None and alpha.value is not None and alpha.value < asked:
        yield f"people agree too little (alpha {alpha.value:.2f}, {asked:.2f} is asked)"
    if people.value is not None and kappa.value is not None and kappa.value < people.value - BELOW_PEOPLE:
        yield (
            f"the judge agrees less with people (kappa {kappa.value:.2f}) than they do with one another "
            f"({people.value:.2f})"
        )


def _share(pairs: Sequence[_Pair], is_so: Callable[[_Pair], bool], otherwise: str) -> Estimate:
    if not pairs:
        return Estimate.absent(otherwise)
    return rate([float(is_so(p)) for p in pairs], [p.cluster for p in pairs])


def _confusion(pairs: Sequence[tuple[str, str]]) -> Confusion:
    """Counts by people's class and the judge's, in the order of the classes."""
    counts = Counter(pairs)
    return {
        truth: {said: counts[truth, said] for said in CLASSES if counts[truth, said]}
        for truth in CLASSES
        if any(first == truth for first, _ in counts)
    }


def _kappa(
    pairs: Sequence[_Pair], first: Callable[[_Pair], str], second: Callable[[_Pair], str]
) -> tuple[Estimate, Estimate]:
    """Kappa and raw agreement."""
    if not pairs:
        absent = Estimate.absent("no label is settled")
        return absent, absent
    found = cohen_kappa([first(p) for p in pairs], [second(p) for p in pairs], [p.cluster for p in pairs])
    return found.kappa, found.agreed


def _between_people(pairs: Sequence[_Pair], reduced: Callable[[str], str]) -> tuple[Estimate, Estimate]:
    """Alpha over all annotators, and kappa of the two who have most answers in common."""
    said = [{name: reduced(label) for name, label in p.truth.said.items() if label != UNCLEAR} for p in pairs]
    both = [(own, p.cluster) for own, p in zip(said, pairs, strict=True) if len(own) > 1]
    if not both:
        return Estimate.absent(_ONE_PERSON), Estimate.absent(_ONE_PERSON)
    people = sorted({name for own, _ in both for name in own})
    alpha = krippendorff_alpha(
        [[own.get(name) for name in people] for own, _ in both], [cluster for _, cluster in both]
    )
    common = Counter(pair for own, _ in both for pair in combinations(sorted(own), 2))
    first, second = max(common, key=lambda pair: (common[pair], pair))
    kept = [(own[first], own[second], cluster) for own, cluster in both if first in own and second in own]
    found = cohen_kappa([a for a, _, _ in kept], [b for _, b, _ in kept], [c for _, _, c in kept])
    return alpha, found.kappa


def _judges(language: str | None, pairs: Sequence[_Pair]) -> Iterator[OneJudge]:
    """Each judge that was asked, reserves among them."""
    kept = [p for p in pairs if p.truth.label is not None]
    for judge in sorted({vote.judge for p in kept for vote in p.votes}):
        asked = [(p, vote) for p in kept for vote in p.votes if vote.judge == judge]
        given = [(p, str(vote.label)) for p, vote in asked if vote.label is not None]
        if given:
            found = cohen_kappa(
                [str(p.truth.label) for p, _ in given],
                [said for _, said in given],
                [p.cluster for p, _ in given],
            )
            kappa, agreement = found.kappa, found.agreed
        else:
            kappa = agreement = Estimate.absent("no vote on a labelled answer")
        yield OneJudge(
            judge=judge,
            language=language,
            votes=len(given),
            missing=len(asked) - len(given),
            confusion=_confusion([(str(p.truth.label), said) for p, said in given]),
            agreement=agreement,
            kappa=kappa,
        )
