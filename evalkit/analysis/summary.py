"""Every figure of an endpoint with its denominator, interval and what is missing.

Estimates are made per endpoint and suite, and per endpoint over all suites (`suite` None). Latency leaves
out trials with turns taken from another run; unpriced trials have no cost rather than none; failures and
unscored answers are counted beside each figure and never enter it as wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.labels import suite_names
from evalkit.analysis.measures import MEASURES
from evalkit.analysis.table import FAILED, scored_table
from evalkit.stats.intervals import mean, rate
from evalkit.stats.quantiles import quantile
from evalkit.stats.ratios import cost_per_success
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.analysis.frames import Frames
    from evalkit.analysis.rundata import RunData
    from evalkit.types.run import SuiteRecord

Table = Any
"""A pandas frame as `scored_table` makes it."""


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
    """All figures of a set of runs."""

    subjects: tuple[str, ...]
    suites: tuple[str, ...]
    figures: tuple[Figure, ...]
    layers: tuple[Layers, ...]

    def find(self, subject: str, measure: str, suite: str | None = None) -> Estimate | None:
        """One estimate; None if it was not measured."""
        for figure in self.figures:
            if (figure.subject, figure.suite, figure.measure) == (subject, suite, measure):
                return figure.estimate
        return None


def summarize(runs: Sequence[RunData], frames: Frames) -> Summary:
    """Figures for every endpoint by suite and over all suites."""
    table = scored_table(runs, frames)
    records = suite_records(runs)
    subjects = tuple(s.name for s in frames.subjects)
    figures: list[Figure] = []
    layers: list[Layers] = []
    for subject in subjects:
        own = table[table["subject"] == subject]
        for suite, part in [(None, own), *((name, own[own["suite"] == name]) for name in records)]:
            if part.empty:
                continue
            for measure, estimate in _estimates(part, suite, records).items():
                figures.append(Figure(subject=subject, suite=suite, measure=measure, estimate=estimate))
            counts = {str(k): int(v) for k, v in part["outcome"].value_counts().items()}
            layers.append(Layers(subject=subject, suite=suite, planned=len(part), counts=counts))
    return Summary(subjects=subjects, suites=tuple(records), figures=tuple(figures), layers=tuple(layers))


def suite_records(runs: Sequence[RunData]) -> dict[str, SuiteRecord]:
    """The record of every suite by its name in the report."""
    names = suite_names(runs)
    return {
        names[number, record.suite.id]: record
        for number, run in enumerate(runs)
        for record in run.manifest.suites
    }


def _estimates(part: Table, suite: str | None, records: dict[str, SuiteRecord]) -> dict[str, Estimate]:
    """All measures of one endpoint in one suite or over all; those that do not apply are left out."""
    made = {name: make(part) for name, make in _MEASURED.items()}
    if suite is not None:
        bounded = bool(part["bounded"].iloc[0])
        made["quality"] = _quality(part, bounded=bounded)
        if bounded:
            made["quality_planned"] = _quality_planned(part)
    successes = part[part["success"]]
    if not successes.empty:
        made["cost_per_success"] = _cost_per_success(successes)
    for name, column in (("refused", "refused"), ("steered", "steered")):
        known = part[part[column + "_known"]]
        if not known.empty:
            made[name] = _class_share(known, column, blocked=name == "steered")
    judged = part[part["refused_known"]]
    if not judged.empty:
        made["refused_served"] = _class_share(judged, "refused", blocked=True, as_value=1.0)
    return {name: made[name] for name in MEASURES if name in made}


def _run(part: Table) -> Table:
    """Trials that were run."""
    return part[~part["pending"]]


def _estimate(values: Table, column: str, make: Callable[..., Estimate], why: str) -> Estimate:
    """An estimate of a column's known values, clustered; absent if there is none."""
    known = values[values[column].notna()]
    if known.empty:
        return Estimate.absent(why)
    return make(known[column].to_numpy(), known["group"].tolist())


def _delivered(part: Table) -> Estimate:
    run = _run(part)
    if run.empty:
        return Estimate.absent("no trial that counts was run yet", unscored=len(part))
    made = rate(run["delivered"].to_numpy(dtype=float), run["group"].tolist())
    return made.with_missing(failed=0, unscored=len(part) - len(run))


def _blocked(part: Table) -> Estimate:
    run = _run(part)
    valid = run[~run["outcome"].isin(FAILED)]
    failed = len(run) - len(valid)
    if valid.empty:
        return Estimate.absent("no trial got past host failures", failed=failed)
    made = rate(valid["blocked"].to_numpy(dtype=float), valid["group"].tolist())
    return made.with_missing(failed=failed, unscored=len(part) - len(run))


def _quality(part: Table, *, bounded: bool) -> Estimate:
    run = _run(part)
    delivered = run[run["delivered"]]
    made = _estimate(delivered, "value", rate if bounded else mean, "no delivered answer has a score")
    return made.with_missing(failed=len(run) - len(delivered), unscored=int(delivered["value"].isna().sum()))


def _quality_planned(part: Table) -> Estimate:
    run = _run(part)
    unscored = int((run["delivered"] & run["value"].isna()).sum())
    if not int((run["delivered"] & run["value"].notna()).sum()) and unscored:
        return Estimate.absent("no delivered answer has a score", unscored=unscored)
    counted = run[~(run["delivered"] & run["value"].isna())]
    if counted.empty:
        return Estimate.absent("no trial that counts was run yet", unscored=unscored)
    values = counted["value"].where(counted["delivered"], 0.0)
    return rate(values.to_numpy(), counted["group"].tolist()).with_missing(failed=0, unscored=unscored)


def _class_share(part: Table, column: str, *, blocked: bool, as_value: float = 0.0) -> Estimate:
    """Share of a class among delivered answers, and blocked trials if these are valid observations too."""
    run = _run(part)
    values = run[column].where(run["delivered"])
    if blocked:
        values = values.where(~run["blocked"], as_value)
    made = _estimate(run.assign(share=values), "share", rate, "no answer has a class")
    failed = int((~run["delivered"] & ~(run["blocked"] & blocked)).sum())
    return made.with_missing(failed=failed, unscored=int((run["delivered"] & values.isna()).sum()))


def _latency(column: str, q: float) -> Callable[[Table], Estimate]:
    def make(part: Table) -> Estimate:
        run = _run(part)
        timed = run[run["delivered"] & ~run["reused"]]
        made = _estimate(timed, column, lambda v, c: quantile(v, q, c), "no delivered answer was timed")
        failed = int((~run["delivered"]).sum())
        return made.with_missing(failed=failed, unscored=len(run) - failed - made.n)

    return make


def _mean_of(column: str, factor: float, why: str) -> Callable[[Table], Estimate]:
    def make(part: Table) -> Estimate:
        run = _run(part)
        answered = run[run["answered"]]
        made = scaled(_estimate(answered, column, mean, why), factor)
        return made.with_missing(failed=len(run) - len(answered), unscored=len(answered) - made.n)

    return make


def _cost_per_success(part: Table) -> Estimate:
    run = _run(part)
    answered = run[run["answered"]]
    gained = answered["value"].where(answered["delivered"], 0.0)
    known = answered[answered["usd"].notna() & gained.notna()]
    missing = {"failed": len(run) - len(answered), "unscored": len(answered) - len(known)}
    if known.empty:
        why = "unpriced" if answered["usd"].isna().all() else "no priced answer has a score"
        return Estimate.absent(why, **missing)
    made = cost_per_success(known["usd"].to_numpy(), gained[known.index].to_numpy(), known["group"].tolist())
    return made.with_missing(**missing)


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """The estimate in another unit, for example per thousand."""
    value, low, high = (
        None if x is None else x * factor for x in (estimate.value, estimate.low, estimate.high)
    )
    return msgspec.structs.replace(estimate, value=value, low=low, high=high)


_MEASURED: dict[str, Callable[[Table], Estimate]] = {
    "delivered": _delivered,
    "blocked": _blocked,
    "first_token_p50": _latency("first_token_s", 0.5),
    "first_token_p95": _latency("first_token_s", 0.95),
    "total_p50": _latency("total_s", 0.5),
    "total_p95": _latency("total_s", 0.95),
    "rate": _latency("rate", 0.5),
    "cost_per_1k": _mean_of("usd", 1000.0, "unpriced"),
    "tokens_in": _mean_of("input", 1.0, "the host reports no usage"),
    "tokens_out": _mean_of("output", 1.0, "the host reports no usage"),
}
