"""The seams of the engine. Implementations live above; nothing here does anything."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from evalkit.types.effects import Effect, Solution, Worked
from evalkit.types.score import Metric, Score, ScoreRow, Unscored

if TYPE_CHECKING:
    from evalkit.types.chat import Request
    from evalkit.types.generation import Generation, TrialKey
    from evalkit.types.provider import Endpoint
    from evalkit.types.suite import Sample, Suite
    from evalkit.types.wire import Call, Decoded, Reply, Timeouts

Scores = Sequence[Score | Unscored]
Work = Generator[Effect, Any, Solution]
Judging = Generator[Effect, Any, Scores]


class Adapter(Protocol):
    """One wire protocol, pure: bytes out, bytes in. Knows no URL, price, key or model name."""

    name: str

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Call:
        """Exact bytes for a request.

        Raises:
            UsageError: the endpoint cannot carry a parameter that was asked for.
        """
        ...

    def decode(self, call: Call, reply: Reply, endpoint: Endpoint, request: Request) -> Decoded:
        """Read a reply, whatever it is. Never raises on hostile input."""
        ...


class Transport(Protocol):
    """The one way to the network. Sends a call once; never retries; never raises for a host's fault."""

    async def send(self, call: Call, endpoint: Endpoint, timeouts: Timeouts) -> Reply:
        """One attempt."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Solver(Protocol):
    """How a sample is worked."""

    name: str
    version: str
    needs_sandbox: bool

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """Yield effects, return the solution."""
        ...


class Scorer(Protocol):
    """Turns a worked trial into scores. May be a plain function of it or a generator of effects."""

    name: str
    version: str
    metrics: tuple[Metric, ...]
    needs_sandbox: bool

    def score(self, worked: Worked) -> Scores | Judging:
        """One Score or Unscored for each metric."""
        ...


class Journal(Protocol):
    """Append-only record of a run. A row is handed to the operating system before `append` returns."""

    def find(self, fingerprint: str) -> Generation | None:
        """A recorded success for exactly these bytes, this endpoint and this draw."""
        ...

    def recall(self, fingerprint: str) -> Generation | None:
        """What became of it, even if that was a failure: for replays, which ask nobody."""
        ...

    def append(self, generation: Generation) -> None:
        """Record before anything else happens to it.

        Raises:
            InfrastructureError: the disk is full or gone; the file stays readable.
        """
        ...

    def append_scores(self, rows: Sequence[ScoreRow]) -> None:
        """Record what scorers said."""
        ...


class Progress(Protocol):
    """Someone who watches a run."""

    def started(self, key: TrialKey) -> None:
        """A trial began."""
        ...

    def generated(self, generation: Generation, *, recorded: bool) -> None:
        """A generation ended; `recorded` means that it was taken from the journal, not asked."""
        ...

    def finished(self, key: TrialKey, outcome: str) -> None:
        """A trial ended."""
        ...

    def noticed(self, message: str) -> None:
        """Something that a watcher wants to know, such as a provider that rests."""
        ...


Clock = Callable[[], float]
"""Unix time in seconds."""
