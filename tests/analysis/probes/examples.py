"""A text that a regular expression matches: it takes the first choice everywhere."""

from __future__ import annotations

import re
from functools import cache
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_CATEGORIES = {"CATEGORY_DIGIT": "1", "CATEGORY_WORD": "a", "CATEGORY_SPACE": " "}


@cache
def example(pattern: str) -> str:
    """Some text that `pattern` finds; a gap that may hold anything is a space, or else nothing."""
    parsed = parser.parse(pattern)
    for gap in (" ", ""):
        text = _of(parsed, gap)
        if re.search(pattern, f"{text} ", re.IGNORECASE):
            return text
    raise AssertionError(f"no example of {pattern!r} was found; last tried {text!r}")


def _of(parts: Any, gap: str) -> str:
    return "".join(_one(str(kind), value, gap) for kind, value in parts)


def _one(kind: str, value: Any, gap: str) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind in {"NOT_LITERAL", "ANY"}:
        return "x"
    if kind == "IN":
        return _from_set(value)
    if kind == "BRANCH":
        return _of(value[1][0], gap)
    if kind == "SUBPATTERN":
        return _of(value[-1], gap)
    if kind in {"MAX_REPEAT", "MIN_REPEAT"}:
        least, _, inner = value
        anything = str(inner[0][0]) in {"IN", "ANY", "NOT_LITERAL"} and _of(inner, gap) in {" ", "x"}
        return _of(inner, gap) * least or (gap if anything else "")
    assert kind in {"AT", "ASSERT", "ASSERT_NOT"}, kind
    return ""


def _from_set(choices: Any) -> str:
    if any(str(kind) == "NEGATE" for kind, _ in choices):
        return " "
    kind, value = choices[0]
    if str(kind) == "LITERAL":
        return chr(value)
    return chr(value[0]) if str(kind) == "RANGE" else _CATEGORIES[str(value)]
