"""Asks empty answers to probes again, so that a host's block is told from a host that was overloaded."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.frames import latest_turns
from evalkit.analysis.probes.recheck import controls_for, is_reproduced, look_again
from evalkit.analysis.probes.rows import is_probe_suite
from evalkit.app.loop import Transports, run_loop
from evalkit.app.setup import recheck, reopen
from evalkit.engine.ask import Asker, Record, Way
from evalkit.engine.budget import Purse
from evalkit.engine.drive import Turns
from evalkit.engine.limiter import Limiter
from evalkit.engine.plan import Trial
from evalkit.store.folder import RunWriter, read_manifest
from evalkit.store.journal import read_generations
from evalkit.types.generation import Generation, Outcome
from evalkit.wire.keys import secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evalkit.app.setup import Setup
    from evalkit.ports.core import Progress
    from evalkit.types.suite import LoadedSuite, Sample


class Rechecked(msgspec.Struct, frozen=True, kw_only=True):
    """How many empty answers one endpoint gave, and how many came again while a control was answered.

    `without_control` have no other question in their language that could be asked beside them.
    """

    endpoint: str
    empty: int
    reproduced: int
    without_control: int


def look_again_at_empty(
    folder: Path, progress: Progress, *, policy: str | None = None, transport: str = "auto"
) -> tuple[Rechecked, ...]:
    """Ask every empty answer of a run's probes again, one request at a time per provider and in all.

    What was asked again before is not asked anew. The answers stand in the journal under roles of their own
    and enter no other figure.

    Raises:
        StoreError: the folder holds no run, or another process writes to it.
        PolicyError: the policy of today forbids what that of then allowed.
        UsageError: a key is missing.
    """
    setup = recheck(reopen(folder), policy)
    trials = list(_empty(folder, setup))
    if not trials:
        return ()
    with RunWriter(folder, secrets=secrets_of(e.provider for e in setup.plan.endpoints)) as writer:
        transports = Transports(transport)
        limiters = {e.provider.id: Limiter(e.provider.limits, 1) for e in setup.plan.endpoints}
        asker = Asker(
            Way(adapters=setup.adapters, transports=transports, limiters=limiters),
            Record(journal=writer.journal),
            Purse(prices={record.endpoint: record for record in setup.prices}),
            progress,
        )
        manifest = read_manifest(folder)
        # An open run has no checksums: a process that is killed now leaves one that can be read.
        writer.write_manifest(msgspec.structs.replace(manifest, checksums={}))
        asked = run_loop(_each(trials, asker, transports))
        writer.write_manifest(msgspec.structs.replace(manifest, checksums=writer.checksums()))
    return _counted(trials, asked)


Pending = tuple[Trial, "tuple[Sample, ...]"]
"""An empty trial and what to ask beside it."""


def _empty(folder: Path, setup: Setup) -> Iterator[Pending]:
    """Trials of probe suites whose last answer was empty."""
    probes = {
        loaded.suite.id: loaded
        for loaded, record in zip(setup.plan.suites, setup.suite_records(), strict=True)
        if is_probe_suite(record, loaded.samples)
    }
    endpoints = {e.id: e for e in setup.plan.endpoints}
    samples = {name: _by_id(loaded) for name, loaded in probes.items()}
    for key, turns in latest_turns(read_generations(folder)).items():
        last = [g for g in turns if g.role == "subject"][-1:]
        if key.suite in probes and last and last[0].outcome is Outcome.EMPTY:
            sample = samples[key.suite][key.sample]
            trial = Trial(probes[key.suite], sample, endpoints[key.endpoint], key.epoch)
            yield trial, controls_for(sample, samples[key.suite])


def _by_id(loaded: LoadedSuite) -> dict[str, Sample]:
    return {sample.id: sample for sample in loaded.samples}


async def _each(trials: list[Pending], asker: Asker, transports: Transports) -> list[tuple[Generation, ...]]:
    """What came back of each trial's rechecks, one request after another."""
    found = []
    try:
        for trial, controls in trials:
            found.append(await _again(trial, controls, asker) if controls else ())
    finally:
        await transports.close()
    return found


async def _again(trial: Trial, controls: tuple[Sample, ...], asker: Asker) -> tuple[Generation, ...]:
    work = look_again(trial.sample, controls, trial.loaded.suite)
    turns = Turns(trial, asker, {})
    effect = next(work)
    try:
        while True:
            answered = await turns.ask(effect)
            assert answered is not None  # only what is recalled may be missing
            effect = work.send(answered)
    except StopIteration as end:
        asked: tuple[Generation, ...] = end.value
        return asked


def _counted(trials: list[Pending], asked: list[tuple[Generation, ...]]) -> tuple[Rechecked, ...]:
    by_endpoint: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for (trial, controls), turns in zip(trials, asked, strict=True):
        by_endpoint[trial.endpoint.id].append((is_reproduced(turns), not controls))
    return tuple(
        Rechecked(
            endpoint=endpoint,
            empty=len(found),
            reproduced=sum(again for again, _ in found),
            without_control=sum(alone for _, alone in found),
        )
        for endpoint, found in by_endpoint.items()
    )
