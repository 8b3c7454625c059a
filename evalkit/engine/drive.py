"""Works one trial: drives its solver and scorers, which are generators, through their effects."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.engine.ask import Asker, Question
from evalkit.errors import UsageError
from evalkit.types.effects import Effect, Generate, Worked
from evalkit.types.score import Score, ScoreRow, Unscored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.engine.plan import Trial
    from evalkit.ports.core import Scorer, Solver
    from evalkit.ports.sandbox import Sandbox
    from evalkit.types.chat import Message
    from evalkit.types.effects import Solution
    from evalkit.types.generation import Generation
    from evalkit.types.provider import Endpoint

R = TypeVar("R")


class TrialDriver:
    """Carries out the effects of one trial and keeps count of its turns and draws."""

    def __init__(
        self, trial: Trial, asker: Asker, judges: Mapping[str, Endpoint], sandbox: Sandbox | None
    ) -> None:
        self._trial = trial
        self._asker = asker
        self._judges = judges
        self._sandbox = sandbox
        self._turns: Counter[str] = Counter()
        self._seen: dict[str, tuple[Message, ...]] = {}

    async def run(self, work: Generator[Effect, Any, R]) -> R:
        """Drive a generator to its end."""
        try:
            result: Any = None
            while True:
                result = await self._carry_out(work.send(result))
        except StopIteration as end:
            value: R = end.value
            return value
        finally:
            work.close()

    async def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Generate):
            return await self._ask(effect)
        if self._sandbox is None:
            raise UsageError(
                f"{self._trial.key.suite}: its solver or scorer runs code but has not said that it "
                "needs a sandbox; set `needs_sandbox`."
            )
        return await self._sandbox.run(effect.execution)

    async def _ask(self, effect: Generate) -> Generation:
        endpoint = self._trial.endpoint if effect.endpoint is None else self._judges[effect.endpoint]
        role, messages = effect.role, effect.request.messages
        before = self._seen.get(role, ())
        new = messages[len(before) :] if messages[: len(before)] == before else messages
        self._seen[role] = messages
        self._turns[role] += 1
        return await self._asker.ask(
            Question(
                request=effect.request,
                endpoint=endpoint,
                trial=self._trial.key,
                turn=self._turns[role],
                role=role,
                draw=f"{self._trial.sample.id}/{self._trial.epoch}/{role}/{self._turns[role]}",
                new=new,
            )
        )


async def work_trial(
    trial: Trial, solver: Solver, scorers: Sequence[Scorer], driver: TrialDriver
) -> tuple[Solution, list[ScoreRow]]:
    """Work a trial and score it. What the host did not deliver is Unscored, never wrong."""
    solution = await driver.run(solver.solve(trial.sample, trial.loaded.suite))
    rows: list[ScoreRow] = []
    missing = why_unscorable(solution)
    for scorer in scorers:
        if missing is not None:
            scores: Sequence[Score | Unscored] = [
                Unscored(metric=metric.name, reason=missing) for metric in scorer.metrics
            ]
        else:
            judged = scorer.score(Worked(sample=trial.sample, solution=solution))
            scores = await driver.run(judged) if isinstance(judged, Generator) else judged
        rows += [_row(trial, scorer, score) for score in scores]
    return solution, rows


def why_unscorable(solution: Solution) -> str | None:
    """The outcome that leaves nothing to score, or None if there is something.

    A cut answer with text is scored as it is; one that was cut while still reasoning is not an answer.
    """
    last = solution.generations[-1] if solution.generations else None
    if last is None:
        return "no_generation"
    if last.outcome.is_failure or last.outcome.is_blocked:
        return last.outcome.value
    response = last.response
    if response is None or not (response.text.strip() or response.tool_calls or response.refusal):
        return None if len(solution.generations) > 1 else last.outcome.value
    return None


def _row(trial: Trial, scorer: Scorer, score: Score | Unscored) -> ScoreRow:
    scored = score if isinstance(score, Score) else None
    return ScoreRow(
        trial=trial.key,
        scorer=scorer.name,
        version=scorer.version,
        at=time.time(),
        score=scored,
        unscored=None if isinstance(score, Score) else score,
    )
