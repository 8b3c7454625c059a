"""Whole containers of docker or podman, for tasks that bring an image of their own.

Weaker than the sandbox: the root is writable, the user is the image's, and the network is there where the
task wants it. What is left of a container is kept as an image, which is where the next command starts.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import tarfile
import time
import uuid
from typing import TYPE_CHECKING

from evalkit.errors import UsageError
from evalkit.types.execution import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.ports.sandbox import Sandbox
    from evalkit.types.execution import Container, Execution

ENGINES = ("docker", "podman")
LABEL = "evalkit=trial"
"""On every image that a trial leaves: `docker image prune --filter label=evalkit` removes them."""

_PATIENCE_S = 1800
_AT_ONCE = 2


class Whole:
    """See `evalkit.ports.sandbox.Sandbox`. Executions that need no container go to `base`."""

    def __init__(self, engine: str, base: Sandbox | None = None) -> None:
        self.name = engine if base is None else base.name
        self._engine = engine
        self._base = base
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def run(self, execution: Execution) -> ExecutionResult:
        """Run a program once."""
        if execution.container is None:
            if self._base is None:
                raise UsageError("A program wants the sandbox, but its suite has not said so.")
            return await self._base.run(execution)
        async with self._gate:
            return await asyncio.to_thread(self.run_blocking, execution)

    def run_blocking(self, execution: Execution) -> ExecutionResult:
        """The same, for callers without an event loop."""
        container = execution.container
        if container is None:
            raise UsageError("Only executions with a container can be run by a container engine.")
        name = f"evalkit-{uuid.uuid4().hex[:16]}"
        started = time.monotonic()
        try:
            self._ask(*self._create(name, execution, container))
            if execution.files:
                self._ask("cp", "-", f"{name}:/", stdin=_tar(execution.files))
            output, code = self._start(name, execution)
            channel = next((data for path in container.read if (data := self._read(name, path))), b"")
            image = None
            if not container.read:
                image = self._ask("commit", "--change", f"LABEL {LABEL}", name).decode().split()[-1]
        except _EngineError as error:
            return ExecutionResult(
                ended="crashed",
                exit_code=None,
                stdout=b"",
                stderr=str(error).encode(),
                channel=b"",
                cpu_s=0.0,
                wall_s=time.monotonic() - started,
                backend="container",
            )
        finally:
            self._quietly("rm", "--force", name)
        return ExecutionResult(
            ended="exited" if code is not None else "wall_limit",
            exit_code=code,
            stdout=output[: execution.limits.output_kb * 1024],
            stderr=b"",
            channel=channel,
            cpu_s=0.0,
            wall_s=time.monotonic() - started,
            backend="container",
            image=image,
        )

    def prepare(self, images: Mapping[str, str | None]) -> None:
        """Pull images, or build them from folders.

        Raises:
            UsageError: one cannot be had.
        """
        for image, build in images.items():
            try:
                if self._quietly("image", "inspect", image) == 0:
                    continue
                self._ask(*(("build", "--tag", image, build) if build else ("pull", image)))
            except _EngineError as error:
                raise UsageError(f"The image {build or image} cannot be had: {error}.") from None

    def _create(self, name: str, execution: Execution, container: Container) -> list[str]:
        limits = execution.limits
        return [
            *("create", "--name", name, "--security-opt", "no-new-privileges"),
            *(() if container.network else ("--network", "none")),
            *("--memory", f"{limits.memory_mb}m", "--pids-limit", str(limits.pids)),
            container.image,
            *execution.argv,
        ]

    def _start(self, name: str, execution: Execution) -> tuple[bytes, int | None]:
        """Output and exit code; no code if it ran for too long."""
        command = [self._engine, "start", "--attach", name]
        try:
            done = subprocess.run(  # noqa: S603  # the engine that the user has
                command, capture_output=True, timeout=execution.limits.wall_s, check=False
            )
        except subprocess.TimeoutExpired as late:
            self._quietly("kill", name)
            return late.stdout or b"", None
        return done.stdout + done.stderr, done.returncode

    def _read(self, name: str, path: str) -> bytes:
        try:
            archive = self._ask("cp", f"{name}:{path}", "-")
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                member = tar.next()
                file = tar.extractfile(member) if member is not None and member.isfile() else None
                return file.read(1 << 16) if file is not None else b""
        except (_EngineError, tarfile.TarError):
            return b""

    def _ask(self, *arguments: str, stdin: bytes = b"") -> bytes:
        try:
            done = subprocess.run(  # noqa: S603
                [self._engine, *arguments], input=stdin, capture_output=True, timeout=_PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _EngineError(f"{arguments[0]}: {error}") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise _EngineError(f"{arguments[0]}: {said[:300] or done.returncode}")
        return done.stdout

    def _quietly(self, *arguments: str) -> int:
        try:
            self._ask(*arguments)
        except _EngineError:
            return 1
        return 0


class _EngineError(Exception):
    """The engine did not do what it was asked."""


def find_engine() -> str:
    """A container engine that runs.

    Raises:
        UsageError: there is none.
    """
    reasons = []
    for name in ENGINES:
        path = shutil.which(name)
        if path is None:
            reasons.append(f"{name} is not installed")
            continue
        try:
            done = subprocess.run([path, "info"], capture_output=True, timeout=60, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            reasons.append(f"{name} does not answer")
            continue
        if done.returncode == 0:
            return path
        reasons.append(f"{name} does not run")
    raise UsageError(
        f"Tasks in Harbor's format need a container engine: {' and '.join(reasons)}; install and start "
        "docker or podman, or leave the suite out."
    )


def _tar(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return made.getvalue()
