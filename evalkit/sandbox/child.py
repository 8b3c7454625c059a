"""Runs one child process under limits and gets rid of its whole tree. Blocking: call it in a thread."""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from evalkit.sandbox import tree
from evalkit.types.execution import Ended, ExecutionResult, Limits

_LOOK_EVERY_S = 0.05
_CHUNK = 1 << 16
_PIECES = 16


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """What to start. `user` is the user id to become, where the harness is root.

    `channel_bytes` is the most that is read from the result channel; its pipe is `channel`, and
    `channel_end` the end that the child writes to. `output_bytes` is the most that is read of its output, if
    not what the limits say. Not `confined` is a client of something that keeps limits of its own.
    """

    argv: Sequence[str]
    limits: Limits
    stdin: int
    channel: int
    channel_end: int
    channel_bytes: int
    output_bytes: int | None = None
    pass_fds: tuple[int, ...]
    user: int | None
    backend: str
    confined: bool = True
    environment: Mapping[str, str] = msgspec.field(default_factory=lambda: {"PATH": "/usr/bin:/bin"})


def run(child: Child) -> ExecutionResult:
    """Start, watch, and reap. The tree is dead when this returns."""
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603  # the command is the sandbox's own
        child.argv,
        stdin=child.stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=child.pass_fds,
        env=child.environment,
        start_new_session=True,
        preexec_fn=(lambda: _confine(child.limits, child.user)) if child.confined else None,  # noqa: PLW1509  # system calls only
    )
    os.close(child.channel_end)
    assert process.stdout is not None
    assert process.stderr is not None
    watch = _Watch(process, child.limits, started)
    output = child.output_bytes or child.limits.output_kb * 1024
    sinks = watch.follow(
        {
            process.stdout.fileno(): _Sink("stdout", output),
            process.stderr.fileno(): _Sink("stderr", output),
            child.channel: _Sink("channel", child.channel_bytes),
        }
    )
    usage = watch.reap()
    process.stdout.close()
    process.stderr.close()
    cpu_s = max(watch.cpu_s, usage.ru_utime + usage.ru_stime)
    return ExecutionResult(
        ended=_ended(watch.broken, process.returncode, cpu_s, child.limits),
        exit_code=process.returncode,
        stdout=bytes(sinks["stdout"].data),
        stderr=bytes(sinks["stderr"].data),
        channel=bytes(sinks["channel"].data),
        cpu_s=cpu_s,
        wall_s=time.monotonic() - started,
        memory_mb=max(watch.peak_mb, usage.ru_maxrss / 1024),
        backend=child.backend,
    )


@contextlib.contextmanager
def in_memory(data: bytes) -> Iterator[int]:
    """Bytes as a descriptor to read from the start."""
    fd = os.memfd_create("evalkit")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


class _Sink:
    """What came out of one pipe, and the most that may."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = most
        self.data = bytearray()


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

    def follow(self, pipes: dict[int, _Sink]) -> dict[str, _Sink]:
        """Read until the child has ended or broke a limit. Grandchildren that hold a pipe do not keep us."""
        looked = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for descriptor in pipes:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            while self.broken is None and selector.get_map():
                for key, _ in selector.select(_LOOK_EVERY_S):
                    self._read(key.fd, pipes[key.fd], selector)
                if self._gone():
                    for key in list(selector.get_map().values()):
                        self._read(key.fd, pipes[key.fd], selector)
                    break
                now = time.monotonic()
                if now > self._deadline:
                    self.broken = "wall_limit"
                elif now - looked >= _LOOK_EVERY_S:
                    self._look()
                    looked = time.monotonic()
        return {sink.name: sink for sink in pipes.values()}

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

    def _read(self, descriptor: int, sink: _Sink, selector: selectors.BaseSelector) -> None:
        """What is there now, at most a few pieces, so that a flood does not keep us from looking."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PIECES):
                piece = os.read(descriptor, _CHUNK)
                if not piece:
                    selector.unregister(descriptor)
                    return
                sink.data += piece
                if len(sink.data) > sink.most:
                    del sink.data[sink.most :]
                    self.broken = "output_limit"
                    return

    def _look(self) -> None:
        used, processes, cpu_s = tree.measure(self._process.pid)
        self.peak_mb = max(self.peak_mb, used)
        self.cpu_s = max(self.cpu_s, cpu_s)
        # Two processes of the tree are the sandbox's own.
        if used > self._limits.memory_mb or processes > self._limits.pids + 2:
            self.broken = "memory_limit"
        elif cpu_s > self._limits.cpu_s + 1:
            self.broken = "cpu_limit"


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
