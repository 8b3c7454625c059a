"""Numbers as a reader should see them: no digit that the interval does not support."""

from __future__ import annotations

import math
from datetime import UTC, datetime

MINUS = "\u2212"


def digits_for(half_width: float, *, most: int) -> int:
    """Decimals such that two digits of the interval's half-width show: 0.037 -> 3, 4.1 -> 1, 120 -> 0."""
    if not math.isfinite(half_width) or half_width <= 0:
        return most
    return max(0, min(most, 1 - math.floor(math.log10(half_width))))


def fixed(value: float, digits: int) -> str:
    """Plain decimals with thin thousands and a real minus sign; never `-0`."""
    text = f"{abs(value):,.{digits}f}".replace(",", "\u202f")
    negative = value < 0 and any(c in "123456789" for c in text)
    return f"{MINUS}{text}" if negative else text


def significant(value: float, digits: int = 3) -> str:
    """A value without an interval, to so many significant digits and no exponent."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "\u221e"
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def seconds(value: float) -> str:
    """A duration: `84 ms`, `1.24 s`, `3.1 min`."""
    if value < 0.9995:
        return f"{significant(value * 1000, 3 if value >= 0.1 else 2)} ms"
    return f"{significant(value)} s" if value < 120 else f"{fixed(value / 60, 1)} min"


def dollars(value: float) -> str:
    """US dollars to three significant digits, down to parts of a cent."""
    return f"${significant(value)}" if value >= 0 else f"{MINUS}${significant(-value)}"


def count(value: float) -> str:
    """A whole number with thin thousands."""
    return fixed(value, 0)


def moment(unix: float) -> str:
    """A Unix time as `2026-11-23 09:41 UTC`."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M UTC")
