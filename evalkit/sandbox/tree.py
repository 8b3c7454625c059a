"""A process and everything below it, as /proc shows them."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

_PROC = Path("/proc")
_PAGE_MB = resource.getpagesize() / (1 << 20)
_TICKS = os.sysconf("SC_CLK_TCK")


def measure(pid: int) -> tuple[float, int, float]:
    """Resident memory in MiB, number, and CPU seconds of a process and everything below it.

    CPU includes that of children which have ended and were waited for. Pages that processes share are
    counted for each of them.
    """
    memory, ticks = 0.0, 0
    pids = descendants(pid)
    for one in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            memory += int((_PROC / str(one) / "statm").read_text().split()[1]) * _PAGE_MB
            ticks += sum(map(int, _stat(one)[11:15]))
    return memory, len(pids), ticks / _TICKS


def descendants(pid: int) -> list[int]:
    """The process and everything below it.

    Parents are read of every process of the machine, because not every kernel lists children.
    """
    parents: dict[int, int] = {}
    for name in os.listdir(_PROC):  # noqa: PTH208  # names are enough
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parents[int(name)] = int(_stat(int(name))[1])
    found: list[int] = []
    frontier = {pid} & parents.keys()
    while frontier:
        found += frontier
        frontier = {one for one, parent in parents.items() if parent in frontier}
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name: the state, the parent and so on."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
