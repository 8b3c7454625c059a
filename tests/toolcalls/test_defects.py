"""Defects carry where and what; the adapters' table shows every kind on the wire."""

from __future__ import annotations

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.toolcalls.defects import OF_THE_MODEL, WORDS, DefectKind, arguments_of, defects_of
from evalkit.types.chat import Tool, ToolCall
from evalkit.types.generation import Response

WEATHER = Tool(
    name="weather",
    description="",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city"],
        "additionalProperties": False,
    },
)


def reply(*arguments: str, **more: typing.Any) -> Response:
    calls = tuple(ToolCall(id=f"c{n}", name="weather", arguments=a) for n, a in enumerate(arguments))
    return Response(tool_calls=calls, finish=more.pop("finish", "tool_calls"), **more)


def test_a_defect_says_which_call_and_what_is_wrong() -> None:
    found = defects_of(reply('{"city": "Oslo"}', '{"city": "Oslo", "days": 0}', "{city}"), (WEATHER,))
    assert [(d.kind, d.call) for d in found] == [("schema_mismatch", 1), ("invalid_json", 2)]
    assert "$.days" in found[0].detail
    assert "minimum" in found[0].detail


def test_what_the_adapter_alone_could_see_is_kept() -> None:
    response = reply('{"city": "Oslo"}', defects=("missing_id", "arguments_not_text"))
    assert [d.kind for d in defects_of(response, (WEATHER,))] == ["missing_id", "arguments_not_text"]


def test_a_recorded_kind_is_not_counted_twice() -> None:
    response = reply("{city}", defects=("invalid_json", "missing_id"))
    assert sorted(d.kind for d in defects_of(response, (WEATHER,))) == ["invalid_json", "missing_id"]


def test_without_tools_there_are_no_defects() -> None:
    assert defects_of(Response(text="<tool_call>", finish="tool_calls"), ()) == ()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "no such type"},
        {"$ref": "#/$defs/nowhere"},
        {"type": "object", "properties": {"city": {"pattern": "("}}},
    ],
)
def test_a_schema_that_cannot_be_used_accuses_nobody(schema: dict[str, object]) -> None:
    tool = Tool(name="weather", description="", parameters=schema)
    assert defects_of(reply('{"city": "Oslo"}'), (tool,)) == ()


def test_no_arguments_are_an_empty_object() -> None:
    assert arguments_of(ToolCall(id="a", name="f", arguments="  ")) == {}


def test_every_kind_has_words() -> None:
    kinds = set(typing.get_args(DefectKind))
    assert set(WORDS) == kinds | {"rejected_by_host"}
    assert kinds >= OF_THE_MODEL


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=20))
def test_nothing_that_a_model_writes_raises(text: str, arguments: str, name: str) -> None:
    call = ToolCall(id="", name=name, arguments=arguments)
    response = Response(text=text, tool_calls=(call,), finish="tool_calls")
    for defect in defects_of(response, (WEATHER,), "required"):
        msgspec.json.encode(defect.kind)


def test_nesting_without_end_is_invalid_and_no_crash() -> None:
    deep = '{"city":' * 100_000
    assert [d.kind for d in defects_of(reply(deep), (WEATHER,))] == ["invalid_json"]
