"""An agent without a tools API: one fenced bash block in each turn, its output in the next message.

The baseline that the field compares agents with (mini-swe-agent), and a way to use weights or hosts whose
tool calls are broken. It is another agent than `agent`, and its figures are never mixed with that one's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from evalkit.errors import DefinitionError
from evalkit.solvers.agent import Options as AgentsOptions
from evalkit.solvers.answer import conversation
from evalkit.solvers.session import EndedError, Session
from evalkit.types.chat import Message
from evalkit.worlds.task import need_sandbox

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from evalkit.ports.core import Solver, Work
    from evalkit.types.effects import Effect
    from evalkit.types.suite import Sample, Suite

SUBMIT = "submit"
RULES = f"""You work in the folder /work of a Linux machine without a network. In every message, think first,
then give exactly one command in one block:

```bash
ls
```

The next message shows what it prints. Every command starts in /work in a new shell: files stay, variables and
background processes do not. When everything that was asked is done, say in one sentence what you did and give
this block:

```bash
{SUBMIT}
```"""
_BLOCK = re.compile(r"```(?:bash|sh|shell)[ \t]*\n(?P<command>.*?)\n?```", re.DOTALL)
_MISTAKES = 3


class Options(AgentsOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As `agent`. After three turns in a row without exactly one block the trial ends as `format_errors`."""


def build(options: Options) -> Solver:
    """The solver `bash_agent`."""
    return BashAgent(options)


class BashAgent:
    """Speaks plain text; works in workspaces only."""

    name = "bash_agent"
    version = "1"
    needs_sandbox = False

    def __init__(self, options: Options) -> None:
        self._options = options
        self.users = (options.user.endpoint,) if options.user else ()
        self.needs_prices = options.max_cost is not None

    def needs_sandbox_for(self, samples: Sequence[Sample]) -> bool:
        """Whether a world of these samples runs code: all that it can use do."""
        return need_sandbox(samples)

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """See `evalkit.ports.core.Solver`."""
        session = Session(sample, suite, self._options, self._options.user)
        if all(tool.name != "bash" for tool in session.world.tools()):
            raise DefinitionError(
                f"sample {sample.id!r}: bash_agent needs a world with a shell, such as workspace; use the "
                "solver `agent` for other worlds."
            )
        session.messages += conversation(sample, suite, RULES)
        try:
            yield from _work(session)
        except EndedError as end:
            return session.solution(end.why)
        raise AssertionError("an agent ends by a limit or an answer")


def commands_of(text: str) -> list[str]:
    """The commands of a turn, one for each fenced bash block."""
    return [match["command"].strip() for match in _BLOCK.finditer(text)]


def _work(session: Session) -> Generator[Effect, Any, None]:
    mistakes = 0
    while True:
        generation = yield from session.ask()
        commands = commands_of(generation.response.text if generation.response is not None else "")
        if len(commands) != 1:
            session.misread()
            mistakes += 1
            if mistakes == _MISTAKES:
                raise EndedError("format_errors")
            wrong = f"Error: your message has {len(commands)} bash blocks; give exactly one command."
            session.messages.append(Message(role="user", content=wrong))
            continue
        mistakes = 0
        if commands[0] == SUBMIT:
            yield from session.follow_up()
            continue
        arguments = msgspec.json.encode({"command": commands[0]}).decode()
        result = yield from session.act("bash", arguments)
        session.told(Message(role="user", content=f"Output:\n{result}"))
