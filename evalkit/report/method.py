"""Method and provenance: what was used, when, under which facts, and how each figure was made."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.measures import MEASURES
from evalkit.report.numbers import count, dollars
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.report.basis import Basis, Column
    from evalkit.types.provider import Price
    from evalkit.types.run import Manifest, PriceRecord

UNKNOWN = "not published"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A titled table, or paragraphs. Cells that are web addresses become links."""

    id: str
    title: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text: tuple[str, ...] = ()


def method(basis: Basis) -> tuple[Section, ...]:
    """All sections, empty ones left out."""
    made = (
        _runs(basis),
        _suites(basis),
        _parameters(basis),
        _endpoints(basis),
        _prices(basis),
        _policy(basis),
        _exclusions(basis),
        _failures(basis),
        _measures(basis),
        _methods_used(basis),
        _software(basis),
    )
    return tuple(section for section in made if section.rows or section.text)


def _runs(basis: Basis) -> Section:
    rows = []
    for run in basis.runs:
        m = run.manifest
        attempts = sum(max(1, len(g.attempts)) for g in run.generations)
        rows.append(
            (
                tidy(m.run),
                m.status,
                tidy(m.created_at),
                tidy(m.finished_at) if m.finished_at else "not finished",
                count(len(run.generations)),
                count(attempts - len(run.generations)),
                str(m.seed),
                tidy("evalkit " + " ".join(m.argv), 400),
            )
        )
    head = ("run", "status", "started", "finished", "requests", "retries", "seed", "command")
    return Section(id="runs", title="Runs", head=head, rows=tuple(rows))


def _suites(basis: Basis) -> Section:
    rows = tuple(
        (
            tidy(name),
            tidy(r.suite.version),
            r.hash,
            count(r.samples),
            str(r.epochs),
            tidy(r.suite.primary),
            tidy(r.suite.licence),
            tidy(r.suite.source),
        )
        for name, r in basis.records.items()
    )
    head = ("suite", "version", "SHA-256", "samples", "epochs", "primary metric", "licence", "source")
    return Section(id="suites", title="Suites", head=head, rows=rows)


def _json(value: Any) -> str:
    return tidy(msgspec.json.encode(value).decode(), 2000)


def _parameters(basis: Basis) -> Section:
    rows = [
        (tidy(name), "generation", _json(record.suite.generation)) for name, record in basis.records.items()
    ]
    for name, record in basis.records.items():
        rows.append((tidy(name), "solver", _json(record.suite.solver)))
        rows.extend((tidy(name), "scorer", _json(scorer)) for scorer in record.suite.scorers)
        if record.suite.system:
            rows.append((tidy(name), "system message", tidy(record.suite.system, 2000)))
    rows += (
        (tidy(run.manifest.run), "run options", _json(run.manifest.options))
        for run in basis.runs
        if run.manifest.options
    )
    for c in basis.columns:
        if c.endpoint.quirks.extra_body:
            rows.append((c.name, "added to every body", _json(c.endpoint.quirks.extra_body)))
        if c.endpoint.quirks.forced:
            rows.append((c.name, "forced by the host", _json(c.endpoint.quirks.forced)))
    return Section(id="parameters", title="What was asked", head=("of", "what", "exactly"), rows=tuple(rows))


def _endpoints(basis: Basis) -> Section:
    head = ("endpoint", "fact", "value", "source", "read on")
    rows = tuple(row for c in basis.columns for row in _facts(c))
    return Section(id="endpoints", title="Endpoints and the facts relied on", head=head, rows=rows)


def _facts(c: Column) -> Iterator[tuple[str, ...]]:
    provider, declared = c.endpoint.provider, c.endpoint.declaration
    operator, terms = provider.operator, provider.terms

    def row(fact: str, value: object, source: Any = None) -> tuple[str, ...]:
        text = UNKNOWN if value is None else tidy(str(value), 400)
        return c.name, fact, text, tidy(source.url) if source else "", tidy(source.read) if source else ""

    yield row("provider", f"{provider.name} ({provider.kind}), adapter {provider.adapter}")
    yield row("address", c.endpoint.base_url)
    weights = declared.weights
    yield row("weights", f"{weights.repo} @ {weights.revision or 'revision not stated'}" if weights else None)
    yield row("quantization, claimed", declared.quantization)
    yield row("context, tokens", declared.context)
    yield row("licence of the weights", declared.licence)
    yield row("operator", operator.name, operator.source)
    yield row("operator's country", operator.country, operator.source)
    yield row("parent's country", operator.parent_country, operator.source)
    processing = ", ".join(provider.processing_countries) if provider.processing_countries else None
    yield row("processing", processing, provider.processing_source)
    if (host := declared.host) is not None:
        at, read = host.operator.country, host.operator.source
        yield row("host behind the router", host.operator.name, read)
        yield row("that host's country", at, read)
        yield row("that host's datacentres", ", ".join(host.processing_countries or ()) or None, read)
    yield row("training on prompts", terms.training, terms.source)
    yield row("retention, days", terms.retention_days, terms.source)
    if declared.note or provider.note:
        yield row("note", declared.note or provider.note)


def _prices(basis: Basis) -> Section:
    rows: list[tuple[str, ...]] = []
    for run in basis.runs:
        for record in run.manifest.prices:
            prices = record.rows or ((record.price,) if record.price else ())
            if not prices:
                rows.append((tidy(record.endpoint), tidy(record.source), *("unpriced",) * 2, *("",) * 5))
            rows += (_price_row(record, price) for price in prices)
    head = (
        "endpoint",
        "row from",
        "input",
        "output",
        "cached input",
        "reasoning",
        "valid",
        "source",
        "read on",
    )
    return Section(id="prices", title="Prices, US dollars per million tokens", head=head, rows=tuple(rows))


def _price_row(record: PriceRecord, price: Price) -> tuple[str, ...]:
    return (
        tidy(record.endpoint),
        tidy(f"{record.source}. {record.note}" if record.note else record.source),
        dollars(price.input),
        dollars(price.output),
        "" if price.cached_input is None else dollars(price.cached_input),
        "" if price.reasoning is None else dollars(price.reasoning),
        " to ".join(filter(None, (price.valid_from, price.valid_until))),
        tidy(price.source.url) if price.source else "",
        tidy(price.source.read) if price.source else "",
    )


def _policy(basis: Basis) -> Section:
    rows = tuple(
        (
            tidy(p.suite),
            tidy(p.endpoint),
            p.role,
            p.sensitivity,
            "allowed" if p.allowed else "not allowed",
            tidy(p.rule, 300),
            _json(p.facts),
        )
        for run in basis.runs
        for p in run.manifest.policy
    )
    head = ("suite", "endpoint", "role", "sensitivity", "verdict", "rule", "facts relied on")
    return Section(id="policy", title="Policy verdicts", head=head, rows=rows)


def _exclusions(basis: Basis) -> Section:
    """What does not enter a figure, counted by reason."""
    rows: list[tuple[str, ...]] = []
    trials, scores = basis.frames.trials, basis.frames.scores
    names = {c.key: c.name for c in basis.columns}
    if len(trials):
        lost = trials[~trials["delivered"]]
        for (subject, suite, outcome), part in lost.groupby(["subject", "suite", "outcome"], sort=False):
            rows.append((names[subject], tidy(suite), f"not delivered: {outcome}", count(len(part))))
    if len(scores):
        missing = scores[scores["reason"].notna()]
        grouped = missing.groupby(["subject", "suite", "metric", "reason"], sort=False)
        for (subject, suite, metric, reason), part in grouped:
            rows.append((names[subject], tidy(suite), f"unscored {metric}: {tidy(reason)}", count(len(part))))
    text = () if rows else ("Nothing was left out: every planned trial was delivered and scored.",)
    head = ("endpoint", "suite", "reason", "trials")
    return Section(id="exclusions", title="What is left out, and why", head=head, rows=tuple(rows), text=text)


def _failures(basis: Basis) -> Section:
    """What hosts said in the place of an answer, most frequent first."""
    said: Counter[tuple[str, str, str]] = Counter()
    for run in basis.runs:
        for g in run.generations:
            if g.failure is not None:
                said[g.endpoint, g.outcome.value, g.failure.message[:200]] += 1
    rows = tuple(
        (tidy(endpoint), outcome, tidy(message), count(number))
        for (endpoint, outcome, message), number in said.most_common(50)
    )
    head = ("endpoint", "outcome", "what was said", "generations")
    return Section(id="failures", title="What came instead of an answer", head=head, rows=rows)


def _measures(basis: Basis) -> Section:
    known = {**MEASURES, **basis.summary.measures}.values()
    rows = tuple((tidy(m.title), tidy(m.meaning, 400), m.denominator) for m in known)
    return Section(
        id="measures",
        title="What each figure means",
        head=("figure", "meaning", "denominator (n)"),
        rows=rows,
    )


def _methods_used(basis: Basis) -> Section:
    methods = sorted({f.estimate.method for f in basis.summary.figures if f.estimate.method != "none"})
    rows = [("interval", name) for name in methods]
    rows += [("test", name) for name in sorted({t.method for t in basis.comparisons.tests})]
    return Section(id="used", title="Intervals and tests used here", head=("kind", "name"), rows=tuple(rows))


def _software(basis: Basis) -> Section:
    rows = [
        (tidy(m.run), tidy(name), tidy(version))
        for m in _manifests(basis)
        for name, version in m.software.items()
    ]
    for m in _manifests(basis):
        rows.append((tidy(m.run), "evalkit that made the run", tidy(m.evalkit)))
        rows.extend((tidy(m.run), f"SHA-256 of {tidy(f)}", tidy(h)) for f, h in m.checksums.items())
    return Section(
        id="software", title="Software and checksums", head=("run", "name", "value"), rows=tuple(rows)
    )


def _manifests(basis: Basis) -> Iterator[Manifest]:
    return (run.manifest for run in basis.runs)
