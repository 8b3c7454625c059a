"""Containers of docker or podman: one for each execution, gone afterwards.

No network, a read-only root, no capabilities, no new privileges, a user without rights, limits on memory,
processes and scratch space. Everything goes in and comes out over the engine's own pipes, through the keeper,
so that an engine on another machine works as well and nothing of this machine is mounted.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING

from evalkit.sandbox import child, kept
from evalkit.sandbox.slots import Slots

if TYPE_CHECKING:
    from evalkit.types.execution import Execution, ExecutionResult, Limits

IMAGE = "docker.io/library/python:3.12-slim"
"""What is run where no image is named. Any image with a `python3` of 3.11 or later will do."""

ENGINES = ("docker", "podman")

_JOB, _SCRATCH = "/job", "/tmp"  # noqa: S108  # inside the container
_NOBODY = "65534:65534"
_PASSED_ON = ("HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", "XDG_RUNTIME_DIR")
_PATIENCE_S = 20
_PULL_S = 600

_BOOT = """
import sys, types
module = types.ModuleType("workspace")
sys.modules["workspace"] = module
exec(compile(WORKSPACE, "workspace.py", "exec"), module.__dict__)
__file__ = "/job/keeper.py"
exec(compile(KEEPER, "keeper.py", "exec"))
"""


def usable(engine: str, image: str = IMAGE, *, pull: bool = False) -> str | None:
    """Why an engine cannot be used, or None if it can.

    Args:
        engine: `docker` or `podman`.
        image: What would be run.
        pull: Whether an image that is not here may be pulled.
    """
    path = shutil.which(engine)
    if path is None:
        return f"{engine} is not installed"
    code, said = _asked(path, "info")
    if code:
        return f"{engine} does not run ({said})"
    if _asked(path, "image", "inspect", image)[0] == 0:
        return None
    if not pull:
        return f"{engine} has no image {image} (`{engine} pull {image}` gets it)"
    code, said = _asked(path, "pull", image, patience_s=_PULL_S)
    return f"{engine} cannot pull {image} ({said})" if code else None


class Containers:
    """See `evalkit.ports.sandbox.Sandbox`."""

    def __init__(self, engine: str, image: str = IMAGE) -> None:
        self.name = engine
        self._engine = shutil.which(engine) or engine
        self._image = image
        self._slots = Slots()

    async def run(self, execution: Execution) -> ExecutionResult:
        """Run a program once, in a container of its own."""
        return await self._slots.off_loop(lambda: self.run_blocking(execution))

    def run_blocking(self, execution: Execution) -> ExecutionResult:
        """The same, for callers without an event loop."""
        name = f"evalkit-{uuid.uuid4().hex[:16]}"
        with self._slots.held(alone=execution.alone), contextlib.ExitStack() as stack:
            place = kept.Place(
                folder=_JOB,
                scratch=_SCRATCH,
                python="python3",
                own_user=False,
                environment={
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "PYTHONHASHSEED": "0",
                    "HOME": _SCRATCH,
                    "EVALKIT_SITE": "1",
                },
            )
            stdin = stack.enter_context(child.in_memory(kept.job(execution, place, execution.files)))
            unused, unused_end = os.pipe()
            stack.callback(os.close, unused)
            outer = child.run(
                child.Child(
                    argv=self.command(execution, name),
                    limits=kept.backstop(execution.limits),
                    stdin=stdin,
                    channel=unused,
                    channel_end=unused_end,
                    channel_bytes=1,
                    output_bytes=kept.largest(execution.limits),
                    pass_fds=(),
                    user=None,
                    confined=False,
                    environment=_environment(),
                    backend=self.name,
                )
            )
            if outer.ended != "exited":
                _asked(self._engine, "rm", "--force", name)
        return kept.result(execution, outer.stdout, outer)

    def command(self, execution: Execution, name: str) -> list[str]:
        """The engine's command line for one execution."""
        limits = execution.limits
        files = kept.keeper_files()
        boot = (
            f"WORKSPACE = {files['workspace.py'].decode()!r}\nKEEPER = {files['keeper.py'].decode()!r}\n"
            + _BOOT
        )
        working = _JOB if execution.workspace is None else kept.WORK
        return [
            *(self._engine, "run", "--rm", "--interactive", "--name", name, "--pull", "never"),
            *("--network", "none", "--read-only", "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges", "--user", _NOBODY, "--hostname", "sandbox"),
            *("--pids-limit", str(limits.pids + 8)),
            *_memory(limits),
            *("--ulimit", "core=0", "--ulimit", "nofile=256", "--shm-size", "16m"),
            *_scratch(_SCRATCH, limits.disk_mb),
            *_scratch(_JOB, max(limits.disk_mb, 16)),
            *_scratch(kept.WORK, limits.disk_mb),
            *("--workdir", working, "--entrypoint", "python3", self._image),
            *("-I", "-S", "-B", "-c", boot, "1", working),
        ]


def _memory(limits: Limits) -> tuple[str, ...]:
    """The program's memory, that of the scratch folders, and the keeper's; no swap."""
    total = f"{limits.memory_mb + 3 * limits.disk_mb + 64}m"
    return ("--memory", total, "--memory-swap", total)


def _scratch(folder: str, size_mb: int) -> tuple[str, ...]:
    return ("--tmpfs", f"{folder}:rw,exec,nosuid,nodev,size={size_mb}m,mode=1777,nr_inodes=50k")


def _environment() -> dict[str, str]:
    """What an engine's client needs of ours, and nothing else."""
    found = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **found}


def _asked(engine: str, *arguments: str, patience_s: float = _PATIENCE_S) -> tuple[int, str]:
    """The engine's exit code and the last line that it said."""
    try:
        done = subprocess.run(  # noqa: S603  # the engine that the user has
            [engine, *arguments],
            capture_output=True,
            env=_environment(),
            timeout=patience_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, type(error).__name__
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().split("\n")[-1]
    return done.returncode, said[:200]
