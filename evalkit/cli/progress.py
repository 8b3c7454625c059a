"""Shows a run while it works: a live table on a terminal, plain lines elsewhere, or events for machines."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from evalkit.engine.run import SKIPPED
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from evalkit.engine.plan import Plan
    from evalkit.ports.core import Progress
    from evalkit.types.generation import Generation, TrialKey
    from evalkit.types.provider import Endpoint

_LINE_EVERY_S = 10.0
_WAYS = ("auto", "live", "lines", "json", "none")


class Counts:
    """What one endpoint has done of one suite so far."""

    def __init__(self, planned: int) -> None:
        self.planned = planned
        self.done = 0
        self.asked = 0
        self.failures = 0
        self.recorded = 0
        self.output_tokens = 0
        self.usd: float | None = None
        self.started = time.monotonic()

    def left_s(self) -> float | None:
        """Seconds that the rest would take at the pace so far."""
        if not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.planned - self.done)

    def tokens_per_s(self) -> float:
        """Output tokens of all its requests together, a second."""
        return self.output_tokens / max(1e-3, time.monotonic() - self.started)


class Watcher:
    """Counts what the engine reports, by endpoint and suite. See `evalkit.ports.core.Progress`."""

    def __init__(self, plan: Plan) -> None:
        self.counts = {
            (endpoint.id, loaded.suite.id): Counts(len(plan.samples_of(loaded)) * plan.epochs_of(loaded))
            for endpoint in plan.endpoints
            for loaded in plan.suites
        }

    def started(self, key: TrialKey) -> None:
        """A trial began."""

    def generated(self, generation: Generation, *, recorded: bool) -> None:
        """A generation ended."""
        counts = self.counts[generation.trial.endpoint, generation.trial.suite]
        counts.failures += generation.outcome.is_failure
        if recorded:
            counts.recorded += 1
            return
        counts.asked += 1
        if generation.cost is not None:
            counts.usd = (counts.usd or 0.0) + generation.cost.usd
        usage = generation.response.usage if generation.response else None
        if usage is not None:
            counts.output_tokens += usage.output or 0

    def finished(self, key: TrialKey, outcome: str) -> None:
        """A trial ended."""
        self.counts[key.endpoint, key.suite].done += 1

    def noticed(self, message: str) -> None:
        """Say it at once, above whatever else is shown."""
        _say(message)


class LinePrinter(Watcher):
    """A line for each endpoint and suite where something happened, every ten seconds and at the end."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._due = time.monotonic() + _LINE_EVERY_S
        self._said: dict[tuple[str, str], tuple[int, int]] = {}

    def finished(self, key: TrialKey, outcome: str) -> None:
        """A trial ended; print when it is time."""
        super().finished(key, outcome)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LINE_EVERY_S
            self.say()

    def say(self) -> None:
        """Print where things stand, but for what stands where it stood."""
        for (endpoint, suite), counts in self.counts.items():
            state = (counts.done, counts.asked)
            if self._said.get((endpoint, suite)) != state:
                self._said[endpoint, suite] = state
                _say("  ".join([endpoint, suite, *_cells(counts)]).rstrip())


class EventPrinter(Watcher):
    """One JSON object a line on standard error for each thing that happens.

    `event` is `run`, `generation`, `trial` or `notice`; times are Unix seconds, costs US dollars.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._event("run", planned=plan.size(), endpoints=[e.id for e in plan.endpoints])

    def generated(self, generation: Generation, *, recorded: bool) -> None:
        """A generation ended."""
        super().generated(generation, recorded=recorded)
        self._event(
            "generation",
            **_names(generation.trial),
            asked=generation.endpoint,
            role=generation.role,
            turn=generation.turn,
            outcome=generation.outcome.value,
            recorded=recorded,
            attempts=len(generation.attempts),
            total_s=generation.timing.total_s if generation.timing else None,
            usd=generation.cost.usd if generation.cost else None,
        )

    def finished(self, key: TrialKey, outcome: str) -> None:
        """A trial ended."""
        super().finished(key, outcome)
        if outcome != SKIPPED:
            self._event("trial", **_names(key), outcome=outcome)

    def noticed(self, message: str) -> None:
        """Something happened to a provider."""
        self._event("notice", message=message)

    def _event(self, event: str, **facts: object) -> None:
        _say(msgspec.json.encode({"event": event, "at": time.time(), **facts}).decode())


def shown(way: str, *, quiet: bool) -> str:
    """How progress is shown.

    Raises:
        UsageError: there is no such way.
    """
    if way not in _WAYS:
        raise UsageError(f"--progress {way!r} is unknown; it is one of {', '.join(_WAYS)}.")
    if way != "auto":
        return way
    return "none" if quiet else "live" if sys.stderr.isatty() else "lines"


@contextmanager
def watching(plan: Plan, way: str) -> Iterator[Progress]:
    """Someone who watches the run, as long as the context lasts."""
    if way == "live":
        from rich.console import Console
        from rich.live import Live

        watcher = Watcher(plan)
        console = Console(stderr=True)
        with Live(get_renderable=lambda: _drawn(watcher), console=console, refresh_per_second=4):
            yield watcher
    elif way == "lines":
        lines = LinePrinter(plan)
        yield lines
        lines.say()
    else:
        yield EventPrinter(plan) if way == "json" else Watcher(plan)


@contextmanager
def traced(watcher: Progress, endpoints: Sequence[Endpoint], *, wanted: bool) -> Iterator[Progress]:
    """The watcher, with spans sent to OpenTelemetry if they are wanted."""
    if not wanted:
        yield watcher
        return
    from evalkit.app.telemetry import Traced

    traces = Traced(watcher, endpoints)
    try:
        yield traces
    finally:
        traces.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  # the terminal is what this module is for


def _names(key: TrialKey) -> dict[str, object]:
    return {"suite": key.suite, "sample": key.sample, "endpoint": key.endpoint, "epoch": key.epoch}


def _cells(counts: Counts) -> list[str]:
    left = counts.left_s()
    return [
        f"{counts.done}/{counts.planned}",
        f"{counts.failures} failures",
        f"{counts.tokens_per_s():.0f} tokens/s",
        "unpriced" if counts.usd is None and counts.asked > counts.failures else f"${counts.usd or 0.0:.4f}",
        "" if left is None or counts.done == counts.planned else f"{left:.0f} s left",
    ]


def _drawn(watcher: Watcher) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("endpoint", "suite", "", "done", "failures", "tokens/s", "spend", "left"):
        drawn.add_column(column, justify="left" if column in {"endpoint", "suite", ""} else "right")
    for (endpoint, suite), counts in watcher.counts.items():
        bar = ProgressBar(total=max(1, counts.planned), completed=counts.done, width=24)
        drawn.add_row(Text(endpoint), Text(suite), bar, *_cells(counts))
    return drawn
