"""Tries every escape in the default sandbox and measures what the sandbox costs; prints docs tables.

python -m benchmarks.sandbox
"""

from __future__ import annotations

import statistics
import subprocess
import time
from typing import TYPE_CHECKING

from evalkit.sandbox import choose
from evalkit.sandbox.bubblewrap import find_interpreter
from evalkit.types.execution import Execution, Limits
from tests.sandbox.escapes import ATTEMPTS, LIMITED, python_of, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 60


def main() -> None:
    sandbox = choose()
    print(f"| attempt | what | {sandbox.name} |\n|---|---|---|")
    stopped = 0
    for attempt in ATTEMPTS:
        held = not succeeded(sandbox, attempt)
        stopped += held
        print(
            f"| {attempt.group} | {attempt.name} | {'stopped' if held else '**got through**'} |", flush=True
        )
    for stop in LIMITED:
        done = sandbox.run_blocking(python_of(stop.code, stop.limits))
        held = done.channel != b"ESCAPED"
        stopped += held
        print(f"| {stop.group} | {stop.name} | {'stopped' if held else '**got through**'} |", flush=True)
    print(f"\n{stopped} of {len(ATTEMPTS) + len(LIMITED)} stopped.\n")
    python = find_interpreter().path
    nothing = Execution(argv=("{python}", "-I", "-S", "-B", "-c", "pass"), files={}, limits=Limits())
    kept = Execution(argv=nothing.argv, files={}, limits=Limits(), workspace=b"")
    figures = interleaved(
        {
            "the interpreter alone": lambda: subprocess.run(
                [python, "-I", "-S", "-B", "-c", "pass"], env={}, check=True
            ),
            "in the sandbox": lambda: sandbox.run_blocking(nothing),
            "with a workspace": lambda: sandbox.run_blocking(kept),
        }
    )
    bare = figures["the interpreter alone"]
    print("| start | least, ms | median, ms | over the interpreter, median |\n|---|---|---|---|")
    for name, times in figures.items():
        over = statistics.median(times) - statistics.median(bare)
        print(f"| {name} | {min(times):.1f} | {statistics.median(times):.1f} | {over:+.1f} |")


def interleaved(kinds: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Milliseconds of each kind, one after the other, so that load falls on all alike."""
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, work in kinds.items():
            started = time.perf_counter()
            work()
            times[name].append((time.perf_counter() - started) * 1000)
    return times


if __name__ == "__main__":
    main()
