"""Drives trials on the machines of a Ray cluster, one worker on each.

A worker holds the courses of its trials and carries out their executions in its own sandbox; every question
to a model comes back here. So limits, budget, prices and journal are those of one process, whatever the size
of the cluster, and no worker needs a key. When a worker is lost, its trials begin anew elsewhere: the journal
has the answers that they had got, so nothing is asked twice, and scores are written once, when a trial ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import platform
import time
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit import __version__
from evalkit.engine.drive import Bench, Course, Result, course
from evalkit.engine.executor import execute
from evalkit.errors import EvalkitError, ExitCode, InfrastructureError, UsageError
from evalkit.sandbox import choose
from evalkit.types.effects import Execute, Generate, Recall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evalkit.engine.executor import Ask
    from evalkit.engine.plan import Trial
    from evalkit.types.generation import Generation, TrialKey
    from evalkit.types.suite import Sample

_LOOK_EVERY_S = 20.0
_WAIT_FOR_WORKERS_S = 120.0


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says when it may be given trials."""

    host: str
    evalkit: str


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """An error of a worker that is meant for the user; as a value, it keeps its sentence on the way."""

    message: str
    exit_code: ExitCode


Question = Generate | Recall
Said = Question | Result | Raised


class Worker:
    """Holds courses on one machine. Its methods are called by Ray, many at once."""

    def __init__(self, benches: Mapping[str, Bench], sandbox: str | None) -> None:
        self._benches = benches
        self._wanted = sandbox
        self._sandbox: Any = None
        self._open: dict[int, Course] = {}

    async def prepare(self) -> Ready | Raised:
        """Test this machine's sandbox, if one is needed."""
        try:
            if self._wanted is not None:
                self._sandbox = await asyncio.to_thread(choose, self._wanted, understood=True)
        except EvalkitError as error:
            return Raised(message=f"{platform.node()}: {error}", exit_code=error.exit_code)
        return Ready(host=platform.node(), evalkit=__version__)

    async def begin(self, number: int, key: TrialKey, sample: Sample) -> Said:
        """Begin a trial's course; gives its first question, or its result."""
        self._open[number] = course(key, sample, self._benches[key.suite])
        return await self._go(number, key.suite, None)

    async def answer(self, number: int, suite: str, generation: Generation | None) -> Said:
        """Go on with a course; gives its next question, or its result."""
        return await self._go(number, suite, generation)

    async def drop(self, number: int) -> None:
        """Forget a course that nobody will go on with."""
        work = self._open.pop(number, None)
        if work is not None:
            work.close()

    async def _go(self, number: int, suite: str, result: Any) -> Said:
        work = self._open[number]
        try:
            while True:
                effect = work.send(result)
                if not isinstance(effect, Execute):
                    return effect
                result = await execute(self._sandbox, suite, effect.execution)
        except StopIteration as end:
            del self._open[number]
            found: Result = end.value
            return found
        except EvalkitError as error:
            await self.drop(number)
            return Raised(message=str(error), exit_code=error.exit_code)


class _Node:
    """One machine of the cluster, as seen from here."""

    def __init__(self, node: str, actor: Any) -> None:
        self.node = node
        self.actor = actor
        self.load = 0


class RayExecutor:
    """See `evalkit.engine.executor.Executor`. Made by `join`."""

    def __init__(
        self, benches: Mapping[str, Bench], sandbox: str | None, notice: Callable[[str], None]
    ) -> None:
        import ray

        self._ray: Any = ray
        self._benches = benches
        self._sandbox = sandbox
        self._notice = notice
        self._nodes: dict[str, _Node] = {}
        self._unfit: set[str] = set()
        self._numbers = itertools.count()
        self._looked_at = 0.0
        self._looking = asyncio.Lock()

    async def drive(self, trial: Trial, turns: Callable[[], Ask]) -> Result:
        """See `Executor`. A trial whose worker is lost begins anew elsewhere."""
        while True:
            node = await self._least_loaded()
            node.load += 1
            try:
                return await self._on(node, trial, turns())
            except self._ray.exceptions.RayActorError:
                if self._nodes.pop(node.node, None) is not None:
                    self._notice("a worker was lost; its trials begin anew elsewhere")
                    self._looked_at = 0.0
            finally:
                node.load -= 1

    async def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._nodes.clear()
        await asyncio.to_thread(self._ray.shutdown)

    async def look(self) -> list[Raised]:
        """Take in machines that have joined; gives what is wrong with those that cannot work."""
        self._looked_at = time.monotonic()
        alive = [n["NodeID"] for n in await asyncio.to_thread(self._ray.nodes) if n["Alive"]]
        new = [name for name in alive if name not in self._nodes and name not in self._unfit]
        return [wrong for wrong in await asyncio.gather(*map(self._take_in, new)) if wrong is not None]

    async def _on(self, node: _Node, trial: Trial, ask: Ask) -> Result:
        number, suite = next(self._numbers), trial.key.suite
        said: Said = await node.actor.begin.remote(number, trial.key, trial.sample)
        try:
            while isinstance(said, Question):
                said = await node.actor.answer.remote(number, suite, await ask(said))
        except EvalkitError:
            node.actor.drop.remote(number)
            raise
        if isinstance(said, Raised):
            raise _as_error(said)
        return said

    async def _least_loaded(self) -> _Node:
        deadline = time.monotonic() + _WAIT_FOR_WORKERS_S
        while True:
            async with self._looking:
                if not self._nodes or time.monotonic() - self._looked_at > _LOOK_EVERY_S:
                    for wrong in await self.look():
                        self._notice(wrong.message)
            if self._nodes:
                return min(self._nodes.values(), key=lambda node: node.load)
            if time.monotonic() > deadline:
                raise InfrastructureError(
                    "The cluster has had no worker for two minutes; everything answered is kept. Bring "
                    "machines back and go on with `evalkit resume`."
                )
            await asyncio.sleep(1.0)

    async def _take_in(self, name: str) -> Raised | None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = (
            self._ray.remote(Worker)
            .options(
                num_cpus=0,
                max_restarts=0,
                max_concurrency=1000,
                scheduling_strategy=NodeAffinitySchedulingStrategy(name, soft=False),
            )
            .remote(self._benches, self._sandbox)
        )
        try:
            said: Ready | Raised = await actor.prepare.remote()
        except self._ray.exceptions.RayError as error:
            self._unfit.add(name)
            reason = str(error).strip().splitlines()[-1][:300]
            return Raised(
                message=f"A machine of the cluster cannot work ({reason}); install the same evalkit there.",
                exit_code=ExitCode.INFRASTRUCTURE,
            )
        if isinstance(said, Ready) and said.evalkit != __version__:
            said = Raised(
                message=f"{said.host} has evalkit {said.evalkit}, this machine {__version__}; install "
                "one version.",
                exit_code=ExitCode.USAGE,
            )
        if isinstance(said, Raised):
            self._unfit.add(name)
            return said
        self._nodes[name] = _Node(name, actor)
        return None


async def join(
    address: str,
    benches: Mapping[str, Bench],
    sandbox: str | None,
    *,
    secrets: Sequence[str],
    notice: Callable[[str], None],
) -> RayExecutor:
    """Workers on every machine of a cluster, each tested, before anything is asked.

    Args:
        address: `ray` for the cluster that `RAY_ADDRESS` names, else one started on this machine, or
            `ray://host:port` of a cluster's client server.
        benches: What works each suite's trials.
        sandbox: Name of the sandbox that workers shall use; None if no code is run.
        secrets: Keys; processes of a cluster that is started here do not get them.
        notice: Told of workers that come and go.

    Raises:
        UsageError: Ray is not installed, or no machine of the cluster can work.
        InfrastructureError: the cluster cannot be reached.
    """
    await asyncio.to_thread(_connect, address, secrets)
    executor = RayExecutor(benches, sandbox, notice)
    wrong = await executor.look()
    if wrong:
        await executor.close()
        raise _as_error(wrong[0])
    return executor


def _connect(address: str, secrets: Sequence[str]) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError(f"--executor {address} needs Ray: pip install 'evalkit[ray]'.") from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    where: dict[str, Any] = {"address": address if "://" in address else os.environ.get("RAY_ADDRESS")}
    if where["address"] is None:
        where = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        with _withheld(secrets):
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise InfrastructureError(
            f"--executor {address}: the cluster cannot be reached ({reason}); check the address and that "
            "`ray status` answers there."
        ) from None


@contextlib.contextmanager
def _withheld(secrets: Sequence[str]) -> Iterator[None]:
    """Take keys out of the environment while processes are started that inherit it."""
    held = {name: value for name, value in os.environ.items() if value in secrets}
    for name in held:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(held)


def _as_error(raised: Raised) -> EvalkitError:
    error = EvalkitError(raised.message)
    error.exit_code = raised.exit_code
    return error
