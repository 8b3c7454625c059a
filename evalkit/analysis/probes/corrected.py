"""Rates and excesses over controls, corrected for a judge's errors with labels of people. Pure.

By prediction-powered inference (PPI++) where people labelled a random part of these very answers, in every
language of its own, because judges err differently by language and on probes and controls. Rogan and Gladen's
correction stands beside it: it assumes that the judge errs alike on every endpoint, on probes and controls,
and takes the judge's errors from these runs or from a card. What a host blocked is known without a judge.
Where too little is labelled there is no figure, and the note says what is missing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from evalkit.analysis.probes.classes import AS_SERVED, BENIGN, CHECK, CONTRASTED, CORRECTED, MODEL
from evalkit.analysis.probes.instruments import instruments
from evalkit.analysis.probes.rates import ORIGIN_TOPICS
from evalkit.analysis.probes.rows import probe_rows
from evalkit.analysis.probes.truth import Labelled, labelled
from evalkit.stats.judge import (
    Calibration,
    Stratum,
    independent_difference,
    prediction_powered,
    rogan_gladen_with_known,
    weighted_mean,
    widened,
)
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evalkit.analysis.probes.classes import Measure, Row
    from evalkit.analysis.probes.rows import ProbeRows
    from evalkit.analysis.probes.truth import Truth
    from evalkit.analysis.rundata import RunData
    from evalkit.types.card import JudgeCard

LABELS = 20
"""Labels that a part (a language of probes, of controls) needs. With ten, intervals are honest still,
but half again as wide as with twenty (`benchmarks/labels.py`)."""
CLUSTERS = 5
"""Topic pairs that the labels of a part must come from."""

Confusion = dict[str, dict[str, int]]
"""Counts by people's class and the judge's."""


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """A figure after a judge's errors.

    `estimate` is by PPI++ from labels of these runs; `n` counts them. `rogan_gladen` is from the judge's
    sensitivity and specificity. Either has no value where labels are too few, and a note that says so.
    """

    estimate: Estimate
    rogan_gladen: Estimate


class Corrections(msgspec.Struct, frozen=True, kw_only=True):
    """Corrected figures of one suite under one metric. `labels` counts the answers that people classed.

    `rates` are by endpoint and the measure's key, `by_language` by language too, `over_blocking` by endpoint,
    `excess` by endpoint, the measure's key, jurisdiction and language (None: over all languages).
    """

    labels: int
    rates: dict[tuple[str, str], Corrected] = {}
    by_language: dict[tuple[str, str, str], Corrected] = {}
    over_blocking: dict[str, Corrected] = {}
    excess: dict[tuple[str, str, str, str | None], Corrected] = {}


def corrected_rates(
    runs: Sequence[RunData], metric: str, cards: Sequence[JudgeCard] = (), *, needed: int = LABELS
) -> dict[str, Corrections]:
    """Corrected figures of every suite of probes, by the suite's name in the report.

    Args:
        runs: with their labels.
        metric: a label metric of probes: a panel's, or the rules'.
        cards: of judges. One is used where its scorer, version and panel are those of all the runs, for
            languages in which the runs themselves have too few labels.
        needed: labels that each part of a figure must have.
    """
    told = labelled(runs)
    used = instruments(runs, metric)
    fitting = [card for card in cards if used == (card.calibrated.instrument,)]
    return {
        gathered.suite: _Correcting(gathered, told.get(gathered.suite), fitting, needed).all()
        for gathered in probe_rows(runs, metric)
    }


def confusion_of(rows: Iterable[Row], truths: Mapping[tuple[str, str, int], Truth]) -> Confusion:
    """Labelled rows by people's class and the judge's; those on which annotators differ are left out."""
    found: Confusion = {}
    for row in rows:
        truth = truths.get(row.item)
        if truth is not None and truth.label is not None and row.label in MODEL:
            own = found.setdefault(truth.label, {})
            own[row.label] = own.get(row.label, 0) + 1
    return found


def calibration_of(confusion: Mapping[str, Mapping[str, int]], counts: Iterable[str]) -> Calibration:
    """What the judge finds of answers that are of certain classes, and leaves of the others."""
    wanted = set(counts)
    positives = found = negatives = left = 0
    for truth, own in confusion.items():
        total, hits = sum(own.values()), sum(n for label, n in own.items() if label in wanted)
        if truth in wanted:
            positives, found = positives + total, found + hits
        else:
            negatives, left = negatives + total, left + total - hits
    return Calibration(positives=positives, found=found, negatives=negatives, left=left)


class _Correcting:
    """One suite's rows and labels."""

    def __init__(
        self, gathered: ProbeRows, told: Labelled | None, cards: Sequence[JudgeCard], needed: int
    ) -> None:
        self._needed = needed
        self._truths = told.truths if told is not None else {}
        self._cards = cards
        self._rows: dict[str, list[Row]] = defaultdict(list)
        for row in gathered.rows:
            if row.form != CHECK:
                self._rows[row.endpoint].append(row)
        by_language: dict[str, list[Row]] = defaultdict(list)
        for row in gathered.rows:
            by_language[row.language].append(row)
        self._confusion = {name: confusion_of(rows, self._truths) for name, rows in by_language.items()}

    def all(self) -> Corrections:
        """Every figure."""
        rates, by_language, over_blocking, excess = {}, {}, {}, {}
        for endpoint, rows in self._rows.items():
            probes = [row for row in rows if row.is_probe]
            for measure in CORRECTED:
                rates[endpoint, measure.key] = self._rate(probes, measure, "probes")
            for language in _languages(probes):
                own = [row for row in probes if row.language == language]
                for measure in CONTRASTED:
                    by_language[endpoint, language, measure.key] = self._rate(own, measure, "probes")
            benign = [row for row in rows if row.form == BENIGN]
            over_blocking[endpoint] = self._rate(benign, AS_SERVED, "benign questions")
            excess.update(self._excesses(endpoint, rows, probes))
        return Corrections(
            labels=len(self._truths),
            rates=rates,
            by_language=by_language,
            over_blocking=over_blocking,
            excess=excess,
        )

    def _excesses(
        self, endpoint: str, rows: Sequence[Row], probes: Sequence[Row]
    ) -> dict[tuple[str, str, str, str | None], Corrected]:
        found: dict[tuple[str, str, str, str | None], Corrected] = {}
        topics: dict[str, set[str]] = defaultdict(set)
        for row in probes:
            topics[row.jurisdiction].add(row.topic)
        for place, own in topics.items():
            languages: list[str | None] = [None]
            if len(own) >= ORIGIN_TOPICS:
                languages += _languages(probes)
            for measure in CONTRASTED:
                for language in languages:
                    kept = [r for r in rows if language in {None, r.language}]
                    found[endpoint, measure.key, place, language] = self._excess(kept, measure, place)
        return found

    def _rate(
        self, rows: Sequence[Row], measure: Measure, what: str, weights: Mapping[str, int] | None = None
    ) -> Corrected:
        """A rate over languages, each weighted by its share of the valid answers unless told otherwise."""
        by_language: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.label in measure.among:
                by_language[row.language].append(row)
        if weights is not None:
            by_language = {name: by_language[name] for name in weights}
        failed = sum(row.label == "error" for row in rows)
        cut = sum(row.label == "truncated" for row in rows)
        if not by_language:
            absent = Estimate.absent("no valid answer", failed=failed, unscored=cut)
            return Corrected(estimate=absent, rogan_gladen=absent)
        shares = [float(weights[n] if weights else len(own)) for n, own in by_language.items()]
        strata = [
            _stratum(own, measure, self._truths, share)
            for own, share in zip(by_language.values(), shares, strict=True)
        ]
        lacking = [_lacks(s, f"{n}, {what}", self._needed) for n, s in zip(by_language, strata, strict=True)]
        short = "; ".join(why for why in lacking if why is not None)
        estimate = Estimate.absent(f"uncalibrated: {short}") if short else prediction_powered(strata)
        parts = [self._rogan_gladen(n, s, measure) for n, s in zip(by_language, strata, strict=True)]
        return Corrected(
            estimate=estimate.with_missing(failed=failed, unscored=cut),
            rogan_gladen=widened(_joined(parts, shares), strata).with_missing(failed=failed, unscored=cut),
        )

    def _rogan_gladen(self, language: str, stratum: Stratum, measure: Measure) -> Estimate:
        """From these runs' labels in the language, else from a card that has it."""
        bare = stratum
        counts = calibration_of(self._confusion.get(language, {}), measure.counts)
        source = f"{counts.positives + counts.negatives} labels of these runs"
        if _unfit(counts) is not None:
            for card in self._cards:
                confusion = card.calibrated.confusion(language)
                told = calibration_of(confusion or {}, measure.counts)
                if _unfit(told) is None:
                    counts, source = told, f"the card {card.name!r}"
                    bare = _all_judged(stratum)
                    break
        if not (stratum.truth.size or stratum.unlabelled.size):
            return rogan_gladen_with_known(stratum, counts)
        why = _unfit(counts)
        if why is not None:
            return Estimate.absent(f"uncalibrated: {why} in {language}")
        if not bare.unlabelled.size:
            bare = _all_judged(stratum)
        found = rogan_gladen_with_known(bare, counts)
        if found.low is None:
            return Estimate.absent(f"uncalibrated: {found.note} in {language}")
        return msgspec.structs.replace(found, note=f"{language}: {source}")

    def _excess(self, rows: Sequence[Row], measure: Measure, origin: str) -> Corrected:
        """Probes of an origin less the questions that are their controls, each a part of its own.

        A control counts once however many probes it serves, and in each language as much as the probes do.
        Topic pairs have members on both sides, which are taken as independent: that errs on the wide side.
        """
        valid = {row.question for row in rows if row.label in measure.among}
        own: list[Row] = []
        against: set[tuple[str, str, str]] = set()
        for row in rows:
            if row.is_probe and row.jurisdiction == origin:
                found = {(other, row.form, row.language) for other in row.controls} & valid
                if found:
                    own.append(row)
                    against |= found
        asked = [row for row in rows if row.question in against]
        if not any(row.label in measure.among for row in own):
            absent = Estimate.absent("no topic with a control was answered")
            return Corrected(estimate=absent, rogan_gladen=absent)
        weights: dict[str, int] = defaultdict(int)
        for row in own:
            weights[row.language] += row.label in measure.among
        weights = {name: weight for name, weight in weights.items() if weight}
        probes = self._rate(own, measure, f"probes on {origin}", weights)
        controls = self._rate(asked, measure, f"controls of {origin}", weights)
        return Corrected(
            estimate=_difference(probes, controls, lambda side: side.estimate),
            rogan_gladen=_difference(probes, controls, lambda side: side.rogan_gladen),
        )


def _difference(probes: Corrected, controls: Corrected, pick: Callable[[Corrected], Estimate]) -> Estimate:
    """One less the other; where one is missing, or both are, the note says it of each."""
    first, second = pick(probes), pick(controls)
    if first.value is not None and second.value is not None:
        return independent_difference(first, second)
    notes = dict.fromkeys(e.note for e in (first, second) if e.value is None and e.note is not None)
    said = "; ".join(note.removeprefix("uncalibrated: ") for note in notes)
    return Estimate.absent(f"uncalibrated: {said}")


def _languages(rows: Iterable[Row]) -> list[str]:
    return sorted({row.language for row in rows}, key=lambda name: (name != "en", name))


def _stratum(
    rows: Sequence[Row], measure: Measure, truths: Mapping[tuple[str, str, int], Truth], weight: float
) -> Stratum:
    """Valid answers of one part: what people said, what the judge said, and what nobody has to judge."""
    seen = [row for row in rows if row.label in MODEL]
    some = [(row, truths[row.item]) for row in seen if row.item in truths]
    rest = [row for row in seen if row.item not in truths]
    if some and len({row.pair for row in rest}) < 2:
        rest = []  # the labels are a random part of all; what little is left has no spread of its own
    known = [row for row in rows if row.label not in MODEL]
    return Stratum(
        truth=np.array([truth.among(measure.counts) for _, truth in some]),
        judged=np.array([float(row.label in measure.counts) for row, _ in some]),
        unlabelled=np.array([float(row.label in measure.counts) for row in rest]),
        known=np.array([float(row.label in measure.counts) for row in known]),
        weight=weight,
        labelled_clusters=tuple(row.pair for row, _ in some),
        unlabelled_clusters=tuple(row.pair for row in rest),
        known_clusters=tuple(row.pair for row in known),
    )


def _all_judged(stratum: Stratum) -> Stratum:
    """The stratum with the judge's word on labelled answers too: the labels' own place is elsewhere."""
    return msgspec.structs.replace(
        stratum,
        truth=np.zeros(0),
        judged=np.zeros(0),
        labelled_clusters=None,
        unlabelled=np.concatenate([stratum.judged, stratum.unlabelled]),
        unlabelled_clusters=(*(stratum.labelled_clusters or ()), *(stratum.unlabelled_clusters or ())),
    )


def _lacks(stratum: Stratum, where: str, needed: int) -> str | None:
    """What a part lacks for a figure of its own; None if nothing."""
    labels, pairs = stratum.truth.size, len(set(stratum.labelled_clusters or ()))
    if stratum.unlabelled.size:
        if labels < needed:
            return f"{labels or 'no'} label{'s' * (labels != 1)} in {where}; {needed} are needed"
        if pairs < CLUSTERS:
            return f"labels of {pairs} topic pairs in {where}; {CLUSTERS} are needed"
    everything = {*(stratum.labelled_clusters or ()), *(stratum.known_clusters or ())}
    if (labels and pairs < 2) or len(everything) < 2:
        return f"answers of one topic pair in {where}"
    return None


def _unfit(counts: Calibration) -> str | None:
    """Why counts cannot correct a rate; None if they can."""
    labels = counts.positives + counts.negatives
    if labels < LABELS:
        return f"{labels or 'no'} label{'s' * (labels != 1)}; {LABELS} are needed"
    if not counts.positives or not counts.negatives:
        return f"people found {'none' if not counts.positives else 'nothing else'} in {labels} labels"
    return None


def _joined(parts: Sequence[Estimate], shares: Sequence[float]) -> Estimate:
    """Rogan and Gladen's figures over languages."""
    missing = "; ".join(
        (part.note or "").removeprefix("uncalibrated: ") for part in parts if part.low is None
    )
    if missing:
        return Estimate.absent(f"uncalibrated: {missing}")
    notes = "; ".join(dict.fromkeys(part.note for part in parts if part.note is not None))
    said = f"assumes that judges err alike on all endpoints, on probes and on controls ({notes})"
    return msgspec.structs.replace(weighted_mean(parts, shares), note=said if notes else None)
