"""Whether the model called the right tools with the right arguments, and whether the calls were sound.

Choice and form are scored apart: a model that chooses badly has few right answers and sound calls. What a
host breaks shows in `host_defect`, and with all faults of form in the scorer `tool_format`, which suites with
tools get by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from evalkit.scorers.tool_calls import bfcl
from evalkit.scorers.tool_calls.values import Read, fault, matches, read_calls
from evalkit.toolcalls.defects import OF_THE_MODEL, defects_of
from evalkit.types.score import Metric, Score, Unscored
from evalkit.types.tool_case import ToolCase, tool_case_of

if TYPE_CHECKING:
    from evalkit.ports.core import Scorer, Scores
    from evalkit.types.effects import Worked
    from evalkit.types.generation import Response


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`values` are the rules of `evalkit.scorers.tool_calls.values`, `bfcl` those of that leaderboard."""

    rules: Literal["values", "bfcl"] = "values"


def build(options: Options) -> Scorer:
    """The scorer `tool_calls`."""
    return ToolCalls(options)


class ToolCalls:
    """Judges the calls of the trial's last answer; see `evalkit.types.tool_case.ToolCase`."""

    name = "tool_calls"
    version = "1"
    needs_sandbox = False
    metrics: tuple[Metric, ...] = (
        Metric(
            name="tool_calls",
            title="Right calls",
            meaning="Share of answers with exactly the calls that were wanted, or none where none was.",
        ),
        Metric(
            name="schema_valid",
            title="Calls that fit the schema",
            meaning="Share of an answer's calls that name an offered tool and whose arguments fit its JSON "
            "Schema. Answers without a call are not in it.",
            kind="fraction",
        ),
        Metric(
            name="spurious_call",
            title="Spurious calls",
            meaning="Share of answers with a call where none was wanted.",
            higher_is_better=False,
        ),
        Metric(
            name="missed_call",
            title="Missed calls",
            meaning="Share of answers without any call where one was wanted.",
            higher_is_better=False,
        ),
        Metric(
            name="host_defect",
            title="Broken by the host alone",
            meaning="Share of answers with a fault of form that no model's tokens can cause: leaked tool "
            "tokens, missing or double ids, a finish that contradicts the calls, an ignored `tool_choice`.",
            higher_is_better=False,
        ),
    )

    def __init__(self, options: Options) -> None:
        self._rules = options.rules

    def score(self, worked: Worked) -> Scores:
        """See `evalkit.ports.core.Scorer`."""
        case = tool_case_of(worked.sample)
        response = worked.solution.last.response
        if response is None:
            return tuple(Unscored(metric=m.name, reason="no_response") for m in self.metrics)
        read = read_calls(response.tool_calls, case.tools)
        label, reason = self._judge(worked, case, read)
        wanted = case.wants != "no_call"
        return (
            Score(
                metric="tool_calls",
                value=float(label == "right"),
                label=label,
                explanation=reason,
                answer=_shown(response),
            ),
            _schema_valid(read),
            _occurred("spurious_call", bool(read), counts=not wanted, otherwise="a_call_was_wanted"),
            _occurred("missed_call", not read, counts=wanted, otherwise="no_call_was_wanted"),
            _host_defect(response, case),
        )

    def _judge(self, worked: Worked, case: ToolCase, read: tuple[Read, ...]) -> tuple[str, str | None]:
        """A label, `right` among them, and the reason in words."""
        if self._rules == "bfcl":
            return bfcl.judge(worked.sample.id, case, worked.solution.last.response)
        if case.wants == "no_call":
            return ("spurious_call", f"{read[0].name} was called") if read else ("right", None)
        if not read:
            return "missed_call", None
        if case.wants == "any_call":
            broken = next((call for call in read if call.problem is not None), None)
            return ("does_not_fit_schema", f"{broken.name}: {broken.problem}") if broken else ("right", None)
        if any(matches(read, calls) for calls in case.accept):
            return "right", None
        return fault(read, case.accept)


def _schema_valid(read: tuple[Read, ...]) -> Score | Unscored:
    if not read:
        return Unscored(metric="schema_valid", reason="no_call")
    broken = [f"{call.name}: {call.problem}" for call in read if call.problem is not None]
    share = 1 - len(broken) / len(read)
    return Score(metric="schema_valid", value=share, explanation="; ".join(broken)[:500] or None)


def _host_defect(response: Response, case: ToolCase) -> Score:
    kinds = [d.kind for d in defects_of(response, case.tools, case.tool_choice)]
    of_host = [kind for kind in kinds if kind not in OF_THE_MODEL]
    return Score(
        metric="host_defect", value=float(bool(of_host)), explanation=", ".join(of_host)[:500] or None
    )


def _occurred(metric: str, happened: bool, *, counts: bool, otherwise: str) -> Score | Unscored:
    if not counts:
        return Unscored(metric=metric, reason=otherwise)
    return Score(metric=metric, value=float(happened))


def _shown(response: Response) -> str | None:
    calls = "; ".join(f"{call.name}({call.arguments})" for call in response.tool_calls)
    return calls[:500] or None
