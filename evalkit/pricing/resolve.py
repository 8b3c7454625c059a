"""Which price rows apply to an endpoint, to be frozen in the manifest before the first request.

What the host bills with an answer always comes first (see `cost.py`). Then: the user's rows marked
`override`; the rows of the endpoint's declaration, which is where a host's own listing is written to; the
list prices of `genai-prices`; the user's other rows; and at last none: unpriced, which is never 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.pricing.published import published_record
from evalkit.types.run import PriceRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.types.prices import UserPrice
    from evalkit.types.provider import Endpoint


def price_record(endpoint: Endpoint, own: Sequence[UserPrice] = ()) -> PriceRecord:
    """The rows to freeze for one endpoint.

    Args:
        endpoint: Whose requests are to be priced.
        own: The user's price file.
    """
    mine = next((entry for entry in own if entry.endpoint == endpoint.id), None)
    if mine is not None and mine.override:
        return _of_user(endpoint, mine)
    rows = endpoint.declaration.prices
    if rows:
        return PriceRecord(endpoint=endpoint.id, source="declared", price=rows[0], rows=rows)
    if (published := published_record(endpoint)) is not None:
        return published
    if mine is not None:
        return _of_user(endpoint, mine)
    return PriceRecord(endpoint=endpoint.id, source="unpriced", price=None)


def _of_user(endpoint: Endpoint, entry: UserPrice) -> PriceRecord:
    return PriceRecord(
        endpoint=endpoint.id, source="price file", price=entry.rows[0], rows=entry.rows, note=entry.note
    )
