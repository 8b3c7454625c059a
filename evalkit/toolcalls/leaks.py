"""Tool calls that arrived as text: markup that a host's parser should have turned into calls.

Each family of weights writes calls with tokens of its own (from the chat templates and tool parsers that are
published with the weights). Where such tokens stand in an answer, the host did not parse them. A call written
as plain JSON or Python has no such tokens: there the model may be the one that did not know better.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

_FAMILIES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        ("DeepSeek", r"<｜(?:tool▁(?:calls?|outputs?|sep)|DSML)|</?(?:｜|\|)DSML(?:｜|\|)"),
        ("Kimi", r"<\|tool_calls?_(?:section_)?(?:begin|end|argument_begin)\|>"),
        ("MiniMax", r"</?minimax:tool_call>|<invoke name=[\"']|<tool_calls>\s*\{"),
        ("GLM", r"<tool_call>\s*[\w.-]+\s*(?:\n\s*)?<arg_key>|</arg_key>\s*<arg_value>"),
        ("Qwen/Hermes", r"<tool_call>|</tool_call>|<function=[\w.-]+>\s*(?:<parameter=|\{)"),
        ("Mistral", r"\[TOOL_CALLS\]|\[ARGS\]\s*\{"),
        ("Llama", r"<\|python_tag\|>"),
        (
            "harmony",
            r"<\|channel\|>\s*commentary|\bto=functions\.\w+\s*(?:<\||json)|<\|constrain\|>|<\|call\|>",
        ),
        ("Granite/Phi", r"<\|/?tool_call\|>"),
        ("Nemotron", r"</?TOOLCALL>"),
        ("Command", r"<\|START_ACTION\|>"),
        ("Step", r"<steptml:(?:tool_calls?|invoke)"),
        ("Kimi", r"\bfunctions\.\w+:\d+\s*(?:<\||\{)"),
    )
)
_CALL = re.compile(r"(?P<name>[A-Za-z_][\w.-]{0,63})\(.*\)", re.DOTALL)
_FENCE = re.compile(r"\A```\w*\n(?P<inside>.*)\n```\Z", re.DOTALL)
_SHORT = 4000


def leaked(text: str) -> str | None:
    """The family whose tool tokens stand in a text, or None."""
    if not any(mark in text for mark in "<[:="):
        return None
    return next((family for family, pattern in _FAMILIES if pattern.search(text)), None)


def written_call(text: str, names: Collection[str]) -> str | None:
    """The declared tool that a whole text calls as plain JSON or Python; None if it is no call."""
    text = text.strip()
    if not text or len(text) > _SHORT:
        return None
    fenced = _FENCE.match(text)
    text = fenced["inside"].strip() if fenced else text
    if text.startswith(("{", "[{")):
        return _json_call(text, names)
    inside = text[1:-1].strip() if text.startswith("[") and text.endswith("]") else text
    match = _CALL.fullmatch(inside)
    return match["name"] if match and match["name"] in names else None


def _json_call(text: str, names: Collection[str]) -> str | None:
    try:
        value = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict):
        return None
    inner = first.get("function")
    first = inner if isinstance(inner, dict) else first
    name = first.get("name") or first.get("function") or first.get("tool")
    given = first.keys() & {"arguments", "parameters", "args", "input"}
    return name if isinstance(name, str) and name in names and given else None
