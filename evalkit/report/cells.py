"""An estimate as text: value, interval, and the list that opens beneath it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.report.numbers import MINUS, count, digits_for, fixed, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.compare import Comparison
    from evalkit.analysis.measures import Unit
    from evalkit.types.estimate import Estimate

MISSING = "\u2013"


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One figure as it is shown. `facts` are the pairs that open beneath it; empty for plain text.

    `n` is the denominator where an interval stands beside the figure.
    """

    text: str
    interval: str = ""
    mark: str = ""
    missing: bool = False
    n: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def tip(self) -> str:
        """The facts on one line."""
        return " · ".join(f"{name}: {text}" for name, text in self.facts)


_SCALES: dict[str, tuple[float, str, str, int]] = {
    # factor, prefix, suffix, most decimals
    "share": (100.0, "", "\u202f%", 1),
    "tokens_per_second": (1.0, "", "\u202ft/s", 1),
    "tokens": (1.0, "", "", 1),
    "number": (1.0, "", "", 4),
}


def scale_of(unit: Unit, value: float) -> tuple[float, str, str, int]:
    """Factor, prefix, suffix and most decimals in which a value of this size is shown."""
    if unit == "seconds":
        return (1000.0, "", "\u202fms", 0) if abs(value) < 0.9995 else (1.0, "", "\u202fs", 2)
    if unit == "usd":
        return 1.0, "$", "", 8
    return _SCALES[unit]


def figure(estimate: Estimate, unit: Unit) -> tuple[str, str]:
    """Value and interval as text, with no digit that the interval does not support."""
    if estimate.value is None:
        return MISSING, ""
    factor, prefix, suffix, most = scale_of(unit, estimate.value)
    digits = _digits(estimate, factor, most)
    text = _signed(prefix, fixed(estimate.value * factor, digits)) + suffix
    if estimate.low is None and estimate.high is None:
        return text, ""
    low, high = (
        "no limit" if x is None else _signed(prefix, fixed(x * factor, digits))
        for x in (estimate.low, estimate.high)
    )
    return text, f"[{low}, {high}]"


def _signed(prefix: str, text: str) -> str:
    return f"{MINUS}{prefix}{text[1:]}" if text.startswith(MINUS) else prefix + text


def _digits(estimate: Estimate, factor: float, most: int) -> int:
    assert estimate.value is not None
    sides = [abs(x - estimate.value) for x in (estimate.low, estimate.high) if x is not None]
    if sides and max(sides) > 0:
        return digits_for(max(sides) * factor, most=most)
    shown = significant(estimate.value * factor, 3)
    return min(most, len(shown.partition(".")[2]))


def estimate_cell(estimate: Estimate | None, unit: Unit, *, denominator: str, mark: str = "") -> Cell:
    """A cell with its denominator, interval, and what is missing."""
    if estimate is None:
        return Cell(text=MISSING, missing=True, facts=(("no figure", "not measured in this run"),))
    text, interval = figure(estimate, unit)
    facts: list[tuple[str, str]] = []
    if interval:
        facts.append((f"{estimate.level * 100:g}\u202f% interval", f"{interval} {estimate.method}"))
    if estimate.note:
        facts.append(("note", estimate.note))
    facts.append(("n", f"{count(estimate.n)} {denominator}"))
    if estimate.n:
        facts.append(("independent groups", count(estimate.clusters)))
    if estimate.failed:
        facts.append(("left out, no answer", count(estimate.failed)))
    if estimate.unscored:
        facts.append(("left out, no value", count(estimate.unscored)))
    if estimate.value is None:
        short = "unpriced" if estimate.note == "unpriced" else MISSING
        return Cell(text=short, missing=True, facts=tuple(facts))
    # Without an interval the denominator takes its place: 100 % of one answer must not look like a finding.
    n = count(estimate.n)
    if not interval:
        return Cell(text=text, interval=f"n = {n}", mark=mark, facts=tuple(facts))
    return Cell(text=text, interval=interval, n=n, mark=mark, facts=tuple(facts))


def change_text(test: Comparison, unit: Unit) -> tuple[str, str]:
    """A comparison's value and interval: points for shares, percent for ratios."""
    e = test.estimate
    if e.value is None:
        return MISSING, ""
    if test.form == "ratio":
        shift, factor, suffix = 1.0, 100.0, "\u202f%"
    else:
        shift, factor, suffix = 0.0, *((100.0, " points") if unit == "share" else (1.0, ""))
    sides = [abs(x - e.value) * factor for x in (e.low, e.high) if x is not None]
    digits = digits_for(max(sides), most=1 if factor > 1 else 4) if sides else 1

    def signed(x: float | None) -> str:
        if x is None:
            return "no limit"
        text = fixed((x - shift) * factor, digits)
        return text if text.startswith(MINUS) or not text.strip("0.\u202f") else f"+{text}"

    interval = f"[{signed(e.low)}, {signed(e.high)}]" if sides else ""
    return signed(e.value) + suffix, interval


def p_text(p: float) -> str:
    """A p-value as readers know it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def change_facts(test: Comparison, unit: Unit, family: int) -> Sequence[tuple[str, str]]:
    """Lines that say how a figure differs from the reference's."""
    text, interval = change_text(test, unit)
    proven = "significant" if test.significant else "not significant"
    p = f"{proven}, p {p_text(test.adjusted)} after correction for {family} tests"
    return (
        ("against reference", f"{text} {interval} on {count(test.estimate.n)} common samples"),
        ("test", p),
    )
