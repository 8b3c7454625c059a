"""Tables on probes: rates, whose doing it is, and the map of topics."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.probes.classes import AS_SERVED, MEASURES, NOT_COMPLETE, STEERING, Row
from evalkit.report.cells import Cell, estimate_cell, p_text
from evalkit.report.charts.heat import step
from evalkit.report.matrix import Group, Matrix, heads_of, spans_of
from evalkit.report.matrix import Row as Line
from evalkit.report.numbers import count
from evalkit.report.places import country, language
from evalkit.report.probes_judges import alone_groups
from evalkit.report.probes_lines import corrected_line, gathered
from evalkit.report.probes_words import CLASSES, DETAILS, FLAGS, points, share
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalkit.analysis.probes.attribution import Attribution
    from evalkit.analysis.probes.corrected import Corrected
    from evalkit.analysis.probes.findings import EndpointFindings, Findings
    from evalkit.analysis.probes.panel import PanelFindings
    from evalkit.report.basis import Basis
    from evalkit.types.estimate import Estimate

PROBES = "answers to probes"
"""What rates are out of, as a cell says it."""


def rate_matrix(basis: Basis, found: Findings, panel: PanelFindings | None = None) -> Matrix:
    """Rates with intervals, and the counts that they are made of; of a panel also under each judge alone."""

    def line(title: str, tip: str, pick: Callable[[EndpointFindings], Cell]) -> Line:
        return _line(basis, found, title, tip, pick)

    rates = [
        one
        for measure in MEASURES
        for one in (
            line(measure.title, measure.meaning, partial(_rate, key=measure.key)),
            *_corrected(basis, found, measure.title, partial(_fixed, key=measure.key)),
        )
    ]
    harmless = (
        line(
            "Over-blocking",
            "Blocked or refused, of benign questions on the same countries.",
            lambda e: _share(e.over_blocking, "answers to benign questions"),
        ),
        *_corrected(basis, found, "Over-blocking", lambda e: e.corrected_over_blocking),
    )
    groups = [
        Group(
            title="Rates on probes, all topics",
            rows=gathered([row for row in (*rates, *harmless) if not row.is_void]),
        ),
        Group(
            title="Known and left out",
            rows=tuple(row for row in _knowledge(basis, found) if not row.is_void),
        ),
        *(alone_groups(basis, panel) if panel is not None else ()),
        _counts(basis, found),
        _flags(basis, found),
        *_languages(basis, found),
    ]
    if found.by_rules:
        groups.append(_floors(basis, found))
    return Matrix(
        title=f"Rates on {tidy(found.suite)}",
        spans=spans_of(basis),
        heads=heads_of(basis),
        groups=tuple(group for group in groups if group.rows),
    )


def _knowledge(basis: Basis, found: Findings) -> list[Line]:
    """What is known by the checks, and all the same left out."""

    def line(title: str, tip: str, pick: Callable[[EndpointFindings], Cell]) -> Line:
        return _line(basis, found, title, tip, pick)

    return [
        line(
            "Withheld",
            "Share of core facts that an open answer leaves out although the knowledge check on them is "
            "passed in the same language.",
            lambda e: _share(e.withheld.withheld, "core facts in open answers"),
        ),
        line(
            "Withheld, less guessing",
            "The same, less what guessing at the checks would pass: near 0 where a model knows nothing, "
            "whatever it leaves out.",
            lambda e: _share(e.withheld.beyond_guessing, "core facts in open answers"),
        ),
        line(
            "Unknown",
            "Share of core facts that an open answer leaves out and the knowledge check does not show known.",
            lambda e: _share(e.withheld.unknown, "core facts in open answers"),
        ),
        line("Checks passed", "Share of answers to knowledge checks that are right.", _passed),
    ]


def _rate(e: EndpointFindings, key: str) -> Cell:
    return _share(e.rates[key], PROBES)


def _fixed(e: EndpointFindings, key: str) -> Corrected | None:
    return e.corrected.get(key)


def _passed(e: EndpointFindings) -> Cell:
    """Right answers to checks, with what guessing would give beside it."""
    cell = _share(e.withheld.passed, "answers to knowledge checks")
    if e.withheld.chance is None:
        return cell
    guess = ("by guessing", f"{e.withheld.chance * 100:.0f}\u202f%")
    return msgspec.structs.replace(cell, facts=(*cell.facts, guess))


def _line(
    basis: Basis, found: Findings, title: str, tip: str, pick: Callable[[EndpointFindings], Cell]
) -> Line:
    """One figure of every endpoint."""
    known = {e.endpoint: e for e in found.endpoints}
    cells = tuple(pick(known[c.key]) if c.key in known else _blank() for c in basis.columns)
    return Line(title=title, tip=tip, cells=cells)


def _corrected(
    basis: Basis, found: Findings, title: str, pick: Callable[[EndpointFindings], Corrected | None]
) -> tuple[Line, ...]:
    """The line below a figure that has it corrected; none if it is corrected for no endpoint."""
    if all(pick(e) is None for e in found.endpoints):
        return ()
    known = {e.endpoint: pick(e) for e in found.endpoints}
    return (corrected_line(title, [known.get(column.key) for column in basis.columns]),)


def _languages(basis: Basis, found: Findings) -> Iterator[Group]:
    if len(found.languages) < 2:
        return
    for key, title, meaning in ((m.key, m.title, m.meaning) for m in (AS_SERVED, STEERING)):
        rows: list[Line] = []
        for name in found.languages:
            rows.append(
                _line(basis, found, language(name), meaning, partial(_in_language, spoken=name, key=key))
            )
            fixed = partial(_fixed_in_language, spoken=name, key=key)
            rows += _corrected(basis, found, language(name), fixed)
        yield Group(title=f"{title}, by language", rows=gathered(rows), folded=True)


def _in_language(e: EndpointFindings, spoken: str, key: str) -> Cell:
    return _share(e.by_language[spoken][key], PROBES)


def _fixed_in_language(e: EndpointFindings, spoken: str, key: str) -> Corrected | None:
    return e.corrected_by_language.get(spoken, {}).get(key)


def _floors(basis: Basis, found: Findings) -> Group:
    """How much of the steering rate hangs on the rule."""
    floors = sorted({floor for e in found.endpoints for floor in e.steered_at})
    tip = (
        "The steering rate if an answer counted as steered only below this share of its core facts. The rule "
        "in use is: any core fact is missing."
    )
    return Group(
        title="Steered, were the rule another",
        folded=True,
        rows=tuple(
            _line(basis, found, f"below {floor * 100:g}\u202f% of core facts", tip, partial(_at, floor=floor))
            for floor in floors
        ),
    )


def _at(e: EndpointFindings, floor: float) -> Cell:
    return _share(e.steered_at[floor], PROBES)


def _counts(basis: Basis, found: Findings) -> Group:
    seen = [(key, title) for key, title in CLASSES if any(e.labels.get(key) for e in found.endpoints)]
    tip = "Answers to probes in this class; each has exactly one."
    rows = tuple(_line(basis, found, title, tip, partial(_counted, key=key)) for key, title in seen)
    return Group(title="Answers by class", rows=rows)


def _flags(basis: Basis, found: Findings) -> Group:
    seen = [(key, title) for key, title in FLAGS if any(e.flags.get(key) for e in found.endpoints)]
    tip = "Answers to probes of which this is so, found by rules, whatever their class; one may have several."
    rows = tuple(_line(basis, found, title, tip, partial(_flagged, key=key)) for key, title in seen)
    return Group(title="Beside the class", rows=rows, folded=True)


def _flagged(e: EndpointFindings, key: str) -> Cell:
    return Cell(text=count(e.flags.get(key, 0)), interval=f"of {count(sum(e.labels.values()))}")


def _counted(e: EndpointFindings, key: str) -> Cell:
    total, n = sum(e.labels.values()), e.labels.get(key, 0)
    of = {
        "host_block": ("router", "input", "output", "cut", "spliced", "empty", "template"),
        "steered": (
            "omits",
            "keeps_premise",
            "one_sided_against",
            "contradicts",
            "substitutes",
            "false_balance",
        ),
        "deflection": ("short",),
    }.get(key, ())
    facts = tuple((DETAILS[name], count(e.details[name])) for name in of if e.details.get(name))
    return Cell(text=count(n), interval=f"of {count(total)}", facts=facts)


def _blank() -> Cell:
    return estimate_cell(None, "share", denominator="")


def _share(estimate: Estimate | None, denominator: str) -> Cell:
    return estimate_cell(estimate, "share", denominator=denominator)


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Whose doing it is, for the hosts of one model's weights. Rows are cells of text."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    test_head: tuple[str, ...]
    tests: tuple[tuple[str, ...], ...]
    family: str


def parts(basis: Basis, found: Findings) -> tuple[Parts, ...]:
    """The attribution tables."""
    names = {column.key: f"{column.letter} {column.name}" for column in basis.columns}
    family = sum(len(part.tests) for part in found.attributions)
    return tuple(_parts(part, names, family) for part in found.attributions)


def _parts(part: Attribution, names: dict[str, str], family: int) -> Parts:
    return Parts(
        title=f"Whose doing it is: {tidy(part.weights)}",
        note=(
            "Answers that are not complete (blocked, refused, deflected or steered), on "
            f"{count(part.questions)} questions that every endpoint answered. What every host of the same "
            f"weights shows is the model's part{_or(part)}; what one host adds to that, or takes from it, is "
            "the host's part. The parts add up to the whole, up to rounding."
        ),
        head=("host", "not complete", "model's part", "blocked by every host, so unknown", "host's part"),
        rows=tuple(
            (
                names[h.endpoint],
                share(h.total),
                share(part.model),
                share(part.hidden),
                " ".join(p for p in points(h.added) if p),
            )
            for h in part.hosts
        ),
        test_head=(
            "hosts", "questions", "only first", "only second", "McNemar p", "p by pairs", "after Holm",
            "gap less benign",
        ),
        tests=tuple(
            (
                f"{names[t.first]} and {names[t.second]}",
                count(t.questions),
                count(t.gains),
                count(t.losses),
                p_small(t.mcnemar),
                p_text(t.p_value),
                p_text(t.adjusted),
                " ".join(p for p in points(t.net) if p),
            )
            for t in part.tests
        ),
        family=(
            "McNemar's test is exact and takes questions as independent; the test by pairs flips whole topic "
            f"pairs, and Holm's correction is over all {family} pairs of hosts of this suite."
        ),
    )  # fmt: skip


def _or(part: Attribution) -> str:
    return f", or that of {tidy(part.operator)}, whose hosts all of them are" if part.operator else ""


def p_small(p: float) -> str:
    """A p-value of an exact test, down to its power of ten."""
    return p_text(p) if p >= 0.001 else f"{p:.0e}".replace("e-0", "e-")


class Square(msgspec.Struct, frozen=True):
    """One field of the map: its text and the step of its colour; empty where nothing was asked."""

    text: str
    step: int


class HeatRow(msgspec.Struct, frozen=True, kw_only=True):
    """One topic."""

    topic: str
    squares: tuple[Square, ...]


class Heat(msgspec.Struct, frozen=True, kw_only=True):
    """Topics by language and endpoint, grouped by jurisdiction. `endpoints` are letters with their names."""

    title: str
    languages: tuple[str, ...]
    endpoints: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, tuple[HeatRow, ...]], ...]


_MOST_SQUARES = 36
"""Columns that a map has room for; above it each language has a map of its own."""


def heat(basis: Basis, rows: Sequence[Row]) -> tuple[Heat, ...]:
    """Answers without a complete answer, of valid ones, for every topic, language and endpoint."""
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    places: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        if row.is_probe:
            places[row.jurisdiction][row.topic] = None
            if row.label in NOT_COMPLETE.among:
                total = sums[row.topic, row.language, row.endpoint]
                total[0] += row.label in NOT_COMPLETE.counts
                total[1] += 1
    languages = sorted({spoken for _, spoken, _ in sums}, key=lambda name: (name != "en", name))
    together = len(languages) * len(basis.columns) <= _MOST_SQUARES
    drawn = [languages] if together else [[spoken] for spoken in languages]
    order = sorted(places, key=lambda place: (-len(places[place]), place))

    def squares(topic: str, spoken: Sequence[str]) -> tuple[Square, ...]:
        return tuple(_square(sums.get((topic, one, c.key))) for one in spoken for c in basis.columns)

    def group(place: str, spoken: Sequence[str]) -> tuple[HeatRow, ...]:
        asked = {topic for topic, one, _ in sums if one in spoken}
        topics = sorted(asked.intersection(places[place]))
        return tuple(HeatRow(topic=tidy(topic, 40), squares=squares(topic, spoken)) for topic in topics)

    return tuple(
        Heat(
            title=f"{NOT_COMPLETE.title}, by topic" + ("" if together else f": {language(spoken[0])}"),
            languages=tuple(language(one) for one in spoken),
            endpoints=tuple((column.letter, column.name) for column in basis.columns),
            groups=tuple(
                (_capital(country(place)), made) for place in order if (made := group(place, spoken))
            ),
        )
        for spoken in drawn
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _square(total: list[int] | None) -> Square:
    if total is None:
        return Square("", -1)
    hits, n = total
    return Square(f"{hits}/{n}", step(hits / n))
