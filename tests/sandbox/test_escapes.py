# programs in strings
"""What code of a model may try, tried for real in each backend that is here."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evalkit.types.execution import Execution, ExecutionResult, Limits
from tests.sandbox.escapes import ATTEMPTS, LIMITED, Attempt, Stop, python_of, succeeded

if TYPE_CHECKING:
    from evalkit.ports.sandbox import Sandbox


def run(sandbox: Sandbox, code: str, **limits: float) -> ExecutionResult:
    bounds = Limits(**{"cpu_s": 6, "wall_s": 20, **limits})  # type: ignore[arg-type]
    return sandbox.run_blocking(python_of(code, bounds))


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda a: a.name)
def test_it_is_stopped(isolated: Sandbox, attempt: Attempt) -> None:
    assert not succeeded(isolated, attempt)


@pytest.mark.parametrize("stop", LIMITED, ids=lambda s: s.name)
def test_it_is_bounded(isolated: Sandbox, stop: Stop) -> None:
    started = time.monotonic()
    done = isolated.run_blocking(python_of(stop.code, stop.limits))
    assert done.channel != b"ESCAPED", done
    assert len(done.stdout) <= stop.limits.output_kb * 1024
    assert time.monotonic() - started < 110


def test_nothing_lives_on(isolated: Sandbox) -> None:
    with socket.socket(socket.AF_UNIX) as listener, tempfile.TemporaryDirectory() as folder:
        listener.bind(str(Path(folder) / "s"))
        before = _named()
        run(
            isolated,
            "import os, time, sys\n"
            "for n in range(5):\n"
            "    if os.fork() == 0:\n"
            "        os.setsid()\n"
            "        if os.fork() == 0:\n"
            "            os.execv('/usr/bin/sleep', ['evalkit-leftover', '600'])\n"
            "        os._exit(0)\n"
            "time.sleep(0.2)\n",
        )
        time.sleep(0.3)
        assert _named() == before


def _named() -> int:
    found = 0
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                found += b"evalkit-leftover" in Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
    return found


def test_what_a_working_program_needs_is_there(isolated: Sandbox) -> None:
    done = run(
        isolated,
        "import tempfile, threading, subprocess, multiprocessing, socket\n"
        "with tempfile.TemporaryFile() as f: f.write(b'x' * 1000000)\n"
        "t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
        "assert subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout == b'1\\n'\n"
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
        "with multiprocessing.get_context('fork').Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]\n"
        "say('fine')\n",
    )
    assert done.channel == b"fine", done


def test_many_at_once_do_not_starve_each_other(isolated: Sandbox) -> None:
    import asyncio

    program = python_of(
        "[os.waitpid(os.spawnlp(os.P_NOWAIT, 'true', 'true'), 0) for _ in range(8)]\nsay('fine')\n",
        Limits(cpu_s=10, wall_s=60, pids=16),
    )

    async def all_of_them() -> tuple[list[ExecutionResult], int]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.005)
                beats += 1

        heart = asyncio.ensure_future(beat())
        done = await asyncio.gather(*(isolated.run(program) for _ in range(8)))
        heart.cancel()
        return done, beats

    done, beats = asyncio.run(all_of_them())
    assert [one.channel for one in done] == [b"fine"] * 8, done
    assert beats > 10


def test_one_alone_waits_for_the_others() -> None:
    import threading

    from evalkit.sandbox.slots import Slots

    slots, running, seen = Slots(3), [], []

    def work(*, alone: bool) -> None:
        with slots.held(alone=alone):
            running.append(1)
            seen.append((alone, len(running)))
            time.sleep(0.02)
            running.pop()

    threads = [threading.Thread(target=work, kwargs={"alone": n % 4 == 0}) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 16
    assert {count for alone, count in seen if alone} == {1}
    assert max(count for alone, count in seen) <= 3


def test_files_keep_to_their_folder(isolated: Sandbox) -> None:
    from evalkit.errors import DefinitionError

    for name in ("../x", "/etc/x", ""):
        with pytest.raises(DefinitionError):
            isolated.run_blocking(Execution(argv=("true",), files={name: b""}, limits=Limits()))
