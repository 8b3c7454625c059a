"""How many programs run at once: one for each core, or one alone."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Slots:
    """As many slots as there are cores. A slot's number is its own while it is held."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or len(os.sched_getaffinity(0))
        self._free = list(range(self.count))
        self._changed = threading.Condition()
        self._door = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    @contextlib.contextmanager
    def held(self, *, alone: bool = False) -> Iterator[int]:
        """A slot, or all of them; who waits for all is not passed by others."""
        wanted = self.count if alone else 1
        with self._door, self._changed:
            self._changed.wait_for(lambda: len(self._free) >= wanted)
            mine = [self._free.pop() for _ in range(wanted)]
        try:
            yield mine[0]
        finally:
            with self._changed:
                self._free += mine
                self._changed.notify_all()

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread of its own, so that the event loop goes on."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="sandbox")
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(work))
