"""Matches calls with accepted ones by value.

Numbers are equal by value (5 is 5.0), never to booleans. Texts are equal without case, width and runs of
spaces; where the schema lists values, the schema demands the exact one.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.toolcalls.defects import arguments_of, mismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.types.chat import Tool, ToolCall
    from evalkit.types.tool_case import Accepted, ExpectedCall


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it was read. `problem` says why it does not fit the schema that was sent, if it does not."""

    name: str
    arguments: dict[str, Any] | None
    problem: str | None = None


def read_calls(calls: Sequence[ToolCall], tools: Sequence[Tool]) -> tuple[Read, ...]:
    """Parse each call and check it against the schema of the tool that it names."""
    declared = {tool.name: tool for tool in tools}
    return tuple(_read(call, declared.get(call.name)) for call in calls)


def _read(call: ToolCall, tool: Tool | None) -> Read:
    arguments = arguments_of(call)
    if isinstance(arguments, str):
        return Read(name=call.name, arguments=None, problem=f"its arguments are no JSON object: {arguments}")
    if tool is None:
        return Read(name=call.name, arguments=arguments, problem="no tool of this name was offered")
    return Read(name=call.name, arguments=arguments, problem=mismatch(arguments, tool.parameters))


def matches(read: Sequence[Read], expected: Sequence[ExpectedCall]) -> bool:
    """Whether the calls are the expected ones, one to one, in any order."""
    if len(read) != len(expected):
        return False
    if not expected:
        return True
    first, rest = expected[0], expected[1:]
    return any(
        not why_not(call, first) and matches((*read[:at], *read[at + 1 :]), rest)
        for at, call in enumerate(read)
    )


def why_not(call: Read, expected: ExpectedCall) -> str | None:
    """Why a call is not the expected one, in words; None if it is."""
    if call.name != expected.name:
        return f"{call.name} instead of {expected.name}"
    if call.problem is not None or call.arguments is None:
        return f"{call.name}: {call.problem}"
    for name in call.arguments:
        if name not in expected.arguments:
            return f"{call.name}: argument {name!r} was not wanted"
    for name, accepted in expected.arguments.items():
        if name not in call.arguments:
            if not accepted.optional:
                return f"{call.name}: argument {name!r} is missing"
        elif not is_accepted(call.arguments[name], accepted):
            return f"{call.name}: {name} is {json.dumps(call.arguments[name], ensure_ascii=False)[:120]}"
    return None


def is_accepted(value: Any, accepted: Accepted) -> bool:
    """Whether an argument's value is one of the accepted ones."""
    if accepted.contains:
        text = folded(value) if isinstance(value, str) else ""
        return all(folded(part) in text for part in accepted.contains)
    return any(_equal(value, other, accepted) for other in accepted.values)


def _equal(value: Any, other: Any, how: Accepted) -> bool:
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, int | float) and isinstance(other, int | float):
        return _near(value, other, how.tolerance)
    if isinstance(value, str) and isinstance(other, str):
        return folded(value) == folded(other)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and (
            _same_items(value, other, how)
            if how.unordered
            else all(_equal(a, b, how) for a, b in zip(value, other, strict=True))
        )
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_equal(value[k], other[k], how) for k in value)
    return value is None and other is None


def _near(value: float, other: float, tolerance: float) -> bool:
    try:
        return abs(value - other) <= tolerance + 1e-9 * max(1.0, abs(other))
    except OverflowError:  # an integer beyond every float
        return False


def _same_items(value: list[Any], other: list[Any], how: Accepted) -> bool:
    left = list(other)
    for item in value:
        at = next((i for i, candidate in enumerate(left) if _equal(item, candidate, how)), None)
        if at is None:
            return False
        del left[at]
    return True


def folded(text: str) -> str:
    """Text without case, width and runs of spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def fault(read: Sequence[Read], accept: Sequence[Sequence[ExpectedCall]]) -> tuple[str, str]:
    """What is wrong with calls that match no accepted set: a label and the reason in words."""
    broken = next((f"{call.name}: {call.problem}" for call in read if call.problem is not None), None)
    if broken is not None:
        return "does_not_fit_schema", broken
    closest = min(accept, key=lambda calls: _distance(read, calls))
    given, wanted = Counter(c.name for c in read), Counter(c.name for c in closest)
    if len(read) != len(closest):
        label = "missing_call" if len(read) < len(closest) else "extra_call"
        return label, f"{len(read)} calls instead of {len(closest)}"
    if given != wanted:
        return "wrong_tool", f"{', '.join(given - wanted)} instead of {', '.join(wanted - given)}"
    for call in read:
        reasons = [why_not(call, expected) for expected in closest if expected.name == call.name]
        if all(reasons):
            return "wrong_value", str(reasons[0])
    return "wrong_value", "two calls are the same one that was wanted once"


def _distance(read: Sequence[Read], expected: Sequence[ExpectedCall]) -> int:
    given, wanted = Counter(c.name for c in read), Counter(c.name for c in expected)
    return sum(((given - wanted) + (wanted - given)).values())
