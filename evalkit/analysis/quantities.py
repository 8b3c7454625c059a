"""From trials to the observations of one measure, and from these to estimates at any level.

A measure is made of units: mostly trials, for pass@k samples, for excess refusal questions. Each unit has a
value and a group; units of one group are not independent. The same units make an endpoint's own figure and,
matched by what was asked, the comparison of two endpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from evalkit.analysis.measures import EXCESS, SCORE, pass_of, percentile_of
from evalkit.stats.passk import pass_at_k, pass_hat_k

if TYPE_CHECKING:
    from evalkit.types.score import Metric

Table = Any
"""A pandas frame as `scored_table` makes it."""

Kind = Literal["share", "mean", "quantile", "contrast", "per_success"]
"""How units become a figure: a share of [0, 1], an unbounded mean, a percentile, probe minus control, or
dollars over successes."""

Needs = Literal["delivered", "answered", "valid"]
"""What a trial must come to before it can be a unit: sides that differ in it are not comparable."""


class Units(msgspec.Struct, frozen=True):
    """The observations of one endpoint.

    `table` is indexed by what was asked, with columns `x` (the value), `group`, and for contrasts and cost
    per success `y` (the control's value; the success). `failed` and `unscored` count what gave no value;
    `why` is the note if there is no unit at all.
    """

    table: Any
    failed: int
    unscored: int
    why: str


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """How a measure is made. `make` gives None where the measure does not apply to these trials."""

    key: str
    kind: Kind
    make: Callable[[Table], Units | None]
    needs: Needs | None = "delivered"
    q: float = 0.5


def quantity_of(key: str, metric: Metric | None = None) -> Quantity | None:
    """The quantity behind a measure's key; None for what is no number or does not exist.

    Args:
        key: as in `measures.measure_of`.
        metric: the scorer's metric that the key stands for in this suite: its primary one for `quality`.
    """
    if key in _FIXED:
        return _FIXED[key]
    unbounded = metric is not None and metric.kind == "number"
    if key == "quality" or key.startswith(SCORE):
        column = "value" if key == "quality" else key
        return Quantity(key=key, kind="mean" if unbounded else "share", make=lambda p: _scored(p, column))
    if key == "quality_planned":
        return None if unbounded else Quantity(key=key, kind="share", make=_quality_planned, needs=None)
    if (percentile := percentile_of(key)) is not None:
        column = percentile[0] if percentile[0] == "rate" else f"{percentile[0]}_s"
        return Quantity(key=key, kind="quantile", q=percentile[1], make=lambda p: _timed(p, column))
    if (passed := pass_of(key)) is not None:
        k, every = passed
        success = metric is not None and metric.higher_is_better and metric.kind in {"binary", "label"}
        return Quantity(key=key, kind="share", make=lambda p: _passed(p, k, every)) if success else None
    if key == EXCESS or key.startswith(f"{EXCESS}:"):
        place = key.partition(":")[2] or None
        return Quantity(key=key, kind="contrast", make=lambda p: _excess(p, place), needs="valid")
    return None


def _run(part: Table) -> Table:
    """Trials that were run."""
    return part[~part["pending"]]


def _units(rows: Table, x: Any, missing: tuple[int, int], why: str, y: Any = None) -> Units:
    """Units of trials whose value is known; `missing` counts failed and unscored."""
    made = rows[["trial", "group"]].assign(x=x, **({} if y is None else {"y": y}))
    return Units(made.set_index("trial"), *missing, why)


def _named_units(
    rows: Table, name: str, columns: dict[str, Any], missing: tuple[int, int], why: str
) -> Units:
    """Units that are no trials, told apart by suite and the column `name`."""
    return Units(rows[["suite", name, "group"]].assign(**columns).set_index(["suite", name]), *missing, why)


def _delivered(part: Table) -> Units:
    run = _run(part)
    missing = (0, len(part) - len(run))
    return _units(run, run["delivered"].astype(float), missing, "no trial that counts was run yet")


def _blocked(part: Table) -> Units:
    run, valid = _run(part), part[part["valid"]]
    missing = (len(run) - len(valid), len(part) - len(run))
    return _units(valid, valid["blocked"].astype(float), missing, "no trial got past host failures")


def _scored(part: Table, column: str) -> Units | None:
    if column not in part:
        return None
    run = _run(part)
    delivered = run[run["delivered"]]
    known = delivered[delivered[column].notna()]
    missing = (len(run) - len(delivered), len(delivered) - len(known))
    return _units(known, known[column], missing, "no delivered answer has a score")


def _quality_planned(part: Table) -> Units:
    run = _run(part)
    unjudged = (run["delivered"] & run["value"].isna()) | ~run["judgeable"]
    unscored = int(unjudged.sum())
    if unscored and not (run["delivered"] & run["value"].notna()).any():
        return _units(run[:0], 0.0, (0, unscored), "no delivered answer has a score")
    counted = run[~unjudged]
    values = counted["value"].where(counted["delivered"], 0.0)
    return _units(counted, values, (0, unscored), "no trial that counts was run yet")


def _class_share(column: str, *, blocked_as: float | None) -> Callable[[Table], Units | None]:
    """Share of a class among delivered answers, and among blocked trials if these count as something."""

    def make(part: Table) -> Units | None:
        part = part[part[f"{column}_known"]]
        if part.empty:
            return None
        run = _run(part)
        values = run[column].where(run["delivered"])
        counted = run["delivered"]
        if blocked_as is not None:
            values = values.where(~run["blocked"], blocked_as)
            counted = counted | run["blocked"]
        known = values.notna()
        missing = (int((~counted).sum()), int((run["delivered"] & ~known).sum()))
        return _units(run[known], values[known], missing, "no answer has a class")

    return make


def _timed(part: Table, column: str) -> Units:
    run = _run(part)
    timed = run[run["delivered"] & ~run["reused"] & run[column].notna()]
    failed = int((~run["delivered"]).sum())
    missing = (failed, len(run) - failed - len(timed))
    return _units(timed, timed[column], missing, "no delivered answer was timed")


def _amount(column: str, factor: float, why: str) -> Callable[[Table], Units]:
    def make(part: Table) -> Units:
        run = _run(part)
        answered = run[run["answered"]]
        known = answered[answered[column].notna()]
        missing = (len(run) - len(answered), len(answered) - len(known))
        return _units(known, known[column] * factor, missing, why)

    return make


def _per_success(amount: Callable[[Table], Any], why: str) -> Callable[[Table], Units | None]:
    """An amount over successes: `amount` gives it for answered trials, missing where it is not known."""

    def make(part: Table) -> Units | None:
        part = part[part["success"]]
        if part.empty:
            return None
        run = _run(part)
        answered = run[run["answered"]]
        gained = answered["value"].where(answered["delivered"], 0.0)
        spent = amount(answered)
        keep = spent.notna() & gained.notna()
        missing = (len(run) - len(answered), int((~keep).sum()))
        told = why if spent.isna().all() else f"no answer has a score and a known amount ({why})"
        return _units(answered[keep], spent[keep], missing, told, y=gained[keep])

    return make


def _passed(part: Table, k: int, every: bool) -> Units:
    """One unit a sample; samples with fewer than `k` scored trials have no unbiased value."""
    run = _run(part)
    known = run[run["delivered"] & run["value"].notna()]
    counts = known.groupby(["suite", "sample", "group"], sort=False)["value"].agg(["size", "sum"])
    one = pass_hat_k if every else pass_at_k
    samples = counts[counts["size"] >= k].reset_index()
    values = [one(int(n), round(c), k) for n, c in zip(samples["size"], samples["sum"], strict=True)]
    short = part[["suite", "sample"]].drop_duplicates().shape[0] - len(samples)
    why = f"no sample has {k} scored trials; run with --epochs {k}"
    return _named_units(samples, "sample", {"x": np.array(values, dtype=float)}, (0, short), why)


def _excess(part: Table, place: str | None) -> Units | None:
    """One unit a probe question whose control has a value too, both averaged over repeats.

    Where topics belong to countries, each is the other's control, so one of them must be asked about.
    """
    run = _run(part[part["question"].notna() & part["refused_known"]])
    if run.empty or not run["against"].notna().any() or (place is None) != run["jurisdiction"].isna().all():
        return None
    served = run["refused"].where(run["delivered"]).where(~run["blocked"], 1.0)
    asked = run.assign(served=served)[served.notna()]
    means = asked.groupby(["suite", "question"], sort=False)["served"].mean()
    probes = asked[asked["against"].notna()]
    if place is not None:
        probes = probes[probes["jurisdiction"] == place]
    probes = probes.drop_duplicates(["suite", "question"])
    own = means.reindex(list(zip(probes["suite"], probes["question"], strict=True))).to_numpy()
    control = means.reindex(list(zip(probes["suite"], probes["against"], strict=True))).to_numpy()
    keep = ~np.isnan(control)
    missing = (int((~run["valid"]).sum()), int((served.isna() & run["valid"]).sum()))
    why = "no topic with a control was answered"
    return _named_units(probes[keep], "question", {"x": own[keep], "y": control[keep]}, missing, why)


_FIXED = {
    quantity.key: quantity
    for quantity in (
        Quantity(key="delivered", kind="share", make=_delivered, needs=None),
        Quantity(key="blocked", kind="share", make=_blocked, needs="valid"),
        Quantity(key="refused", kind="share", make=_class_share("refused", blocked_as=None)),
        Quantity(
            key="refused_served", kind="share", make=_class_share("refused", blocked_as=1.0), needs="valid"
        ),
        Quantity(key="steered", kind="share", make=_class_share("steered", blocked_as=0.0), needs="valid"),
        Quantity(key="cost_per_1k", kind="mean", make=_amount("usd", 1000.0, "unpriced"), needs="answered"),
        Quantity(
            key="cost_per_success",
            kind="per_success",
            make=_per_success(lambda t: t["usd"], "unpriced"),
            needs="answered",
        ),
        Quantity(
            key="time_per_success",
            kind="per_success",
            make=_per_success(lambda t: t["total_s"].where(~t["reused"]), "no answer was timed"),
            needs="answered",
        ),
        Quantity(
            key="tokens_per_success",
            kind="per_success",
            make=_per_success(lambda t: t["input"] + t["output"], "the host reports no usage"),
            needs="answered",
        ),
        Quantity(
            key="tokens_in",
            kind="mean",
            make=_amount("input", 1.0, "the host reports no usage"),
            needs="answered",
        ),
        Quantity(
            key="tokens_out",
            kind="mean",
            make=_amount("output", 1.0, "the host reports no usage"),
            needs="answered",
        ),
    )
}
