"""A task's own filters and metrics of lm-eval, applied to each document's recorded answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.errors import UsageError
from evalkit.lmeval.metrics import TaskFacts, Valued, facts_of, values
from evalkit.lmeval.samples import Document, document_of
from evalkit.lmeval.tasks import load, undisturbed
from evalkit.types.score import Metric, Score, Unscored
from evalkit.types.suite import LmEvalSource

if TYPE_CHECKING:
    from evalkit.ports.core import Scorer, Scores
    from evalkit.types.effects import Worked
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filled in when the suite is read.

    `version` is lm-eval's own, `folder` is the suite's on this machine.
    """

    version: str = ""
    source: LmEvalSource = LmEvalSource(tasks=())
    folder: str = "."
    tasks: dict[str, TaskFacts] = {}
    metrics: tuple[Metric, ...] = ()


def build(options: Options) -> Scorer:
    """The scorer `lm_eval`."""
    return LmEval(options)


class LmEval:
    """See `evalkit.ports.core.Scorer`."""

    name = "lm_eval"
    needs_sandbox = False

    def __init__(self, options: Options) -> None:
        self._options = options
        self.version = options.version or "1"
        self.metrics = options.metrics

    def metrics_for(self, sample: Sample) -> tuple[Metric, ...]:
        """The metrics of the sample's own task; those of the suite's other tasks say nothing of it."""
        own = self._options.tasks[document_of(sample).task].metrics
        return tuple(metric for metric in self.metrics if metric.name in own)

    def score(self, worked: Worked) -> Scores:
        """See `evalkit.ports.core.Scorer`."""
        document = document_of(worked.sample)
        names = [metric.name for metric in self.metrics_for(worked.sample)]
        answers: list[Any] = []
        for generation in worked.solution.generations:
            answer = _answer(generation, document)
            if answer is None:
                return [Unscored(metric=name, reason=generation.outcome.value) for name in names]
            answers.append(answer)
        if len(answers) != (len(document.pairs) or document.repeats):
            return [Unscored(metric=name, reason="no_generation") for name in names]
        facts = self._options.tasks[document.task]
        try:
            with undisturbed():
                found = values(self._task(document.task, facts), facts, document, answers)
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001  # the task's own code, which may raise anything
            detail = f"{type(error).__name__}: {error}"[:300]
            return [Unscored(metric=name, reason="task_error", detail=detail) for name in names]
        return [_row(name, found[name]) for name in names]

    def _task(self, name: str, facts: TaskFacts) -> Any:
        task = load(self._options.source, Path(self._options.folder)).tasks[name]
        now = facts_of(task)
        if now != facts:
            raise UsageError(
                f"Task {name!r} of lm-eval is not the one that was run: it was {facts.version} with "
                f"{', '.join(facts.metrics)}, and is {now.version} with {', '.join(now.metrics)}; install "
                f"lm-eval {self._options.version} or run again."
            )
        return task


def _row(name: str, found: Valued) -> Score | Unscored:
    if found.value is None:
        return Unscored(metric=name, reason="no_value", detail=found.reason)
    return Score(metric=name, value=found.value, answer=found.answer)


def _answer(generation: Generation, document: Document) -> Any:
    """A text, or a log-likelihood with whether it was the likeliest; None if the host gave none."""
    response = generation.response
    if response is None or generation.outcome.is_failure or generation.outcome.is_blocked:
        return None
    if not document.pairs:
        return response.text if response.text.strip() else None
    if response.likelihood is None:
        return None
    return response.likelihood.logprob, response.likelihood.greedy
