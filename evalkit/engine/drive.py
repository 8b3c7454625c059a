"""The course of one trial: its solver, then its scorers, as one generator of effects.

Whoever drives a course carries out its effects: `Generate` wherever the run's `Asker` is, `Execute` wherever
there is a sandbox. A course that is begun again gets its recorded answers from the journal, so that moving a
trial to another machine, or resuming it, asks nothing twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.engine.ask import Asker, Question
from evalkit.errors import UsageError
from evalkit.ports.core import Scorer, Solver
from evalkit.types.effects import NOT_THE_MODELS, Effect, Recall, Worked
from evalkit.types.score import Score, ScoreRow, Unscored
from evalkit.types.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.engine.plan import Trial
    from evalkit.types.chat import Message
    from evalkit.types.effects import Generate, Solution
    from evalkit.types.generation import Generation, TrialKey
    from evalkit.types.provider import Endpoint
    from evalkit.types.score import Metric
    from evalkit.types.suite import Sample


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What works the trials of one suite."""

    suite: Suite
    solver: Solver
    scorers: Sequence[Scorer]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a trial. `ended` is `answered` or why nothing could be scored; `failed` by its host."""

    rows: tuple[ScoreRow, ...]
    ended: str
    failed: bool


Course = Generator[Effect, Any, Result]


def course(key: TrialKey, sample: Sample, bench: Bench) -> Course:
    """Work a trial and score it. What the host did not deliver is Unscored, never wrong."""
    solution = yield from bench.solver.solve(sample, bench.suite)
    rows: list[ScoreRow] = []
    missing = why_unscorable(solution)
    for scorer in bench.scorers:
        if missing is not None:
            scores: Sequence[Score | Unscored] = [
                Unscored(metric=metric.name, reason=missing) for metric in _metrics_for(scorer, sample)
            ]
        else:
            try:
                judged = scorer.score(Worked(sample=sample, solution=solution))
                scores = (yield from judged) if isinstance(judged, Generator) else judged
            except Exception as error:
                error.add_note(f"in scorer {scorer.name!r} at sample {sample.id!r} of suite {key.suite!r}")
                raise
        rows += [_row(key, scorer, score) for score in scores]
    last = solution.generations[-1] if solution.generations else None
    return Result(
        rows=tuple(rows),
        ended=missing or "answered",
        failed=last is not None and last.outcome.is_failure,
    )


def _metrics_for(scorer: Scorer, sample: Sample) -> Sequence[Metric]:
    """The metrics that a sample can have: all, unless the scorer knows better."""
    of_sample = getattr(scorer, "metrics_for", None)
    return scorer.metrics if of_sample is None else of_sample(sample)


def why_unscorable(solution: Solution) -> str | None:
    """The outcome that leaves nothing to score, or None if there is something.

    A cut answer with text is scored as it is; one that was cut while still reasoning is not an answer.
    """
    if solution.ended in NOT_THE_MODELS:
        return solution.ended
    last = solution.generations[-1] if solution.generations else None
    if last is None:
        return "no_generation"
    if last.outcome.is_failure or last.outcome.is_blocked:
        return last.outcome.value
    response = last.response
    if response is not None and response.likelihood is not None:
        return None
    if response is None or not (response.text.strip() or response.tool_calls or response.refusal):
        return None if len(solution.generations) > 1 else last.outcome.value
    return None


class Turns:
    """Asks for one trial, and keeps count of its turns and draws; `judges` are its suite's, by name."""

    def __init__(self, trial: Trial, asker: Asker, judges: Mapping[str, Endpoint]) -> None:
        self._trial = trial
        self._asker = asker
        self._judges = judges
        self._turns: Counter[str] = Counter()
        self._seen: dict[str, tuple[Message, ...]] = {}

    async def ask(self, effect: Generate | Recall) -> Generation | None:
        """The answer to the trial's next question in one of its roles, or what is recorded."""
        if isinstance(effect, Recall):
            return self._asker.recorded(self._trial.key, effect.turn)
        endpoint = self._trial.endpoint if effect.endpoint is None else self._beside(effect.endpoint)
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

    def _beside(self, name: str) -> Endpoint:
        """Who is asked beside the subject. Policy, key and price were checked of none but the named."""
        endpoint = self._judges.get(name)
        if endpoint is None:
            raise UsageError(
                f"Suite {self._trial.loaded.suite.id!r} asks {name}, which none of its parts names "
                "beforehand; a scorer names whom it asks in `judges`, a solver in `users`."
            )
        return endpoint


def _row(trial: TrialKey, scorer: Scorer, score: Score | Unscored) -> ScoreRow:
    return ScoreRow(
        trial=trial,
        scorer=scorer.name,
        version=scorer.version,
        at=time.time(),
        score=score if isinstance(score, Score) else None,
        unscored=None if isinstance(score, Score) else score,
    )
