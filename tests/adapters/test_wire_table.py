"""Recorded shapes of replies, read by the shipped adapters under the shipped declarations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from evalkit import plugins
from evalkit.catalog.providers import load_provider
from evalkit.types.chat import Message, Request, Settings, Tool
from evalkit.types.provider import Endpoint, EndpointDeclaration
from evalkit.types.wire import Decoded, Reply

FOLDER = Path(__file__).parent.parent / "data" / "wire"
ROWS: list[dict[str, Any]] = [
    row for file in sorted(FOLDER.glob("*.yaml")) for row in yaml.safe_load(file.read_text(encoding="utf-8"))
]


def read(row: dict[str, Any]) -> Decoded:
    provider = load_provider(row["host"]).provider
    model = row.get("model", "m")
    endpoint = Endpoint(
        id=f"{provider.id}:{model}",
        provider=provider,
        declaration=EndpointDeclaration(model=model),
        base_url=provider.base_url,
        quirks=provider.quirks,
    )
    adapter = plugins.adapter(provider.adapter)
    named = [t if isinstance(t, dict) else {"name": t} for t in row.get("tools", ())]
    tools = tuple(Tool(**{"description": "", "parameters": {"type": "object"}, **t}) for t in named)
    request = Request(
        messages=(Message(role="user", content="?"),),
        settings=Settings(max_tokens=9),
        tools=tools,
        tool_choice=row.get("tool_choice"),
    )
    call = adapter.encode(request, endpoint, stream="body" not in row)
    body = _body(row)
    reply = Reply(
        status=row.get("status", 200),
        headers=row.get("headers", {}),
        body=body,
        marks=((len(body), 0.5),),
        started_at=0.0,
        duration_s=1.0,
    )
    return adapter.decode(call, reply, endpoint, request)


def _body(row: dict[str, Any]) -> bytes:
    if "raw" in row:
        return str(row["raw"]).encode()
    if "body" in row:
        return msgspec.json.encode(row["body"])
    parts = [b"data: " + msgspec.json.encode(event) + b"\n\n" for event in row["events"]]
    return b"".join(parts) + (b"data: [DONE]\n\n" if row.get("done", True) else b"")


def test_the_table_is_large_and_its_names_are_distinct() -> None:
    assert len(ROWS) >= 100
    assert len({row["name"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_reply_is_read_as_it_is_meant(row: dict[str, Any]) -> None:
    decoded = read(row)
    response = decoded.response
    found = {
        "outcome": decoded.outcome.value,
        "retryable": decoded.retryable,
        "retry_after_s": decoded.retry_after_s,
        "code": decoded.failure.code if decoded.failure else None,
        "text": response.text if response else None,
        "cut": response.streamed_then_cut if response else None,
        "calls": [[c.name, c.arguments] for c in response.tool_calls] if response else None,
        "ids": [c.id for c in response.tool_calls] if response else None,
        "defects": list(response.defects) if response else None,
        "usage": _usage(decoded),
        **{
            name: getattr(response, name, None)
            for name in ("reasoning", "reasoning_field", "refusal", "served_by", "billed_usd")
        },
    }
    assert {name: found[name] for name in row["expect"]} == row["expect"]


def _usage(decoded: Decoded) -> dict[str, int] | None:
    usage = decoded.response.usage if decoded.response else None
    if usage is None:
        return None
    return {name: value for name, value in msgspec.structs.asdict(usage).items() if value is not None}
