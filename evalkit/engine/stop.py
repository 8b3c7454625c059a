"""Why and how a run ends before its plan does."""

from __future__ import annotations

import enum


class StopReason(enum.StrEnum):
    """Why a run ended before its plan did. Every one of them can be resumed."""

    INTERRUPTED = "interrupted"
    MAX_COST = "max_cost"
    MAX_REQUESTS = "max_requests"
    MAX_MINUTES = "max_minutes"


class Brake:
    """Stops new trials from starting; those in flight end as usual."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None

    def pull(self, reason: StopReason) -> None:
        """Stop, for the first reason that is given."""
        self.reason = self.reason or reason
