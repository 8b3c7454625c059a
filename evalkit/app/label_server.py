"""Serves the page of labels to one person on this machine.

It listens on the loopback address only, at a port of the system's choice. Every address begins with a secret
that is drawn anew each time, so that other users and programs of this machine have no access. Requests that
name another host (DNS rebinding) are refused, and so are those that change something and were made by a page
from elsewhere.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from typing import TYPE_CHECKING, TypeVar

import msgspec

from evalkit.app.loop import when_interrupted
from evalkit.errors import EvalkitError, InfrastructureError
from evalkit.report.label_page import label_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from evalkit.app.labelling import Sitting

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
_LARGEST = 16 * 1024
"""Bytes of a request's body; a label with a note in any script is shorter."""


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The class of one answer. `item` is its place in the draw."""

    item: int
    label: str
    note: str | None = None


class Later(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer to be put off."""

    item: int


class Undo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The step of this number is taken back, if it is the last."""

    step: int


async def serve(sitting: Sitting, opened: Callable[[str], object]) -> None:
    """Serve until Ctrl-C.

    Args:
        sitting: whose answers are shown and whose labels are taken.
        opened: is given the page's address as soon as it answers.

    Raises:
        InfrastructureError: no port of the loopback address can be had.
    """
    from aiohttp import web

    ended = asyncio.Event()
    pages = _Pages(sitting, secrets.token_urlsafe(24))
    runner = web.AppRunner(pages.app(), access_log=None, handle_signals=False, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0)
        try:
            await site.start()
        except OSError as error:
            raise InfrastructureError(
                f"No port of {LOOPBACK} can be had for the page ({error.strerror}); is the loopback up?"
            ) from None
        pages.port = runner.addresses[0][1]
        when_interrupted(ended.set)
        opened(f"http://{LOOPBACK}:{pages.port}{pages.base}/")
        await ended.wait()
    finally:
        await runner.cleanup()


class _Pages:
    """The page, and what it asks for."""

    def __init__(self, sitting: Sitting, token: str) -> None:
        self.base = f"/{token}"
        self.port = 0
        self._token = token.encode()
        self._sitting = sitting
        self._page = label_page(self.base, settle=sitting.settle)

    def app(self) -> web.Application:
        """All addresses."""
        from aiohttp import web

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guarded(request, handler)

        app = web.Application(middlewares=[guarded], client_max_size=_LARGEST)
        app.on_response_prepare.append(self._with_headers)
        app.add_routes(
            [
                web.get("/{token}/", self._html, allow_head=False),
                web.get("/{token}/next", self._next, allow_head=False),
                web.post("/{token}/label", self._label),
                web.post("/{token}/later", self._later),
                web.post("/{token}/undo", self._undo),
            ]
        )
        return app

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who may ask, and errors as JSON."""
        from aiohttp import web

        here = f"{LOOPBACK}:{self.port}"
        if request.headers.getall("Host", []) != [here]:
            return _refused(403, "Open the address that `evalkit label` prints.")
        given = request.path.lstrip("/").partition("/")[0].encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._token):
            return _refused(404, "Nothing is here; open the address that `evalkit label` prints.")
        if request.method == "POST":
            if request.headers.getall("Origin", []) != [f"http://{here}"]:
                return _refused(403, "Only the page itself may change something.")
            if request.content_type != "application/json":
                return _refused(415, "Expected JSON.")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _refused(error.status, error.reason)
        except InfrastructureError as error:
            return _refused(507, str(error))
        except EvalkitError as error:
            return _refused(400, str(error))

    async def _with_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(
            {
                "Content-Security-Policy": self._page.policy,
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cache-Control": "no-store",
                "Server": "evalkit",
            }
        )

    async def _html(self, request: web.Request) -> web.Response:
        from aiohttp import web

        return web.Response(text=self._page.html, content_type="text/html")

    async def _next(self, request: web.Request) -> web.Response:
        return self._shown()

    async def _label(self, request: web.Request) -> web.Response:
        said = await _body(request, Label)
        self._sitting.label(said.item, said.label, said.note)
        return self._shown()

    async def _later(self, request: web.Request) -> web.Response:
        self._sitting.put_off((await _body(request, Later)).item)
        return self._shown()

    async def _undo(self, request: web.Request) -> web.Response:
        self._sitting.undo((await _body(request, Undo)).step)
        return self._shown()

    def _shown(self) -> web.Response:
        from aiohttp import web

        data = msgspec.json.encode(self._sitting.shown())
        return web.Response(body=data, content_type="application/json")


async def _body(request: web.Request, kind: type[T]) -> T:
    from aiohttp import web

    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise web.HTTPBadRequest(reason=f"Not understood: {error}".splitlines()[0][:200]) from None


def _refused(status: int, why: str) -> web.Response:
    from aiohttp import web

    return web.Response(
        status=status, body=msgspec.json.encode({"error": why}), content_type="application/json"
    )
