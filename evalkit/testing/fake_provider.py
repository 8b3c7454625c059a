"""A host on loopback that speaks OpenAI-compatible chat completions and misbehaves as told.

Nothing is patched: requests cross a real socket, so the client under test is the one that is shipped.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import msgspec
from aiohttp import web

from evalkit.testing.fake_completions import FakeCompletions
from evalkit.types.provider import (
    Endpoint,
    EndpointDeclaration,
    Limits,
    Operator,
    Price,
    Provider,
    Quirks,
    Weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How one request is answered.

    With `status` other than 200 or a `body`, exactly that is sent. Otherwise `text` is answered, streamed if
    the request says so. Times are seconds. `drop` closes the connection before a byte, `cut` in the middle of
    the stream. `tool_calls` are streamed in fragments, those of parallel calls by turns; `indexed` gives each
    its index. `evalkit.testing.broken` makes of an answer with calls that of a host which breaks them.
    """

    text: str = "ok"
    reasoning: str | None = None
    reasoning_field: str = "reasoning_content"
    finish: str = "stop"
    content_null: bool = False
    tool_calls: tuple[dict[str, Any], ...] = ()
    indexed: bool = True
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = {}
    delay_s: float = 0.0
    gap_s: float = 0.0
    chunks: int = 4
    drop: bool = False
    cut: bool = False
    usage: bool = True


class FakeProvider:
    """A server in a thread; a context manager. `/v1/completions` gives a prompt's probabilities as vLLM does.

    `script` gives the behaviour for a request's JSON body; a deque is used up in order. `requests` holds
    every body that was received, `answered` counts those that were answered with success, by prompt, and
    `most_at_once` is the largest number of requests that were under way together.
    """

    def __init__(
        self,
        script: Callable[[dict[str, Any]], Behaviour] | deque[Behaviour] | Behaviour | None = None,
        port: int = 0,
    ) -> None:
        self._script = script or Behaviour()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._stop: asyncio.Event
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._under_way = 0
        self.most_at_once = 0
        self.answered: dict[str, int] = {}
        self._completions = FakeCompletions()

    def __enter__(self) -> Self:
        """Start, and wait until it listens."""
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and free the port."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        """Base URL for a provider's declaration."""
        return f"http://127.0.0.1:{self._port}/v1"

    def provider(self, name: str = "fake", **changes: Any) -> Provider:
        """A declaration of this server as a provider; `changes` replace its fields."""
        declared = Provider(
            id=name,
            name=name,
            kind="host",
            adapter="openai_chat",
            base_url=self.url,
            key_env=None,
            auth="none",
            operator=Operator(name="Fake Ltd", country="US", parent_country="US"),
            processing_countries=("US",),
            limits=Limits(concurrency=8),
            endpoints=(
                EndpointDeclaration(
                    model="model", weights=Weights(repo="org/Model"), prices=(Price(input=1.0, output=2.0),)
                ),
            ),
        )
        return msgspec.structs.replace(declared, **changes)

    def endpoint(self, name: str = "fake", quirks: Quirks | None = None, **changes: Any) -> Endpoint:
        """This server as an endpoint that can be asked."""
        provider = self.provider(name, **changes)
        return Endpoint(
            id=f"{name}:model",
            provider=provider,
            declaration=provider.endpoints[0],
            base_url=self.url,
            quirks=quirks or provider.quirks,
        )

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_get("/health", _healthy)
        app.router.add_get("/tokenizer_info", _tokenizer)
        app.router.add_post("/tokenize", self._tokenize)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        self._port = int(runner.addresses[0][1])
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def _next(self, body: dict[str, Any]) -> Behaviour:
        if isinstance(self._script, Behaviour):
            return self._script
        if isinstance(self._script, deque):
            return self._script.popleft()
        return self._script(body)

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        how = self._next(body)
        if how.body is not None or how.status != 200:
            data = how.body or json.dumps({"error": {"message": "scripted"}}).encode()
            return web.Response(status=how.status, body=data, headers={"content-type": "application/json"})
        return web.json_response(self._completions.reply(body))

    async def _tokenize(self, request: web.Request) -> web.Response:
        numbers = self._completions.numbers((await request.json())["prompt"])
        return web.json_response({"tokens": numbers, "count": len(numbers), "max_model_len": 4096})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            return await self._answered(request)
        finally:
            self._under_way -= 1

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.times.append(time.monotonic())
        how = self._next(body)
        await asyncio.sleep(how.delay_s)
        if how.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if how.body is not None or how.status != 200:
            data = (
                how.body if how.body is not None else json.dumps({"error": {"message": "scripted"}}).encode()
            )
            return web.Response(
                status=how.status, body=data, headers={"content-type": "application/json", **how.headers}
            )
        prompt = str(body["messages"][-1].get("content"))
        if body.get("stream"):
            response = await self._stream(request, how)
        else:
            response = web.json_response(_whole(how), headers=how.headers)
        if not how.cut:
            self.answered[prompt] = self.answered.get(prompt, 0) + 1
        return response

    async def _stream(self, request: web.Request, how: Behaviour) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **how.headers})
        await response.prepare(request)
        parts = _parts(how)
        for number, part in enumerate(parts):
            if how.cut and number == len(parts) // 2:
                if request.transport is not None:
                    request.transport.abort()
                return response
            await response.write(b"data: " + json.dumps(part).encode() + b"\n\n")
            if how.gap_s:
                await asyncio.sleep(how.gap_s)
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


async def _tokenizer(_: web.Request) -> web.Response:
    return web.json_response({"tokenizer_class": "Fake", "eos_token": "</s>", "bos_token": None})


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _usage(how: Behaviour) -> dict[str, Any]:
    words = len(how.text.split()) + len((how.reasoning or "").split())
    return {"prompt_tokens": 10, "completion_tokens": max(1, words), "total_tokens": 10 + max(1, words)}


def _message(how: Behaviour) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if how.content_null else how.text}
    if how.reasoning is not None:
        message[how.reasoning_field] = how.reasoning
    if how.tool_calls:
        message["tool_calls"] = list(how.tool_calls)
    return message


def _whole(how: Behaviour) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "id": "fake-1",
        "model": "model",
        "choices": [{"index": 0, "message": _message(how), "finish_reason": how.finish}],
    }
    return {**whole, "usage": _usage(how)} if how.usage else whole


def _parts(how: Behaviour) -> list[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "fake-1", "model": "model", "choices": [choice]}

    parts = [chunk({"role": "assistant", "content": ""})]
    if how.reasoning is not None:
        parts.append(chunk({how.reasoning_field: how.reasoning}))
    text = "" if how.content_null else how.text
    size = max(1, -(-len(text) // max(1, how.chunks)))
    parts += [chunk({"content": text[at : at + size]}) for at in range(0, len(text), size)]
    parts += [chunk({"tool_calls": [fragment]}) for fragment in _fragments(how)]
    parts.append(chunk({}, how.finish))
    if how.usage:
        parts.append({"id": "fake-1", "model": "model", "choices": [], "usage": _usage(how)})
    return parts


def _fragments(how: Behaviour) -> list[dict[str, Any]]:
    """Tool calls as they are streamed: id and name first, then the arguments in pieces.

    Without an index only the order tells which call a piece belongs to, so each call is sent to its end.
    """
    streams = [list(_pieces(number, call, how)) for number, call in enumerate(how.tool_calls)]
    if not how.indexed:
        return [fragment for stream in streams for fragment in stream]
    rounds = max(map(len, streams), default=0)
    return [stream[n] for n in range(rounds) for stream in streams if n < len(stream)]


def _pieces(number: int, call: dict[str, Any], how: Behaviour) -> Iterator[dict[str, Any]]:
    index = {"index": number} if how.indexed else {}
    arguments = call["function"]["arguments"]
    if not isinstance(arguments, str):
        yield {**index, **call}
        return
    yield {**index, **call, "function": {**call["function"], "arguments": ""}}
    size = max(1, -(-len(arguments) // max(1, how.chunks)))
    for at in range(0, len(arguments), size):
        yield {**index, "function": {"arguments": arguments[at : at + size]}}
