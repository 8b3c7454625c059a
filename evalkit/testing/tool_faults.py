"""Hosts that break tool calls, each in one way: what a scripted answer becomes at such a host.

The calls were right before; so a score that falls shows what the host does, not what a model chooses.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

if TYPE_CHECKING:
    from evalkit.testing.fake_provider import Behaviour

ToolFault = Literal[
    "leaked_tokens",
    "invalid_json",
    "missing_ids",
    "duplicate_ids",
    "undeclared_tool",
    "schema_mismatch",
    "finish_without_calls",
    "stop_with_calls",
    "arguments_as_object",
    "missing_index",
    "rejected",
]
FAULTS: tuple[str, ...] = get_args(ToolFault)


def broken(how: Behaviour, fault: ToolFault) -> Behaviour:
    """The answer as a host with this fault would give it. Answers without a call are left alone."""
    if not how.tool_calls:
        return how
    calls = how.tool_calls
    if fault == "leaked_tokens":
        leaked = "\n".join(f"<tool_call>\n{_as_hermes(call)}\n</tool_call>" for call in calls)
        return msgspec.structs.replace(
            how, text=how.text + leaked, content_null=False, tool_calls=(), finish="stop"
        )
    if fault == "finish_without_calls":
        return msgspec.structs.replace(how, tool_calls=(), content_null=True)
    if fault == "stop_with_calls":
        return msgspec.structs.replace(how, finish="stop")
    if fault == "rejected":
        error = {
            "message": "Failed to call a function.",
            "type": "invalid_request_error",
            "code": "tool_use_failed",
        }
        return msgspec.structs.replace(how, status=400, body=json.dumps({"error": error}).encode())
    if fault == "missing_index":
        return msgspec.structs.replace(how, indexed=False)
    return msgspec.structs.replace(how, tool_calls=tuple(_call(call, fault) for call in calls))


def _call(call: dict[str, Any], fault: ToolFault) -> dict[str, Any]:
    function = dict(call["function"])
    changed = {**call, "function": function}
    if fault == "invalid_json":
        function["arguments"] = function["arguments"][:-1] + ",}"
    elif fault == "missing_ids":
        del changed["id"]
    elif fault == "duplicate_ids":
        changed["id"] = "call_0"
    elif fault == "undeclared_tool":
        function["name"] = f"functions.{function['name']}"
    elif fault == "schema_mismatch":
        function["arguments"] = json.dumps({"arguments": json.loads(function["arguments"])})
    elif fault == "arguments_as_object":
        function["arguments"] = json.loads(function["arguments"])
    return changed


def _as_hermes(call: dict[str, Any]) -> str:
    function = call["function"]
    return json.dumps({"name": function["name"], "arguments": json.loads(function["arguments"])})
