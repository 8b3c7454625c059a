"""Words of the report: outcome layers, letters for endpoints, and text made fit to be shown."""

from __future__ import annotations

import re

from evalkit.types.generation import Outcome

NOT_RUN = "pending"
NOT_ITS_OWN = "excluded"

LAYERS: dict[str, dict[str, str]] = {
    Outcome.OK.value: {"title": "Answered", "short": "answered", "kind": "ok"},
    Outcome.TRUNCATED.value: {"title": "Cut at the token limit", "short": "cut", "kind": "weak"},
    Outcome.EMPTY.value: {"title": "Empty answer", "short": "empty", "kind": "weak"},
    Outcome.TOOL_FORMAT_FAILURE.value: {
        "title": "Broken tool format",
        "short": "tool format",
        "kind": "weak",
    },
    Outcome.ROUTER_BLOCK.value: {"title": "Blocked by the router", "short": "blocked", "kind": "block"},
    Outcome.HOST_INPUT_FILTER.value: {
        "title": "Blocked by the host: question",
        "short": "blocked",
        "kind": "block",
    },
    Outcome.HOST_OUTPUT_FILTER.value: {
        "title": "Blocked by the host: answer",
        "short": "blocked",
        "kind": "block",
    },
    Outcome.RATE_LIMITED.value: {"title": "Rate limited to the end", "short": "failed", "kind": "fail"},
    Outcome.INFRA_ERROR.value: {"title": "Host or network failed", "short": "failed", "kind": "fail"},
    Outcome.CONFIG_ERROR.value: {"title": "Request rejected", "short": "failed", "kind": "fail"},
    NOT_ITS_OWN: {"title": "Excluded: another host or a cache answered", "short": "excluded", "kind": "none"},
    NOT_RUN: {"title": "Not run yet", "short": "not run", "kind": "none"},
}
"""Each outcome as it is shown: a title, a word for narrow places, and the family that colours it."""

MOST_CHARACTERS = 20_000
"""Longest text that the page keeps; the run folder keeps all of it."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b"
    "\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def letter(number: int) -> str:
    """A, B, … Z, AA, AB, … for the endpoints of a report."""
    return (letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def plain(text: str) -> str:
    """Text that UTF-8 can carry: a lone surrogate becomes its name in brackets."""
    return _SURROGATE.sub(lambda m: f"[U+{ord(m[0]):04X}]", text)


def clip(text: str, most: int = MOST_CHARACTERS) -> str:
    """The beginning of a text, with a note of what was left out."""
    text = plain(text)
    if len(text) <= most:
        return text
    left = len(text) - most
    return f"{text[:most]}\n[… {left:,} more characters are in the run folder]"


def tidy(text: str, most: int = 200) -> str:
    """One line of text for the page's own markup: hidden characters by name, length bounded."""
    line = _HIDDEN.sub(lambda m: f"[U+{ord(m[0]):04X}]", plain(text))
    line = " ".join(line.split())
    return line if len(line) <= most else line[: most - 1] + "…"
