"""Cost of one generation in US dollars.

Order: what the host billed, else the price row that was valid when the answer was complete. Without either
the generation is unpriced: `None`, never 0. Reasoning is part of the output and cached input part of the
input, so each token is priced once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalkit.types.generation import Cost, Response, Usage

if TYPE_CHECKING:
    from evalkit.types.provider import Price
    from evalkit.types.run import PriceRecord


def cost_of(response: Response | None, record: PriceRecord | None, completed_at: float) -> Cost | None:
    """US dollars for a response, or None where neither bill nor price nor usage is known.

    Args:
        response: What the host delivered; nothing was delivered, nothing is priced.
        record: The endpoint's price rows as frozen in the manifest.
        completed_at: Unix time at which the answer was complete; peak hours go by it.
    """
    if response is None:
        return None
    if response.billed_usd is not None:
        return Cost(usd=response.billed_usd, price="billed")
    usage = response.usage
    if record is None or usage is None or usage.input is None or usage.output is None:
        return None
    price = pick(record.rows or ((record.price,) if record.price else ()), usage.input, completed_at)
    return None if price is None else _priced(usage, usage.input, usage.output, price, record.source)


def pick(rows: tuple[Price, ...], input_tokens: int, at: float) -> Price | None:
    """The row that applies at a time to a prompt of a length; of several, the most specific."""
    moment = datetime.fromtimestamp(at, UTC)
    valid = [row for row in rows if _applies(row, input_tokens, moment)]
    return max(valid, key=_specificity, default=None)


def _applies(row: Price, input_tokens: int, moment: datetime) -> bool:
    day = moment.date().isoformat()
    hour = moment.hour + moment.minute / 60
    return (
        (row.valid_from is None or row.valid_from <= day)
        and (row.valid_until is None or day < row.valid_until)
        and (not row.weekdays or moment.weekday() in row.weekdays)
        and (not row.hours_utc or any(_within(hour, span) for span in row.hours_utc))
        and (row.min_input_tokens is None or input_tokens > row.min_input_tokens)
    )


def _within(hour: float, span: tuple[float, float]) -> bool:
    start, end = span
    return start <= hour < end if start <= end else hour >= start or hour < end


def _specificity(row: Price) -> tuple[int, bool, bool, str]:
    return (row.min_input_tokens or -1, bool(row.hours_utc), bool(row.weekdays), row.valid_from or "")


def _priced(usage: Usage, total_input: int, total_output: int, price: Price, source: str) -> Cost:
    cached, written, reasoning = usage.cached_input or 0, usage.cache_write or 0, usage.reasoning or 0
    fresh = max(0, total_input - cached - written)
    cached_usd = cached * (price.input if price.cached_input is None else price.cached_input) / 1e6
    written_usd = written * (price.input if price.cache_write is None else price.cache_write) / 1e6
    reasoning_usd = reasoning * (price.output if price.reasoning is None else price.reasoning) / 1e6
    input_usd = fresh * price.input / 1e6 + written_usd
    output_usd = max(0, total_output - reasoning) * price.output / 1e6
    return Cost(
        usd=input_usd + cached_usd + reasoning_usd + output_usd,
        price=source,
        input_usd=input_usd,
        cached_usd=cached_usd,
        reasoning_usd=reasoning_usd,
        output_usd=output_usd,
    )
