"""Published list prices from the package `genai-prices`, as rows of our own that a manifest can freeze.

Its data are read, not its calculator: that one applies a peak price on days without a peak, reads no cached
tokens for some hosts, and gives no row to keep. Prices change at `StartDateConstraint`, peak hours are
`TimeOfDateConstraint`, and in a list of conditions the last active one holds.
"""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.types.provider import Price, Source
from evalkit.types.run import PriceRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import time

    from evalkit.types.provider import Endpoint

_FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "reasoning": "output_reasoning_mtok",
}
_NO_WEEKEND_PEAK = {"deepseek": ((1.0, 4.0), (6.0, 10.0))}
"""Peak hours (UTC) that hold from Monday to Friday, though the package has them for every day."""
_WEEKDAYS = (0, 1, 2, 3, 4)


def published_record(endpoint: Endpoint) -> PriceRecord | None:
    """Rows for an endpoint by its host's address and model id, or None where the package has none.

    A router's price is one of many hosts behind it, so that routers are left to their own listing.
    """
    if endpoint.provider.kind not in {"lab", "host"}:
        return None
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    try:
        host, model = snapshot.find_provider_model(endpoint.model, None, None, endpoint.base_url)
    except LookupError:
        return None
    if model not in host.models:  # another host's price for the same name is not this one's
        return None
    rows = tuple(rows_of(model.prices, host.id, _source(host)))
    if not rows:
        return None
    return PriceRecord(
        endpoint=endpoint.id,
        source=_package(),
        price=rows[0],
        rows=rows,
        note=_note(rows, host.id),
    )


def _source(host: Any) -> Source:
    """The host's page as the package names it; read today, from the data of the installed version."""
    pages = [str(page) for page in host.pricing_urls or ()]
    return Source(url=" ".join([_package(), *pages[:1]]), read=datetime.now(UTC).date().isoformat())


def _package() -> str:
    return f"genai-prices {importlib.metadata.version('genai-prices')}"


def _note(rows: tuple[Price, ...], host: str) -> str | None:
    if host in _NO_WEEKEND_PEAK and any(row.weekdays for row in rows):
        return (
            "Peak prices are taken from Monday to Friday; public holidays, also exempt, are not known here."
        )
    return None


def rows_of(prices: Any, host: str, source: Source) -> Iterator[Price]:
    """Rows of a model; a later dated one ends what was listed before it."""
    conditions = [(c.constraint, c.prices) for c in prices] if isinstance(prices, list) else [(None, prices)]
    starts = [_start(constraint) for constraint, _ in conditions]
    for index, (constraint, price) in enumerate(conditions):
        valid: dict[str, Any] = {"valid_from": starts[index], "source": source}
        later = [start for start in starts[index + 1 :] if start is not None]
        if later:
            valid["valid_until"] = min(later)
        if constraint is not None and starts[index] is None:
            span = (_hour(constraint.start_time), _hour(constraint.end_time))
            valid["hours_utc"] = (span,)
            if span in _NO_WEEKEND_PEAK.get(host, ()):
                valid["weekdays"] = _WEEKDAYS
            # the hours hold from the last dated change before them
            valid["valid_from"] = max((s for s in starts[:index] if s is not None), default=None)
        yield from _tiers(price, valid)


def _start(constraint: Any) -> str | None:
    day = getattr(constraint, "start_date", None)
    return None if day is None else day.isoformat()


def _hour(moment: time) -> float:
    return moment.hour + moment.minute / 60


def _tiers(price: Any, valid: dict[str, Any]) -> Iterator[Price]:
    """One row for each prompt length at which a price changes; in the package the whole prompt pays it."""
    listed = {ours: getattr(price, theirs, None) for ours, theirs in _FIELDS.items()}
    if listed["input"] is None or listed["output"] is None:
        return
    bounds = {
        tier.start for value in listed.values() if value is not None for tier in getattr(value, "tiers", ())
    }
    base = Price(**{name: _at(value, 0) for name, value in listed.items()}, **valid)  # type: ignore[arg-type]
    if base.input <= 0 or base.output <= 0:  # a promotion or a gap, in either case no price to reckon with
        return
    yield base
    for bound in sorted(bounds):
        yield msgspec.structs.replace(
            base,
            **{name: _at(value, bound + 1) for name, value in listed.items()},
            min_input_tokens=int(bound),
        )


def _at(value: Any, tokens: int) -> float | None:
    """A listed price at a prompt length."""
    if value is None:
        return None
    if not hasattr(value, "tiers"):
        return float(value)
    reached = [tier.price for tier in value.tiers if tokens > tier.start]
    return float(reached[-1] if reached else value.base)
