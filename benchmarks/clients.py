"""Bare clients that do the same work as a run: send, read everything, time it, and keep one line for each."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

Ask = Callable[[int], Awaitable[bytes]]


def body_of(number: int, *, stream: bool) -> dict[str, object]:
    """The body that evalkit sends for the benchmark's suite."""
    body: dict[str, object] = {
        "model": "m",
        "messages": [{"role": "user", "content": f"question {number}"}],
        "max_tokens": 200,
        "temperature": 0,
    }
    return {**body, "stream": True, "stream_options": {"include_usage": True}} if stream else body


async def _all(ask: Ask, count: int, concurrency: int) -> None:
    numbers = iter(range(count))
    with Path("log.jsonl").open("wb") as log:

        async def worker() -> None:
            for number in numbers:
                answer = await ask(number)
                log.write(json.dumps({"n": number, "answer": answer.decode()}).encode() + b"\n")

        await asyncio.gather(*(worker() for _ in range(concurrency)))


async def bare_aiohttp(url: str, count: int, concurrency: int, *, stream: bool) -> None:
    """`aiohttp` alone."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(number: int) -> bytes:
            async with session.post(f"{url}/chat/completions", json=body_of(number, stream=stream)) as reply:
                return b"".join([chunk async for chunk in reply.content.iter_any()])

        await _all(ask, count, concurrency)


async def openai_raw(url: str, count: int, concurrency: int, *, stream: bool, lean: bool) -> None:
    """The `openai` package in raw mode, over its aiohttp client or over its default one."""
    import httpx2
    import openai

    chosen = openai.DefaultAioHttpClient() if lean else openai.DefaultAsyncHttpx2Client()
    client = openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0, http_client=chosen)

    async def ask(number: int) -> bytes:
        reply = await client.post(
            "/chat/completions", cast_to=httpx2.Response, body=body_of(number, stream=stream), stream=True
        )
        try:
            return b"".join([chunk async for chunk in reply.aiter_bytes()])
        finally:
            await reply.aclose()

    await _all(ask, count, concurrency)
    await client.close()


def main() -> None:
    """Arguments: client, url, count, concurrency, stream or plain."""
    name, url, count, concurrency, how = sys.argv[1:]
    stream = how == "stream"
    if name == "aiohttp":
        work = bare_aiohttp(url, int(count), int(concurrency), stream=stream)
    else:
        lean = name == "openai+aiohttp"
        work = openai_raw(url, int(count), int(concurrency), stream=stream, lean=lean)
    asyncio.run(work)


if __name__ == "__main__":
    main()
