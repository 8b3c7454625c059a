"""Ids of tool calls in a conversation, in the form that a host demands of them.

Ids are a host's own and travel with the conversation. Kimi's chat template reads the tool's name out of
`functions.<name>:<index>`, with one index over the whole conversation; Mistral takes nine letters or digits.
An id that fits and is unique is sent as it is. Any other is replaced, the same in the call and in its result,
and always by the same one, so that a resumed trial sends the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.types.chat import Message, ToolCall

_FITS = {
    "any": re.compile(r".+", re.DOTALL),
    "nine_alphanumeric": re.compile(r"[a-zA-Z0-9]{9}"),
    "functions_dot_index": re.compile(r"functions\.[\w.-]+:\d+"),
}


def with_ids(messages: Sequence[Message], form: str) -> tuple[Message, ...]:
    """The conversation with ids in the demanded form, unique over all of it."""
    taken: set[str] = set()
    renamed: dict[str, list[str]] = {}
    count = 0
    made: list[Message] = []
    for message in messages:
        if message.tool_calls:
            calls = []
            renamed = {}  # results stand right after the turn that made the calls
            for call in message.tool_calls:
                identity = _id(call, form, count, taken)
                taken.add(identity)
                renamed.setdefault(call.id, []).append(identity)
                calls.append(msgspec.structs.replace(call, id=identity))
                count += 1
            message = msgspec.structs.replace(message, tool_calls=tuple(calls))
        elif message.tool_call_id is not None and renamed.get(message.tool_call_id):
            waiting = renamed[message.tool_call_id]
            identity = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            message = msgspec.structs.replace(message, tool_call_id=identity)
        made.append(message)
    return tuple(made)


def _id(call: ToolCall, form: str, number: int, taken: set[str]) -> str:
    own = form != "functions_dot_index" or call.id.startswith(f"functions.{call.name}:")
    if own and _FITS[form].fullmatch(call.id) and call.id not in taken:
        return call.id
    for attempt in range(number, number + len(taken) + 1):
        if form == "functions_dot_index":
            made = f"functions.{call.name}:{attempt}"
        elif form == "nine_alphanumeric":
            made = hashlib.sha256(f"{attempt}:{call.id}".encode()).hexdigest()[:9]
        else:
            made = f"{call.id or 'call'}_{attempt}"
        if made not in taken:
            return made
    raise AssertionError("there are more candidates than taken ids")
