"""The user's own price file."""

from __future__ import annotations

import msgspec

from evalkit.types.provider import Price


class UserPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows for one endpoint, `provider:model`. `override` puts them before all other sources but the bill."""

    endpoint: str
    rows: tuple[Price, ...]
    override: bool = False
    note: str | None = None


class PriceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`prices.yaml`: what you pay where no listing says so, or by your own contract."""

    version: int
    prices: tuple[UserPrice, ...]
