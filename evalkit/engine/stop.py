"""Why and how a run ends before its plan does."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError

if TYPE_CHECKING:
    from collections.abc import Callable


class StopReason(enum.StrEnum):
    """Why a run ended before its plan did. Every one of them can be resumed."""

    INTERRUPTED = "interrupted"
    MAX_COST = "max_cost"
    MAX_REQUESTS = "max_requests"
    MAX_MINUTES = "max_minutes"


class StoppedError(EvalkitError):
    """The run is stopping, and what this trial waits for would keep it."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(f"The run is stopping ({reason}).")
        self.reason = reason


class Brake:
    """Stops new trials from starting; those in flight end, but for those that a resting host keeps."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self._calls: list[Callable[[StopReason], None]] = []

    def then(self, call: Callable[[StopReason], None]) -> None:
        """Have this called when the run is to stop."""
        self._calls.append(call)

    def pull(self, reason: StopReason) -> None:
        """Stop, for the first reason that is given."""
        if self.reason is not None:
            return
        self.reason = reason
        for call in self._calls:
            call(reason)
