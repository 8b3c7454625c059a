"""A scripted model with tools: plays a trajectory, call by call, and then answers.

What comes next is read off the request, so that the same question always gets the same answer, whoever asks
and how often.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evalkit.testing.fake_provider import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def plays(
    trajectories: Mapping[str, Sequence[tuple[str, dict[str, Any]]]], *, parallel: bool = False
) -> Callable[[dict[str, Any]], Behaviour]:
    """A script for `FakeProvider`: trajectories by the first message of the user, one call in each turn.

    Args:
        trajectories: calls as `[tool, arguments]`; a message that is not in it is answered without a call.
        parallel: all calls of a trajectory at once.
    """

    def script(body: dict[str, Any]) -> Behaviour:
        messages = body["messages"]
        first = next(str(m["content"]) for m in messages if m["role"] == "user")
        steps = trajectories.get(first, ())
        done = sum(len(m.get("tool_calls") or ()) for m in messages if m["role"] == "assistant")
        left = list(steps[done:] if parallel else steps[done : done + 1])
        if not left:
            return Behaviour(text="Done.")
        return calling(*left, first=done)

    return script


def calling(*calls: tuple[str, dict[str, Any]], first: int = 0) -> Behaviour:
    """An answer that makes calls; their ids count from `first`."""
    return Behaviour(
        content_null=True,
        finish="tool_calls",
        tool_calls=tuple(
            {
                "id": f"call_{first + number}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for number, (name, arguments) in enumerate(calls)
        ),
    )
