"""Local stand-ins for vendors' documented APIs, on loopback: nothing in the client is patched."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable


class Fake:
    """A server in a thread; a context manager. Subclasses add routes."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def routes(self, app: web.Application) -> None:
        raise NotImplementedError

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        app = web.Application()
        self.routes(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = int(runner.addresses[0][1])
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _note(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        return body


class OpenRouter(Fake):
    """Pinning, metadata, comments, usage in the last chunk, bills, discovery; `script` may answer first.

    `hosts` are provider name, tag and quantization of the endpoints of `org/model`. An unpinned request is
    answered by the first. `liar` answers in the place of every pinned host.
    """

    def __init__(
        self,
        script: Callable[[dict[str, Any]], web.Response | None] | None = None,
        hosts: tuple[tuple[str, str, str | None], ...] = (("DeepInfra", "deepinfra/fp8", "fp8"),),
        liar: str | None = None,
    ) -> None:
        super().__init__()
        self._script = script
        self.hosts = hosts
        silent = ["Moonshot AI", *(f"Silent host {n}" for n in range(28))]
        telling = ["DeepInfra", "Google", *(f"Host {n}" for n in range(70))]
        self.countries = dict.fromkeys(silent) | dict.fromkeys(telling, "US")
        self._liar = liar

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/chat/completions", self._chat)
        app.router.add_get("/api/v1/models", self._models)
        app.router.add_get("/api/v1/models/org/model/endpoints", self._endpoints)
        app.router.add_get("/api/v1/providers", self._providers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._note(request)
        scripted = self._script(body) if self._script else None
        if scripted is not None:
            return scripted
        only = body.get("provider", {}).get("only")
        names = [name for name, tag, _ in self.hosts if only is None or tag in only]
        if not names:
            error = {"code": 404, "message": "No allowed providers are available for the selected model."}
            return web.json_response({"error": error}, status=404)
        served = self._liar or names[0]
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream", "x-generation-id": "gen-1"}
        )
        await response.prepare(request)
        for piece in _pieces(served, len(self.hosts)):
            await response.write(piece)
        await response.write_eof()
        return response

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "org/model", "hugging_face_id": "org/Model"}]})

    async def _endpoints(self, _: web.Request) -> web.Response:
        price = {
            "prompt": "0.0000013",
            "completion": "0.0000026",
            "input_cache_read": "0.0000001",
            "overrides": [
                {"min_prompt_tokens": 200000, "prompt": "0.000002", "completion": "0.000004"},
                {"utc_start": 100, "utc_end": 430, "prompt": "0.0000026", "completion": "0.0000052"},
            ],
        }
        endpoints = [
            {
                "name": f"{name} | org/model",
                "provider_name": name,
                "tag": tag,
                "quantization": quantization,
                "context_length": 163840,
                "max_completion_tokens": 16384,
                "pricing": price,
                "status": 0,
            }
            for name, tag, quantization in self.hosts
        ]
        return web.json_response({"data": {"id": "org/model", "endpoints": endpoints}})

    async def _providers(self, _: web.Request) -> web.Response:
        """As recorded in August 2026: 29 of 101 tell no country."""
        rows = [
            {
                "name": name,
                "slug": name.lower().replace(" ", "-"),
                "headquarters": country,
                "datacenters": [country] if country else None,
            }
            for name, country in self.countries.items()
        ]
        return web.json_response({"data": rows})


def _pieces(served: str, hosts: int) -> list[bytes]:
    metadata = {
        "attempt": 1,
        "endpoints": {"total": hosts, "available": [{"provider": served, "selected": True}]},
        "pipeline": [],
    }

    def chunk(**fields: Any) -> bytes:
        return b"data: " + json.dumps({"id": "gen-1", "model": "org/model", **fields}).encode() + b"\n\n"

    usage = {"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.00005}
    return [
        b": OPENROUTER PROCESSING\n\n",
        chunk(provider=served, choices=[{"delta": {"content": "fo"}}]),
        b": OPENROUTER PROCESSING\n\n",
        chunk(choices=[{"delta": {"content": "ur"}, "finish_reason": "stop", "native_finish_reason": "eos"}]),
        chunk(choices=[], usage=usage, openrouter_metadata=metadata),
        b"data: [DONE]\n\n",
    ]


class Anthropic(Fake):
    """The messages API: streams blocks, or answers what `script` says."""

    def __init__(self, script: Callable[[dict[str, Any]], web.Response | str] | None = None) -> None:
        super().__init__()
        self._script = script or (lambda _: "four")

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/messages", self._messages)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await self._note(request)
        how = self._script(body)
        if isinstance(how, web.Response):
            return how
        return events(*answer(how))


def answer(text: str, thinking: str | None = None, stop: str = "end_turn") -> list[dict[str, Any]]:
    """The events of an Anthropic stream."""
    usage = {"input_tokens": 9, "output_tokens": 1}
    parts: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {"id": "msg_1", "model": "claude", "content": [], "usage": usage},
        }
    ]
    for index, (kind, said) in enumerate([("thinking", thinking), ("text", text)]):
        if said is None:
            continue
        parts += [
            {"type": "content_block_start", "index": index, "content_block": {"type": kind, kind: ""}},
            *(
                {
                    "type": "content_block_delta",
                    "index": index,
                    "delta": {"type": f"{kind}_delta", kind: half},
                }
                for half in (said[: len(said) // 2], said[len(said) // 2 :])
            ),
            {"type": "content_block_stop", "index": index},
        ]
    parts += [
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    return parts


def events(*parts: dict[str, Any], status: int = 200) -> web.Response:
    """Named server-sent events."""
    lines = [f"event: {p['type']}\ndata: {json.dumps(p)}\n\n" for p in parts]
    return web.Response(
        status=status, body="".join(lines).encode(), headers={"content-type": "text/event-stream"}
    )
