"""The answer in sentences: what differs from the reference, what is not proven, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.report.cells import change_text
from evalkit.report.numbers import count
from evalkit.report.tool_format import broken_formats, chosen_badly
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from evalkit.analysis.compare import Comparison
    from evalkit.report.basis import Basis, Column

_PHRASES = {
    # measure: (better, worse), with {change} put in
    "delivered": ("delivers more answers ({change})", "delivers fewer answers ({change})"),
    "blocked": ("blocks less ({change})", "blocks more ({change})"),
    "refused": ("refuses less ({change})", "refuses more ({change})"),
    "steered": ("steers less ({change})", "steers more ({change})"),
    "total_p50": ("answers faster ({change} time)", "answers slower ({change} time)"),
    "cost_per_1k": ("costs less ({change})", "costs more ({change})"),
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint against the reference. Parts are sentences; `notes` say where a difference comes from.

    `where` says who gets the data.
    """

    letter: str
    name: str
    worse: tuple[str, ...]
    better: tuple[str, ...]
    open: str
    unpriced: bool
    where: str
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`worse`, `better`, or neither where nothing is proven."""
        return "worse" if self.worse else "better" if self.better else ""


def findings(basis: Basis) -> tuple[Finding, ...]:
    """One finding per endpoint other than the reference."""
    return tuple(_finding(basis, c) for c in basis.columns if not c.reference and basis.comparisons.tests)


def _finding(basis: Basis, column: Column) -> Finding:
    tests = [t for t in basis.comparisons.tests if t.subject == column.key]
    worse: list[str] = []
    better: list[str] = []
    for test in tests:
        favours = test.favours_subject
        phrase = _phrase(basis, test) if test.significant and favours is not None else None
        if phrase:
            (better if favours else worse).append(phrase)
    open_suites = [t for t in tests if t.measure == "quality" and not t.significant]
    priced = basis.summary.find(column.key, "cost_per_1k")
    return Finding(
        letter=column.letter,
        name=column.name,
        worse=(*worse, *broken_formats(basis, column)),
        better=tuple(better),
        open=_open(basis, open_suites),
        unpriced=priced is None or priced.value is None,
        where=where(basis, column),
        notes=chosen_badly(basis, column),
    )


def where(basis: Basis, column: Column) -> str:
    """Who operates an endpoint, where it processes prompts, and what the run's policy said of it."""
    provider = column.endpoint.provider
    operator = provider.operator
    seat = f" ({operator.country})" if operator.country else ""
    processed = ", ".join(provider.processing_countries or ()) or "a place that is not published"
    told = f"data go to {tidy(operator.name, 80)}{seat}, processed in {tidy(processed, 80)}"
    asked = [
        record.allowed
        for record in basis.runs[column.run].manifest.policy
        if record.endpoint == column.endpoint.id and record.role == "subject"
    ]
    if not asked:
        return told
    return f"{told}; {'the policy allows it' if all(asked) else 'the policy forbids it'}"


def _phrase(basis: Basis, test: Comparison) -> str | None:
    text, interval = change_text(test, basis.comparisons.measures[test.measure].unit)
    change = f"{text} {interval}, n\u00a0{count(test.estimate.n)}"
    if test.measure == "quality":
        word = "better" if test.favours_subject else "worse"
        return f"{word} on {tidy(test.suite or '')} ({change})"
    if test.measure not in _PHRASES:
        return None
    return _PHRASES[test.measure][0 if test.favours_subject else 1].format(change=change)


def _open(basis: Basis, tests: list[Comparison]) -> str:
    """What is not decided, and what size of difference would have been seen."""
    if not tests:
        return ""
    parts = []
    for test in tests:
        size = test.detectable
        unit = basis.comparisons.measures[test.measure].unit
        seen = (
            f" (one of {size * 100:.0f} points would probably have shown)"
            if size is not None and unit == "share"
            else ""
        )
        parts.append(f"{tidy(test.suite or '')}{seen}")
    return "no proven difference in quality on " + ", ".join(parts)


def headline(basis: Basis) -> str:
    """What was compared, in one line."""
    weights = list(dict.fromkeys(c.weights for c in basis.columns))
    samples = sum(record.samples for record in basis.records.values())
    hosts = len(basis.columns)
    ends = f"{count(hosts)} {'endpoint' if hosts == 1 else 'endpoints'}"
    suites = ", ".join(tidy(name) for name in basis.records)
    if len(weights) > 1:
        ends = f"{len(weights)} sets of weights on {ends}"
    elif weights and basis.columns[0].endpoint.weights is not None:
        ends = f"{weights[0]} on {ends}"
    return f"{ends}: {count(samples)} samples of {suites}."
