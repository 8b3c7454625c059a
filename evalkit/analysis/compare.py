"""Endpoints side by side on the samples that both were asked.

Every other endpoint is compared with the reference; the tests of one report are one family under Holm's
correction. Repeats of a sample and samples of one cluster are one independent unit.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from evalkit.analysis.labels import reference_of
from evalkit.analysis.measures import MEASURES
from evalkit.analysis.table import scored_table
from evalkit.stats.intervals import mean
from evalkit.stats.multiplicity import holm
from evalkit.stats.paired import paired_difference, paired_mean_difference, sign_flip_test
from evalkit.stats.ratios import ratio_of_means
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.analysis.frames import Frames
    from evalkit.analysis.rundata import RunData

ALPHA = 0.05
Form = Literal["difference", "ratio"]

_POWER_FACTOR = (1.959964 + 0.841621) / 1.959964
"""Half-width of a 95 % interval to the difference found with 80 % power (Cohen 1988, normal theory)."""


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


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A sample whose score differs between subject and reference, with what the scorer said of each."""

    subject: str
    suite: str
    sample: str
    epoch: int
    better: bool
    reference_value: float
    subject_value: float
    reference_reason: str | None
    subject_reason: str | None


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

    def find(self, subject: str, measure: str, suite: str | None = None) -> Comparison | None:
        """The comparison of one subject with the reference; None if there is none."""
        for test in self.tests:
            if (test.subject, test.suite, test.measure) == (subject, suite, measure):
                return test
        return None


class _Aspect(msgspec.Struct, frozen=True, kw_only=True):
    """How a measure is compared: the column of the table, and which trials may enter."""

    measure: str
    column: str
    form: Form = "difference"
    bounded: bool = True
    by_suite: bool = False
    usable: Callable[[Any], Any] = lambda t: ~t["pending"]


_ASPECTS = (
    _Aspect(measure="quality", column="value", by_suite=True, usable=lambda t: t["delivered"]),
    _Aspect(measure="delivered", column="delivered"),
    _Aspect(measure="blocked", column="blocked"),
    _Aspect(measure="refused", column="refused", usable=lambda t: t["delivered"]),
    _Aspect(measure="steered", column="steered", usable=lambda t: t["delivered"]),
    _Aspect(
        measure="first_token_p50",
        column="first_token_s",
        form="ratio",
        usable=lambda t: t["delivered"] & ~t["reused"],
    ),
    _Aspect(
        measure="total_p50", column="total_s", form="ratio", usable=lambda t: t["delivered"] & ~t["reused"]
    ),
    _Aspect(measure="rate", column="rate", form="ratio", usable=lambda t: t["delivered"] & ~t["reused"]),
    _Aspect(measure="cost_per_1k", column="usd", form="ratio"),
)


def compare(runs: Sequence[RunData], frames: Frames) -> Comparisons:
    """Every endpoint against the reference, with the family's correction, flips and best marks."""
    reference = reference_of(runs, frames.subjects)
    if reference is None or len(frames.subjects) < 2:
        return Comparisons(reference=reference.name if reference else None)
    table = scored_table(runs, frames)
    names = [s.name for s in frames.subjects]
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for a, b in combinations(names, 2):
        subject, other = (b, a) if a == reference.name else (a, b)
        pairs[subject, other] = list(_tests(table, subject, other))
    tests = [t for (_, other), made in pairs.items() if other == reference.name for t in made]
    best, rows = _best([t for made in pairs.values() for t in made], len(names))
    return Comparisons(
        reference=reference.name,
        tests=_corrected(tests),
        flips=tuple(_flips(table, frames.scores, names, reference.name)),
        family=len(tests),
        best=best,
        best_family=rows,
    )


def _tests(table: Any, subject: str, other: str) -> Iterator[Comparison]:
    """All comparisons of two endpoints."""
    both = table[table["subject"].isin((subject, other))]
    for aspect in _ASPECTS:
        if not aspect.by_suite:
            made = _test(both, aspect, subject, other, None)
            if made is not None:
                yield made
            continue
        for suite, part in both.groupby("suite", sort=False):
            made = _test(part, aspect, subject, other, str(suite))
            if made is not None:
                yield made


def _test(part: Any, aspect: _Aspect, subject: str, other: str, suite: str | None) -> Comparison | None:
    """One comparison; None if no sample has both values."""
    usable = part[aspect.usable(part)]
    left, right = (_by_trial(usable, name, aspect.column) for name in (subject, other))
    common = left.merge(right, left_index=True, right_index=True, suffixes=("", "_other"))
    common = common[common["x"].notna() & common["x_other"].notna()]
    if common.empty:
        return None
    a, b = common["x"].to_numpy(dtype=float), common["x_other"].to_numpy(dtype=float)
    groups = common["group"].tolist()
    bounded = aspect.bounded and (suite is None or bool(part["bounded"].iloc[0]))
    estimate, p, method = _measured(a, b, groups, aspect, bounded=bounded)
    better = MEASURES[aspect.measure].better
    higher = bool(part["higher_is_better"].iloc[0]) if suite else better == "higher"
    gains, losses = int((a > b).sum()), int((a < b).sum())
    half = estimate.half_width
    return Comparison(
        subject=subject,
        reference=other,
        suite=suite,
        measure=aspect.measure,
        form=aspect.form,
        estimate=estimate,
        p_value=p,
        method=method,
        better=gains if higher else losses,
        worse=losses if higher else gains,
        higher_is_better=higher if suite or better else None,
        only_one=len(left.index.symmetric_difference(right.index)),
        detectable=None if half is None or aspect.form == "ratio" else half * _POWER_FACTOR,
    )


def _by_trial(table: Any, subject: str, column: str) -> Any:
    own = table[table["subject"] == subject]
    return own.set_index(["suite", "sample", "epoch"])[[column, "group"]].rename(columns={column: "x"})


def _measured(
    a: Any, b: Any, groups: list[str], aspect: _Aspect, *, bounded: bool
) -> tuple[Estimate, float, str]:
    """Estimate, p-value and the test's name."""
    if aspect.form == "ratio":
        if aspect.measure == "cost_per_1k":
            test = sign_flip_test(a, b, groups)
            return ratio_of_means(a, b, groups), test.p_value, test.method
        logs = np.log(a), np.log(b)
        test = sign_flip_test(*logs, groups)
        return _exponential(mean(logs[0] - logs[1], groups)), test.p_value, test.method
    test = sign_flip_test(a, b, groups)
    make = paired_difference if bounded else paired_mean_difference
    return make(a, b, groups), test.p_value, test.method


def _exponential(estimate: Estimate) -> Estimate:
    """A mean of differences of logarithms as a ratio of geometric means."""
    value, low, high = (
        None if x is None else float(np.exp(x)) for x in (estimate.value, estimate.low, estimate.high)
    )
    method = f"{estimate.method}, ratio of geometric means"
    return msgspec.structs.replace(estimate, value=value, low=low, high=high, method=method)


def _corrected(tests: list[Comparison]) -> tuple[Comparison, ...]:
    family = holm({str(i): t.p_value for i, t in enumerate(tests)}, alpha=ALPHA)
    return tuple(
        msgspec.structs.replace(t, adjusted=c.adjusted, significant=c.significant)
        for t, c in zip(tests, family.tests, strict=True)
    )


def _best(tests: list[Comparison], endpoints: int) -> tuple[dict[tuple[str | None, str], str], int]:
    """Endpoints that beat every other one, corrected over the rows of the matrix.

    An endpoint is best only if it beats all others, so its p-value is the largest of theirs; times the
    number of rivals, because which endpoint is tested was chosen by looking.
    """
    rows: dict[tuple[str | None, str], list[Comparison]] = {}
    for test in tests:
        rows.setdefault((test.suite, test.measure), []).append(test)
    leaders: dict[tuple[str | None, str], tuple[str, float]] = {}
    for key, row in rows.items():
        wins: dict[str, list[float]] = {}
        for test in row:
            if test.favours_subject is not None:
                winner = test.subject if test.favours_subject else test.reference
                wins.setdefault(winner, []).append(test.p_value)
        complete = [(name, max(p)) for name, p in wins.items() if len(p) == endpoints - 1]
        leaders[key] = (complete[0][0], min(1.0, complete[0][1] * (endpoints - 1))) if complete else ("", 1.0)
    keys = list(leaders)
    family = holm({str(i): leaders[key][1] for i, key in enumerate(keys)}, alpha=ALPHA)
    best = {key: leaders[key][0] for key, t in zip(keys, family.tests, strict=True) if t.significant}
    return best, family.size


def _flips(table: Any, scores: Any, names: list[str], reference: str) -> Iterator[Flip]:
    """Samples scored differently from the reference, suite by suite."""
    key = ["run", "subject", "suite", "sample", "epoch"]
    reasons = {
        (*row[:5], row[5]): row[6]
        for row in scores[[*key, "value", "explanation"]].itertuples(index=False, name=None)
        if row[6] is not None
    }
    delivered = table[table["delivered"] & table["value"].notna()]
    own = delivered[delivered["subject"] == reference].set_index(["suite", "sample", "epoch"])
    for name in names:
        if name == reference:
            continue
        other = delivered[delivered["subject"] == name].set_index(["suite", "sample", "epoch"])
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
