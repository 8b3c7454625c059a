"""Finds the value that an answer gives, where the question asks for one instead of code. Pure."""

from __future__ import annotations

import ast
import re

from evalkit.scorers.code.extract import fenced_blocks, without_thoughts

_TAGGED = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|$)", re.DOTALL)
_CALL = re.compile(r"^f\((?P<inside>.*)\)$", re.DOTALL)


def value_of(answer: str) -> str | None:
    """The text of the value that an answer ends in: tagged, fenced, or on its last line."""
    found = _given(answer)
    if found is None:
        return None
    return _side(found, left=False)


def arguments_of(answer: str) -> str | None:
    """The text of the arguments that an answer gives, without the call around them."""
    found = _given(answer)
    if found is None:
        return None
    side = _side(found, left=True)
    call = _CALL.match(side)
    return call["inside"] if call else side


def _given(answer: str) -> str | None:
    text = without_thoughts(answer)
    tagged = _TAGGED.findall(text)
    if tagged:
        text = tagged[-1]
    blocks = fenced_blocks(text)
    if blocks:
        text = blocks[-1]
    lines = [line.strip() for line in text.strip().split("\n") if line.strip()]
    if not lines:
        return None
    found = text.strip() if tagged or blocks else lines[-1]
    return found.strip("`").strip() or None


def _side(text: str, *, left: bool) -> str:
    """One side of `assert f(x) == y`, or the text itself."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    if len(body) != 1:
        return text
    node = body[0].test if isinstance(body[0], ast.Assert) else getattr(body[0], "value", None)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        return ast.unparse(node.left if left else node.comparators[0])
    return text
