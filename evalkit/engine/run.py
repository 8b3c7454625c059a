"""Works a plan: each provider has its own workers, so that none waits for another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from evalkit.engine.ask import Asker, NotRecordedError
from evalkit.engine.drive import Turns
from evalkit.engine.stop import Brake, StoppedError, StopReason
from evalkit.ports.core import Journal, Progress
from evalkit.types.generation import TrialKey
from evalkit.types.provider import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.engine.executor import Ask, Executor
    from evalkit.engine.plan import Plan, Trial


SKIPPED = "done before"
"""Outcome of a trial that an earlier start of the run had finished."""


class Workers(msgspec.Struct, frozen=True, kw_only=True):
    """What works the trials of one plan.

    `judges` are whom a suite's trials may ask beside their subject, by suite id and name.
    """

    asker: Asker
    journal: Journal
    progress: Progress
    judges: Mapping[str, Mapping[str, Endpoint]]
    concurrency: Mapping[str, int]
    done: AbstractSet[TrialKey] = frozenset()


class Tally(msgspec.Struct):
    """What became of the trials of one call. `failed` ones are asked again when the run is resumed."""

    planned: int = 0
    worked: int = 0
    skipped: int = 0
    failed: int = 0
    not_recorded: int = 0
    stopped: StopReason | None = None
    seconds: float = 0.0


async def run_plan(plan: Plan, workers: Workers, executor: Executor, brake: Brake) -> Tally:
    """Work every trial of a plan that is not done.

    Raises:
        EvalkitError: something that concerns the whole run; what was answered so far is in the journal.
    """
    tally = Tally(planned=plan.size())
    started = time.monotonic()
    brake.then(workers.asker.halt)
    try:
        async with asyncio.TaskGroup() as group:
            for provider, endpoints in plan.providers().items():
                trials = plan.trials(endpoints)
                for _ in range(workers.concurrency[provider]):
                    group.create_task(_work(trials, workers, executor, brake, tally))
    except* Exception as failures:  # noqa: BLE001  # the first of a group is what the user needs to know
        raise failures.exceptions[0] from None
    finally:
        tally.stopped = brake.reason
        tally.seconds = time.monotonic() - started
    return tally


async def _work(
    trials: Iterator[Trial], workers: Workers, executor: Executor, brake: Brake, tally: Tally
) -> None:
    """One worker: takes trials from its provider's lane until there are none."""
    for trial in trials:
        if brake.reason is not None:
            return
        key = trial.key
        if key in workers.done:
            tally.skipped += 1
            workers.progress.finished(key, SKIPPED)
            continue
        workers.progress.started(key)
        turns = partial(_turns, trial, workers)
        try:
            result = await executor.drive(trial, turns)
        except NotRecordedError:
            tally.not_recorded += 1
            continue
        except StoppedError as stopped:
            brake.pull(stopped.reason)
            return
        workers.journal.append_scores(result.rows)
        tally.worked += 1
        tally.failed += result.failed
        workers.progress.finished(key, result.ended)


def _turns(trial: Trial, workers: Workers) -> Ask:
    return Turns(trial, workers.asker, workers.judges.get(trial.loaded.suite.id, {})).ask
