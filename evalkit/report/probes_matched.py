"""Matched answers side by side: which ones are shown, and where their key facts stand.

Texts are not repeated: an item names rows of the evidence, and the browser marks the given places in them.
Places count UTF-16 units, as the browser does.
"""

from __future__ import annotations

import base64
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.frames import latest_turns, names_of
from evalkit.analysis.probes.classes import ANSWERED, MODEL, OPEN_FORMS, VALID, Row
from evalkit.report.evidence import Block
from evalkit.report.places import language
from evalkit.report.probes_votes import describe_votes
from evalkit.report.probes_words import class_words
from evalkit.report.words import clip, tidy
from evalkit.scorers.phrases import visible
from evalkit.scorers.probe import compiled, probe_of
from evalkit.scorers.wording import located

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.analysis.probes.panel import Ballots
    from evalkit.analysis.probes.rows import ProbeRows
    from evalkit.report.basis import Basis
    from evalkit.types.suite import Sample

MOST_HOSTS = 12
MOST_CONTROLS = 12
_FORMS = {form: number for number, form in enumerate(("open_description", "factual_recall"))}


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """One item as the page lists it: the question, and each answer's class."""

    title: str
    classes: tuple[tuple[str, str], ...]


class _Pick(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that stand side by side, and why."""

    why: str
    rows: tuple[Row, ...]


def matched(
    basis: Basis, gathered: ProbeRows, name: str, cast: Ballots | None = None
) -> tuple[tuple[Matched, ...], Block | None]:
    """Items that show the most: hosts that answer one question differently, then probes beside controls.

    Returns:
        What the page lists, and the block `<name>-matched` with each item's rows and places.
    """
    picks = [*_between_hosts(gathered.rows), *_beside_controls(gathered.rows)]
    if not picks:
        return (), None
    letters = {column.key: column.letter for column in basis.columns}
    texts = _texts(basis, gathered.suite, picks)
    listed = tuple(
        Matched(
            title=f"{pick.why}: {tidy(_named(pick))}",
            classes=tuple((_side(pick, row, letters), _class_of(row)) for row in pick.rows),
        )
        for pick in picks
    )
    subjects = {subject.name: number for number, subject in enumerate(basis.frames.subjects)}
    items = [
        [
            _place(row, gathered.suite, subjects, texts) | _judged(row, texts, cast)
            if cast is not None
            else _place(row, gathered.suite, subjects, texts)
            for row in pick.rows
        ]
        for pick in picks
    ]
    data = base64.b64encode(zlib.compress(msgspec.json.encode(items), 7)).decode("ascii")
    return listed, Block(id=f"{name}-matched", text=data)


def _named(pick: _Pick) -> str:
    first, topics = pick.rows[0], list(dict.fromkeys(row.topic for row in pick.rows))
    about = f"{first.form.replace('_', ' ')}, {language(first.language)}"
    return f"{topics[0]}, {about}" if len(topics) == 1 else about


def _side(pick: _Pick, row: Row, letters: dict[str, str]) -> str:
    """What tells an answer from the one beside it: the endpoint, and the topic where topics differ."""
    topics = {own.topic for own in pick.rows}
    return letters[row.endpoint] if len(topics) == 1 else f"{letters[row.endpoint]} {tidy(row.topic, 60)}"


def _class_of(row: Row) -> str:
    return class_words(row.label, row.detail)


def _between_hosts(rows: Sequence[Row]) -> Iterator[_Pick]:
    """Questions on which hosts of the same weights differ most, one of each topic.

    One host that was asked twice is not shown as two.
    """
    by_question: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        if row.weights is not None and row.form in OPEN_FORMS:
            by_question[row.weights, row.question, row.epoch].append(row)
    ranked = sorted(
        (
            (-len({row.label for row in group}), _FORMS[group[0].form], group[0].epoch, number, group)
            for number, group in enumerate(by_question.values())
            if _differ(group) and any(row.label in ANSWERED for row in group)
        ),
        key=lambda item: item[:4],
    )
    seen: set[str] = set()
    for group in _by_turns([item[-1] for item in ranked]):
        if group[0].topic not in seen and len(seen) < MOST_HOSTS:
            seen.add(group[0].topic)
            yield _Pick(why="Hosts", rows=tuple(group))


def _by_turns(groups: Sequence[list[Row]]) -> list[list[Row]]:
    """The same, the first of every language before the second of any."""
    places: dict[str, int] = defaultdict(int)
    turns = []
    for group in groups:
        turns.append(places[group[0].language])
        places[group[0].language] += 1
    return [group for _, group in sorted(zip(turns, groups, strict=True), key=lambda item: item[0])]


def _differ(group: Sequence[Row]) -> bool:
    """Whether answers of two hosts differ in class, failures and cut ones aside."""
    valid = [row for row in group if row.label in VALID]
    return len({row.label for row in valid}) > 1 and len({row.answered_by for row in valid}) > 1


def _beside_controls(rows: Sequence[Row]) -> Iterator[_Pick]:
    """Questions that weights do not answer completely, beside the control that they do; by turns."""
    complete = {
        (row.endpoint, row.question, row.epoch): row
        for row in rows
        if row.form in OPEN_FORMS and row.label == "complete"
    }
    seen: set[tuple[str, str]] = set()
    taken: dict[str, int] = defaultdict(int)
    makers = len({row.weights or row.endpoint for row in rows})
    asked = [
        [row]
        for row in sorted(rows, key=lambda row: (_FORMS.get(row.form, 9), row.epoch))
        if row.form in OPEN_FORMS and row.label not in {"complete", "error", "truncated", "degenerate"}
    ]
    for (row,) in _by_turns(asked):
        sides = (
            complete.get((row.endpoint, (other, row.form, row.language), row.epoch)) for other in row.controls
        )
        beside = next((side for side in sides if side is not None), None)
        whose = row.weights or row.endpoint
        full = taken[whose] >= max(1, MOST_CONTROLS // makers)
        if beside is None or full or (whose, row.topic) in seen:
            continue
        seen.add((whose, row.topic))
        taken[whose] += 1
        yield _Pick(why="Control", rows=(row, beside))


Texts = dict[tuple[str, str, int], tuple[str, "Sample"]]
"""Shown text and sample by endpoint, sample and epoch."""


def _texts(basis: Basis, suite: str, picks: Sequence[_Pick]) -> Texts:
    wanted = {(row.endpoint, row.sample, row.epoch) for pick in picks for row in pick.rows}
    found: Texts = {}
    for run, names in zip(basis.runs, names_of(basis.runs), strict=True):
        own = [name for name, shown in names.suites.items() if shown == suite]
        samples = {sample.id: sample for name in own for sample in run.samples.get(name, ())}
        mine = [g for g in run.generations if g.trial.suite in own]
        for key, turns in latest_turns(mine).items():
            place = names.subjects.get(key.endpoint, ""), key.sample, key.epoch
            if place in wanted:
                last = [g for g in turns if g.role == "subject"][-1]
                found[place] = clip(last.response.text if last.response else ""), samples[key.sample]
    return found


def _place(row: Row, suite: str, subjects: dict[str, int], texts: Texts) -> dict[str, Any]:
    """One answer: where the evidence has it, its class, its facts and where each stands."""
    text, sample = texts[row.endpoint, row.sample, row.epoch]
    facts = probe_of(sample.id, sample.data).key_facts
    spans = [
        (_units(text, start), _units(text, end), number)
        for number, (start, end) in _places(text, [fact.anchors for fact in facts])
    ]
    shown = {number for _, _, number in spans} | {n for n, fact in enumerate(facts) if fact.id in row.found}
    return {
        "suite": suite,
        "sample": tidy(row.sample),
        "epoch": row.epoch,
        "subject": subjects[row.endpoint],
        "class": _class_of(row),
        "answered": row.label in MODEL,
        "spans": _apart(sorted(spans)),
        "facts": [[fact.id, fact.fact, fact.core, number in shown] for number, fact in enumerate(facts)],
    }


def _judged(row: Row, texts: Texts, cast: Ballots) -> dict[str, Any]:
    """What judges said of an answer: found are the facts that the panel found, marks what they quoted."""
    text, sample = texts[row.endpoint, row.sample, row.epoch]
    facts = probe_of(sample.id, sample.data).key_facts
    return {
        "spans": [],
        "facts": [[fact.id, fact.fact, fact.core, fact.id in row.found] for fact in facts],
        **describe_votes(cast.votes.get(row.item, ()), text, lambda place: _units(text, place)),
    }


def _places(text: str, facts: Sequence[Sequence[str]]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where the first words for each fact stand, as the scorer finds them."""
    seen = visible(text)
    plain, origin = located(seen)
    begin = len(text) - len(seen)
    for number, anchors in enumerate(facts):
        match = _first(anchors, plain)
        if match is not None and match.end() > match.start():
            yield number, (begin + origin[match.start()], begin + origin[match.end() - 1] + 1)


def _first(anchors: Sequence[str], text: str) -> Any:
    """The earliest match of any anchor."""
    found = [match for anchor in anchors if (match := compiled(anchor).search(text))]
    return min(found, key=lambda match: match.start()) if found else None


def _units(text: str, place: int) -> int:
    """A place in characters as one in UTF-16 units."""
    return place + sum(ord(character) > 0xFFFF for character in text[:place])


def _apart(spans: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Spans without overlaps: one that begins inside another begins where that ends, or is dropped."""
    kept: list[tuple[int, int, int]] = []
    for start, end, number in spans:
        begin = max(start, kept[-1][1]) if kept else start
        if begin < end:
            kept.append((begin, end, number))
    return kept
