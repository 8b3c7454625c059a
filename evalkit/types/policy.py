"""Which sensitivity of data may go to which endpoint."""

from __future__ import annotations

import msgspec

from evalkit.types.suite import Sensitivity


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an endpoint's published facts must prove. An absent condition demands nothing.

    Country lists are ISO 3166-1 alpha-2 codes that are allowed. Servers that you run yourself keep the data
    where you are and satisfy every condition.
    """

    operator_countries: tuple[str, ...] | None = None
    parent_countries: tuple[str, ...] | None = None
    processing_countries: tuple[str, ...] | None = None
    no_training: bool = False
    zero_retention: bool = False
    self_hosted: bool = False
    pinned: bool = True


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One policy file: a condition for each sensitivity."""

    version: int
    title: str
    sensitivities: dict[Sensitivity, Condition]
