"""BFCL's rules for conversations: the state after every turn, and the results that had to be seen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.bfcl.applications import Applications, read_call
from evalkit.errors import DefinitionError
from evalkit.types.chat import Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.bfcl.check import Call, Fault
    from evalkit.types.suite import Sample

MORE_TOOLS = "I have updated some more functions you can choose from. What about now?"
"""What the user says when tools are added, in the reference's words."""


class Turns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation.

    `turns` holds what the user says in each, `answer` the accepted calls of each, written as in the package;
    an empty list means that the model shall ask or wait. `later` are tools that are added before a turn,
    which is given by its number from 0.
    """

    category: str
    applications: tuple[str, ...]
    start: dict[str, Any]
    turns: tuple[tuple[str, ...], ...]
    answer: tuple[tuple[str, ...], ...]
    tools: tuple[Tool, ...]
    later: dict[str, tuple[Tool, ...]] = {}

    def open(self) -> Applications:
        """The applications in their first state."""
        return Applications(self.applications, self.start, long_context="long_context" in self.category)


def turns_of(sample: Sample) -> Turns:
    """The conversation that a sample declares.

    Raises:
        DefinitionError: its `data` is not one.
    """
    try:
        return msgspec.convert(sample.data, Turns)
    except msgspec.ValidationError as error:
        raise DefinitionError(
            f"sample {sample.id!r} $.data: {error}; see `evalkit.bfcl.turns.Turns`."
        ) from None


def fault_of_turns(turns: Turns, made: Sequence[Sequence[Sequence[Call]]]) -> Fault | None:
    """What is wrong with the calls of a conversation; None if it is solved.

    Args:
        turns: the conversation.
        made: the model's calls by turn and step.
    """
    if len(made) != len(turns.answer):
        return "force_terminated", f"{len(made)} of {len(turns.answer)} turns were worked"
    mine, wanted = turns.open(), turns.open()
    seen: Counter[str] = Counter()
    for number, (steps, answer) in enumerate(zip(made, turns.answer, strict=True)):
        seen.update(mine.call(name, arguments) for step in steps for name, arguments in step)
        right = [wanted.call(w.name, w.arguments, w.values) for w in map(read_call, answer)]
        if not answer:
            continue
        if not steps:
            return "empty_turn", f"turn {number}: no call was made"
        differs = mine.difference(wanted)
        if differs is not None:
            return "instance_state_mismatch", f"turn {number}: {differs} is not as it should be"
        missing = Counter(right) - seen
        if missing:
            return "execution_response_mismatch", f"turn {number}: {next(iter(missing))[:120]} was never seen"
    return None
