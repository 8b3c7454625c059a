"""Every way in which the tool calls of a reply are broken, by kind.

`defects_of` looks at what arrived and at what was offered. Whether a well-formed call was the right one is
for scorers: a defect says that the format broke, whoever broke it.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from evalkit.toolcalls.leaks import leaked, written_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalkit.types.chat import Tool, ToolCall
    from evalkit.types.generation import Response

DefectKind = Literal[
    "invalid_json",
    "undeclared_tool",
    "schema_mismatch",
    "leaked_tool_tokens",
    "call_as_text",
    "finish_without_call",
    "call_without_finish",
    "call_despite_none",
    "no_call_despite_required",
    "missing_id",
    "duplicate_id",
    "arguments_not_text",
    "missing_index",
]

OF_THE_MODEL: frozenset[str] = frozenset(
    {"invalid_json", "undeclared_tool", "schema_mismatch", "call_as_text"}
)
"""Kinds that the model's own tokens can cause. A host that constrains decoding prevents them, so hosts of the
same weights differ in them too; all other kinds are the host's alone."""

WORDS: dict[str, str] = {
    "invalid_json": "arguments that are not JSON",
    "undeclared_tool": "a tool that was not offered",
    "schema_mismatch": "arguments that do not fit the schema",
    "leaked_tool_tokens": "tool tokens left in the text",
    "call_as_text": "a call written as text",
    "finish_without_call": "finish says tool_calls and there is none",
    "call_without_finish": "calls, but finish says stop",
    "call_despite_none": "a call although tool_choice was none",
    "no_call_despite_required": "no call although tool_choice demanded one",
    "missing_id": "a call without an id",
    "duplicate_id": "two calls with one id",
    "arguments_not_text": "arguments as an object instead of text",
    "missing_index": "streamed calls without an index",
    "rejected_by_host": "calls that the host itself could not parse",
}


class Defect(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of format. `call` is the position of the call in the reply, or None if it is of no call."""

    kind: str
    call: int | None = None
    detail: str = ""


def defects_of(response: Response, tools: Sequence[Tool], choice: str | None = None) -> tuple[Defect, ...]:
    """All defects of a reply to a request that offered `tools`; none where no tool was offered.

    What only the adapter could see (ids, indices, types on the wire) is taken from `response.defects`.

    Args:
        response: as recorded.
        tools: as they were sent; arguments are checked against their schemas.
        choice: the request's `tool_choice`.
    """
    if not tools:
        return ()
    found = [*_of_calls(response, tools), *_of_text(response, tools), *_of_reply(response, choice)]
    known = Counter(defect.kind for defect in found)
    recorded = Counter(response.defects) - known
    found += [Defect(kind=kind, detail="as recorded") for kind in recorded.elements()]
    return tuple(found)


def arguments_of(call: ToolCall) -> dict[str, Any] | str:
    """The arguments of a call (nothing written: none), or in words why they are no JSON object."""
    text = call.arguments.strip()
    if not text:
        return {}
    try:
        value = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        return str(error)[:200]
    if isinstance(value, dict):
        return value
    return f"a JSON {type(value).__name__}, not an object"


def mismatch(arguments: dict[str, Any], schema: dict[str, Any]) -> str | None:
    """What does not fit a JSON Schema, in words; None if all fits or the schema itself is broken."""
    return _checker(msgspec.json.encode(schema, order="sorted"))(arguments)


@lru_cache(maxsize=1024)
def _checker(schema: bytes) -> Callable[[Any], str | None]:
    import jsonschema
    from jsonschema.validators import validator_for

    definition = msgspec.json.decode(schema)
    kind = validator_for(definition, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(definition)
    except jsonschema.SchemaError:
        return lambda _: None
    validator = kind(definition)

    def check(arguments: Any) -> str | None:
        try:
            error = next(validator.iter_errors(arguments), None)
        except Exception:  # noqa: BLE001  # an unresolvable reference or pattern: the schema cannot be used
            return None
        if error is None:
            return None
        where = "".join(f".{part}" for part in error.absolute_path)
        return f"${where}: {error.message}"[:300]

    return check


def _of_calls(response: Response, tools: Sequence[Tool]) -> Iterator[Defect]:
    declared = {tool.name: tool for tool in tools}
    whole = response.tool_calls
    if response.finish == "length":
        whole = whole[:-1]  # the last one was cut by the token limit, which is nobody's fault of format
    for position, call in enumerate(whole):
        tool = declared.get(call.name)
        if tool is None:
            yield Defect(kind="undeclared_tool", call=position, detail=call.name[:64])
        arguments = arguments_of(call)
        if isinstance(arguments, str):
            yield Defect(kind="invalid_json", call=position, detail=arguments)
        elif tool is not None and (wrong := mismatch(arguments, tool.parameters)) is not None:
            yield Defect(kind="schema_mismatch", call=position, detail=wrong)
    seen: set[str] = set()
    for position, call in enumerate(response.tool_calls):
        if call.id and call.id in seen:
            yield Defect(kind="duplicate_id", call=position, detail=call.id[:64])
        seen.add(call.id)


def _of_text(response: Response, tools: Sequence[Tool]) -> Iterator[Defect]:
    for where, text in (("text", response.text), ("reasoning", response.reasoning or "")):
        family = leaked(text)
        # Reasoning may speak of tool tokens; only where no call came of it were they meant as one.
        if family is not None and (where == "text" or not (response.tool_calls or response.text.strip())):
            yield Defect(kind="leaked_tool_tokens", detail=f"{family} tokens in the {where}")
            return
    if not response.tool_calls:
        name = written_call(response.text, {tool.name for tool in tools})
        if name is not None:
            yield Defect(kind="call_as_text", detail=name)


def _of_reply(response: Response, choice: str | None) -> Iterator[Defect]:
    calls = bool(response.tool_calls)
    if response.finish == "tool_calls" and not calls:
        yield Defect(kind="finish_without_call")
    # A named tool may end with `stop` by the protocol.
    if calls and response.finish == "stop" and choice in {None, "auto"}:
        yield Defect(kind="call_without_finish")
    if calls and choice == "none":
        yield Defect(kind="call_despite_none")
    if not calls and choice not in {None, "auto", "none"} and response.finish in {"stop", "tool_calls"}:
        yield Defect(kind="no_call_despite_required", detail=choice or "")
