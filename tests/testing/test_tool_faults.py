"""Every fault crosses a real socket and is found by the shipped adapter, streamed or not."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from evalkit import plugins
from evalkit.testing import FAULTS, Behaviour, FakeProvider, broken, calling
from evalkit.types.chat import Message, Request, Settings, Tool
from evalkit.types.wire import Decoded, Reply

TOOL = Tool(
    name="weather",
    description="",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)
REQUEST = Request(
    messages=(Message(role="user", content="?"),), settings=Settings(max_tokens=9), tools=(TOOL,)
)
RIGHT = calling(("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"}))
FOUND = {
    "leaked_tokens": {"leaked_tool_tokens"},
    "invalid_json": {"invalid_json"},
    "missing_ids": {"missing_id"},
    "duplicate_ids": {"duplicate_id"},
    "undeclared_tool": {"undeclared_tool"},
    "schema_mismatch": {"schema_mismatch"},
    "finish_without_calls": {"finish_without_call"},
    "stop_with_calls": {"call_without_finish"},
    "arguments_as_object": {"arguments_not_text"},
    "missing_index": {"missing_index"},
    "rejected": set(),
}


def ask(how: Behaviour, *, stream: bool) -> Decoded:
    with FakeProvider(how) as server:
        endpoint = server.endpoint()
        adapter = plugins.adapter("openai_chat")
        call = adapter.encode(REQUEST, endpoint, stream=stream)
        asked = urllib.request.Request(
            server.url + call.path, data=call.body, headers={"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as got:
                status, body = got.status, got.read()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read()
    reply = Reply(
        status=status, headers={}, body=body, marks=((len(body), 0.1),), started_at=0.0, duration_s=0.1
    )
    return adapter.decode(call, reply, endpoint, REQUEST)


def test_every_fault_is_expected_somewhere() -> None:
    assert set(FOUND) == set(FAULTS)


@pytest.mark.parametrize("stream", [True, False])
def test_calls_that_nobody_breaks_arrive_whole(stream: bool) -> None:
    response = ask(RIGHT, stream=stream).response
    assert response is not None
    assert [(c.id, c.arguments) for c in response.tool_calls] == [
        ("call_0", '{"city": "Oslo"}'),
        ("call_1", '{"city": "Rome"}'),
    ]
    assert response.defects == ()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_fault_is_found_by_its_kind(fault: str, stream: bool) -> None:
    decoded = ask(broken(RIGHT, fault), stream=stream)  # type: ignore[arg-type]
    if fault == "rejected":
        assert decoded.outcome == "tool_format_failure"
        return
    assert decoded.response is not None
    expected = FOUND[fault] if stream or fault != "missing_index" else set()
    assert set(decoded.response.defects) == expected


def test_an_answer_without_a_call_is_left_alone() -> None:
    assert all(broken(Behaviour(text="x"), fault) == Behaviour(text="x") for fault in FAULTS)  # type: ignore[arg-type]
