"""No isolation: limits only. For throw-away machines, and only when asked for by name."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.sandbox import child, kept
from evalkit.sandbox.slots import Slots

if TYPE_CHECKING:
    from evalkit.types.execution import Execution, ExecutionResult


class Unisolated:
    """Runs a program in a folder of its own, with limits and an empty environment, and nothing else."""

    name = "none"

    def __init__(self) -> None:
        self._slots = Slots()

    async def run(self, execution: Execution) -> ExecutionResult:
        """See `evalkit.ports.sandbox.Sandbox`."""
        return await self._slots.off_loop(lambda: self.run_blocking(execution))

    def run_blocking(self, execution: Execution) -> ExecutionResult:
        """The same, for callers without an event loop."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._slots.held(alone=execution.alone))
            top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evalkit-")))
            job, work, scratch = (top / name for name in ("job", "work", "scratch"))
            for folder in (job, work, scratch):
                folder.mkdir()
            for name, data in {**execution.files, **kept.keeper_files()}.items():
                path = job / kept.safe(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            working = job if execution.workspace is None else work
            place = kept.Place(
                folder=str(job),
                scratch=str(scratch),
                python=sys.executable,
                own_user=False,
                environment={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "HOME": str(scratch)},
            )
            channel, channel_end = os.pipe()
            stack.callback(os.close, channel)
            stdin = os.open(scratch, os.O_TMPFILE | os.O_RDWR, 0o600)
            stack.callback(os.close, stdin)
            with os.fdopen(os.dup(stdin), "wb") as file:
                file.write(kept.job(execution, place, {}))
            os.lseek(stdin, 0, os.SEEK_SET)
            keeper = [
                sys.executable,
                "-I",
                "-S",
                "-B",
                str(job / "keeper.py"),
                str(channel_end),
                str(working),
            ]
            outer = child.run(
                child.Child(
                    argv=keeper,
                    limits=kept.backstop(execution.limits),
                    stdin=stdin,
                    channel=channel,
                    channel_end=channel_end,
                    channel_bytes=kept.largest(execution.limits),
                    pass_fds=(channel_end,),
                    user=None,
                    backend=self.name,
                )
            )
            return kept.result(execution, outer.channel, outer)
