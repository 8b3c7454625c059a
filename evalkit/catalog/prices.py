"""Finds the user's price file: the one named, `./prices.yaml`, or that of the configuration folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.catalog.providers import check_price, user_folder
from evalkit.catalog.strict import load_yaml
from evalkit.errors import DefinitionError
from evalkit.types.prices import PriceFile

if TYPE_CHECKING:
    from evalkit.types.prices import UserPrice


def load_prices(file: str | None = None) -> tuple[UserPrice, ...]:
    """The user's own rows; none without a file.

    Raises:
        DefinitionError: the file is missing or breaks the schema, an endpoint is listed twice or without
            rows, or a price is not above 0.
    """
    own = (Path("prices.yaml"), user_folder() / "prices.yaml")
    path = Path(file) if file is not None else next((p for p in own if p.is_file()), None)
    if path is None:
        return ()
    entries = load_yaml(path, PriceFile).prices
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        where = f"{path}:1 $.prices[{index}]"
        if entry.endpoint in seen:
            raise DefinitionError(f"{where}.endpoint: {entry.endpoint!r} is listed twice; keep one.")
        seen.add(entry.endpoint)
        if not entry.rows:
            raise DefinitionError(f"{where}.rows: there are none; give at least one, or leave the entry out.")
        for row in entry.rows:
            check_price(row, where)
    return entries
