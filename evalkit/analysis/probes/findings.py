"""Everything that a set of runs shows on probes: rates, contrasts and attribution, for every endpoint. Pure.

There is no figure for "models from" a country, on purpose: models of one differ more than countries do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Literal

import msgspec

from evalkit.analysis.probes.attribution import Attribution, attribute
from evalkit.analysis.probes.classes import CONTRASTED, MEASURES, NOT_COMPLETE, Measure, Row
from evalkit.analysis.probes.corrected import Corrected, Corrections
from evalkit.analysis.probes.origins import origin_of
from evalkit.analysis.probes.rates import (
    ORIGIN_TOPICS,
    Contrast,
    Withheld,
    averages,
    excess,
    home_excess,
    language_gap,
    measured,
    mirror_gap,
    over_blocking,
    steered_at,
    withheld,
)
from evalkit.analysis.probes.rows import RULES, ProbeRows
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FLOORS = (0.5, 0.65)
"""Shares of the core facts at which the rule for steering is tried beside its own, which is all of them."""

Kind = Literal["excess", "home", "language", "mirror"]


class Contrasted(msgspec.Struct, frozen=True, kw_only=True):
    """One contrast of one endpoint. `language` None is over all languages; `measure` None is `written`.

    `corrected` is an excess after a judge's errors; no other contrast is corrected.
    """

    endpoint: str
    kind: Kind
    jurisdiction: str
    contrast: Contrast
    measure: Measure | None = None
    language: str | None = None
    corrected: Corrected | None = None


class EndpointFindings(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of one endpoint. `rates` and those `by_language` are by the measure's key.

    `labels` counts answers to probes by class, failures and cut ones included; `details` host blocks and
    steered answers by how. `steered_at` has the steering rate at other shares of core facts. `corrected`,
    `corrected_by_language` and `corrected_over_blocking` are the same rates after a judge's errors, or why
    there are none; without labels they are empty. `withheld` and `steering_among` are never corrected.
    """

    endpoint: str
    weights: str | None
    origin: str | None
    labels: dict[str, int]
    details: dict[str, int]
    flags: dict[str, int]
    rates: dict[str, Estimate]
    by_language: dict[str, dict[str, Estimate]]
    over_blocking: Estimate
    withheld: Withheld
    steered_at: dict[float, Estimate]
    corrected: dict[str, Corrected] = {}
    corrected_by_language: dict[str, dict[str, Corrected]] = {}
    corrected_over_blocking: Corrected | None = None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What one suite of probes shows. `topics` counts them by jurisdiction, most first."""

    suite: str
    metric: str
    topics: dict[str, int]
    languages: tuple[str, ...]
    epochs: int
    endpoints: tuple[EndpointFindings, ...]
    contrasts: tuple[Contrasted, ...]
    attributions: tuple[Attribution, ...]
    unscored: int
    pending: int

    @property
    def by_rules(self) -> bool:
        """Whether classes come from rules alone, which are a floor."""
        return self.metric == RULES

    def find(
        self,
        endpoint: str,
        kind: Kind,
        jurisdiction: str,
        measure: Measure | None,
        language: str | None = None,
    ) -> Contrast | None:
        """One contrast as classed; None if it was not made."""
        found = self.contrasted(endpoint, kind, jurisdiction, measure, language)
        return found.contrast if found is not None else None

    def contrasted(
        self,
        endpoint: str,
        kind: Kind,
        jurisdiction: str,
        measure: Measure | None,
        language: str | None = None,
    ) -> Contrasted | None:
        """One contrast, with what is corrected; None if it was not made."""
        for found in self.contrasts:
            wanted = (endpoint, kind, jurisdiction, measure, language)
            if (found.endpoint, found.kind, found.jurisdiction, found.measure, found.language) == wanted:
                return found
        return None


def findings(gathered: ProbeRows, corrected: Corrections | None = None) -> Findings:
    """All figures of one suite of probes.

    Args:
        gathered: its rows.
        corrected: the same suite and metric after a judge's errors (`corrected_rates`), to stand beside.
    """
    rows = gathered.rows
    fixed = corrected or Corrections(labels=0)
    by_endpoint: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_endpoint[row.endpoint].append(row)
    topics = Counter(place for _, place in {(row.topic, row.jurisdiction) for row in rows})
    languages = sorted({row.language for row in rows}, key=lambda name: (name != "en", name))
    return Findings(
        suite=gathered.suite,
        metric=gathered.metric,
        topics=dict(sorted(topics.items(), key=lambda item: (-item[1], item[0]))),
        languages=tuple(languages),
        epochs=max((row.epoch for row in rows), default=0),
        endpoints=tuple(_of_endpoint(name, own, languages, fixed) for name, own in by_endpoint.items()),
        contrasts=tuple(_with_excess(c, fixed) for c in _contrasts(by_endpoint, topics, languages)),
        attributions=attribute(rows, NOT_COMPLETE),
        unscored=gathered.unscored,
        pending=gathered.pending,
    )


def _of_endpoint(
    name: str, rows: Sequence[Row], languages: Sequence[str], corrected: Corrections
) -> EndpointFindings:
    probes = [row for row in rows if row.is_probe]
    by_language: dict[str, list[Row]] = defaultdict(list)
    for row in probes:
        by_language[row.language].append(row)
    return EndpointFindings(
        endpoint=name,
        weights=rows[0].weights,
        origin=origin_of(rows[0].weights),
        labels=dict(Counter(row.label for row in probes)),
        details=dict(Counter(row.detail for row in probes if row.detail is not None)),
        flags=dict(Counter(flag for row in probes for flag in row.flags)),
        rates={measure.key: measured(probes, measure) for measure in MEASURES},
        by_language={
            language: {measure.key: measured(by_language[language], measure) for measure in CONTRASTED}
            for language in languages
        },
        over_blocking=over_blocking(rows),
        withheld=withheld(rows),
        steered_at={floor: steered_at(probes, floor) for floor in FLOORS},
        corrected={key: value for (endpoint, key), value in corrected.rates.items() if endpoint == name},
        corrected_by_language={
            language: {
                measure.key: found
                for measure in CONTRASTED
                if (found := corrected.by_language.get((name, language, measure.key))) is not None
            }
            for language in languages
        },
        corrected_over_blocking=corrected.over_blocking.get(name),
    )


def _with_excess(contrast: Contrasted, corrected: Corrections) -> Contrasted:
    """The contrast with its corrected figure beside it, if it has one."""
    if contrast.kind != "excess" or contrast.measure is None:
        return contrast
    key = contrast.endpoint, contrast.measure.key, contrast.jurisdiction, contrast.language
    return msgspec.structs.replace(contrast, corrected=corrected.excess.get(key))


def _contrasts(
    by_endpoint: Mapping[str, Sequence[Row]], topics: Mapping[str, int], languages: Sequence[str]
) -> Iterator[Contrasted]:
    for name, rows in by_endpoint.items():
        by_place: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_place[row.jurisdiction].append(row)
        for measure in CONTRASTED:
            values = averages(rows, measure)
            for place, own in by_place.items():
                made = excess(own, measure, place, values)
                yield _made(name, "excess", place, made, measure)
                if topics[place] >= ORIGIN_TOPICS:
                    yield from _by_language(name, rows, own, languages, measure)
        for place, own in by_place.items():
            yield _made(name, "mirror", place, mirror_gap(own, place))
        yield from _home(name, by_endpoint)


def _by_language(
    name: str, rows: Sequence[Row], own: Sequence[Row], languages: Sequence[str], measure: Measure
) -> Iterator[Contrasted]:
    """Excess within each language, and what each language adds to English."""
    place, values = own[0].jurisdiction, averages(rows, measure)
    for language in languages:
        within = [row for row in own if row.language == language]
        yield _made(name, "excess", place, excess(within, measure, place, values), measure, language)
        if language != "en" and "en" in languages:
            gap = language_gap(rows, measure, place, language)
            yield _made(name, "language", place, gap, measure, language)


def _home(name: str, by_endpoint: Mapping[str, Sequence[Row]]) -> Iterator[Contrasted]:
    """The endpoint's home topics against the same of one endpoint of each weights from elsewhere."""
    rows = by_endpoint[name]
    origin = origin_of(rows[0].weights)
    if origin is None or all(row.jurisdiction != origin for row in rows):
        return
    references: dict[str, Sequence[Row]] = {}
    for other in by_endpoint.values():
        weights = other[0].weights
        if weights is not None and origin_of(weights) not in {None, origin}:
            references.setdefault(weights, other)
    for measure in CONTRASTED:
        made = home_excess(rows, measure, origin, list(references.values()))
        yield _made(name, "home", origin, made, measure)


def _made(
    endpoint: str,
    kind: Kind,
    jurisdiction: str,
    contrast: Contrast,
    measure: Measure | None = None,
    language: str | None = None,
) -> Contrasted:
    return Contrasted(
        endpoint=endpoint,
        kind=kind,
        jurisdiction=jurisdiction,
        contrast=contrast,
        measure=measure,
        language=language,
    )
