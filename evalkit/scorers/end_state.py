"""Whether an agent left the world as it should be, whichever way it went, and what it did on the way.

The check runs after the agent has ended, on a copy of what it left: `check` on the tables of an application,
`verify` on a workspace in a fresh sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.types.score import Metric, Score, Unscored
from evalkit.worlds.base import SandboxError
from evalkit.worlds.task import check_sample, need_sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.ports.core import Judging, Scorer
    from evalkit.types.effects import Worked
    from evalkit.types.suite import Sample


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


def build(options: Options) -> Scorer:
    """The scorer `end_state`."""
    del options
    return EndState()


def _count(name: str, title: str, meaning: str) -> Metric:
    return Metric(name=name, title=title, meaning=meaning, kind="number", higher_is_better=False)


class EndState:
    """1 when every check holds and nothing was done that no solution may do."""

    name = "end_state"
    version = "2"
    needs_sandbox = False
    metrics: tuple[Metric, ...] = (
        Metric(
            name="solved",
            title="Solved",
            meaning="Share of tasks whose end state is right and whose other data is untouched.",
        ),
        _count("side_effects", "Side effects", "Changes in one task that no solution of it may make."),
        Metric(
            name="limit_hit",
            title="Limit hits",
            meaning="Share of tasks that a limit on turns, tokens, dollars or the like ended.",
            higher_is_better=False,
        ),
        _count("turns", "Turns", "Requests to the model in one task."),
        _count("tool_calls", "Tool calls", "Calls of tools that were carried out in one task."),
        _count(
            "tool_errors",
            "Tool errors",
            "Calls in one task that named no tool, did not fit its schema, were refused by it or were "
            "stopped, and turns that did not keep the agent's protocol.",
        ),
    )

    def needs_sandbox_for(self, samples: Sequence[Sample]) -> bool:
        """Whether a world of these samples runs code."""
        return need_sandbox(samples)

    def score(self, worked: Worked) -> Judging:
        """See `evalkit.ports.core.Scorer`."""
        state, ended = worked.solution.state, worked.solution.ended
        try:
            checked = yield from check_sample(worked.sample, state)
        except SandboxError as error:
            return tuple(
                Unscored(metric=metric.name, reason="sandbox_error", detail=str(error))
                for metric in self.metrics
            )
        wrong = (*checked.broken, *checked.side_effects)
        errors = dict(state.get("errors", {}))
        return (
            Score(
                metric="solved",
                value=float(not wrong),
                label="solved" if not wrong else ended if ended != "answered" else "wrong_state",
                explanation="; ".join(wrong) or None,
                data={"ended": ended, "dropped": state.get("dropped", 0)},
            ),
            Score(
                metric="side_effects",
                value=float(len(checked.side_effects)),
                explanation="; ".join(checked.side_effects) or None,
            ),
            Score(metric="limit_hit", value=float(state.get("limit") is not None), label=state.get("limit")),
            Score(metric="turns", value=float(state["turns"])),
            Score(metric="tool_calls", value=float(state.get("tool_calls", 0))),
            Score(
                metric="tool_errors",
                value=float(state.get("tool_errors", 0)),
                explanation=", ".join(f"{kind} {n}" for kind, n in sorted(errors.items())) or None,
                data=errors,
            ),
        )
