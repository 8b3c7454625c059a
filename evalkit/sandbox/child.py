"""Runs one child process under limits and gets rid of its whole tree. Blocking: call it in a thread."""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from evalkit.types.execution import Ended, ExecutionResult, Limits

_LOOK_EVERY_S = 0.05
_CHUNK = 1 << 16


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """What to start. `user` is the user id to become, where the harness is root."""

    argv: Sequence[str]
    limits: Limits
    stdin: int
    channel: int
    channel_end: int
    pass_fds: tuple[int, ...]
    user: int | None
    backend: str


def run(child: Child) -> ExecutionResult:
    """Start, watch, and reap. The tree is dead when this returns."""
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603  # the command is the sandbox's own
        child.argv,
        stdin=child.stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=child.pass_fds,
        env={"PATH": "/usr/bin:/bin"},
        start_new_session=True,
        preexec_fn=lambda: _confine(child.limits, child.user),  # noqa: PLW1509  # system calls only
    )
    os.close(child.channel_end)
    assert process.stdout is not None
    assert process.stderr is not None
    watch = _Watch(process, child.limits, started)
    pipes = {process.stdout.fileno(): "stdout", process.stderr.fileno(): "stderr", child.channel: "channel"}
    sinks = watch.follow(pipes)
    usage = watch.reap()
    process.stdout.close()
    process.stderr.close()
    cpu_s = max(watch.cpu_s, usage.ru_utime + usage.ru_stime)
    return ExecutionResult(
        ended=_ended(watch.broken, process.returncode, cpu_s, child.limits),
        exit_code=process.returncode,
        stdout=bytes(sinks["stdout"]),
        stderr=bytes(sinks["stderr"]),
        channel=bytes(sinks["channel"]),
        cpu_s=cpu_s,
        wall_s=time.monotonic() - started,
        memory_mb=max(watch.peak_mb, usage.ru_maxrss / 1024),
        backend=child.backend,
    )


class _Watch:
    """Reads a child's pipes and stops it when it breaks a limit."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits, started: float) -> None:
        self._process = process
        self._limits = limits
        self._deadline = started + limits.wall_s
        self.broken: Ended | None = None
        self.peak_mb = 0.0
        self.cpu_s = 0.0
        self._usage: resource.struct_rusage | None = None

    def follow(self, pipes: dict[int, str]) -> dict[str, bytearray]:
        """Read until the child has ended or broke a limit. Grandchildren that hold a pipe do not keep us."""
        sinks = {name: bytearray() for name in pipes.values()}
        with selectors.DefaultSelector() as selector:
            for descriptor in pipes:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            while self.broken is None and selector.get_map():
                ready = selector.select(_LOOK_EVERY_S)
                for key, _ in ready:
                    self._read(key.fd, sinks[pipes[key.fd]], selector)
                if not ready:
                    self._look()
                if self._gone():
                    for key in list(selector.get_map().values()):
                        self._read(key.fd, sinks[pipes[key.fd]], selector)
                    break
                if time.monotonic() > self._deadline:
                    self.broken = "wall_limit"
        return sinks

    def reap(self) -> resource.struct_rusage:
        """Kill what is left of the tree and collect the child."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._usage is None:
            _, status, self._usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._usage

    def _gone(self) -> bool:
        if self._usage is None:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._usage = usage
                self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._usage is not None

    def _read(self, descriptor: int, sink: bytearray, selector: selectors.BaseSelector) -> None:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(descriptor, _CHUNK):
                sink += piece
                if len(sink) > self._limits.output_kb * 1024:
                    del sink[self._limits.output_kb * 1024 :]
                    self.broken = "output_limit"
                    return
            selector.unregister(descriptor)

    def _look(self) -> None:
        used, processes, cpu_s = _tree(self._process.pid)
        self.peak_mb = max(self.peak_mb, used)
        self.cpu_s = max(self.cpu_s, cpu_s)
        # Two processes of the tree are the sandbox's own.
        if used > self._limits.memory_mb or processes > self._limits.pids + 2:
            self.broken = "memory_limit"


def _confine(limits: Limits, user: int | None) -> None:
    """In the new process, before it becomes the sandbox: limits first, then another user."""
    cpu = max(1, int(limits.cpu_s + 0.999))
    memory = limits.memory_mb << 20
    for kind, value in (
        (resource.RLIMIT_CPU, cpu + 1),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, limits.disk_mb << 20),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        top = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (min(cpu, top) if kind == resource.RLIMIT_CPU else top, top))
    if user is not None:
        # The limit on processes does not hold for root, whatever namespace it is in.
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        resource.setrlimit(resource.RLIMIT_NPROC, (limits.pids, limits.pids))


def _ended(broken: Ended | None, code: int, cpu_s: float, limits: Limits) -> Ended:
    if broken is not None:
        return broken
    killed_by = code - 128 if code > 128 else -code
    if killed_by == signal.SIGXCPU or (killed_by == signal.SIGKILL and cpu_s >= limits.cpu_s * 0.9):
        return "cpu_limit"
    return "crashed" if code < 0 or code > 128 else "exited"


def _tree(pid: int) -> tuple[float, int, float]:
    """Resident memory in MiB, number, and CPU seconds of a process and everything below it."""
    memory, processes, ticks, pending = 0.0, 0, 0, [pid]
    while pending:
        process = Path("/proc") / str(pending.pop())
        with contextlib.suppress(OSError, ValueError, IndexError):
            memory += int((process / "statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)
            ticks += sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
            processes += 1
            for task in (process / "task").iterdir():
                pending += [int(below) for below in (task / "children").read_text().split()]
    return memory, processes, ticks / os.sysconf("SC_CLK_TCK")
