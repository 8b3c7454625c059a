"""Where code that a model wrote is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.types.execution import Execution, ExecutionResult, Limits


class Workspace(Protocol):
    """A sandbox that keeps its files between commands. Everything in it dies when it is closed."""

    async def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> ExecutionResult:
        """Run a command in the workspace's root; `timeout_s` is wall time."""
        ...

    async def put(self, files: Mapping[str, bytes]) -> None:
        """Write files; paths are relative to the root."""
        ...

    async def files(self) -> dict[str, bytes]:
        """Every regular file below the root."""
        ...

    async def close(self) -> None:
        """Kill everything and drop the files."""
        ...


class Sandbox(Protocol):
    """One way of keeping untrusted code from the machine, its keys and its network."""

    name: str
    isolation: str

    async def run(self, execution: Execution) -> ExecutionResult:
        """Run a program once, in an instance of its own."""
        ...

    async def open(self, files: Mapping[str, bytes], limits: Limits) -> Workspace:
        """Start an instance that keeps its files between commands."""
        ...
