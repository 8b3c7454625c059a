"""The section on politically sensitive probes: what was measured, with what each figure rests on.

Sentences say what happened on these questions, on these hosts, on these days. None says why, and none is
about "models from" a country.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from evalkit.analysis.probes.corrected import Corrections, corrected_rates
from evalkit.analysis.probes.findings import Findings, findings
from evalkit.analysis.probes.instruments import instruments
from evalkit.analysis.probes.panel import PanelFindings, ballots, panel_findings
from evalkit.analysis.probes.rows import RULES, ProbeRows, label_metrics, probe_rows
from evalkit.report.evidence import Block
from evalkit.report.matrix import Matrix
from evalkit.report.probes_contrasts import contrast_matrix, explored_matrix
from evalkit.report.probes_corrected import on_correction
from evalkit.report.probes_judges import JudgesPart, contested_sentences, judges_part, panel_lead
from evalkit.report.probes_matched import Matched, matched
from evalkit.report.probes_tables import Heat, Parts, heat, parts, rate_matrix
from evalkit.report.probes_words import closing, lead, sentences
from evalkit.report.words import tidy
from evalkit.scorers.probe_judge import METRIC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.analysis.probes.panel import Ballots
    from evalkit.report.basis import Basis
    from evalkit.types.card import JudgeCard


class ProbeSection(msgspec.Struct, frozen=True, kw_only=True):
    """One suite of probes under one way of classing answers, as text. `id` is unique in the page.

    `judges` is there where a panel gave the classes. `folded` is a section that only opens on demand, because
    another one classes the same answers better.
    """

    id: str
    title: str
    lead: tuple[str, ...]
    sentences: tuple[str, ...]
    closing: str
    judges: JudgesPart | None
    rates: Matrix
    contrasts: Matrix
    explored: Matrix
    parts: tuple[Parts, ...]
    heats: tuple[Heat, ...]
    matched: tuple[Matched, ...]
    block: Block | None
    folded: bool = False


class _Part(NamedTuple):
    """What one section is made of."""

    gathered: ProbeRows
    corrections: Corrections | None
    cast: Ballots | None


def probe_sections(basis: Basis, cards: Sequence[JudgeCard] = ()) -> tuple[ProbeSection, ...]:
    """A section for every suite of probes and every metric that classes its answers, a panel's first.

    Args:
        basis: the report's runs and columns.
        cards: of judges, for correction where the runs themselves have too few labels.
    """
    made = list(_parts(basis, cards))
    suites = list(dict.fromkeys(part.gathered.suite for part in made))
    made.sort(key=lambda part: (suites.index(part.gathered.suite), part.gathered.metric == RULES))
    several = {part.gathered.suite for part in made if part.gathered.metric != RULES}
    return tuple(
        _section(basis, part, f"probes-{number}", folded=_is_beside(part, several))
        for number, part in enumerate(made)
    )


def _is_beside(part: _Part, several: set[str]) -> bool:
    """Whether rules class what others class too."""
    return part.gathered.metric == RULES and part.gathered.suite in several


def _parts(basis: Basis, cards: Sequence[JudgeCard]) -> Iterator[_Part]:
    for metric in label_metrics(basis.runs):
        fixed = _corrections(basis, metric, cards)
        cast = ballots(basis.runs) if metric == METRIC else {}
        for gathered in probe_rows(basis.runs, metric):
            if gathered.rows:
                suite = gathered.suite
                yield _Part(gathered, fixed.get(suite), cast.get(suite))


def _corrections(basis: Basis, metric: str, cards: Sequence[JudgeCard]) -> dict[str, Corrections]:
    """Corrected figures by suite; none where neither labels nor a fitting card can correct anything."""
    labels = any(run.labels for run in basis.runs)
    fits = bool(cards) and any(
        (card.calibrated.instrument,) == instruments(basis.runs, metric) for card in cards
    )
    if not (labels or fits):
        return {}
    found = corrected_rates(basis.runs, metric, cards)
    return {suite: fixed for suite, fixed in found.items() if fixed.labels or fits}


def _section(basis: Basis, part: _Part, name: str, *, folded: bool) -> ProbeSection:
    gathered, corrections, cast = part
    found = findings(gathered, corrections)
    panel = panel_findings(gathered, cast) if cast is not None else None
    shown, block = ((), None) if folded else matched(basis, gathered, name, cast)
    return ProbeSection(
        id=name,
        title=f"{tidy(found.suite)}, {_how(found)}",
        lead=lead(
            found,
            panel_lead(basis, found, panel) if panel is not None else (),
            on_correction(found, corrections),
        ),
        sentences=(
            *sentences(basis, found, panel.contested if panel else frozenset()),
            *_contested(basis, found, panel),
        ),
        closing=closing(basis),
        judges=judges_part(basis, found, panel) if panel else None,
        rates=rate_matrix(basis, found, panel),
        contrasts=contrast_matrix(basis, found, panel),
        explored=explored_matrix(basis, found, panel),
        parts=parts(basis, found),
        heats=heat(basis, gathered.rows),
        matched=shown,
        block=block,
        folded=folded,
    )


def _how(found: Findings) -> str:
    if found.by_rules:
        return "classes by rules"
    return "classes by a panel of judges" if found.metric == METRIC else f"classes by {tidy(found.metric)}"


def _contested(basis: Basis, found: Findings, panel: PanelFindings | None) -> tuple[str, ...]:
    if panel is None:
        return ()
    names = {column.key: f"{column.letter} {column.name}" for column in basis.columns}
    return tuple(contested_sentences(found, panel, names))
