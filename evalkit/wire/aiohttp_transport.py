"""The lean transport: aiohttp, raw bytes, arrival times. Used wherever a key in a header is all it takes.

`docs/performance.md` has the measurement against the `openai` package's client.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from evalkit import __version__
from evalkit.wire.arrival import Arrival
from evalkit.wire.keys import auth_headers, without_key

if TYPE_CHECKING:
    from evalkit.types.provider import Endpoint
    from evalkit.types.wire import Call, Reply, Timeouts


class AiohttpTransport:
    """One connection pool for a run. See `evalkit.ports.core.Transport`."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    async def send(self, call: Call, endpoint: Endpoint, timeouts: Timeouts) -> Reply:
        """One attempt, complete or with the reason why not.

        Raises:
            UsageError: the endpoint's key is missing.
        """
        headers = {"content-type": "application/json", **call.headers, **auth_headers(endpoint)}
        arrival = Arrival(timeouts)
        try:
            async with asyncio.timeout_at(arrival.deadline) as limit:
                await self._exchange(call, endpoint, headers, arrival, limit)
        except (aiohttp.ServerTimeoutError, aiohttp.ConnectionTimeoutError) as error:
            arrival.fail("timeout_connect", str(error))
        except TimeoutError:
            arrival.fail(arrival.phase, "nothing more came within the time allowed")
        except aiohttp.ClientConnectorDNSError as error:
            arrival.fail("dns", str(error))
        except aiohttp.ClientSSLError as error:
            arrival.fail("tls", str(error))
        except aiohttp.ClientConnectionError as error:
            arrival.fail("cut" if arrival.status else "connect", str(error) or "connection lost")
        except (aiohttp.ClientError, ValueError) as error:
            arrival.fail("cut" if arrival.status else "protocol", str(error) or type(error).__name__)
        return without_key(arrival.reply(), endpoint.provider)

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(
        self,
        call: Call,
        endpoint: Endpoint,
        headers: dict[str, str],
        arrival: Arrival,
        limit: asyncio.Timeout,
    ) -> None:
        session = self._opened(arrival.timeouts)
        url = endpoint.base_url + call.path
        async with session.request(
            call.method,
            url,
            data=call.body or None,
            headers=headers,
            allow_redirects=False,
            proxy=self._proxy(endpoint.base_url),
        ) as response:
            arrival.begin(response.status, response.headers.items())
            content = response.content
            while chunk := await content.readany():
                if arrival.add(chunk):
                    limit.reschedule(arrival.deadline)

    def _proxy(self, url: str) -> str | None:
        """The environment's proxy. aiohttp's own look-up reads `.netrc` in a thread for every request."""
        if url not in self._proxies:
            parts = urlsplit(url)
            bypassed = parts.hostname is None or proxy_bypass(parts.hostname)
            self._proxies[url] = None if bypassed else getproxies().get(parts.scheme)
        return self._proxies[url]

    def _opened(self, timeouts: Timeouts) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect),
                headers={"user-agent": f"evalkit/{__version__}"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session
