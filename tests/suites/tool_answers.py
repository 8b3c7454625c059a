"""Right and wrong answers to tool-call samples, made from what the samples accept."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from evalkit.scorers.tool_calls.values import is_accepted
from evalkit.testing import Behaviour
from evalkit.types.tool_case import Accepted, ExpectedCall, ToolCase, tool_case_of

if TYPE_CHECKING:
    from evalkit.types.suite import Sample

Calls = list[tuple[str, dict[str, Any]]]

WORDS = Behaviour(text="I need to know more before I can do that.")


def answered(calls: Calls, *, text: str = "") -> Behaviour:
    """A host's answer with these calls."""
    made = tuple(
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for n, (name, given) in enumerate(calls)
    )
    return Behaviour(text=text, content_null=not text, tool_calls=made, finish="tool_calls")


def right(sample: Sample, which: int = 0) -> Behaviour:
    """The calls of one accepted set, every argument given; words where no call is wanted."""
    case = tool_case_of(sample)
    if case.wants == "no_call":
        return WORDS
    if case.wants == "any_call":
        return answered([(case.tools[0].name, made_up(case, 0))])
    return answered(accepted_calls(case.accept[which % len(case.accept)]))


def terse(sample: Sample) -> Behaviour:
    """The last accepted set in reverse order, with the last accepted values and without what is optional."""
    case = tool_case_of(sample)
    if case.wants != "calls":
        return right(sample)
    calls = [
        (c.name, {k: a.values[-1] if a.values else _text(a) for k, a in c.arguments.items() if not a.optional})
        for c in reversed(case.accept[-1])
    ]
    return answered(calls)


def accepted_calls(expected: tuple[ExpectedCall, ...]) -> Calls:
    return [(c.name, {k: a.values[0] if a.values else _text(a) for k, a in c.arguments.items()}) for c in expected]


def _text(accepted: Accepted) -> str:
    return "Hello, " + " and ".join(accepted.contains).upper() + "."


def wrong_value(sample: Sample) -> Behaviour:
    """One argument of one call is another value of the same type."""
    case = tool_case_of(sample)
    if case.wants != "calls":
        return called(sample)
    calls = accepted_calls(case.accept[0])
    name, given = calls[-1]
    wanted = case.accept[0][-1].arguments
    schema = next(t for t in case.tools if t.name == name).parameters["properties"]
    others = {key: _other(value, schema[key]) for key, value in given.items()}
    key = min((k for k in given if not is_accepted(others[k], wanted[k])), key=lambda k: _is_flag(given[k]))
    calls[-1] = (name, {**given, key: others[key]})
    return answered(calls)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _other(value: Any, schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return next(v for v in schema["enum"] if v != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return [_other(value[0], schema.get("items", {})), *value[1:]] if value else ["else"]
    if isinstance(value, dict):
        key = next(iter(value))
        return {**value, key: _other(value[key], schema.get("properties", {}).get(key, {}))}
    if value.startswith("Hello, "):
        return "Bye."
    return {"A": "B", "0": "1", "2": "1"}.get(value[:1], "Z" if value[:1].isupper() else "z") + value[1:] + _tail(schema)


def _tail(schema: dict[str, Any]) -> str:
    """Free text gets one more word; text with a pattern or format keeps its length."""
    return "" if "pattern" in schema or "format" in schema else " else"


def wrong_tool(sample: Sample) -> Behaviour:
    """The right arguments, for another tool."""
    case = tool_case_of(sample)
    if case.wants != "calls":
        return called(sample)
    calls = accepted_calls(case.accept[0])
    others = [t.name for t in case.tools if t.name != calls[0][0]] or ["do_something_else"]
    return answered([(others[0], calls[0][1]), *calls[1:]])


def missing_call(sample: Sample) -> Behaviour:
    """One call fewer; for no call at all, words."""
    case = tool_case_of(sample)
    if case.wants != "calls":
        return called(sample)
    calls = accepted_calls(case.accept[0])[1:]
    return answered(calls) if calls else WORDS


def extra_call(sample: Sample) -> Behaviour:
    """One call too many."""
    case = tool_case_of(sample)
    if case.wants != "calls":
        return called(sample)
    calls = accepted_calls(case.accept[0])
    return answered([*calls, calls[0]])


def called(sample: Sample) -> Behaviour:
    """A sound call of the first tool where none is wanted."""
    case = tool_case_of(sample)
    if case.wants == "any_call":
        return WORDS
    return answered([(case.tools[0].name, made_up(case, 0))])


def broken(sample: Sample) -> Behaviour:
    """The right calls, their JSON cut off by the host."""
    how = right(sample)
    calls = tuple(
        {**c, "function": {**c["function"], "arguments": c["function"]["arguments"][:-1]}} for c in how.tool_calls
    )
    return Behaviour(text=how.text, content_null=how.content_null, tool_calls=calls, finish=how.finish)


def without_ids(sample: Sample) -> Behaviour:
    """The right calls, without the ids that a conversation needs."""
    how = right(sample)
    calls = tuple({key: value for key, value in call.items() if key != "id"} for call in how.tool_calls)
    return Behaviour(text=how.text, content_null=how.content_null, tool_calls=calls, finish=how.finish)


def leaked(sample: Sample) -> Behaviour:
    """The right calls, left in the text by the host."""
    how = right(sample)
    if not how.tool_calls:
        return how
    said = "".join(f"<tool_call>{json.dumps(c['function'])}</tool_call>" for c in how.tool_calls)
    return Behaviour(text=said)


def made_up(case: ToolCase, at: int) -> dict[str, Any]:
    """Arguments that fit a tool's schema and mean nothing."""
    schema = case.tools[at].parameters
    return {name: _filler(schema["properties"][name]) for name in schema.get("required", ())}


def _filler(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "date":
        return "2026-01-02"
    if "pattern" in schema:
        known = ("EUR", "AB", "en", "DE", "12:00", "0417", "644", "9783161484100")
        return next(text for text in known if re.search(schema["pattern"], text))
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        return {k: _filler(schema["properties"][k]) for k in schema.get("required", ())}
    if kind == "array":
        return [_filler(schema.get("items", {}))]
    return {"integer": 7, "number": 7.5, "boolean": True}.get(str(kind), "something")
