"""What solvers and scorers ask the engine to do.

A solver or scorer is a generator: it yields an effect and is sent its result. So an agent loop or a judge
is tested with `next()` and `send()`, and everything it asks passes the same limiter, retries, journal,
price and policy.

    Generate -> Generation
    Execute  -> ExecutionResult
    Recall   -> Generation | None
"""

from __future__ import annotations

from typing import Any

import msgspec

from evalkit.types.chat import Message, Request
from evalkit.types.execution import Execution
from evalkit.types.generation import Generation
from evalkit.types.suite import Sample


class Generate(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a model.

    `endpoint` None is the trial's own; a judge or a simulated user names another, with its role.
    """

    request: Request
    endpoint: str | None = None
    role: str = "subject"


class Execute(msgspec.Struct, frozen=True, kw_only=True):
    """Run a program once in a fresh sandbox."""

    execution: Execution


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """Look up what another tool recorded of this trial. None when it has no such turn; turns count from 1."""

    turn: int


Effect = Generate | Execute | Recall

NOT_THE_MODELS = frozenset({"sandbox_error", "user_failed"})
"""Ends of a trial that say nothing of model or host: unscored, and worked again when the run is resumed."""


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """How a trial went.

    `generations` are the subject's own turns in order; `transcript` is the whole conversation with tool
    results. `ended` is `answered`, the outcome of a last turn without an answer, the limit that stopped the
    work (`max_turns`, `max_tokens`, `max_total_tokens`, `max_cost`, `max_tool_calls`, `wall_net`,
    `context_overflow`), `tool_format` (a call got lost on its way), `format_errors` (the agent's protocol was
    not kept) or one of `NOT_THE_MODELS`. `state` is what a scorer needs of the end state.
    """

    generations: tuple[Generation, ...]
    transcript: tuple[Message, ...]
    ended: str = "answered"
    state: dict[str, Any] = {}

    @property
    def last(self) -> Generation:
        """The generation that ended the trial."""
        return self.generations[-1]


class Worked(msgspec.Struct, frozen=True, kw_only=True):
    """What a scorer is given: the sample and what became of it."""

    sample: Sample
    solution: Solution
