"""Runs inside of a sandbox, as its first process where it can: keeps a workspace for one program.

It reads a job from its standard input (see `evalkit.sandbox.kept`), lays the workspace out, runs the program
as a child that cannot reach this process's descriptors or memory, stops it and everything it left running,
and writes one report with the outputs and the workspace. Needs the standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evalkit.types.workspace import ArchiveError, Entry, pieces, read, stays_inside
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from workspace import ArchiveError, Entry, pieces, read, stays_inside

LOOK_EVERY_S = 0.02
MAX_ENTRIES = 20_000
KEPT_NAMES = 20
SUBREAPER, DUMPABLE = 36, 4


def main() -> None:
    """See the module."""
    report, work = int(sys.argv[1]), sys.argv[2]
    hide()
    job, stdin, archive = receive()
    if archive:
        with os.fdopen(archive, "rb") as stream:
            lay_out(read(stream, max_entries=MAX_ENTRIES), work)
    ended = Program(job, stdin, work).run()
    names: list[str] = []
    dropped: list[str] = []
    collect(work, "", names, dropped)
    if len(names) > MAX_ENTRIES:
        ended["ended"] = "output_limit"
    outputs = ended.pop("outputs")
    header = {
        **ended,
        "dropped": dropped[:KEPT_NAMES],
        "sizes": [len(piece) for piece in outputs],
        "workspace": len(names) <= MAX_ENTRIES,
    }
    with os.fdopen(report, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        for piece in outputs:
            file.write(piece)
        if len(names) <= MAX_ENTRIES:
            for piece in pieces(contents(work, names)):
                file.write(piece)


def hide() -> None:
    """Let no process of the same user open this one's memory, descriptors or environment."""
    libc = ctypes.CDLL(None)
    libc.prctl(DUMPABLE, 0, 0, 0, 0)
    libc.prctl(SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def receive() -> tuple[dict[str, Any], int | None, int | None]:
    """The job's header, its standard input and its archive, the latter two as descriptors."""
    source = os.fdopen(os.dup(0), "rb")
    job = json.loads(source.readline())
    for name, size in job["files"]:
        place = os.path.join(job["folder"], name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(source.read(size))
        os.chmod(place, 0o444)
    spools: list[int | None] = []
    for size in (job["stdin"], job["workspace"]):
        # A file without a name in the sandbox's own scratch space; the filter may refuse memory files.
        if not size:
            spools.append(None)
            continue
        spool = os.open(job["scratch"], os.O_TMPFILE | os.O_RDWR, 0o600)
        while size:
            piece = source.read(min(size, 1 << 20))
            if not piece:
                raise ArchiveError("the job was cut")
            os.write(spool, piece)
            size -= len(piece)
        os.lseek(spool, 0, os.SEEK_SET)
        spools.append(spool)
    source.close()
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return job, spools[0], spools[1]


def lay_out(entries: Iterable[tuple[str, Entry]], work: str) -> None:
    """Write a workspace to the working folder; links last, so that nothing is written through one."""
    later: list[tuple[str, Entry]] = []
    for name, entry in entries:
        place = os.path.join(work, name)
        if entry.folder:
            os.makedirs(place, exist_ok=True)
            later.append((place, entry))
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if entry.link is not None:
            later.append((place, entry))
            continue
        with open(place, "wb") as file:
            file.write(entry.data)
        os.chmod(place, entry.mode)
        os.utime(place, (entry.mtime, entry.mtime))
    for place, entry in reversed(later):
        if entry.link is not None:
            os.symlink(entry.link, place)
        else:
            os.chmod(place, entry.mode)
            os.utime(place, (entry.mtime, entry.mtime))


def collect(work: str, below: str, names: list[str], dropped: list[str]) -> None:
    """The names of what can be kept, folders first. Sockets, devices and links that lead out cannot."""
    folder = os.path.join(work, below)
    try:
        os.chmod(folder, stat.S_IMODE(os.stat(folder).st_mode) | 0o700)
        found = sorted(os.scandir(folder), key=lambda item: item.name)
    except OSError:
        dropped.append(below)
        return
    for item in found:
        name = below + "/" + item.name if below else item.name
        if len(names) > MAX_ENTRIES:
            return
        if item.is_symlink():
            (names if stays_inside(name, os.readlink(item.path)) else dropped).append(name)
        elif item.is_dir(follow_symlinks=False):
            names.append(name)
            collect(work, name, names, dropped)
        elif item.is_file(follow_symlinks=False):
            names.append(name)
        else:
            dropped.append(name)


def contents(work: str, names: list[str]) -> Iterator[tuple[str, Entry]]:
    """Each name with its entry, read when it is written."""
    for name in names:
        place = os.path.join(work, name)
        facts = os.lstat(place)
        mode, mtime = stat.S_IMODE(facts.st_mode), int(facts.st_mtime)
        if stat.S_ISLNK(facts.st_mode):
            yield name, Entry(b"", 0o777, mtime, link=os.readlink(place))
        elif stat.S_ISDIR(facts.st_mode):
            yield name, Entry(b"", mode, mtime, folder=True)
        else:
            os.chmod(place, mode | 0o400)
            with open(place, "rb") as file:
                yield name, Entry(file.read(), mode, mtime)


class Program:
    """The program and everything that comes of it."""

    def __init__(self, job: dict[str, Any], stdin: int | None, work: str) -> None:
        self.job, self.limits, self.work = job, job["limits"], work
        self.stdin = stdin if stdin is not None else os.open("/dev/null", os.O_RDONLY)
        self.pipes = [os.pipe() for _ in range(3)]
        self.sinks = {reading: bytearray() for reading, _ in self.pipes}
        self.peak_mb = self.cpu_s = 0.0
        self.child = 0
        self.status: int | None = None

    def run(self) -> dict[str, Any]:
        """Run to the end and report how it ended; nothing of it is alive then."""
        started = time.monotonic()
        self.child = os.fork()
        if not self.child:
            self.become()
        for _, writing in self.pipes:
            os.close(writing)
        os.close(self.stdin)
        broken = self.follow(started + self.limits["wall_s"])
        self.end()
        code = os.waitstatus_to_exitcode(self.status or 0)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = max(self.cpu_s, usage.ru_utime + usage.ru_stime)
        if broken is None and (
            code == -signal.SIGXCPU or (code == -signal.SIGKILL and cpu_s >= 0.9 * self.limits["cpu_s"])
        ):
            broken = "cpu_limit"
        return {
            "ended": broken or ("crashed" if code < 0 else "exited"),
            "exit_code": code,
            "cpu_s": cpu_s,
            "wall_s": time.monotonic() - started,
            "memory_mb": max(self.peak_mb, usage.ru_maxrss / 1024),
            "outputs": [bytes(sink) for sink in self.sinks.values()],
        }

    def become(self) -> NoReturn:
        """In the child: limits, descriptors, the program."""
        try:
            os.setsid()
            os.dup2(self.stdin, 0)
            os.dup2(self.pipes[0][1], 1)
            os.dup2(self.pipes[1][1], 2)
            channel = os.dup2(self.pipes[2][1], 3) if "{channel}" in self.job["argv"] else 2
            os.closerange(channel + 1, 256)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                signal.signal(number, signal.SIG_DFL)
            confine(self.limits)
            os.chdir(self.work)
            argv = [part.replace("{channel}", "3") for part in self.job["argv"]]
            os.execvpe(argv[0], argv, self.job["environment"])
        except BaseException as error:
            os.write(2, f"cannot start the program: {error}\n".encode())
        os._exit(127)

    def follow(self, deadline: float) -> str | None:
        """Read until the program has ended or broke a limit; the limit's name."""
        looked = time.monotonic()
        open_pipes = list(self.sinks)
        while True:
            ready, _, _ = select.select(open_pipes, [], [], LOOK_EVERY_S)
            for descriptor in ready:
                piece = os.read(descriptor, 1 << 16)
                if not piece:
                    open_pipes.remove(descriptor)
                    continue
                sink = self.sinks[descriptor]
                sink += piece
                if len(sink) > self.limits["output_kb"] * 1024:
                    del sink[self.limits["output_kb"] * 1024 :]
                    return "output_limit"
            if self.ended():
                self.drain(open_pipes)
                return None
            now = time.monotonic()
            if now > deadline:
                return "wall_limit"
            if now - looked > LOOK_EVERY_S:
                looked = now
                broken = self.look()
                if broken:
                    return broken

    def ended(self) -> bool:
        """Whether the program itself has ended. Orphans are collected on the way."""
        while self.status is None:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return False
            if pid == self.child:
                self.status = status
        return True

    def drain(self, open_pipes: list[int]) -> None:
        """What is in the pipes already; who still holds them is not waited for."""
        for descriptor in open_pipes:
            os.set_blocking(descriptor, False)
            sink, most = self.sinks[descriptor], self.limits["output_kb"] * 1024
            try:
                while len(sink) < most:
                    piece = os.read(descriptor, 1 << 16)
                    if not piece:
                        break
                    sink += piece[: most - len(sink)]
            except BlockingIOError:
                pass

    def look(self) -> str | None:
        """The limit that the whole tree breaks, if it does."""
        used, ticks, below = 0.0, 0, descendants()
        for pid in below:
            try:
                with open(f"/proc/{pid}/statm") as file:
                    used += int(file.read().split()[1]) * resource.getpagesize() / (1 << 20)
                with open(f"/proc/{pid}/stat") as file:
                    ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
            except (OSError, ValueError, IndexError):
                continue
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.peak_mb = max(self.peak_mb, used)
        self.cpu_s = max(self.cpu_s, ticks / os.sysconf("SC_CLK_TCK") + reaped.ru_utime + reaped.ru_stime)
        if used > self.limits["memory_mb"] or len(below) > self.limits["pids"]:
            return "memory_limit"
        return "cpu_limit" if self.cpu_s > self.limits["cpu_s"] + 1 else None

    def end(self) -> None:
        """Kill everything that is left and collect it."""
        while True:
            if os.getpid() == 1:
                try:
                    os.kill(-1, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            else:
                for pid in descendants():
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            if pid == self.child:
                self.status = status


def descendants() -> list[int]:
    """The ids of all processes below this one. As the first process, those are all there are."""
    own = os.getpid()
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    if own == 1:
        return [pid for pid in parents if pid != 1]
    found: list[int] = []
    frontier = {own}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier}
        found += frontier
    return found


def confine(limits: dict[str, Any]) -> None:
    """Limits of the program's own process, which its children inherit."""
    cpu = max(1, int(limits["cpu_s"] + 0.999))
    for kind, value in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, limits["memory_mb"] << 20),
        (resource.RLIMIT_FSIZE, limits["disk_mb"] << 20),
        (resource.RLIMIT_CORE, 0),
        *([(resource.RLIMIT_NPROC, limits["pids"])] if limits["own_user"] else []),
    ):
        hard = resource.getrlimit(kind)[1]
        top = value if hard == resource.RLIM_INFINITY else min(value, hard)
        grace = kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY
        resource.setrlimit(kind, (top, top + 1 if grace else top))


if __name__ == "__main__":
    main()
    os._exit(0)
