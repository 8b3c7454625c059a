"""Who answered behind the router, where a name made from the tag and a discovered name differ."""

from __future__ import annotations

import msgspec
import pytest

from evalkit.adapters.openrouter import build
from evalkit.catalog.providers import endpoint_named
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.generation import Outcome
from evalkit.types.wire import Reply


@pytest.mark.parametrize(
    ("tag", "discovered", "served", "outcome"),
    [
        ("google-vertex/us-east5", None, "Google", Outcome.OK),
        ("google-vertex/us-east5", "Google", "Google", Outcome.OK),
        ("google-ai-studio", "Google AI Studio", "Google", Outcome.INFRA_ERROR),
        ("moonshotai", "Moonshot AI", "Moonshot AI", Outcome.OK),
        ("z-ai", None, "Z.AI", Outcome.OK),
        ("deepinfra/fp8", None, "Fireworks", Outcome.INFRA_ERROR),
    ],
)
def test_a_discovered_name_is_compared_exactly(
    tag: str, discovered: str | None, served: str, outcome: Outcome
) -> None:
    endpoint = endpoint_named(f"openrouter:org/model@{tag}")
    declaration = msgspec.structs.replace(endpoint.declaration, upstream=discovered)
    endpoint = msgspec.structs.replace(endpoint, declaration=declaration)
    request = Request(
        messages=(Message(role="user", content="Capital of France?"),), settings=Settings(max_tokens=9)
    )
    adapter = build()
    body = {
        "provider": served,
        "choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.0001},
    }
    reply = Reply(
        status=200, headers={}, body=msgspec.json.encode(body), marks=(), started_at=0.0, duration_s=1.0
    )
    decoded = adapter.decode(adapter.encode(request, endpoint, stream=False), reply, endpoint, request)
    assert decoded.outcome is outcome
    assert decoded.response is not None
    assert (decoded.response.served_by, decoded.response.billed_usd) == (served, 0.0001)
