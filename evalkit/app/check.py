"""One tiny call to an endpoint, to say what is wrong before a run does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from evalkit import plugins
from evalkit.app.loop import run_loop
from evalkit.catalog.providers import endpoint_named, load_provider, resolve
from evalkit.errors import EvalkitError, UsageError
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.generation import Outcome
from evalkit.types.wire import Timeouts
from evalkit.wire.aiohttp_transport import AiohttpTransport

if TYPE_CHECKING:
    from evalkit.types.generation import Failure
    from evalkit.types.provider import Endpoint

Verdict = Literal[
    "ok",
    "key missing",
    "key rejected",
    "wrong URL",
    "model unknown",
    "parameter rejected",
    "unreachable",
    "limited",
    "blocked",
    "unexpected",
]
_MODEL = re.compile(
    r"model[_ ]not[_ ](found|exist)|(unknown|no such|invalid) model"
    r"|model\b.{0,80}?\b(not (be )?(found|exist|available|supported)|does not exist|not a valid)",
    re.IGNORECASE | re.DOTALL,
)

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
    return run_loop(_check_all(endpoints))


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
    return Checked(
        endpoint=endpoint.id,
        verdict=_verdict(decoded.outcome, reply.status, decoded.failure),
        detail=f"HTTP {reply.status}: {detail}"[:300],
    )


def _verdict(outcome: Outcome, status: int, failure: Failure | None) -> Verdict:
    """What is wrong, told from the outcome, then the status and the host's own words.

    A 404 that does not speak of the model is the address; a 400 that does not is a parameter.
    """
    if outcome.is_blocked:
        return "blocked"
    if outcome is Outcome.RATE_LIMITED:
        return "limited"
    if status in {401, 403}:
        return "key rejected"
    if status in {400, 404, 422} and _MODEL.search(f"{failure.code} {failure.message}" if failure else ""):
        return "model unknown"
    if status in {404, 405}:
        return "wrong URL"
    if status in {400, 422}:
        return "parameter rejected"
    return "unexpected"
