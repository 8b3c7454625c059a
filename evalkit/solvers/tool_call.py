"""One request with the sample's tools; what is scored is the calls that come back, none is carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.solvers.answer import opening, spoken
from evalkit.types.chat import Request
from evalkit.types.effects import Generate, Solution
from evalkit.types.tool_case import tool_case_of

if TYPE_CHECKING:
    from evalkit.ports.core import Solver, Work
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample, Suite


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tool_choice` is sent where a sample declares none; without both the host's default applies."""

    tool_choice: str | None = None


def build(options: Options) -> Solver:
    """The solver `tool_call`."""
    return ToolCallSolver(options)


class ToolCallSolver:
    """Offers the tools of `evalkit.types.tool_case.ToolCase` and asks once."""

    name = "tool_call"
    version = "1"
    needs_sandbox = False
    offers_tools = True

    def __init__(self, options: Options) -> None:
        self._options = options

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """See `evalkit.ports.core.Solver`."""
        case = tool_case_of(sample)
        messages = opening(sample, suite)
        generation: Generation = yield Generate(
            request=Request(
                messages=messages,
                settings=suite.generation,
                tools=case.tools,
                tool_choice=case.tool_choice or self._options.tool_choice,
            )
        )
        return Solution(generations=(generation,), transcript=(*messages, *spoken(generation)))
