"""Everything that the page shows, as text. Templates only lay it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.report.findings import Finding, findings, headline, where
from evalkit.report.matrix import Differences, Matrix, differences, matrix, suite_tables
from evalkit.report.method import Section, method
from evalkit.report.notices import notices
from evalkit.report.numbers import count
from evalkit.report.probes import ProbeSection, probe_sections
from evalkit.report.verdict import VerdictNote
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.report.basis import Basis
    from evalkit.types.card import JudgeCard


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page as text."""

    title: str
    headline: str
    meta: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    verdict: VerdictNote | None
    reference: str
    reference_where: str
    tests: str
    findings: tuple[Finding, ...]
    matrix: Matrix
    tables: tuple[Matrix, ...]
    differences: Differences
    probes: tuple[ProbeSection, ...]
    method: tuple[Section, ...]


def build_view(basis: Basis, verdict: VerdictNote | None, cards: Sequence[JudgeCard] = ()) -> View:
    """Turn figures into text."""
    names = " + ".join(tidy(run.manifest.run) for run in basis.runs)
    reference = basis.reference
    return View(
        title=f"evalkit report: {names}",
        headline=headline(basis),
        meta=_meta(basis),
        notices=notices(basis),
        verdict=verdict,
        reference=f"{reference.letter} {reference.name}" if reference else "",
        reference_where=where(basis, reference) if reference else "",
        tests=count(basis.comparisons.family),
        findings=findings(basis),
        matrix=matrix(basis),
        tables=suite_tables(basis),
        differences=differences(basis),
        probes=probe_sections(basis, cards),
        method=method(basis),
    )


def _meta(basis: Basis) -> tuple[tuple[str, str], ...]:
    requests = sum(len(run.generations) for run in basis.runs)
    days = sorted({run.manifest.created_at[:10] for run in basis.runs})
    return (
        ("run" if len(basis.runs) == 1 else "runs", ", ".join(tidy(r.manifest.run) for r in basis.runs)),
        ("date", " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""),
        ("requests", count(requests)),
        ("made by", f"evalkit {tidy(basis.runs[0].manifest.evalkit)}" if basis.runs else "evalkit"),
    )
