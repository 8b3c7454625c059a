"""Measure what the references of the suite `coding` take, and keep it in `suites/coding/measured.json`.

    python -m benchmarks.coding_limits          the largest CPU time and memory of three runs in the sandbox

The suite's test holds the limits against these figures, so that no test depends on how busy a machine is.
"""

from __future__ import annotations

import json

from evalkit.catalog.suites import load_suite
from evalkit.sandbox import choose
from evalkit.scorers.code.job import execution_of, problem_of
from suites.coding.problem import HERE

RUNS = 3


def main() -> None:
    sandbox = choose()
    loaded = load_suite(str(HERE))
    rows = map(json.loads, (HERE / "reference.jsonl").read_text(encoding="utf-8").splitlines())
    solutions = {row["id"]: row["solution"] for row in rows}
    measured: dict[str, dict[str, float]] = {}
    for sample in loaded.samples:
        problem = problem_of(sample.id, sample.data)
        results = [sandbox.run_blocking(execution_of(problem, solutions[sample.id])) for _ in range(RUNS)]
        cpu_s = max(result.cpu_s for result in results)
        memory_mb = max(result.memory_mb or 0.0 for result in results)
        measured[sample.id] = {"cpu_s": round(cpu_s, 3), "memory_mb": round(memory_mb, 1)}
        if 10 * cpu_s > problem.limits.cpu_s:
            print(f"{sample.id}: took {cpu_s:.2f} s, its limit is {problem.limits.cpu_s:g} s")
    (HERE / "measured.json").write_text(
        json.dumps(measured, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    largest = max(measured.items(), key=lambda item: item[1]["cpu_s"])
    print(
        f"{len(measured)} references measured; the largest CPU time is {largest[1]['cpu_s']} s ({largest[0]})"
    )


if __name__ == "__main__":
    main()
