"""What lm-eval's metrics mean for single documents, and their values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.errors import DefinitionError
from evalkit.types.score import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.lmeval.samples import Document
    from evalkit.types.suite import LmEvalSource

_BINARY = {"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"}
_PLAIN = {"mean", "nanmean"}


class TaskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it was used. `aggregations` says how lm-eval joins the documents' values of each metric."""

    version: str
    output_type: str
    num_fewshot: int
    filters: tuple[str, ...]
    aggregations: dict[str, str]

    @property
    def metrics(self) -> dict[str, str]:
        """Names as lm-eval writes them, with the filter where there is a choice, to the metric's own name."""
        return {named(metric, f): metric for f in self.filters for metric in self.aggregations}


class Valued(msgspec.Struct, frozen=True):
    """A document's value for a metric; None with the reason where there is none.

    `answer` is the text that the filter took from the model's words.
    """

    value: float | None
    reason: str = ""
    answer: str | None = None


def named(metric: str, filter_name: str) -> str:
    """`exact_match` for the default filter, else `exact_match,strict-match` as in lm-eval's results."""
    return metric if filter_name == "none" else f"{metric},{filter_name}"


def facts_of(task: Any) -> TaskFacts:
    """What a run keeps of a task."""
    return TaskFacts(
        version=str(task.VERSION),
        output_type=str(task.OUTPUT_TYPE),
        num_fewshot=int(task.get_config("num_fewshot") or 0),
        filters=tuple(ensemble.name for ensemble in task._filters),
        aggregations={name: _name_of(function) for name, function in task.aggregation().items()},
    )


def declared(tasks: Mapping[str, Any], source: LmEvalSource) -> list[Metric]:
    """Every metric of some tasks, as the report shows it.

    Raises:
        DefinitionError: two tasks have one metric in two senses.
    """
    found: dict[str, Metric] = {}
    for name, task in tasks.items():
        facts = facts_of(task)
        better = task.higher_is_better()
        for shown, metric in facts.metrics.items():
            kind = source.kinds.get(metric) or _kind(task, metric)
            how = facts.aggregations[metric]
            meaning = f"{shown} of lm-eval, for each document."
            if how not in _PLAIN:
                meaning = (
                    f"{shown} of lm-eval, for each document; lm-eval itself joins the documents by {how}."
                )
            new = Metric(
                name=shown,
                title=shown,
                meaning=meaning,
                kind=kind,
                higher_is_better=bool(better.get(metric, True)),
            )
            if found.setdefault(shown, new) != new:
                raise DefinitionError(
                    f"lm_eval.tasks: {shown!r} of {name!r} means something else than in another task of the "
                    "suite; give each task a suite of its own."
                )
    return list(found.values())


def values(task: Any, facts: TaskFacts, document: Document, answers: Sequence[Any]) -> dict[str, Valued]:
    """What the task's own filters and metrics make of the recorded answers to one document.

    `answers` are texts, one for each repeat, or pairs of log-likelihood and whether it was the likeliest
    continuation, one for each of the document's pairs. Raises whatever the task's code raises.
    """
    from lm_eval.api.instance import Instance

    def instance(index: int, arguments: tuple[Any, ...], given: list[Any]) -> Any:
        kind = "loglikelihood" if document.pairs else "generate_until"
        meta = (document.task, document.number, document.repeats)
        return Instance(kind, document.doc, arguments, index, metadata=meta, resps=given)

    if document.pairs:
        asked = [instance(n, pair, [answers[n]]) for n, pair in enumerate(document.pairs)]
    else:
        asked = [instance(0, ("", {}), list(answers))]
    found: dict[str, Valued] = {}
    for ensemble in task._filters:
        ensemble.apply(asked)
        results = task.process_results(document.doc, [one.filtered_resps[ensemble.name] for one in asked])
        for metric, how in facts.aggregations.items():
            shown = named(metric, ensemble.name)
            given = _valued(results[metric], how) if metric in results else Valued(None, "not_given")
            found[shown] = msgspec.structs.replace(
                given, answer=_taken(asked[0].filtered_resps[ensemble.name])
            )
    return found


def _taken(filtered: Any) -> str | None:
    return filtered[:500] if isinstance(filtered, str) else None


def _valued(value: Any, how: str) -> Valued:
    """A number, or the mean of a list of them; what only means something for all documents is none."""
    from lm_eval.api.registry import AGGREGATION_REGISTRY

    if how not in _PLAIN and how in AGGREGATION_REGISTRY:
        return Valued(None, f"lm-eval computes it over all documents ({how})")
    if isinstance(value, list) and value:
        parts = [_number(part) for part in value]
        number = None if None in parts else math.fsum(p for p in parts if p is not None) / len(parts)
    else:
        number = _number(value)
    if number is None:
        return Valued(None, f"no number for a document ({how})")
    return Valued(number) if math.isfinite(number) else Valued(None, "not_finite")


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError):
        return None


def _kind(task: Any, metric: str) -> Any:
    """Own code may call anything `acc`, so only lm-eval's own metrics are known to be 0 or 1."""
    return "binary" if metric in _BINARY and task.get_config("process_results") is None else "number"


def _name_of(function: Any) -> str:
    from lm_eval.api.registry import AGGREGATION_REGISTRY

    known = {id(f): name for name, f in AGGREGATION_REGISTRY.items()}
    return known.get(id(function)) or str(getattr(function, "__name__", type(function).__name__))
