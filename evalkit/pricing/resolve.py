"""Which price rows apply to an endpoint. What the host bills always comes first (see `cost.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.types.run import PriceRecord

if TYPE_CHECKING:
    from evalkit.types.provider import Endpoint


def price_record(endpoint: Endpoint) -> PriceRecord:
    """The rows to freeze in the manifest: those that the provider's declaration gives, or none."""
    rows = endpoint.declaration.prices
    if not rows:
        return PriceRecord(endpoint=endpoint.id, source="unpriced", price=None)
    return PriceRecord(endpoint=endpoint.id, source="declared", price=rows[0], rows=rows)
