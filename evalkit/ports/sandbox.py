"""Where code that a model wrote is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from evalkit.types.execution import Execution, ExecutionResult


class Sandbox(Protocol):
    """One way of keeping untrusted code from the machine, its keys and its network."""

    name: str

    async def run(self, execution: Execution) -> ExecutionResult:
        """Run a program once, in an instance of its own that is gone afterwards."""
        ...

    def run_blocking(self, execution: Execution) -> ExecutionResult:
        """The same, for callers without an event loop."""
        ...
