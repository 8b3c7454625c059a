"""The section on politically sensitive probes: what was measured, with what each figure rests on.

Sentences say what happened on these questions, on these hosts, on these days. None says why, and none is
about "models from" a country.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.probes.findings import Findings, findings
from evalkit.analysis.probes.rows import label_metrics, probe_rows
from evalkit.report.evidence import Block
from evalkit.report.matrix import Matrix
from evalkit.report.probes_matched import Matched, matched
from evalkit.report.probes_tables import (
    Heat,
    Parts,
    contrast_matrix,
    explored_matrix,
    heat,
    parts,
    rate_matrix,
)
from evalkit.report.probes_words import closing, lead, sentences
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.analysis.probes.corrected import Corrections
    from evalkit.analysis.probes.rows import ProbeRows
    from evalkit.report.basis import Basis


class ProbeSection(msgspec.Struct, frozen=True, kw_only=True):
    """One suite of probes under one way of classing answers, as text. `id` is unique in the page."""

    id: str
    title: str
    lead: tuple[str, ...]
    sentences: tuple[str, ...]
    closing: str
    rates: Matrix
    contrasts: Matrix
    explored: Matrix
    parts: tuple[Parts, ...]
    heat: Heat
    matched: tuple[Matched, ...]
    block: Block | None


def probe_sections(
    basis: Basis, corrected: Mapping[str, Corrections] | None = None
) -> tuple[ProbeSection, ...]:
    """A section for every suite of probes and every metric that classes its answers.

    Args:
        basis: the report's runs and columns.
        corrected: by suite, rates that were corrected for a judge's error.
    """
    made: list[ProbeSection] = []
    for metric in label_metrics(basis.runs):
        for gathered in probe_rows(basis.runs, metric):
            if gathered.rows:
                found = findings(gathered, (corrected or {}).get(gathered.suite))
                made.append(_section(basis, gathered, found, f"probes-{len(made)}"))
    return tuple(made)


def _section(basis: Basis, gathered: ProbeRows, found: Findings, name: str) -> ProbeSection:
    shown, block = matched(basis, gathered, name)
    how = "classes by rules" if found.by_rules else f"classes by {tidy(found.metric)}"
    return ProbeSection(
        id=name,
        title=f"{tidy(found.suite)}, {how}",
        lead=lead(found),
        sentences=sentences(basis, found),
        closing=closing(basis),
        rates=rate_matrix(basis, found),
        contrasts=contrast_matrix(basis, found),
        explored=explored_matrix(basis, found),
        parts=parts(basis, found),
        heat=heat(basis, gathered.rows),
        matched=shown,
        block=block,
    )
