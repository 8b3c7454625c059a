"""JSON Schemas of the definition files, made from the types that read them."""

from __future__ import annotations

from typing import Any

import msgspec

from evalkit.errors import UnknownNameError
from evalkit.types.gate import Gate
from evalkit.types.policy import Policy
from evalkit.types.prices import PriceFile
from evalkit.types.provider import Provider
from evalkit.types.suite import Sample, Suite

KINDS: dict[str, type[Any]] = {
    "suite": Suite,
    "sample": Sample,
    "provider": Provider,
    "policy": Policy,
    "gate": Gate,
    "prices": PriceFile,
}


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of file.

    Raises:
        UnknownNameError: there is no such kind.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of file", kind, KINDS)
    schema = msgspec.json.schema(KINDS[kind])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
