"""Trials joined with what scorers said: the table from which figures and comparisons are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.frames import EXCLUDED, PENDING
from evalkit.analysis.labels import suite_names
from evalkit.analysis.measures import SCORE
from evalkit.types.generation import Outcome
from evalkit.types.score import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.frames import Frames
    from evalkit.analysis.rundata import RunData

FAILED = tuple(o.value for o in Outcome if o.is_failure)
BLOCKED = tuple(o.value for o in Outcome if o.is_blocked)

REFUSAL_METRIC = "refusal"
REFUSAL_LABELS = frozenset({"refusal"})
STEERED_LABELS = frozenset({"official_line", "steered"})

_KEY = ["run", "subject", "suite", "sample", "epoch"]


def scored_table(runs: Sequence[RunData], frames: Frames) -> Any:
    """Trials with these columns more.

    value label      of the suite's primary metric; missing if unscored
    judgeable        its sample can have that metric: false if the metric's scorer gave others only
    bounded          that metric lies in [0, 1]
    success          it says whether the task was done, so that a cost per success means something
    higher_is_better
    refused steered  1 or 0 from the scorer that tells; missing where none did
    refused_known steered_known    the suite has such a scorer
    pending blocked valid   by outcome; what is excluded is still to be measured, so it is pending too
    group            cluster, unique over suites
    trial            number of what was asked: equal for all endpoints
    score:NAME       value of each metric; missing if unscored
    question against the probe's question, and that on its control topic; jurisdiction of the topic
    """
    table = frames.trials.copy()
    table["pending"] = table["outcome"].isin((PENDING, EXCLUDED))
    table["blocked"] = table["outcome"].isin(BLOCKED)
    table["valid"] = ~table["pending"] & ~table["outcome"].isin(FAILED)
    table["trial"] = table.groupby(["suite", "sample", "epoch"], sort=False).ngroup()
    table["group"] = table["suite"] + "/" + table["cluster"]
    metrics = suite_metrics(runs)
    suites = table["suite"]
    primary = {suite: known.primary for suite, known in metrics.items()}
    table["bounded"] = suites.map({s: m is not None and m.kind != "number" for s, m in primary.items()})
    table["success"] = suites.map({s: _is_success(m) for s, m in primary.items()})
    table["higher_is_better"] = suites.map({s: m is None or m.higher_is_better for s, m in primary.items()})
    wanted = suites.map({s: m.name if m else None for s, m in primary.items()})
    table = _join(table, frames.scores, wanted, {"value": "value", "label": "label"})
    table["judgeable"] = _judgeable(table, frames.scores, wanted)
    _add_classes(table, frames.scores, metrics)
    return _with_questions(_with_scores(table, frames.scores), runs)


def wide(frames: Frames) -> Any:
    """Trials, and a column `score:METRIC` for each metric that any scorer gave; missing if unscored."""
    return _with_scores(frames.trials, frames.scores)


def tagged(table: Any, tag: str) -> Any:
    """The trials whose sample has a tag."""
    return table[table["tags"].map(lambda tags: isinstance(tags, str) and tag in tags.split("\n"))]


class SuiteMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of a suite's scorers; `primary` is None if a run does not know its own."""

    primary: Metric | None
    every: tuple[Metric, ...]

    @property
    def others(self) -> tuple[Metric, ...]:
        """All but the primary one."""
        return tuple(m for m in self.every if self.primary is None or m.name != self.primary.name)

    def of(self, key: str) -> Metric | None:
        """The metric behind the key of a measure: that of `score:NAME`, else the primary one."""
        if key.startswith(SCORE):
            return next((m for m in self.every if m.name == key.removeprefix(SCORE)), None)
        return self.primary


def suite_metrics(runs: Sequence[RunData]) -> dict[str, SuiteMetrics]:
    """The metrics of every suite by its name in the report."""
    names = suite_names(runs)
    return {
        names[number, record.suite.id]: SuiteMetrics(
            primary=next((m for m in record.metrics if m.name == record.suite.primary), None),
            every=record.metrics,
        )
        for number, run in enumerate(runs)
        for record in run.manifest.suites
    }


def _is_success(metric: Metric | None) -> bool:
    return metric is not None and metric.kind in {"binary", "fraction"} and metric.higher_is_better


def _join(table: Any, scores: Any, wanted: Any, columns: dict[str, str]) -> Any:
    """Add columns of the scores of one metric per row; `wanted` names the metric of each row."""
    keyed = table.assign(metric=wanted)
    chosen = scores[[*_KEY, "metric", *columns]].rename(columns=columns)
    return keyed.merge(chosen, on=[*_KEY, "metric"], how="left").drop(columns="metric")


def _judgeable(table: Any, scores: Any, wanted: Any) -> list[bool]:
    """Whether each trial's sample can have the metric of its row: tasks of one suite may differ in theirs."""
    primary = dict(zip(table["suite"], wanted, strict=True))
    rows = list(zip(_keys(scores), scores["suite"], scores["scorer"], scores["metric"], strict=True))
    givers = {(suite, scorer) for _, suite, scorer, metric in rows if metric == primary.get(suite)}
    having = {key for key, suite, _, metric in rows if metric == primary.get(suite)}
    told = {key for key, suite, scorer, _ in rows if (suite, scorer) in givers}
    return [key in having or key not in told for key in _keys(table)]


def _keys(table: Any) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name] for name in _KEY), strict=True))


def _with_scores(table: Any, scores: Any) -> Any:
    """Add a column for each metric that any scorer gave."""
    if scores.empty:
        return table
    wide = scores.pivot(index=_KEY, columns="metric", values="value").add_prefix(SCORE)
    return table.join(wide, on=_KEY)


def _with_questions(table: Any, runs: Sequence[RunData]) -> Any:
    """Add what a probe asks, what its control asks, and whose topic it is.

    A probe is a sample whose `data.control` names the topic that it is held against, unless its `role` says
    that it is something else, such as a knowledge check.
    """
    names = suite_names(runs)
    known: dict[tuple[str, str], tuple[str, str | None, str | None]] = {}
    for number, run in enumerate(runs):
        for suite, samples in run.samples.items():
            for sample in samples:
                data = sample.data
                if data.get("role", "probe") == "probe" and isinstance(data.get("topic"), str):
                    rest = f"\n{data.get('form', '')}\n{sample.language or ''}"
                    control = data.get("control")
                    against = control + rest if isinstance(control, str) else None
                    asked = (data["topic"] + rest, against, data.get("jurisdiction"))
                    known[names[number, suite], sample.id] = asked
    if not any(against for _, against, _ in known.values()):
        return table.assign(question=None, against=None, jurisdiction=None)
    keys = list(zip(table["suite"], table["sample"], strict=True))
    nothing = (None, None, None)
    columns = zip(*(known.get(key, nothing) for key in keys), strict=True)
    return table.assign(**dict(zip(("question", "against", "jurisdiction"), map(list, columns), strict=True)))


def _add_classes(table: Any, scores: Any, metrics: dict[str, SuiteMetrics]) -> None:
    """Add `refused` and `steered` from a label metric that has such labels, or a `refusal` metric."""
    for column, labels in (("refused", REFUSAL_LABELS), ("steered", STEERED_LABELS)):
        sources = {suite: _source(known.every, labels, column) for suite, known in metrics.items()}
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
