"""What a tool-call sample's `data` declares: the tools that are offered and the calls that are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from evalkit.errors import DefinitionError
from evalkit.types.chat import Tool

if TYPE_CHECKING:
    from evalkit.types.suite import Sample


Wants = Literal["calls", "any_call", "no_call"]


class Accepted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an argument may be.

    One of `values`; for numbers within `tolerance` of one (absolute, same unit as the value); with
    `unordered` an array in any order. With `contains`, instead, a text in which each of these occurs.
    `optional` arguments may be left out.
    """

    values: tuple[Any, ...] = ()
    contains: tuple[str, ...] = ()
    tolerance: float = 0.0
    unordered: bool = False
    optional: bool = False


class ExpectedCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call that is wanted; an argument that is not listed must not be given."""

    name: str
    arguments: dict[str, Accepted] = {}


class BfclRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of the Berkeley Function Calling Leaderboard, as its own checking rules need it."""

    category: str
    functions: list[dict[str, Any]]
    answer: list[dict[str, Any]] = []


class ToolCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One tool-call sample.

    `wants` says what is right: `calls` one of the sets in `accept` (order of calls does not count),
    `any_call` at least one call of an offered tool, `no_call` an answer in words. `tool_choice` is sent as
    it is. `bfcl` holds what the scorer's rules `bfcl` need instead of `accept`.
    """

    tools: tuple[Tool, ...]
    wants: Wants
    accept: tuple[tuple[ExpectedCall, ...], ...] = ()
    tool_choice: str | None = None
    bfcl: BfclRow | None = None


def tool_case_of(sample: Sample) -> ToolCase:
    """The tool case that a sample declares.

    Raises:
        DefinitionError: its `data` is not one.
    """
    try:
        case = msgspec.convert(sample.data, ToolCase)
    except msgspec.ValidationError as error:
        raise DefinitionError(
            f"sample {sample.id!r} $.data: {error}; see `evalkit.types.tool_case.ToolCase`."
        ) from None
    if case.wants == "calls" and not (case.accept or case.bfcl):
        raise DefinitionError(
            f"sample {sample.id!r} $.data.accept: is empty, but calls are wanted; list them."
        )
    return case
