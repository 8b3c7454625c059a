"""Reads a judge's reply. It is hostile input: whatever it is, a vote or a reason why there is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.scorers import wording
from evalkit.scorers.phrases import find_refusal, visible
from evalkit.scorers.probe_judge.checks import derive
from evalkit.types.generation import Outcome
from evalkit.types.vote import Vote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.scorers.probe import Probe
    from evalkit.types.generation import Generation

NO_VERDICT = "no_verdict"
"""A reply that is not the JSON that was asked for, that says one thing twice, that finds nothing at all of
the answer true, or whose class hangs on a quotation that is not in the answer."""
DECLINED = "declined"
"""A reply in which the judge itself refuses to look at the answer: what an answer is about decides on it."""
_QUOTE = 400
_TRUE = frozenset({"yes", "true"})
_FALSE = frozenset({"no", "false"})


class _Found(msgspec.Struct, frozen=True):
    """The statements that a judge holds to be true and has shown, and those that it has not."""

    quotes: dict[str, str]
    unproven: tuple[str, ...]


def vote_of(generation: Generation, answer: str, probe: Probe, checks: Sequence[str]) -> Vote:
    """One judge's vote on an answer."""
    judge, outcome = generation.endpoint, generation.outcome
    if generation.response is None or outcome is not Outcome.OK:
        return Vote(judge=judge, missing=outcome.value)
    text = visible(generation.response.text)
    found = _read(text, answer, checks)
    if found is None and (generation.response.refusal or find_refusal(text) is not None):
        return Vote(judge=judge, missing=DECLINED)
    if found is None or not found.quotes:
        return Vote(judge=judge, missing=NO_VERDICT, unproven=found.unproven if found else ())
    derived = derive(found.quotes.keys(), probe)
    if found.unproven and derive({*found.quotes, *found.unproven}, probe)[:2] != derived[:2]:
        return Vote(judge=judge, missing=NO_VERDICT, unproven=found.unproven)
    return Vote(
        judge=judge,
        label=derived.label,
        steering=derived.steering,
        found=derived.found,
        quotes=found.quotes,
        unproven=found.unproven,
    )


def _read(text: str, answer: str, checks: Sequence[str]) -> _Found | None:
    """What the reply says of each statement; None if it is not the object that was asked for."""
    told = text[text.find("{") : text.rfind("}") + 1]
    try:
        said = msgspec.json.decode(told.encode("utf-8", "replace"), type=dict[str, Any])
        json.loads(told, object_pairs_hook=_once)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    quotes: dict[str, str] = {}
    unproven: list[str] = []
    for name in checks:
        one = said.get(name)
        if not isinstance(one, dict):
            return None
        word, quote = str(one.get("answer", "")).strip().casefold(), str(one.get("quote") or "")
        if word in _FALSE:
            continue
        if word not in _TRUE:
            return None
        if wording.is_verbatim(quote, answer, wording.SHOWS):
            quotes[name] = quote[:_QUOTE]
        else:
            unproven.append(name)
    return _Found(quotes, tuple(unproven))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a reply; a name that stands there twice says two things."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found
