"""What a run costs beside the bare clients, and writes `docs/performance.md`.

    make benchmark          # or: python -m benchmarks.engine [--quick]

Every figure is of a whole process, measured from outside. Repeats of the clients alternate, so that a noisy
machine strikes all of them; medians are shown, and ratios are of medians of one call of this script.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SUITE = """\
id: bench
version: "1"
title: Benchmark
description: One question, many times.
licence: Apache-2.0
source: benchmarks/engine.py
samples: samples.jsonl
generation: {max_tokens: 200, temperature: 0}
primary: match
scorers: [{name: match}]
"""
PROVIDER = """\
id: mock
name: Mock host
kind: self_hosted
adapter: openai_chat
auth: none
base_url: URL
key_env: null
operator: {name: you}
limits: {concurrency: LIMIT}
endpoints:
  - model: m
    prices: [{input: 1, output: 2}]
"""


class Cost(NamedTuple):
    """Of one process and its children: seconds of wall and CPU, peak memory in MB."""

    wall: float
    cpu: float
    memory: float


@contextmanager
def mock_host() -> Iterator[int]:
    """A mock host in a process of its own; gives its port."""
    child = subprocess.Popen([sys.executable, "-m", "benchmarks.mock_host"], cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def measure(command: list[str], folder: Path) -> Cost:
    """Run a command to its end."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(folder / "none")}
    started = time.perf_counter()
    child = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stderr.close()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}: {said.decode()[-2000:]}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


class Bench:
    """One working folder, one mock host."""

    def __init__(self, folder: Path, port: int, repeats: int) -> None:
        self.folder, self.port, self.repeats = folder, port, repeats
        self._runs = 0

    def url(self, how: str) -> str:
        """The mock host's address, with how it shall answer."""
        return f"http://127.0.0.1:{self.port}/{how}/v1"

    def prepare(self, count: int, how: str, concurrency: int) -> None:
        """A suite of so many samples, and the mock host as provider."""
        suite = self.folder / "suites" / "bench"
        suite.mkdir(parents=True, exist_ok=True)
        (suite / "suite.yaml").write_text(SUITE)
        rows = (json.dumps({"id": f"s{n}", "input": f"question {n}", "target": "four"}) for n in range(count))
        (suite / "samples.jsonl").write_text("\n".join(rows))
        providers = self.folder / "providers"
        providers.mkdir(exist_ok=True)
        text = PROVIDER.replace("URL", self.url(how)).replace("LIMIT", str(concurrency))
        (providers / "mock.yaml").write_text(text)

    def evalkit(self, concurrency: int, *extra: str) -> list[str]:
        """The command line of a new run."""
        self._runs += 1
        command = "from evalkit.cli import main; main()"
        return [
            *(sys.executable, "-c", command, "run", "bench", "--on", "mock:m", "-c", str(concurrency)),
            *("--run", f"r{self._runs}", "--progress", "lines", *extra),
        ]

    def client(self, name: str, count: int, how: str, concurrency: int, *, stream: bool = True) -> list[str]:
        """The command line of a bare client."""
        kind = "stream" if stream else "plain"
        url = self.url(how)
        return [sys.executable, "-m", "benchmarks.clients", name, url, str(count), str(concurrency), kind]

    def medians(self, commands: dict[str, list[list[str]]]) -> dict[str, Cost]:
        """Median of the repeats of each command; the repeats of all commands alternate."""
        seen: dict[str, list[Cost]] = {name: [] for name in commands}
        for turn in range(self.repeats):
            for name, variants in commands.items():
                seen[name].append(measure(variants[turn], self.folder))
        return {
            name: Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))
            for name, costs in seen.items()
        }

    def side_by_side(
        self, count: int, how: str, concurrency: int, names: tuple[str, ...], *, stream: bool = True
    ) -> dict[str, Cost]:
        """A run and bare clients on the same work."""
        self.prepare(count, how, concurrency)
        extra = () if stream else ("--no-stream",)
        commands = {"evalkit": [self.evalkit(concurrency, *extra) for _ in range(self.repeats)]}
        for name in names:
            commands[name] = [self.client(name, count, how, concurrency, stream=stream)] * self.repeats
        return self.medians(commands)


class Line(NamedTuple):
    """One row of the table of targets."""

    what: str
    seen: str
    target: str
    met: bool


def per_sample(many: Cost, one: Cost, count: int) -> float:
    """Milliseconds of CPU a sample, start-up taken off."""
    return (many.cpu - one.cpu) / (count - 1) * 1000


def run_all(bench: Bench, *, quick: bool) -> tuple[list[Line], list[str]]:
    """Every measurement: lines of the table, and the clients' table."""
    lines: list[Line] = []
    count = 500 if quick else 2000
    clients = ("aiohttp", "openai+aiohttp", "openai")
    one = bench.side_by_side(1, "d0-0/p1", 1, clients)
    lines.append(_line("one sample, start to end, s", one["evalkit"].wall, 1.2, "{:.2f}"))
    first = _first_request(bench)
    lines.append(_line("start-up to the first request, s", first, 0.6, "{:.2f}"))

    fast = bench.side_by_side(count, "d0-20/p10", 64, clients)
    table = _clients_table(fast, one, count)
    ratio = per_sample(fast["evalkit"], one["evalkit"], count) / per_sample(
        fast["aiohttp"], one["aiohttp"], count
    )
    lines.append(_line("streaming 100 chunks: CPU a sample, of bare aiohttp", ratio, 2.5, "{:.2f}×"))

    steady = bench.side_by_side(count, "d200-200/p1", 64, ("aiohttp",))
    ideal = count / 64 * 0.2
    start = one["evalkit"].wall
    lines.append(
        _line(
            "64 in flight at 200 ms: wall, of ideal",
            (steady["evalkit"].wall - start) / ideal,
            1.10,
            "{:.2f}×",
        )
    )
    lines.append(_line("peak memory, MB", steady["evalkit"].memory, 120, "{:.0f}"))
    wide = bench.side_by_side(count, "d200-200/p1", 512, ("aiohttp",))
    lines.append(
        _line(
            "512 in flight: wall, of bare aiohttp",
            wide["evalkit"].wall / wide["aiohttp"].wall,
            1.5,
            "{:.2f}×",
        )
    )

    plain_count = 1000 if quick else 10_000
    plain_one = bench.side_by_side(1, "d0-0/p1", 1, ("aiohttp",), stream=False)
    plain = bench.side_by_side(plain_count, "d0-20/p1", 64, ("aiohttp",), stream=False)
    ratio = per_sample(plain["evalkit"], plain_one["evalkit"], plain_count) / per_sample(
        plain["aiohttp"], plain_one["aiohttp"], plain_count
    )
    lines.append(_line("not streaming: CPU a sample, of bare aiohttp", ratio, 2.0, "{:.2f}×"))
    journal = bench.folder / "results" / f"r{bench._runs}" / "generations.jsonl"
    kilobytes = journal.stat().st_size / plain_count / 1024
    lines.append(_line("journal, KB a sample (the answer's 0.8 KB included)", kilobytes, 2.5, "{:.2f}"))
    lines.append(_faults(bench, count))
    lines += _large(bench, 5_000 if quick else 100_000, steady["evalkit"].memory)
    return lines, table


def _first_request(bench: Bench) -> float:
    """Seconds from the start of the process to the first request on the wire."""
    bench.prepare(1, "d0-0/p1", 1)
    seen = []
    for _ in range(bench.repeats):
        began = time.time()
        measure(bench.evalkit(1), bench.folder)
        row = json.loads((bench.folder / "results" / f"r{bench._runs}" / "generations.jsonl").read_text())
        seen.append(row["attempts"][0]["started_at"] - began)
    return statistics.median(seen)


def _faults(bench: Bench, count: int) -> Line:
    """Seconds that faults cost a run; every sample must be answered all the same."""
    bench.prepare(count, "d20-20/p1", 64)
    calm = measure(bench.evalkit(64), bench.folder)
    bench.prepare(count, "d20-20/p1/f", 64)
    rough = measure(bench.evalkit(64), bench.folder)
    journal = bench.folder / "results" / f"r{bench._runs}" / "generations.jsonl"
    rows = [json.loads(line) for line in journal.read_bytes().splitlines()]
    answered = sum(row["outcome"] == "ok" for row in rows)
    attempts = sum(len(row["attempts"]) for row in rows)
    what = f"faults: {answered:,} of {count:,} samples answered in {attempts:,} attempts; wall, s more"
    return Line(what, f"{rough.wall - calm.wall:.1f}", "all answered", answered == count)


def _large(bench: Bench, count: int, small_memory: float) -> list[Line]:
    """Many samples: memory, and how soon a resumed run is ready."""
    bench.prepare(count, "d0-0/p1", 64)
    command = bench.evalkit(64)
    whole = measure(command, bench.folder)
    again = measure(command, bench.folder)
    return [
        _line(f"memory at {count:,} samples, MB more", whole.memory - small_memory, 50, "{:.0f}"),
        _line(f"resuming {count:,} finished samples, s", again.wall, 5, "{:.1f}"),
    ]


def _line(what: str, value: float, limit: float, form: str) -> Line:
    return Line(what, form.format(value), "≤ " + form.format(limit), value <= limit)


def _clients_table(many: dict[str, Cost], one: dict[str, Cost], count: int) -> list[str]:
    base = per_sample(many["aiohttp"], one["aiohttp"], count)
    rows = [
        "| client | CPU ms a sample | of bare aiohttp | memory, MB | start to end of one sample, s |",
        "|---|---|---|---|---|",
    ]
    for name, cost in many.items():
        cpu = per_sample(cost, one[name], count)
        rows.append(f"| {name} | {cpu:.2f} | {cpu / base:.2f} | {cost.memory:.0f} | {one[name].wall:.2f} |")
    return rows


def page(lines: list[Line], table: list[str]) -> str:
    """The measured part of `docs/performance.md`."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "openai", "msgspec", "uvloop"))
    head = (
        f"Measured {datetime.now(UTC).date().isoformat()} on {os.cpu_count()} shared cores, Python "
        f"{platform.python_version()}, {packages}."
    )
    rows = ["| what | seen | wanted | |", "|---|---|---|---|"]
    rows += [f"| {x.what} | {x.seen} | {x.target} | {'met' if x.met else '**not met**'} |" for x in lines]
    return "\n".join([head, "", *rows, "", "## The same bytes, streamed, by client", "", *table, ""])


def main() -> None:
    """Measure, and put the tables between the marks of `docs/performance.md`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small numbers, printed only")
    quick = parser.parse_args().quick
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as folder, mock_host() as port:
        text = page(*run_all(Bench(Path(folder), port, 1 if quick else 3), quick=quick))
    print(text)
    if not quick:
        file = ROOT / "docs" / "performance.md"
        before, _, rest = file.read_text(encoding="utf-8").partition("<!-- measured -->")
        after = rest.partition("<!-- /measured -->")[2]
        file.write_text(f"{before}<!-- measured -->\n\n{text}\n<!-- /measured -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
