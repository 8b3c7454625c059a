"""Compares the answer's text with the sample's target, which may list several accepted texts."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal

import msgspec

from evalkit.types.score import Metric, Score, Unscored

if TYPE_CHECKING:
    from evalkit.ports.core import Scorer, Scores
    from evalkit.types.effects import Worked

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to compare.

    `exact`: the whole answer; `includes`: the target occurs as a whole word; `number`: the answer's last
    number equals the target. Case, width and surrounding punctuation do not count.
    """

    how: Literal["exact", "includes", "number"] = "includes"


def build(options: Options) -> Scorer:
    """The scorer `match`."""
    return Match(options)


class Match:
    """1 when the answer agrees with a target, else 0."""

    name = "match"
    version = "1"
    needs_sandbox = False
    metrics: tuple[Metric, ...] = (
        Metric(
            name="match",
            title="Matches",
            meaning="Share of answers that agree with an accepted target.",
        ),
    )

    def __init__(self, options: Options) -> None:
        self._how = options.how

    def score(self, worked: Worked) -> Scores:
        """See `evalkit.ports.core.Scorer`."""
        targets = worked.sample.target
        accepted = [
            str(t) for t in (targets if isinstance(targets, list | tuple) else (targets,)) if t is not None
        ]
        if not accepted:
            return (Unscored(metric="match", reason="no_target"),)
        response = worked.solution.last.response
        text = response.text if response else ""
        found, answer = self._compare(text, accepted)
        return (Score(metric="match", value=float(found), answer=answer[:500]),)

    def _compare(self, text: str, accepted: list[str]) -> tuple[bool, str]:
        if self._how == "number":
            numbers = _NUMBER.findall(text)
            last = numbers[-1].replace(",", "") if numbers else ""
            return any(_equal_numbers(last, target) for target in accepted), last
        plain = _normal(text)
        if self._how == "exact":
            return any(plain == _normal(target) for target in accepted), plain
        return any(re.search(rf"(?<!\w){re.escape(_normal(t))}(?!\w)", plain) for t in accepted), plain


def _normal(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).strip(" .,;:!?\"'`*()[]")


def _equal_numbers(found: str, target: str) -> bool:
    try:
        return abs(float(found) - float(target.replace(",", ""))) <= 1e-9 * max(1.0, abs(float(found)))
    except ValueError:
        return False
