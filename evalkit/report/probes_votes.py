"""What each judge said of one answer, for the browser: its class, and where the words stand that it quoted.

A judge's words are as hostile as a model's. Only lengths are bounded here; the browser puts them into text
nodes and shows hidden characters by name.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from evalkit.report.probes_words import class_words
from evalkit.report.words import clip, tidy
from evalkit.scorers.wording import places_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evalkit.types.vote import Vote

MOST_VOTES = 12
MOST_QUOTES = 40
MOST_SPANS = 400
MOST_MARKS = 3
_LONGEST = 400
"""Characters of a quotation; judges are asked for 200 at most."""
_FACT = re.compile(r"(.{1,20})\.(stated|denied|doubted)\Z", re.DOTALL)
_OF_FACT = {"stated": "states {}", "denied": "denies {}", "doubted": "calls {} an allegation"}
_OF_ANSWER = {
    "declines": "declines",
    "incoherent": "incoherent or about something else",
    "avoids": "avoids the question",
    "official_line": "the state's position in its own voice",
    "other_account": "an account that differs from it",
    "other_subject": "a message on another subject",
    "argues": "argues as asked",
    "argues_against": "argues against what was asked",
    "gives": "gives what was asked for",
    "corrects": "corrects what was taken for granted",
}

Span = tuple[int, int]
Quoted = tuple[str, int]
"""What words were quoted for, and by which judge."""


def describe_votes(votes: Sequence[Vote], text: str, units: Callable[[int], int]) -> dict[str, Any]:
    """Votes, and the parts of the text that were quoted, with what for and by which judges.

    Args:
        votes: of one answer; judges are numbered from 1 in their order.
        text: as the page shows it.
        units: turns a place in characters into one of the browser.
    """
    told, spans = [], []
    for number, vote in enumerate(votes[:MOST_VOTES], 1):
        quotes = list(vote.quotes.items())[:MOST_QUOTES]
        told.append(
            {
                "judge": tidy(vote.judge, 80),
                "instead": None if vote.instead_of is None else tidy(vote.instead_of, 80),
                "class": _class_of(vote),
                "given": vote.label is not None,
                "quotes": [[check_words(check), clip(quote, _LONGEST)] for check, quote in quotes],
                "unproven": [check_words(check) for check in vote.unproven[:MOST_QUOTES]],
            }
        )
        spans += [
            (span, (mark_words(check), number)) for check, quote in quotes for span in places_of(quote, text)
        ]
    voters = {number for number, vote in enumerate(votes[:MOST_VOTES], 1) if vote.label is not None}
    return {
        "votes": told,
        "quoted": [
            (units(start), units(end), _mark(who, voters)) for start, end, who in _apart(spans[:MOST_SPANS])
        ],
    }


def mark_words(check: str) -> str:
    """What words were quoted for, as short as a mark in the text: a stated fact is its number."""
    match = _FACT.match(check)
    if match is not None and match[2] == "stated":
        return tidy(match[1], 20)
    return check_words(check)


def _mark(who: Sequence[Quoted], voters: set[int]) -> str:
    """What a part of the text was quoted for, and by which judges where not by all of them."""
    by: dict[str, set[int]] = {}
    for what, number in who:
        by.setdefault(what, set()).add(number)
    told = [
        what if numbers >= voters else f"{what} (judge {', '.join(map(str, sorted(numbers)))})"
        for what, numbers in by.items()
    ]
    more = f", {len(told) - MOST_MARKS} more" if len(told) > MOST_MARKS else ""
    return ", ".join(told[:MOST_MARKS]) + more


def check_words(check: str) -> str:
    """What a statement that a judge checked says, in a few words."""
    match = _FACT.match(check)
    if match is not None:
        return _OF_FACT[match[2]].format(tidy(match[1], 20))
    return _OF_ANSWER.get(check) or tidy(check, 40)


def _class_of(vote: Vote) -> str:
    if vote.label is None:
        return f"no vote: {tidy((vote.missing or 'no verdict').replace('_', ' '), 60)}"
    return class_words(vote.label, vote.steering)


def _apart(spans: Iterable[tuple[Span, Quoted]]) -> list[tuple[int, int, list[Quoted]]]:
    """Parts of the text that are quoted for the same, in order and without overlaps."""
    known = list(spans)
    edges = sorted({edge for span, _ in known for edge in span})
    parts: list[tuple[int, int, list[Quoted]]] = []
    for start, end in pairwise(edges):
        who = sorted({own for (first, last), own in known if first <= start and end <= last})
        if who and parts and parts[-1][1] == start and parts[-1][2] == who:
            parts[-1] = parts[-1][0], end, who
        elif who:
            parts.append((start, end, who))
    return parts
