"""Ids of calls in the form that each host demands, the same in a call and its result."""

from __future__ import annotations

import re

import msgspec

from evalkit.adapters.call_ids import with_ids
from evalkit.adapters.openai_chat import build
from evalkit.testing import FakeProvider
from evalkit.types.chat import Message, Request, Settings, ToolCall
from evalkit.types.provider import Quirks


def turn(*ids: str, name: str = "weather") -> tuple[Message, ...]:
    calls = tuple(ToolCall(id=i, name=name, arguments="{}") for i in ids)
    results = tuple(Message(role="tool", content=str(n), tool_call_id=i) for n, i in enumerate(ids))
    return Message(role="assistant", tool_calls=calls), *results


def ids_of(messages: tuple[Message, ...]) -> tuple[list[str], list[str | None]]:
    called = [c.id for m in messages for c in m.tool_calls]
    return called, [m.tool_call_id for m in messages if m.role == "tool"]


def test_ids_that_fit_are_sent_as_they_are() -> None:
    messages = (*turn("call_x"), *turn("call_y", "call_z"))
    assert with_ids(messages, "any") == messages


def test_ids_that_a_host_left_out_become_unique_over_the_conversation() -> None:
    called, answered = ids_of(with_ids((*turn("call_0", "call_1"), *turn("call_0")), "any"))
    assert called == answered
    assert len(set(called)) == 3


def test_kimi_gets_one_index_over_the_conversation() -> None:
    called, answered = ids_of(with_ids((*turn("a", "b"), *turn("c", name="time")), "functions_dot_index"))
    assert called == ["functions.weather:0", "functions.weather:1", "functions.time:2"] == answered


def test_kimi_keeps_its_own_ids() -> None:
    messages = (*turn("functions.weather:0"), *turn("functions.weather:1"))
    assert with_ids(messages, "functions_dot_index") == messages


def test_mistral_gets_nine_letters_or_digits_and_the_same_ones_each_time() -> None:
    messages = (*turn("call_0", "call_1"), *turn("call_0", "D681PevKs"))
    called, answered = ids_of(with_ids(messages, "nine_alphanumeric"))
    assert called == answered
    assert len(set(called)) == 4
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", identity) for identity in called)
    assert called[-1] == "D681PevKs"
    assert with_ids(messages, "nine_alphanumeric") == with_ids(messages, "nine_alphanumeric")


def test_two_calls_of_one_id_keep_their_own_results() -> None:
    messages = with_ids(turn("a", "a"), "any")
    called, answered = ids_of(messages)
    assert called == answered
    assert len(set(called)) == 2


def test_reasoning_goes_back_where_the_host_wants_it() -> None:
    said = Message(role="assistant", content="I look.", reasoning="Cold?")
    request = Request(messages=(said,), settings=Settings(max_tokens=9))
    found = {}
    with FakeProvider() as server:
        plain = server.endpoint()
    for name in (None, "reasoning_content", "<think>"):
        endpoint = msgspec.structs.replace(plain, quirks=Quirks(return_reasoning=name))
        body = msgspec.json.decode(build().encode(request, endpoint, stream=False).body)
        found[name] = body["messages"][0]
    assert found[None] == {"role": "assistant", "content": "I look."}
    assert found["reasoning_content"] == {**found[None], "reasoning_content": "Cold?"}
    assert found["<think>"] == {"role": "assistant", "content": "<think>\nCold?\n</think>\n\nI look."}
