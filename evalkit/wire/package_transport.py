"""A vendor package's async client as transport, in raw mode: its retries off, nothing parsed.

`openai` and `anthropic` share one generated core, so that one class serves both. It is used where a host
needs more than a key in a header, and wherever a user asks for it; `docs/performance.md` has what it costs
beside the lean transport.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import httpx2

from evalkit.wire.arrival import Arrival
from evalkit.wire.keys import key_of, without_key

if TYPE_CHECKING:
    from types import ModuleType

    from evalkit.types.provider import Endpoint
    from evalkit.types.wire import Call, Reply, Timeouts


class PackageTransport(ABC):
    """One client per base URL. See `evalkit.ports.core.Transport`."""

    def __init__(self, package: ModuleType) -> None:
        self._package = package
        self._clients: dict[str, Any] = {}

    @abstractmethod
    def _make(self, base_url: str, key: str, options: dict[str, Any]) -> Any:
        """The package's async client."""

    async def send(self, call: Call, endpoint: Endpoint, timeouts: Timeouts) -> Reply:
        """One attempt, complete or with the reason why not.

        Raises:
            UsageError: the endpoint's key is missing.
        """
        client = self._client(endpoint)
        package = self._package
        arrival = Arrival(timeouts)
        try:
            async with asyncio.timeout_at(arrival.deadline) as limit:
                await _exchange(client, call, arrival, limit)
        except package.APIStatusError as error:
            arrival.begin(error.response.status_code, error.response.headers.items())
            arrival.add(error.response.content)
        except (TimeoutError, package.APITimeoutError) as error:
            connecting = isinstance(error.__cause__, httpx2.ConnectTimeout)
            arrival.fail("timeout_connect" if connecting else arrival.phase, "nothing more came in time")
        except (package.APIConnectionError, httpx2.TransportError, ValueError) as error:
            cause = error.__cause__ or error
            arrival.fail("cut" if arrival.status else "connect", str(cause) or type(cause).__name__)
        return without_key(arrival.reply(), endpoint.provider)

    async def close(self) -> None:
        """Let go of connections."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    def _client(self, endpoint: Endpoint) -> Any:
        key = key_of(endpoint.provider)
        if endpoint.base_url not in self._clients:
            options = {"max_retries": 0, "timeout": httpx2.Timeout(None, connect=15.0)}
            self._clients[endpoint.base_url] = self._make(endpoint.base_url, key or "none", options)
        return self._clients[endpoint.base_url]


async def _exchange(client: Any, call: Call, arrival: Arrival, limit: asyncio.Timeout) -> None:
    options = {"headers": {"content-type": "application/json", **call.headers}}
    response: Any = await client.post(
        call.path, cast_to=httpx2.Response, content=call.body, options=options, stream=True
    )
    try:
        arrival.begin(response.status_code, response.headers.items())
        async for chunk in response.aiter_bytes():
            if arrival.add(chunk):
                limit.reschedule(arrival.deadline)
    finally:
        await response.aclose()
