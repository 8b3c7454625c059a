"""Tables on probes: rates, contrasts, whose doing it is, and the map of topics."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.probes.classes import AS_SERVED, MEASURES, NOT_COMPLETE, STEERING, Measure, Row
from evalkit.analysis.probes.rates import ORIGIN_TOPICS
from evalkit.report.cells import Cell, estimate_cell, p_text
from evalkit.report.charts.heat import step
from evalkit.report.matrix import Group, Matrix, heads_of, spans_of
from evalkit.report.matrix import Row as Line
from evalkit.report.numbers import count
from evalkit.report.probes_words import points, share
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.analysis.probes.attribution import Attribution
    from evalkit.analysis.probes.findings import EndpointFindings, Findings, Kind
    from evalkit.analysis.probes.rates import Contrast
    from evalkit.report.basis import Basis
    from evalkit.types.estimate import Estimate

_CLASSES = (
    ("complete", "Complete"),
    ("steered", "Steered"),
    ("official_line", "Official line"),
    ("deflection", "Deflected"),
    ("refusal", "Refused by the model"),
    ("degenerate", "Degenerate"),
    ("host_block", "Blocked by the host"),
    ("truncated", "Cut at the token limit"),
    ("error", "Host failed"),
)
_DETAILS = {
    "router": "blocked by the router",
    "input": "question filtered",
    "output": "answer filtered",
    "cut": "cut while streaming",
    "spliced": "filter's note spliced on",
    "empty": "empty again and again",
    "template": "one text for many questions",
    "omits": "core facts left out",
    "keeps_premise": "false premise kept",
    "one_sided_against": "the state's position left out",
    "contradicts": "contradicts a fact",
    "substitutes": "another subject's message",
    "false_balance": "false balance",
    "short": "far shorter than on controls",
}


def rate_matrix(basis: Basis, found: Findings) -> Matrix:
    """Rates with intervals, and the counts that they are made of."""
    known = {e.endpoint: e for e in found.endpoints}

    def line(title: str, tip: str, pick: Callable[[EndpointFindings], Cell]) -> Line:
        cells = tuple(pick(known[c.key]) if c.key in known else _blank() for c in basis.columns)
        return Line(title=title, tip=tip, cells=cells)

    def rate(measure: Measure) -> Line:
        tip = measure.meaning
        return line(measure.title, tip, lambda e: _share(e.rates[measure.key], "answers to probes"))

    def corrected(measure: Measure) -> Line:
        tip = f"{measure.meaning} Corrected for the judge's error with labels of people."
        title = f"{measure.title}, corrected"
        return line(title, tip, lambda e: _fixed(e, measure))

    rates = [rate(measure) for measure in MEASURES]
    fixed = [m for m in MEASURES if any(m.key in e.corrected for e in found.endpoints)]
    rates += [corrected(measure) for measure in fixed]
    knowledge = [
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
    harmless = line(
        "Over-blocking",
        "Blocked or refused, of benign questions on the same countries.",
        lambda e: _share(e.over_blocking, "answers to benign questions"),
    )
    groups = [
        Group(title="Rates, all topics", rows=(*rates, harmless)),
        Group(title="Known and left out", rows=tuple(knowledge)),
        *_languages(basis, found),
        _counts(basis, found),
    ]
    if found.by_rules:
        groups.insert(-1, _floors(basis, found))
    return Matrix(
        title=f"Rates on {tidy(found.suite)}",
        spans=spans_of(basis),
        heads=heads_of(basis),
        groups=tuple(group for group in groups if group.rows),
    )


def _passed(e: EndpointFindings) -> Cell:
    """Right answers to checks, with what guessing would give beside it."""
    cell = _share(e.withheld.passed, "answers to knowledge checks")
    if e.withheld.chance is None:
        return cell
    guess = ("by guessing", f"{e.withheld.chance * 100:.0f}\u202f%")
    return msgspec.structs.replace(cell, facts=(*cell.facts, guess))


def _languages(basis: Basis, found: Findings) -> list[Group]:
    if len(found.languages) < 2:
        return []
    known = {e.endpoint: e for e in found.endpoints}
    return [
        Group(
            title=f"{measure.title}, by language",
            rows=tuple(
                Line(
                    title=tidy(language),
                    tip=measure.meaning,
                    cells=tuple(
                        _share(known[c.key].by_language[language][measure.key], "answers to probes")
                        if c.key in known
                        else _blank()
                        for c in basis.columns
                    ),
                )
                for language in found.languages
            ),
        )
        for measure in (AS_SERVED, STEERING)
    ]


def _floors(basis: Basis, found: Findings) -> Group:
    """How much of the steering rate hangs on the rule."""
    known = {e.endpoint: e for e in found.endpoints}
    floors = sorted({floor for e in found.endpoints for floor in e.steered_at})
    return Group(
        title="Steered, were the rule another",
        rows=tuple(
            Line(
                title=f"below {floor * 100:g}\u202f% of core facts",
                tip="The steering rate if an answer counted as steered only below this share of its core "
                "facts. The rule in use is: any core fact is missing.",
                cells=tuple(
                    _share(known[c.key].steered_at[floor], "answers to probes")
                    if c.key in known
                    else _blank()
                    for c in basis.columns
                ),
            )
            for floor in floors
        ),
    )


def _counts(basis: Basis, found: Findings) -> Group:
    known = {e.endpoint: e for e in found.endpoints}
    seen = [(key, title) for key, title in _CLASSES if any(e.labels.get(key) for e in found.endpoints)]
    rows = [
        Line(
            title=title,
            tip="Answers to probes in this class; each has exactly one.",
            cells=tuple(_counted(known[c.key], key) if c.key in known else _blank() for c in basis.columns),
        )
        for key, title in seen
    ]
    return Group(title="Answers by class", rows=tuple(rows))


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
    facts = tuple((_DETAILS[name], count(e.details[name])) for name in of if e.details.get(name))
    return Cell(text=count(n), interval=f"of {count(total)}", facts=facts)


def _blank() -> Cell:
    return estimate_cell(None, "share", denominator="")


def _share(estimate: Estimate | None, denominator: str) -> Cell:
    return estimate_cell(estimate, "share", denominator=denominator)


def _fixed(endpoint: EndpointFindings, measure: Measure) -> Cell:
    found = endpoint.corrected.get(measure.key)
    return _share(found.estimate if found is not None else None, "labelled answers")


def contrast_matrix(basis: Basis, found: Findings) -> Matrix:
    """Contrasts for jurisdictions with enough topics; for the largest one, marked, where none has."""
    enough = [place for place, topics in found.topics.items() if topics >= ORIGIN_TOPICS]
    shown = enough or list(found.topics)[:1]
    return _contrasts(basis, found, shown, "Against controls")


def explored_matrix(basis: Basis, found: Findings) -> Matrix:
    """The excess of all other jurisdictions, which have too few topics to be more than a hint."""
    shown = [place for place, topics in found.topics.items() if topics < ORIGIN_TOPICS]
    return _contrasts(basis, found, shown, "Other jurisdictions: exploratory")


def _contrasts(basis: Basis, found: Findings, places: Sequence[str], title: str) -> Matrix:
    groups = []
    for place in places:
        topics = found.topics[place]
        rows = [line for line in _lines(basis, found, place) if not all(c.missing for c in line.cells)]
        few = f", exploratory: fewer than {ORIGIN_TOPICS}" if topics < ORIGIN_TOPICS else ""
        groups.append(Group(title=f"Topics of {tidy(place)} ({count(topics)}{few})", rows=tuple(rows)))
    return Matrix(
        title=title,
        spans=spans_of(basis),
        heads=heads_of(basis),
        groups=tuple(group for group in groups if group.rows),
    )


def _lines(basis: Basis, found: Findings, place: str) -> list[Line]:
    """Every contrast of one jurisdiction's topics."""

    def line(title: str, tip: str, kind: Kind, measure: Measure | None, language: str | None = None) -> Line:
        made = [found.find(c.key, kind, place, measure, language) for c in basis.columns]
        return Line(title=title, tip=tip, cells=tuple(_contrast(one) for one in made))

    lines = []
    for measure in (AS_SERVED, STEERING):
        name = measure.title
        tip = f"{name}: share on these topics less that on their matched controls. {measure.meaning}"
        lines.append(line(f"{name}: excess over controls", tip, "excess", measure))
        several = found.languages if len(found.languages) > 1 else ()
        lines += [
            line(f"{name}: excess in {tidy(language)}", tip, "excess", measure, language)
            for language in several
        ]
        gap = f"How much more than in English, less the same on the controls. {measure.meaning}"
        lines += [
            line(f"{name}: {tidy(language)} beyond en", gap, "language", measure, language)
            for language in several
        ]
        home = (
            "Home topics less others, less the same of reference models whose makers sit elsewhere, one host "
            f"each. {measure.meaning}"
        )
        lines.append(line(f"{name}: home excess", home, "home", measure))
    mirror = "Arguments for the state's position that were written, less arguments against it."
    lines.append(line("Mirror gap", mirror, "mirror", None))
    return lines


def _contrast(made: Contrast | None) -> Cell:
    if made is None:
        return _blank()
    text, interval = points(made.estimate)
    cell = estimate_cell(made.estimate, "share", denominator="questions with both sides")
    facts = tuple(
        (name, f"{interval} {made.estimate.method}" if name.endswith("interval") else told)
        for name, told in cell.facts
    )
    return msgspec.structs.replace(
        cell,
        text=text,
        interval=interval,
        facts=(*facts, ("topics", count(made.topics))),
    )


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
            f"{NOT_COMPLETE.title}: blocked, refused, deflected or steered, on {count(part.questions)} "
            f"questions that every host answered. Model's part (shown by every host): {share(part.model)}. "
            f"Blocked by every host, so unknown: {share(part.hidden)}."
        ),
        head=("host", "in all", "the host's part"),
        rows=tuple(
            (names[h.endpoint], share(h.total), " ".join(p for p in points(h.added) if p)) for h in part.hosts
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
    """Topics by language and endpoint, grouped by jurisdiction."""

    title: str
    languages: tuple[str, ...]
    letters: tuple[str, ...]
    groups: tuple[tuple[str, tuple[HeatRow, ...]], ...]


def heat(basis: Basis, rows: Sequence[Row]) -> Heat:
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
    languages = sorted({language for _, language, _ in sums}, key=lambda name: (name != "en", name))

    def squares(topic: str) -> tuple[Square, ...]:
        return tuple(
            _square(sums.get((topic, language, column.key)))
            for language in languages
            for column in basis.columns
        )

    order = sorted(places, key=lambda place: (-len(places[place]), place))
    return Heat(
        title=f"{NOT_COMPLETE.title}, by topic",
        languages=tuple(tidy(language) for language in languages),
        letters=tuple(column.letter for column in basis.columns),
        groups=tuple(
            (
                tidy(place),
                tuple(
                    HeatRow(topic=tidy(topic, 40), squares=squares(topic)) for topic in sorted(places[place])
                ),
            )
            for place in order
        ),
    )


def _square(total: list[int] | None) -> Square:
    if total is None:
        return Square("", -1)
    hits, n = total
    return Square(f"{hits}/{n}", step(hits / n))
