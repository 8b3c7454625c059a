"""No isolation: limits only. For throw-away machines, and only when asked for by name."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.sandbox import child

if TYPE_CHECKING:
    from evalkit.types.execution import Execution, ExecutionResult


class Unisolated:
    """Runs a program in a folder of its own, with limits and an empty environment, and nothing else."""

    name = "none"

    async def run(self, execution: Execution) -> ExecutionResult:
        """See `evalkit.ports.sandbox.Sandbox`."""
        return await asyncio.to_thread(self.run_blocking, execution)

    def run_blocking(self, execution: Execution) -> ExecutionResult:
        """The same, for callers without an event loop."""
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evalkit-")))
            for name, data in execution.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            channel, channel_end = os.pipe()
            stack.callback(os.close, channel)
            stdin = os.memfd_create("evalkit")
            stack.callback(os.close, stdin)
            os.write(stdin, execution.stdin)
            os.lseek(stdin, 0, os.SEEK_SET)
            argv = [
                part.replace("{python}", sys.executable).replace("{channel}", str(channel_end))
                for part in execution.argv
            ]
            return child.run(
                child.Child(
                    argv=["/usr/bin/env", "-C", str(folder), *argv],
                    limits=execution.limits,
                    stdin=stdin,
                    channel=channel,
                    channel_end=channel_end,
                    pass_fds=(channel_end,),
                    user=None,
                    backend=self.name,
                )
            )
