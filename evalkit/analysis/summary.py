"""Every figure of an endpoint with its denominator, interval and what is missing.

Estimates are made per endpoint and suite, and per endpoint over all suites (`suite` None). Latency leaves
out trials with turns taken from another run; unpriced trials have no cost rather than none; failures and
unscored answers are counted beside each figure and never enter it as wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.estimates import figure
from evalkit.analysis.labels import suite_names
from evalkit.analysis.measures import MEASURES, SCORE, Measure, measure_of
from evalkit.analysis.quantities import quantity_of
from evalkit.analysis.table import REFUSAL_METRIC, SuiteMetrics, scored_table, suite_metrics
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.analysis.frames import Frames
    from evalkit.analysis.rundata import RunData
    from evalkit.types.run import SuiteRecord
    from evalkit.types.score import Metric

_MOST_TRIALS = 64
"""Largest k of the pass@k that a summary shows by itself."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured quantity of one endpoint; `suite` None is over all suites."""

    subject: str
    suite: str | None
    measure: str
    estimate: Estimate


class Layers(msgspec.Struct, frozen=True, kw_only=True):
    """How many trials of an endpoint ended in each outcome; they sum to `planned`."""

    subject: str
    suite: str | None
    planned: int
    counts: dict[str, int]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a set of runs. `measures` says what their keys mean, in the order to show them."""

    subjects: tuple[str, ...]
    suites: tuple[str, ...]
    figures: tuple[Figure, ...]
    layers: tuple[Layers, ...]
    measures: dict[str, Measure]

    def find(self, subject: str, measure: str, suite: str | None = None) -> Estimate | None:
        """One estimate; None if it was not measured."""
        for found in self.figures:
            if (found.subject, found.suite, found.measure) == (subject, suite, measure):
                return found.estimate
        return None


def summarize(runs: Sequence[RunData], frames: Frames) -> Summary:
    """Figures for every endpoint by suite and over all suites."""
    table, metrics = scored_table(runs, frames), suite_metrics(runs)
    records = suite_records(runs)
    keys = {suite: measured_keys(metrics[suite], record.epochs) for suite, record in records.items()}
    subjects = tuple(s.name for s in frames.subjects)
    figures: list[Figure] = []
    layers: list[Layers] = []
    for subject in subjects:
        own = table[table["subject"] == subject]
        for suite, part in [(None, own), *((name, own[own["suite"] == name]) for name in records)]:
            if part.empty:
                continue
            for key in keys[suite] if suite is not None else _OVERALL:
                made = estimate_of(part, key, metrics[suite].of(key) if suite else None)
                if made is not None:
                    figures.append(Figure(subject=subject, suite=suite, measure=key, estimate=made))
            counts = {str(k): int(v) for k, v in part["outcome"].value_counts().items()}
            layers.append(Layers(subject=subject, suite=suite, planned=len(part), counts=counts))
    return Summary(
        subjects=subjects,
        suites=tuple(records),
        figures=tuple(figures),
        layers=tuple(layers),
        measures=measures_named((f.measure for f in figures), metrics),
    )


def suite_records(runs: Sequence[RunData]) -> dict[str, SuiteRecord]:
    """The record of every suite by its name in the report."""
    names = suite_names(runs)
    return {
        names[number, record.suite.id]: record
        for number, run in enumerate(runs)
        for record in run.manifest.suites
    }


def estimate_of(part: Any, key: str, metric: Metric | None = None, level: float = 0.95) -> Estimate | None:
    """One figure of one endpoint's trials; None if the measure does not apply to them.

    Args:
        part: the endpoint's trials in one suite or several, as `scored_table` makes them.
        key: of the measure.
        metric: see `SuiteMetrics.of`.
        level: confidence level.
    """
    quantity = quantity_of(key, metric)
    units = quantity.make(part) if quantity is not None else None
    return figure(quantity, units, level) if quantity is not None and units is not None else None


def measured_keys(metrics: SuiteMetrics, epochs: int) -> tuple[str, ...]:
    """What is measured in a suite: the fixed measures, its other metrics, and pass@k where it has repeats."""
    others = tuple(f"{SCORE}{metric.name}" for metric in metrics.others if metric.name != REFUSAL_METRIC)
    sizes = [k for k in (2, 4, 8, 16, 32, _MOST_TRIALS) if k <= epochs]
    if 1 < epochs < _MOST_TRIALS and epochs not in sizes:
        sizes.append(epochs)
    repeats = tuple(f"pass_{how}_{k}" for how in ("at", "all") for k in sizes)
    return (*MEASURES, *others, *repeats)


def measures_named(keys: Iterable[str], metrics: dict[str, SuiteMetrics]) -> dict[str, Measure]:
    """What each of some keys means, the fixed measures first."""
    every = [metric for suite in metrics.values() for metric in suite.every]
    used = dict.fromkeys(keys)
    order = [key for key in MEASURES if key in used] + [key for key in used if key not in MEASURES]
    return {key: measure for key in order if (measure := measure_of(key, every)) is not None}


_OVERALL = tuple(key for key, measure in MEASURES.items() if not measure.by_suite)
