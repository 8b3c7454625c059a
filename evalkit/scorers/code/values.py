"""Values that came out of an answer as text: read without evaluating, compared by type and content.

Runs outside of the sandbox and, for checks, inside beside the driver; needs the standard library only.
"""

from __future__ import annotations

import ast
import math
import re
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TOLERANCE = 1e-6
_FRACTION = re.compile(r"-?\d{1,2000}(/\d{1,2000})?")
_GROWTH, _ROOM = 30, 1000


def decode(text: str) -> Any:
    """The value that a text of `driver.literal` stands for.

    Raises:
        ValueError: it is no literal of plain types.
    """
    try:
        return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError, MemoryError, RecursionError, ArithmeticError) as error:
        raise ValueError(f"no plain value: {text[:200]}") from error


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        if node.value is ...:
            raise ValueError("no plain value: ...")
        return node.value
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.Set):
        return {_value(item) for item in node.elts}
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_value(k): _value(v) for k, v in zip(node.keys, node.values, strict=True) if k is not None}
    if isinstance(node, ast.Name) and node.id == "nan":
        return math.nan
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        return _number(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id == "set" and not node.args:
            return set()
        if len(node.args) == 1:
            return _made(node.func.id, _value(node.args[0]))
    raise ValueError("no plain value")


def _made(name: str, value: Any) -> Any:
    """A value of a standard type that has no literal."""
    if name == "Decimal" and isinstance(value, str):
        from decimal import Decimal

        return Decimal(value)
    if name == "Fraction" and isinstance(value, str) and _FRACTION.fullmatch(value):
        from fractions import Fraction

        return Fraction(value)
    makers: dict[str, Any] = {"deque": deque, "frozenset": frozenset, "iter": iter}
    if isinstance(value, list | set) and name in makers:
        return makers[name](value)
    raise ValueError("no plain value")


def _number(node: ast.UnaryOp | ast.BinOp) -> Any:
    """A sign before a number, or a complex number's two parts."""
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand)
        if isinstance(node.op, ast.USub) and type(value) in {int, float, complex}:
            return -value
    elif isinstance(node.right, ast.Constant) and type(node.right.value) is complex:
        left = _value(node.left)
        if type(left) in {int, float} and isinstance(node.op, ast.Add | ast.Sub):
            return left + node.right.value if isinstance(node.op, ast.Add) else left - node.right.value
    raise ValueError("no plain value")


def same(got: str, expected: str) -> bool:
    """Whether two texts mean the same value of the same types; floats within 1e-6.

    A text much longer than the expected one is not read: it comes from hostile code.
    """
    if len(got) > _GROWTH * len(expected) + _ROOM:
        return False
    try:
        return equal(decode(got), decode(expected))
    except (ValueError, RecursionError):
        return False


def equal(a: Any, b: Any) -> bool:
    """Whether two plain values are the same, an integer and a float of one value among them."""
    if isinstance(a, float | int) and isinstance(b, float | int) and float in {type(a), type(b)}:
        return not isinstance(a, bool) and not isinstance(b, bool) and _close(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return bool(a == b)


def _close(a: float, b: float) -> bool:
    try:
        return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    except OverflowError:
        return False
