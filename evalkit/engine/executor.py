"""Where the courses of trials are driven. Asking stays with the run, wherever that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.engine.drive import Bench, Result, course
from evalkit.errors import UsageError
from evalkit.types.effects import Execute, Generate, Recall

if TYPE_CHECKING:
    from evalkit.engine.plan import Trial
    from evalkit.ports.sandbox import Sandbox
    from evalkit.types.execution import Execution, ExecutionResult
    from evalkit.types.generation import Generation

Ask = Callable[[Generate | Recall], Awaitable["Generation | None"]]
"""Asks one model for the trial that is driven, or looks up what another tool recorded of it."""


class Executor(Protocol):
    """Drives trials, one call each; many calls are under way at once."""

    async def drive(self, trial: Trial, turns: Callable[[], Ask]) -> Result:
        """Drive a trial's course to its end.

        Args:
            trial: What is worked.
            turns: Makes a fresh way to ask, for each time that the course is begun.

        Raises:
            EvalkitError: whatever asking or a solver or scorer raises.
        """
        ...

    async def close(self) -> None:
        """Let go of other machines."""
        ...


class Here:
    """Drives courses in this process, with executions in its sandbox."""

    def __init__(self, benches: Mapping[str, Bench], sandbox: Sandbox | None) -> None:
        self._benches = benches
        self._sandbox = sandbox

    async def drive(self, trial: Trial, turns: Callable[[], Ask]) -> Result:
        """See `Executor`."""
        ask, key = turns(), trial.key
        work = course(key, trial.sample, self._benches[key.suite])
        try:
            result: Any = None
            while True:
                effect = work.send(result)
                if isinstance(effect, Execute):
                    result = await execute(self._sandbox, key.suite, effect.execution)
                else:
                    result = await ask(effect)
        except StopIteration as end:
            found: Result = end.value
            return found
        finally:
            work.close()

    async def close(self) -> None:
        """Nothing is held."""


async def execute(sandbox: Sandbox | None, suite: str, execution: Execution) -> ExecutionResult:
    """Run a program that a solver or scorer of a suite asks for.

    Raises:
        UsageError: it has not said that it needs a sandbox.
    """
    if sandbox is None:
        raise UsageError(
            f"{suite}: its solver or scorer runs code but has not said that it needs a sandbox; "
            "set `needs_sandbox`."
        )
    return await sandbox.run(execution)
