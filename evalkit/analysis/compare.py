"""Endpoints side by side on the samples that both were asked.

Every other endpoint is compared with the reference; the tests of one report are one family under Holm's
correction. Repeats of a sample and samples of one cluster are one independent unit.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.estimates import Form, change, differ, gains_losses, matched
from evalkit.analysis.labels import reference_of
from evalkit.analysis.measures import MEASURES, SCORE, Measure
from evalkit.analysis.quantities import quantity_of
from evalkit.analysis.summary import measures_named
from evalkit.analysis.table import REFUSAL_METRIC, SuiteMetrics, scored_table, suite_metrics
from evalkit.stats.multiplicity import holm
from evalkit.types.estimate import Estimate
from evalkit.types.gate import Flip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalkit.analysis.frames import Frames
    from evalkit.analysis.quantities import Units
    from evalkit.analysis.rundata import RunData

ALPHA = 0.05

_POWER_FACTOR = (1.959964 + 0.841621) / 1.959964
"""Half-width of a 95 % interval to the difference found with 80 % power (Cohen 1988, normal theory)."""

_TRIAL = ["suite", "sample", "epoch"]

_OVERALL = (
    "delivered",
    "blocked",
    "refused",
    "steered",
    "first_token_p50",
    "total_p50",
    "rate",
    "cost_per_1k",
)
"""What is compared over all suites; by suite it is quality and every other metric."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint against another in one measure.

    `estimate` is subject minus reference, or subject over reference where `form` is `ratio`. `better` and
    `worse` count common samples on which the subject is better or worse. `detectable` is the smallest true
    difference that this many pairs find with 80 % power, in the unit of `estimate`; None for ratios.
    `only_one` counts samples that just one of the two delivered.
    """

    subject: str
    reference: str
    suite: str | None
    measure: str
    form: Form
    estimate: Estimate
    p_value: float
    method: str
    better: int
    worse: int
    higher_is_better: bool | None
    adjusted: float = 1.0
    significant: bool = False
    only_one: int = 0
    detectable: float | None = None

    @property
    def favours_subject(self) -> bool | None:
        """Whether the value speaks for the subject; None if it speaks for neither."""
        neutral = 1.0 if self.form == "ratio" else 0.0
        value = self.estimate.value
        if value is None or value == neutral or self.higher_is_better is None:
            return None
        return (value > neutral) == self.higher_is_better


class Comparisons(msgspec.Struct, frozen=True, kw_only=True):
    """All comparisons of a report. `family` is the number of tests that share the error rate `alpha`.

    `best` names, for a suite (None: all) and measure, the endpoint that is significantly better than every
    other one. These marks are a family of their own of `best_family` rows.
    """

    reference: str | None
    tests: tuple[Comparison, ...] = ()
    flips: tuple[Flip, ...] = ()
    family: int = 0
    alpha: float = ALPHA
    best: dict[tuple[str | None, str], str] = {}
    best_family: int = 0
    measures: dict[str, Measure] = {}

    def find(self, subject: str, measure: str, suite: str | None = None) -> Comparison | None:
        """The comparison of one subject with the reference; None if there is none."""
        for test in self.tests:
            if (test.subject, test.suite, test.measure) == (subject, suite, measure):
                return test
        return None


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """Trials of endpoints that are compared, with the metrics of their suites, by suite."""

    table: Any
    metrics: dict[str, SuiteMetrics]

    def units(self, subject: str, key: str, suite: str | None = None) -> Units | None:
        """One endpoint's observations of a measure; None if it does not apply."""
        quantity = quantity_of(key, self.metrics[suite].of(key) if suite else None)
        own = self.table[self.table["subject"] == subject]
        part = own if suite is None else own[own["suite"] == suite]
        return quantity.make(part) if quantity is not None and len(part) else None


def compare(
    runs: Sequence[RunData], frames: Frames, *, reference: str | None = None, only: Sequence[str] = ()
) -> Comparisons:
    """Every endpoint against the reference, with the family's correction, flips and best marks.

    Args:
        runs: the runs of the frames.
        frames: their rows.
        reference: the subject that others are compared with, if not the runs' own.
        only: compare these subjects and no others.
    """
    names = [s.name for s in frames.subjects if not only or s.name in only]
    planned = reference_of(runs, [s for s in frames.subjects if s.name in names])
    base = reference or (planned.name if planned else None)
    if base is None or len(names) < 2:
        return Comparisons(reference=base)
    sides = Sides(table=scored_table(runs, frames), metrics=suite_metrics(runs))
    units: dict[tuple[str, str, str | None], Units | None] = {
        (name, key, suite): sides.units(name, key, suite)
        for name in names
        for key, suite in _compared(sides.metrics)
    }

    @cache
    def pair(a: str, b: str, key: str, suite: str | None) -> Comparison | None:
        return _comparison(sides, units, (a, b), key, suite)

    lines = list(_compared(sides.metrics))
    made = (pair(name, base, key, suite) for name in names if name != base for key, suite in lines)
    tests = [one for one in made if one is not None]
    best, rows = _best(names, base, lines, pair)
    return Comparisons(
        reference=base,
        tests=_corrected(tests),
        flips=tuple(flips_between(sides.table, frames.scores, names, base)),
        family=len(tests),
        best=best,
        best_family=rows,
        measures=measures_named((t.measure for t in tests), sides.metrics),
    )


def _compared(metrics: dict[str, SuiteMetrics]) -> Iterator[tuple[str, str | None]]:
    """Measures with the suite in which they are compared, in the order of the table."""
    for suite, known in metrics.items():
        yield "quality", suite
        for metric in known.others:
            if metric.name != REFUSAL_METRIC:
                yield f"{SCORE}{metric.name}", suite
    for key in _OVERALL:
        yield key, None


def usual_form(key: str) -> Form:
    """How a measure is compared in a report: amounts of time and money as ratios."""
    quantity = quantity_of(key)
    amount = quantity is not None and (quantity.kind == "quantile" or key == "cost_per_1k")
    return "ratio" if amount else "difference"


def _comparison(
    sides: Sides,
    units: dict[tuple[str, str, str | None], Units | None],
    names: tuple[str, str],
    key: str,
    suite: str | None,
) -> Comparison | None:
    """One comparison; None if no sample has both values."""
    metric = sides.metrics[suite].of(key) if suite else None
    quantity = quantity_of(key, metric)
    ours, theirs = (units[name, key, suite] for name in names)
    pairs = matched(ours, theirs) if ours is not None and theirs is not None else None
    if quantity is None or pairs is None:
        return None
    form = usual_form(key)
    estimate, tested = change(quantity, pairs, form), differ(quantity, pairs)
    better = MEASURES[key].better if key in MEASURES else None
    higher = metric.higher_is_better if metric else better == "higher"
    gains, losses = gains_losses(quantity, pairs)
    half = estimate.half_width
    return Comparison(
        subject=names[0],
        reference=names[1],
        suite=suite,
        measure=key,
        form=form,
        estimate=estimate,
        p_value=tested.p_value,
        method=tested.method,
        better=gains if higher else losses,
        worse=losses if higher else gains,
        higher_is_better=higher if metric or better else None,
        only_one=pairs.only_one,
        detectable=None if half is None or form == "ratio" else half * _POWER_FACTOR,
    )


def _corrected(tests: list[Comparison]) -> tuple[Comparison, ...]:
    family = holm({str(i): t.p_value for i, t in enumerate(tests)}, alpha=ALPHA)
    return tuple(
        msgspec.structs.replace(t, adjusted=c.adjusted, significant=c.significant)
        for t, c in zip(tests, family.tests, strict=True)
    )


def _best(
    names: Sequence[str],
    base: str,
    lines: Sequence[tuple[str, str | None]],
    pair: Callable[[str, str, str, str | None], Comparison | None],
) -> tuple[dict[tuple[str | None, str], str], int]:
    """Endpoints that beat every other one, corrected over the rows of the matrix.

    An endpoint is best only if it beats all others, so its p-value is the largest of theirs; times the
    number of rivals, because which endpoint is tested was chosen by looking.
    """
    order = [base, *(name for name in names if name != base)]
    leaders: dict[tuple[str | None, str], tuple[str, float]] = {}
    for key, suite in lines:

        def test(a: str, b: str, key: str = key, suite: str | None = suite) -> Comparison | None:
            first, second = sorted((a, b), key=order.index)
            return pair(second, first, key, suite) if first == base else pair(first, second, key, suite)

        won = _beats_all(order, test)
        if won is not None:
            leaders[suite, key] = won[0], min(1.0, won[1] * (len(names) - 1))
        elif any(test(a, b) is not None for a, b in combinations(order, 2)):
            leaders[suite, key] = "", 1.0
    keys = list(leaders)
    family = holm({str(i): leaders[key][1] for i, key in enumerate(keys)}, alpha=ALPHA)
    best = {key: leaders[key][0] for key, t in zip(keys, family.tests, strict=True) if t.significant}
    return best, family.size


def _beats_all(
    names: Sequence[str], test: Callable[[str, str], Comparison | None]
) -> tuple[str, float] | None:
    """The one name that every comparison with another speaks for, and the largest p-value of these.

    Who has not beaten one other is out, so that one round leaves a single candidate, and a second one settles
    whether it beats those that it did not meet: twice as many comparisons as names, not one for each pair.
    """
    left: str | None = None
    for name in names:
        left = name if left is None else _winner(test(left, name))
    if left is None:
        return None
    rivals = [test(left, name) for name in names if name != left]
    if any(_winner(one) != left for one in rivals):
        return None
    return left, max(one.p_value for one in rivals if one is not None)


def _winner(test: Comparison | None) -> str | None:
    if test is None or test.favours_subject is None:
        return None
    return test.subject if test.favours_subject else test.reference


def flips_between(table: Any, scores: Any, names: list[str], reference: str) -> Iterator[Flip]:
    """Samples scored differently from the reference, suite by suite."""
    key = ["run", "subject", "suite", "sample", "epoch"]
    reasons = {
        (*row[:5], row[5]): row[6]
        for row in scores[[*key, "value", "explanation"]].itertuples(index=False, name=None)
        if row[6] is not None
    }
    delivered = table[table["delivered"] & table["value"].notna()]
    own = delivered[delivered["subject"] == reference].set_index(_TRIAL)
    for name in names:
        if name == reference:
            continue
        other = delivered[delivered["subject"] == name].set_index(_TRIAL)
        both = other.merge(
            own[["value", "run", "subject"]],
            left_index=True,
            right_index=True,
            suffixes=("", "_reference"),
        )
        both = both[both["value"] != both["value_reference"]]
        for (suite, sample, epoch), row in zip(both.index, both.to_dict("records"), strict=True):
            trial = (suite, sample, epoch)
            yield Flip(
                subject=name,
                suite=suite,
                sample=sample,
                epoch=int(epoch),
                better=(row["value"] > row["value_reference"]) == bool(row["higher_is_better"]),
                reference_value=float(row["value_reference"]),
                subject_value=float(row["value"]),
                reference_reason=reasons.get(
                    (row["run_reference"], reference, *trial, row["value_reference"])
                ),
                subject_reason=reasons.get((row["run"], name, *trial, row["value"])),
            )
