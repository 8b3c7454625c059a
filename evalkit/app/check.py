"""One tiny call to an endpoint, to say what is wrong before a run does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import msgspec

from evalkit import plugins
from evalkit.catalog.providers import endpoint_named, load_provider, resolve
from evalkit.errors import EvalkitError, UsageError
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.generation import Outcome
from evalkit.types.wire import Timeouts
from evalkit.wire.aiohttp_transport import AiohttpTransport

if TYPE_CHECKING:
    from evalkit.types.provider import Endpoint

Verdict = Literal["ok", "key missing", "unreachable", "refused", "limited", "blocked", "unexpected"]

_REQUEST = Request(
    messages=(Message(role="user", content="Reply with the word: ready"),), settings=Settings(max_tokens=64)
)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What one call told of an endpoint."""

    endpoint: str
    verdict: Verdict
    detail: str


def check_endpoints(name: str) -> list[Checked]:
    """Call one endpoint, or every declared endpoint of a provider, once.

    Raises:
        UsageError: the provider is unknown or declares no endpoint.
    """
    if ":" in name:
        endpoints = [endpoint_named(name)]
    else:
        provider = load_provider(name).provider
        endpoints = [resolve(provider, declaration) for declaration in provider.endpoints]
    if not endpoints:
        raise UsageError(f"Provider {name!r} declares no endpoint; name one as {name}:model.")
    return asyncio.run(_check_all(endpoints))


async def _check_all(endpoints: list[Endpoint]) -> list[Checked]:
    transport = AiohttpTransport()
    try:
        return [await _check(endpoint, transport) for endpoint in endpoints]
    finally:
        await transport.close()


async def _check(endpoint: Endpoint, transport: AiohttpTransport) -> Checked:
    adapter = plugins.adapter(endpoint.provider.adapter)
    try:
        call = adapter.encode(_REQUEST, endpoint, stream=True)
        reply = await transport.send(call, endpoint, Timeouts(connect=10, first=60, total=120))
    except EvalkitError as error:
        return Checked(endpoint=endpoint.id, verdict="key missing", detail=str(error))
    decoded = adapter.decode(call, reply, endpoint, _REQUEST)
    detail = decoded.failure.message if decoded.failure else ""
    if reply.status is None:
        fault = reply.error.message if reply.error else detail
        return Checked(endpoint=endpoint.id, verdict="unreachable", detail=f"{endpoint.base_url}: {fault}")
    if decoded.outcome in {Outcome.OK, Outcome.TRUNCATED, Outcome.EMPTY}:
        served = decoded.response.served_model if decoded.response else None
        return Checked(endpoint=endpoint.id, verdict="ok", detail=f"answers as {served or endpoint.model}")
    verdict: Verdict = "blocked" if decoded.outcome.is_blocked else "unexpected"
    if decoded.outcome is Outcome.CONFIG_ERROR:
        verdict = "refused"
    elif decoded.outcome is Outcome.RATE_LIMITED:
        verdict = "limited"
    return Checked(endpoint=endpoint.id, verdict=verdict, detail=f"HTTP {reply.status}: {detail}"[:300])
