"""The `openai` package's async client as transport, in raw mode: its retries off, nothing parsed.

It serves where a host needs more than a key in a header (Azure's deployments, request signing) and wherever
a user asks for it; `docs/performance.md` has what it costs beside the lean transport.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from evalkit.wire.arrival import Arrival
from evalkit.wire.keys import key_of

if TYPE_CHECKING:
    from openai._types import RequestOptions

    from evalkit.types.provider import Endpoint
    from evalkit.types.wire import Call, Reply, Timeouts


class OpenAITransport:
    """One client per base URL. See `evalkit.ports.core.Transport`."""

    def __init__(self) -> None:
        self._clients: dict[str, openai.AsyncOpenAI] = {}

    async def send(self, call: Call, endpoint: Endpoint, timeouts: Timeouts) -> Reply:
        """One attempt, complete or with the reason why not.

        Raises:
            UsageError: the endpoint's key is missing.
        """
        client = self._client(endpoint)
        arrival = Arrival(timeouts)
        try:
            async with asyncio.timeout_at(arrival.deadline) as limit:
                await _exchange(client, call, arrival, limit)
        except openai.APIStatusError as error:
            arrival.begin(error.response.status_code, error.response.headers.items())
            arrival.add(error.response.content)
        except (TimeoutError, openai.APITimeoutError) as error:
            connecting = isinstance(error.__cause__, httpx2.ConnectTimeout)
            arrival.fail("timeout_connect" if connecting else arrival.phase, "nothing more came in time")
        except (openai.APIConnectionError, httpx2.TransportError, ValueError) as error:
            cause = error.__cause__ or error
            arrival.fail("cut" if arrival.status else "connect", str(cause) or type(cause).__name__)
        return arrival.reply()

    async def close(self) -> None:
        """Let go of connections."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    def _client(self, endpoint: Endpoint) -> openai.AsyncOpenAI:
        key = key_of(endpoint.provider)
        if endpoint.base_url not in self._clients:
            self._clients[endpoint.base_url] = openai.AsyncOpenAI(
                base_url=endpoint.base_url,
                api_key=key or "none",
                max_retries=0,
                timeout=httpx2.Timeout(None, connect=15.0),
                http_client=openai.DefaultAsyncHttpx2Client(limits=httpx2.Limits(max_connections=None)),
            )
        return self._clients[endpoint.base_url]


async def _exchange(client: openai.AsyncOpenAI, call: Call, arrival: Arrival, limit: asyncio.Timeout) -> None:
    options: RequestOptions = {"headers": {"content-type": "application/json", **call.headers}}
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
