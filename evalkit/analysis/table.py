"""Trials joined with what scorers said: the table from which figures and comparisons are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.analysis.frames import EXCLUDED, PENDING
from evalkit.analysis.labels import suite_names
from evalkit.types.generation import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.frames import Frames
    from evalkit.analysis.rundata import RunData
    from evalkit.types.score import Metric

FAILED = tuple(o.value for o in Outcome if o.is_failure)
BLOCKED = tuple(o.value for o in Outcome if o.is_blocked)

REFUSAL_METRIC = "refusal"
REFUSAL_LABELS = frozenset({"refusal"})
STEERED_LABELS = frozenset({"official_line", "steered"})

_KEY = ["run", "subject", "suite", "sample", "epoch"]


def scored_table(runs: Sequence[RunData], frames: Frames) -> Any:
    """Trials with these columns more.

    value label      of the suite's primary metric; missing if unscored
    bounded          that metric lies in [0, 1]
    success          it says whether the task was done, so that a cost per success means something
    higher_is_better
    refused steered  1 or 0 from the scorer that tells; missing where none did
    refused_known steered_known    the suite has such a scorer
    pending blocked  by outcome; what is excluded is still to be measured, so it is pending too
    group            cluster, unique over suites
    """
    table = frames.trials.copy()
    table["pending"] = table["outcome"].isin((PENDING, EXCLUDED))
    table["blocked"] = table["outcome"].isin(BLOCKED)
    table["group"] = table["suite"] + "/" + table["cluster"]
    metrics = _metrics(runs)
    suites = table["suite"]
    primary = {suite: chosen for suite, (chosen, _) in metrics.items()}
    table["bounded"] = suites.map({s: m is not None and m.kind != "number" for s, m in primary.items()})
    table["success"] = suites.map({s: _is_success(m) for s, m in primary.items()})
    table["higher_is_better"] = suites.map({s: m is None or m.higher_is_better for s, m in primary.items()})
    wanted = suites.map({s: m.name if m else None for s, m in primary.items()})
    table = _join(table, frames.scores, wanted, {"value": "value", "label": "label"})
    _add_classes(table, frames.scores, metrics)
    return table


def _metrics(runs: Sequence[RunData]) -> dict[str, tuple[Metric | None, tuple[Metric, ...]]]:
    """Primary and all metrics of every suite."""
    names = suite_names(runs)
    found: dict[str, tuple[Metric | None, tuple[Metric, ...]]] = {}
    for number, run in enumerate(runs):
        for record in run.manifest.suites:
            primary = next((m for m in record.metrics if m.name == record.suite.primary), None)
            found[names[number, record.suite.id]] = (primary, record.metrics)
    return found


def _is_success(metric: Metric | None) -> bool:
    return metric is not None and metric.kind in {"binary", "fraction"} and metric.higher_is_better


def _join(table: Any, scores: Any, wanted: Any, columns: dict[str, str]) -> Any:
    """Add columns of the scores of one metric per row; `wanted` names the metric of each row."""
    keyed = table.assign(metric=wanted)
    chosen = scores[[*_KEY, "metric", *columns]].rename(columns=columns)
    return keyed.merge(chosen, on=[*_KEY, "metric"], how="left").drop(columns="metric")


def _add_classes(
    table: Any, scores: Any, metrics: dict[str, tuple[Metric | None, tuple[Metric, ...]]]
) -> None:
    """Add `refused` and `steered` from a label metric that has such labels, or a `refusal` metric."""
    for column, labels in (("refused", REFUSAL_LABELS), ("steered", STEERED_LABELS)):
        sources = {suite: _source(every, labels, column) for suite, (_, every) in metrics.items()}
        wanted = table["suite"].map({s: m.name if m else None for s, m in sources.items()})
        joined = _join(table[_KEY], scores, wanted, {"value": "_value", "label": "_label"})
        by_label = joined["_label"].isin(labels).astype(float).where(joined["_label"].notna())
        kinds = {s: m is not None and m.kind == "label" for s, m in sources.items()}
        table[column] = by_label.where(table["suite"].map(kinds).to_numpy(), joined["_value"]).to_numpy()
        table[column + "_known"] = wanted.notna()


def _source(metrics: tuple[Metric, ...], labels: frozenset[str], column: str) -> Metric | None:
    """The metric that tells: one with these labels, else (for refusals) the plain refusal metric."""
    for metric in metrics:
        if metric.kind == "label" and labels & set(metric.labels):
            return metric
    if column == "refused":
        return next((m for m in metrics if m.name == REFUSAL_METRIC and m.kind == "binary"), None)
    return None
