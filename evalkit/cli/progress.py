"""Shows a run while it works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from evalkit.engine.plan import Plan
    from evalkit.ports.core import Progress
    from evalkit.types.generation import Generation, TrialKey

_LINE_EVERY_S = 10.0


class Counts:
    """What one endpoint has done so far."""

    def __init__(self, planned: int) -> None:
        self.planned = planned
        self.done = 0
        self.failures = 0
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
    """Counts what the engine reports, by endpoint. See `evalkit.ports.core.Progress`."""

    def __init__(self, plan: Plan) -> None:
        per_endpoint = plan.size() // max(1, len(plan.endpoints))
        self.counts = {endpoint.id: Counts(per_endpoint) for endpoint in plan.endpoints}

    def started(self, key: TrialKey) -> None:
        """A trial began."""

    def generated(self, generation: Generation, *, recorded: bool) -> None:
        """A generation ended."""
        counts = self.counts.get(generation.trial.endpoint)
        if counts is None:
            return
        counts.failures += generation.outcome.is_failure
        if generation.cost is not None:
            counts.usd = (counts.usd or 0.0) + generation.cost.usd
        usage = generation.response.usage if generation.response else None
        if usage is not None and not recorded:
            counts.output_tokens += usage.output or 0

    def finished(self, key: TrialKey, outcome: str) -> None:
        """A trial ended."""
        self.counts[key.endpoint].done += 1


class LinePrinter(Watcher):
    """One line for each endpoint, every ten seconds and at the end."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._due = time.monotonic() + _LINE_EVERY_S

    def finished(self, key: TrialKey, outcome: str) -> None:
        """A trial ended; print when it is time."""
        super().finished(key, outcome)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LINE_EVERY_S
            self.say()

    def say(self) -> None:
        """Print where things stand."""
        for name, counts in self.counts.items():
            print("  ".join([name, *_cells(counts)]), file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def watching(plan: Plan, *, quiet: bool) -> Iterator[Progress]:
    """Someone who watches the run, as long as the context lasts."""
    if quiet:
        yield Watcher(plan)
        return
    if not sys.stderr.isatty():
        lines = LinePrinter(plan)
        yield lines
        lines.say()
        return
    from rich.console import Console
    from rich.live import Live

    watcher = Watcher(plan)
    with Live(get_renderable=lambda: _drawn(watcher), console=Console(stderr=True), refresh_per_second=4):
        yield watcher


def _cells(counts: Counts) -> list[str]:
    left = counts.left_s()
    return [
        f"{counts.done}/{counts.planned}",
        f"{counts.failures} failures",
        f"{counts.tokens_per_s():.0f} tokens/s",
        "unpriced" if counts.usd is None else f"${counts.usd:.4f}",
        "" if left is None or counts.done == counts.planned else f"{left:.0f} s left",
    ]


def _drawn(watcher: Watcher) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("endpoint", "", "done", "failures", "tokens/s", "spend", "left"):
        drawn.add_column(column, justify="left" if column in {"endpoint", ""} else "right")
    for name, counts in watcher.counts.items():
        bar = ProgressBar(total=max(1, counts.planned), completed=counts.done, width=24)
        drawn.add_row(Text(name), bar, *(cell for cell in _cells(counts)))
    return drawn
