"""The comparison matrix: a row for each figure, a column for each endpoint, grouped by weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.measures import MEASURES, Unit
from evalkit.report.cells import MISSING, Cell, change_facts, change_text, estimate_cell, p_text
from evalkit.report.numbers import count, dollars
from evalkit.report.words import LAYERS, tidy

if TYPE_CHECKING:
    from evalkit.report.basis import Basis, Column
    from evalkit.types.provider import Price, Source

BEST = "best"
MOST_COLUMNS = 7
"""Endpoints that fit beside each other; more are rows, with a table for each group."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure for all endpoints. `tip` explains the title.

    A `bare` row only says why there is no figure.
    """

    title: str
    tip: str
    cells: tuple[Cell, ...]
    note: str = ""
    bare: bool = False

    @property
    def n(self) -> str:
        """The denominator that all figures of the row share; empty where they differ."""
        found = {cell.n for cell in self.cells if not cell.missing}
        return found.pop() if len(found) == 1 else ""

    @property
    def is_void(self) -> bool:
        """Whether no endpoint has this figure."""
        return all(cell.missing and cell.text == MISSING for cell in self.cells)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that belong together; a `folded` group opens on demand."""

    title: str
    rows: tuple[Row, ...]
    folded: bool = False


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint at the top of a column."""

    letter: str
    name: str
    provider: str
    reference: bool


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """A table of figures. `spans` are the weights above their columns, with how many columns each has."""

    title: str
    spans: tuple[tuple[str, int], ...]
    heads: tuple[Head, ...]
    groups: tuple[Group, ...]
    footnote: str = ""

    @property
    def is_tall(self) -> bool:
        """Whether endpoints are rows."""
        return len(self.heads) > MOST_COLUMNS

    @property
    def weights(self) -> tuple[str, ...]:
        """The weights of each endpoint."""
        return tuple(name for name, columns in self.spans for _ in range(columns))


def matrix(basis: Basis) -> Matrix:
    """The table at the top of the report: figures over all suites, quality by suite, and facts."""
    groups = (
        Group(title="Quality", rows=tuple(_quality_rows(basis))),
        Group(
            title="Refusal and filters, all samples",
            rows=tuple(
                _measure_rows(basis, ("refused", "refused_served", "excess_refusal", "steered", "blocked"))
            ),
        ),
        Group(
            title="Delivery and speed",
            rows=tuple(
                _measure_rows(
                    basis,
                    ("delivered", "first_token_p50", "first_token_p95", "total_p50", "total_p95", "rate"),
                )
            ),
        ),
        Group(title="Cost", rows=tuple(_measure_rows(basis, ("cost_per_1k", "cost_per_success")))),
        Group(title="Where the data goes", rows=tuple(_fact_rows(basis))),
    )
    void = ", ".join(row.title for group in groups for row in group.rows if row.is_void)
    told = [
        msgspec.structs.replace(group, rows=tuple(row for row in group.rows if not row.is_void))
        for group in groups
    ]
    return Matrix(
        title="Comparison of endpoints",
        spans=spans_of(basis),
        heads=heads_of(basis),
        groups=tuple(group for group in told if group.rows),
        footnote=f"{_best_note(basis)}{f' Not measured in this run: {void}.' if void else ''}".strip(),
    )


def suite_tables(basis: Basis) -> tuple[Matrix, ...]:
    """One table per suite with every figure, and how its trials ended."""
    tables = []
    for suite, record in basis.records.items():
        rows = tuple(_measure_rows(basis, tuple(basis.summary.measures), suite))
        layers = tuple(_layer_rows(basis, suite))
        groups = (Group(title="Figures", rows=rows), Group(title="How trials ended", rows=layers))
        tables.append(
            Matrix(
                title=f"{tidy(record.suite.title)} ({tidy(suite)})",
                spans=spans_of(basis),
                heads=heads_of(basis),
                groups=tuple(group for group in groups if group.rows),
            )
        )
    return tuple(tables)


def heads_of(basis: Basis) -> tuple[Head, ...]:
    """What stands above each column."""
    return tuple(
        Head(
            letter=c.letter,
            name=c.name,
            provider=tidy(c.endpoint.provider.name),
            reference=c.reference,
        )
        for c in basis.columns
    )


def spans_of(basis: Basis) -> tuple[tuple[str, int], ...]:
    """Weights with the number of their columns."""
    names = [column.weights for column in basis.columns]
    return tuple((name, names.count(name)) for name in dict.fromkeys(names))


def _best_note(basis: Basis) -> str:
    comparisons = basis.comparisons
    if not comparisons.best_family:
        return ""
    return (
        "Marked best: better than every other endpoint on common samples, significant at "
        f"{comparisons.alpha:g} after Holm's correction over {comparisons.best_family} rows. "
        "No mark means that no endpoint is proven best."
    )


def _quality_rows(basis: Basis) -> list[Row]:
    rows = []
    for suite, record in basis.records.items():
        metric = next((m for m in record.metrics if m.name == record.suite.primary), None)
        unit: Unit = "number" if metric is not None and metric.kind == "number" else "share"
        row = _row(basis, "quality", suite, unit)
        if row is None:
            continue
        name = tidy(metric.title if metric else record.suite.primary)
        meaning = f"{metric.meaning}. " if metric else ""
        rows.append(
            msgspec.structs.replace(
                row,
                title=tidy(record.suite.title if suite == record.suite.id else suite),
                note=name,
                tip=f"{tidy(meaning, 400)}{MEASURES['quality'].meaning}",
            )
        )
    return rows


def _measure_rows(basis: Basis, measures: tuple[str, ...], suite: str | None = None) -> list[Row]:
    known = basis.summary.measures
    rows = (_row(basis, name, suite, known[name].unit) for name in measures if name in known)
    return [row for row in rows if row is not None]


def _row(basis: Basis, name: str, suite: str | None, unit: Unit) -> Row | None:
    """A measure for all endpoints; None if no endpoint has it."""
    comparisons = basis.comparisons
    estimates = [basis.summary.find(c.key, name, suite) for c in basis.columns]
    if all(estimate is None for estimate in estimates):
        return None
    measure, cells = basis.summary.measures[name], []
    for column, estimate in zip(basis.columns, estimates, strict=True):
        mark = BEST if comparisons.best.get((suite, name)) == column.key else ""
        cell = estimate_cell(estimate, unit, denominator=measure.denominator, mark=mark)
        test = comparisons.find(column.key, name, suite)
        if test is not None:
            more = (*cell.facts, *change_facts(test, unit, comparisons.family))
            cell = msgspec.structs.replace(cell, facts=more)
        cells.append(cell)
    return Row(title=tidy(measure.title), tip=tidy(measure.meaning, 400), cells=tuple(cells))


def _layer_rows(basis: Basis, suite: str | None) -> list[Row]:
    layers = {x.subject: x for x in basis.summary.layers if x.suite == suite}
    seen = [name for name in LAYERS if any(name in x.counts for x in layers.values())]
    rows = []
    for name in seen:
        cells = []
        for column in basis.columns:
            layer = layers.get(column.key)
            text = MISSING if layer is None else f"{count(layer.counts.get(name, 0))}"
            cells.append(
                Cell(
                    text=text,
                    interval="" if layer is None else f"of {count(layer.planned)}",
                    missing=layer is None,
                )
            )
        rows.append(
            Row(title=LAYERS[name]["title"], tip="Trials that ended in this way.", cells=tuple(cells))
        )
    return rows


def _fact_rows(basis: Basis) -> list[Row]:
    rows = (
        ("Operator", "The contracting entity.", _operator),
        ("Operator's country", "Where the contracting entity sits, and who controls it.", _country),
        ("Processing", "Countries in which prompts are processed, as published.", _processing),
        ("Training on prompts", "As published by the provider.", _training),
        ("Retention", "How long prompts are kept, as published.", _retention),
        ("Claimed quantization", "What the provider says it serves; a claim, not a measurement.", _quantized),
        ("List price", "US dollars per million tokens, input / output.", _price),
    )
    return [
        Row(title=title, tip=tip, cells=tuple(make(c, basis) for c in basis.columns))
        for title, tip, make in rows
    ]


def _plain(text: str | None, source: Source | None = None) -> Cell:
    if text is None:
        return Cell(text="not published", missing=True)
    facts: tuple[tuple[str, str], ...] = ()
    if source is not None:
        facts = (("source", tidy(source.url)), ("read on", tidy(source.read)))
    return Cell(text=tidy(text), facts=facts)


def _operator(c: Column, _: Basis) -> Cell:
    operator = c.endpoint.provider.operator
    return _plain(operator.name, operator.source)


def _country(c: Column, _: Basis) -> Cell:
    operator = c.endpoint.provider.operator
    if operator.country is None:
        return _plain(None)
    parent = operator.parent_country
    foreign = parent is not None and parent != operator.country
    return _plain(f"{operator.country}, parent {parent}" if foreign else operator.country, operator.source)


def _processing(c: Column, _: Basis) -> Cell:
    provider = c.endpoint.provider
    countries = provider.processing_countries
    return _plain(", ".join(countries) if countries else None, provider.processing_source)


_TRAINING = {
    "never": "never",
    "opt_out": "yes, unless opted out",
    "opt_in": "only if opted in",
    "always": "yes",
}


def _training(c: Column, _: Basis) -> Cell:
    terms = c.endpoint.provider.terms
    return _plain(_TRAINING[terms.training] if terms.training else None, terms.source)


def _retention(c: Column, _: Basis) -> Cell:
    terms = c.endpoint.provider.terms
    days = terms.retention_days
    if days is None:
        return _plain(None)
    return _plain("none" if days == 0 else f"{days} days", terms.source)


def _quantized(c: Column, _: Basis) -> Cell:
    return _plain(c.endpoint.declaration.quantization)


def _price(c: Column, basis: Basis) -> Cell:
    manifest = basis.runs[c.run].manifest
    record = next((p for p in manifest.prices if p.endpoint == c.endpoint.id), None)
    price: Price | None = record.price if record else None
    if record is None or price is None:
        return Cell(
            text="unpriced", missing=True, facts=(("note", "no price row is known; unpriced is not free"),)
        )
    facts: list[tuple[str, str]] = [("price row from", tidy(record.source))]
    if price.source:
        facts += [("source", tidy(price.source.url)), ("read on", tidy(price.source.read))]
    return Cell(text=f"{dollars(price.input)} / {dollars(price.output)}", facts=tuple(facts))


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison with the reference as a row of text. `tone` is `better`, `worse` or empty."""

    subject: str
    measure: str
    scope: str
    change: str
    interval: str
    p: str
    tone: str
    decision: str
    n: str
    better: str
    worse: str
    detectable: str
    link: str


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """All comparisons with the reference; `note` says how they were corrected."""

    reference: str
    rows: tuple[Difference, ...]
    note: str


def differences(basis: Basis) -> Differences:
    """The paired differences as a table."""
    comparisons = basis.comparisons
    letters = {c.key: c.letter for c in basis.columns}
    rows = [_difference(basis, test, letters) for test in comparisons.tests]
    significant = sum(test.significant for test in comparisons.tests)
    note = (
        f"{significant} of {comparisons.family} tests are significant at {comparisons.alpha:g} after Holm's "
        "correction. Differences are between the same samples; repeats and samples of one cluster are one "
        "independent unit."
        if rows
        else ""
    )
    return Differences(reference=tidy(comparisons.reference or ""), rows=tuple(rows), note=note)


def _difference(basis: Basis, test: Any, letters: dict[str, str]) -> Difference:
    from urllib.parse import urlencode

    measure = basis.comparisons.measures[test.measure]
    unit = measure.unit
    text, interval = change_text(test, unit)
    favours = test.favours_subject
    tone = "" if not test.significant or favours is None else "better" if favours else "worse"
    detectable = MISSING
    if test.detectable is not None:
        scale = 100.0 if unit == "share" else 1.0
        detectable = f"{test.detectable * scale:.1f}" + (" points" if unit == "share" else "")
    link = ""
    if test.measure == "quality" and (test.better or test.worse):
        show = "worse" if test.worse >= test.better else "better"
        link = "#evidence?" + urlencode({"suite": test.suite, "against": test.subject, "show": show})
    title = "Quality" if test.measure == "quality" else tidy(measure.title)
    return Difference(
        subject=f"{letters[test.subject]} {tidy(test.subject)}",
        measure=title.replace(", median", ""),
        scope=tidy(test.suite) if test.suite else "all suites",
        change=text,
        interval=interval,
        p=p_text(test.adjusted),
        tone=tone,
        decision={"better": "▲ better", "worse": "▼ worse", "": "not significant"}[tone]
        if tone or not test.significant
        else "differs",
        n=count(test.estimate.n),
        better=count(test.better),
        worse=count(test.worse),
        detectable=detectable,
        link=link,
    )
