"""Opens what works a plan (network clients, sandbox, cluster) and runs the engine's loop."""

from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.engine.executor import Here
from evalkit.engine.run import Tally, run_plan
from evalkit.engine.stop import Brake, StopReason
from evalkit.errors import UsageError
from evalkit.worlds.harbor import images_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from evalkit.app.setup import Setup
    from evalkit.engine.executor import Executor
    from evalkit.engine.plan import Plan
    from evalkit.engine.run import Workers
    from evalkit.ports.core import Transport
    from evalkit.types.provider import Endpoint

T = TypeVar("T")
HERE = "here"


class Transports:
    """Transports by kind, opened when first used."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._open: dict[str, Transport] = {}

    def __call__(self, endpoint: Endpoint) -> Transport:
        """The transport that serves an endpoint."""
        kind = transport_kind(self._kind, endpoint)
        if kind not in self._open:
            self._open[kind] = _opened(kind)
        return self._open[kind]

    async def close(self) -> None:
        """Let go of connections."""
        for transport in self._open.values():
            await transport.close()


def transport_kind(asked: str, endpoint: Endpoint) -> str:
    """Which client serves an endpoint: the user's choice, but a vendor's own protocol has its own."""
    if endpoint.provider.adapter == "anthropic_messages":
        return "anthropic"
    return "aiohttp" if asked == "auto" else asked


def _opened(kind: str) -> Transport:
    if kind == "anthropic":
        from evalkit.wire.anthropic_transport import AnthropicTransport

        return AnthropicTransport()
    if kind == "openai":
        from evalkit.wire.openai_transport import OpenAITransport

        return OpenAITransport()
    from evalkit.wire.aiohttp_transport import AiohttpTransport

    return AiohttpTransport()


def opener(
    setup: Setup, *, executor: str, sandbox: str, secrets: tuple[str, ...], notice: Callable[[str], None]
) -> Callable[[], Awaitable[Executor]]:
    """How the executor of a run is opened, once the loop runs.

    A sandbox of this machine is chosen and tested at once; a cluster's machines test their own.

    Raises:
        UsageError: no sandbox holds on this machine, or the executor is unknown.
    """
    benches = setup.benches()
    images = images_of(sample for loaded in setup.plan.suites for sample in setup.plan.samples_of(loaded))
    if images and executor != HERE:
        raise UsageError("Tasks in Harbor's format run on this machine only; leave --executor out.")
    if executor == HERE:
        from evalkit.sandbox import choose

        chosen = choose(sandbox, understood=True) if setup.needs_sandbox else None
        if images:
            from evalkit.sandbox.whole import Whole, find_engine

            chosen = whole = Whole(find_engine(), chosen)
            whole.prepare(images)
        here = Here(benches, chosen)

        async def open_here() -> Executor:
            return here

        return open_here
    if executor != "ray" and not executor.startswith("ray://"):
        raise UsageError(f"Unknown executor {executor!r}; expected here, ray or ray://host:port.")

    async def open_cluster() -> Executor:
        from evalkit.engine.cluster import join

        wanted = sandbox if setup.needs_sandbox else None
        return await join(executor, benches, wanted, secrets=secrets, notice=notice)

    return open_cluster


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run the engine to its end; where a loop runs already, as in a notebook, in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    stops: list[Callable[[], object]] = []
    context = copy_context()
    context.run(_STOPS.set, stops)
    with ThreadPoolExecutor(1, thread_name_prefix="evalkit") as pool:
        done = pool.submit(context.run, _run, work)
        while True:
            try:
                return done.result()
            except KeyboardInterrupt:
                if done.done():
                    raise
                for stop in stops:
                    stop()


_STOPS: ContextVar[list[Callable[[], object]] | None] = ContextVar("stops", default=None)
"""Where `work` says how it is stopped, for a thread to which no signal comes."""


def _run(work: Coroutine[Any, Any, T]) -> T:
    """On `uvloop` where there is one: it takes a fifth off the time for the network."""
    factory = None
    with suppress(ModuleNotFoundError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def when_interrupted(call: Callable[[], object]) -> None:
    """Have `call` made in the running loop at each Ctrl-C, also where the loop has a thread of its own."""
    loop = asyncio.get_running_loop()
    stops = _STOPS.get()
    if stops is not None:
        stops.append(partial(loop.call_soon_threadsafe, call))
    with suppress(NotImplementedError, ValueError, RuntimeError):  # not in the main thread
        loop.add_signal_handler(signal.SIGINT, call)
        loop.add_signal_handler(signal.SIGTERM, call)


async def work(
    plan: Plan,
    workers: Workers,
    opening: Callable[[], Awaitable[Executor]],
    transports: Transports | None = None,
    minutes: float | None = None,
) -> Tally:
    """The engine's part; the first Ctrl-C lets what is in flight end, the second does not.

    Raises:
        EvalkitError: something that concerns the whole run; what was answered so far is in the journal.
    """
    brake = Brake()
    task = asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        if brake.reason is not None:
            task.cancel()
        brake.pull(StopReason.INTERRUPTED)

    when_interrupted(interrupt)
    if minutes is not None:
        asyncio.get_running_loop().call_later(minutes * 60, brake.pull, StopReason.MAX_MINUTES)
    executor: Executor | None = None
    try:
        executor = await opening()
        return await run_plan(plan, workers, executor, brake)
    except asyncio.CancelledError:
        return Tally(planned=plan.size(), stopped=StopReason.INTERRUPTED)
    finally:
        if executor is not None:
            await executor.close()
        if transports is not None:
            await transports.close()
