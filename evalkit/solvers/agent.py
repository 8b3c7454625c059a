"""An agent with the tools API: works in a world, turn by turn, until it answers without a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.solvers.answer import conversation
from evalkit.solvers.limits import AgentOptions
from evalkit.solvers.session import EndedError, Session
from evalkit.solvers.user import UserOptions  # noqa: TC001  # read at run time
from evalkit.types.chat import Message
from evalkit.worlds.task import need_sandbox

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from evalkit.ports.core import Solver, Work
    from evalkit.types.effects import Effect
    from evalkit.types.suite import Sample, Suite


class Options(AgentOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits, and optionally a simulated user for samples that have a `persona`."""

    user: UserOptions | None = None


def build(options: Options) -> Solver:
    """The solver `agent`."""
    return Agent(options)


class Agent:
    """Uses the tools API of the endpoint."""

    name = "agent"
    version = "2"
    needs_sandbox = False
    offers_tools = True

    def __init__(self, options: Options) -> None:
        self._options = options
        self.users = (options.user.endpoint,) if options.user else ()
        self.needs_prices = options.max_cost is not None

    def needs_sandbox_for(self, samples: Sequence[Sample]) -> bool:
        """Whether a world of these samples runs code."""
        return need_sandbox(samples)

    def solve(self, sample: Sample, suite: Suite) -> Work:
        """See `evalkit.ports.core.Solver`."""
        session = Session(sample, suite, self._options, self._options.user)
        session.messages += conversation(sample, suite, session.world.rules)
        try:
            yield from _work(session)
        except EndedError as end:
            return session.solution(end.why)
        raise AssertionError("an agent ends by a limit or an answer")


def _work(session: Session) -> Generator[Effect, Any, None]:
    tools = session.world.tools()
    while True:
        generation = yield from session.ask(tools)
        calls = generation.response.tool_calls if generation.response is not None else ()
        for call in calls:
            result = yield from session.act(call.name, call.arguments)
            session.told(Message(role="tool", content=result, tool_call_id=call.id))
        if not calls:
            yield from session.follow_up()
