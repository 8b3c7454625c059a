"""Stands for numpy where the sandbox has none, for checks that ask it only whether floats are close.

Runs inside of the sandbox, apart from the answer. The tests of EvalPlus use this much of numpy.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

inf, nan = math.inf, math.nan
float32 = float64 = float


class ndarray:  # noqa: N801  # numpy's name
    """No value is one."""


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether numbers, or all numbers in equal nests of lists, differ by at most atol + rtol * |b|."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            raise ValueError("operands could not be broadcast together")
        return all(allclose(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
    if isinstance(a, list | tuple):
        return all(allclose(x, b, rtol, atol) for x in a)
    if isinstance(b, list | tuple):
        return all(allclose(a, y, rtol, atol) for y in b)
    if not isinstance(a, int | float | complex) or not isinstance(b, int | float | complex):
        raise TypeError("expected numbers")
    return a == b or bool(abs(a - b) <= atol + rtol * abs(b) and abs(b) != inf)
