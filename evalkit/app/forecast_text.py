"""A forecast as rows and lines of text, for terminals and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.report.numbers import count, dollars, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.analysis.forecast import Range
    from evalkit.app.plan import Forecast, SuiteSize

COLUMNS = [
    "suite",
    "endpoint",
    "trials",
    "requests",
    "input tokens",
    "output tokens",
    "cost",
    "time",
    "basis",
]


def forecast_rows(found: Forecast) -> list[list[str]]:
    """One row for each suite and endpoint; see `COLUMNS`."""
    return [
        [
            share.suite,
            share.endpoint,
            count(share.trials),
            _text(share.requests, count),
            _text(share.input, count),
            _text(share.output, count),
            _text(share.usd, dollars),
            _text(share.seconds, seconds),
            share.basis,
        ]
        for share in found.shares
    ]


def forecast_lines(found: Forecast) -> list[str]:
    """Sums, what each size can show, policy, and the prospects of a gate."""
    lines = [f"in all: {_text(found.usd, dollars)}, {_text(found.seconds, seconds)}"]
    if found.unpriced:
        lines.append(f"unpriced: {', '.join(found.unpriced)}; add them to prices.yaml to know what they cost")
    lines += [_shows(size) for size in found.sizes]
    refused = [record for record in found.policy if not record.allowed]
    lines.append(f"policy: {len(found.policy) - len(refused)} of {len(found.policy)} allowed")
    return lines + [f"gate: {each.title}: {each.sentence}" for each in found.prospects]


def _shows(size: SuiteSize) -> str:
    draws = "" if size.epochs == 1 else f", {size.epochs} draws of each"
    if size.detectable is None:
        told = "too few to find any difference with 80 % power"
    else:
        told = f"finds differences from {size.detectable * 100:.1f} points with 80 % power"
    return (
        f"{size.suite}: {size.samples} samples in {size.clusters} clusters{draws}; {told} if "
        f"{size.discordance:.0%} of samples differ"
    )


def _text(amount: Range, show: Callable[[float], str]) -> str:
    """`$1.20 [$0.90, $1.70]`, `$0.10 to $4.00`, `at least 40`, or `not known`."""
    low, high = amount.low, amount.high
    if amount.value is not None:
        sides = f"{'?' if low is None else show(low)}, {'?' if high is None else show(high)}"
        return f"{show(amount.value)} [{sides}]"
    if low is None:
        return "not known"
    if high is None:
        return "not known" if low == 0 else f"at least {show(low)}"
    return show(low) if low == high else f"{show(low)} to {show(high)}"
