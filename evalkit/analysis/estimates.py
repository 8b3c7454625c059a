"""Estimates from the units of one endpoint, and from those of two matched by what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from evalkit.stats.bootstrap import cluster_bootstrap
from evalkit.stats.intervals import mean, rate
from evalkit.stats.paired import paired_difference, paired_mean_difference, sign_flip_test
from evalkit.stats.quantiles import (
    paired_quantile_change,
    paired_quantile_difference,
    quantile,
    quantile_test,
)
from evalkit.stats.ratios import cost_per_success, ratio_of_means, ratio_of_rates
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evalkit.analysis.quantities import Quantity, Units
    from evalkit.stats.paired import PairedTest

    Values = NDArray[np.float64]

Form = Literal["difference", "ratio"]


class Pairs(msgspec.Struct, frozen=True):
    """Two endpoints' values of what both were asked, each of shape (n,), with one group label for each pair.

    `a_by` and `b_by` are the second column of contrasts and costs per success. `only_one` counts what just
    one of the two has.
    """

    a: Values
    b: Values
    groups: list[str]
    only_one: int
    a_by: Values | None = None
    b_by: Values | None = None


def figure(quantity: Quantity, units: Units, level: float = 0.95) -> Estimate:
    """One endpoint's estimate, with what is missing counted beside it."""
    table, missing = units.table, {"failed": units.failed, "unscored": units.unscored}
    if table.empty:
        return Estimate.absent(units.why, level=level, **missing)
    x, groups = table["x"].to_numpy(dtype=float), table["group"].tolist()
    if quantity.kind == "share":
        made = rate(x, groups, level=level)
    elif quantity.kind == "mean":
        made = mean(x, groups, level=level)
    elif quantity.kind == "quantile":
        made = quantile(x, quantity.q, groups, level=level)
    else:
        y = table["y"].to_numpy(dtype=float)
        make = paired_difference if quantity.kind == "contrast" else cost_per_success
        made = make(x, y, groups, level=level)
    return made.with_missing(**missing)


def matched(ours: Units, theirs: Units) -> Pairs | None:
    """The units of two endpoints that answer the same questions; None if there are none."""
    left, right = ours.table, theirs.table
    places = right.index.get_indexer(left.index)
    common = places >= 0
    if not common.any():
        return None
    by = "y" in left.columns

    def column(table: Any, name: str, rows: NDArray[Any]) -> Values:
        return np.asarray(table[name].to_numpy()[rows], dtype=np.float64)

    theirs_at = places[common]
    return Pairs(
        column(left, "x", common),
        column(right, "x", theirs_at),
        left["group"].to_numpy()[common].tolist(),
        len(left) + len(right) - 2 * len(theirs_at),
        column(left, "y", common) if by else None,
        column(right, "y", theirs_at) if by else None,
    )


def change(quantity: Quantity, pairs: Pairs, form: Form, level: float = 0.95) -> Estimate:
    """First minus second, or first over second, on what both were asked."""
    a, b, groups = pairs.a, pairs.b, pairs.groups
    ratio = form == "ratio"
    if quantity.kind == "share":
        make = ratio_of_rates if ratio else paired_difference
        return make(a, b, groups, level=level)
    if quantity.kind == "mean":
        if ratio and min(a.min(), b.min()) < 0:
            return Estimate.absent("a ratio of values below 0 means nothing", level=level)
        make = ratio_of_means if ratio else paired_mean_difference
        return make(a, b, groups, level=level)
    if quantity.kind == "quantile":
        of_quantiles = paired_quantile_change if ratio else paired_quantile_difference
        return of_quantiles(a, b, quantity.q, groups, level=level)
    assert pairs.a_by is not None
    assert pairs.b_by is not None
    if quantity.kind == "contrast":
        if ratio:
            return Estimate.absent("a ratio of two differences means nothing; bound the rise", level=level)
        return _contrast_change(a - pairs.a_by, b - pairs.b_by, groups, level)
    return _per_success_change(pairs, ratio, level)


def differ(quantity: Quantity, pairs: Pairs) -> PairedTest:
    """Whether the two endpoints differ at all."""
    if quantity.kind == "quantile":
        return quantile_test(pairs.a, pairs.b, quantity.q, pairs.groups)
    return sign_flip_test(*_plain(quantity, pairs), pairs.groups)


def gains_losses(quantity: Quantity, pairs: Pairs) -> tuple[int, int]:
    """In how many pairs the first value is the larger, and the smaller one."""
    a, b = _plain(quantity, pairs)
    return int((a > b).sum()), int((a < b).sum())


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """The estimate in another unit, for example per thousand."""
    value, low, high = (
        None if x is None else x * factor for x in (estimate.value, estimate.low, estimate.high)
    )
    return msgspec.structs.replace(estimate, value=value, low=low, high=high)


def _plain(quantity: Quantity, pairs: Pairs) -> tuple[Values, Values]:
    """One number a unit and side: the contrast, else the value."""
    if quantity.kind == "contrast":
        assert pairs.a_by is not None
        assert pairs.b_by is not None
        return pairs.a - pairs.a_by, pairs.b - pairs.b_by
    return pairs.a, pairs.b


def _contrast_change(a: Values, b: Values, groups: Sequence[str], level: float) -> Estimate:
    """Difference of two contrasts, each in [-1, 1]: as that of values in [0, 1], stretched back."""
    return scaled(paired_difference((a + 1) / 2, (b + 1) / 2, groups, level=level), 2.0)


def _per_success_change(pairs: Pairs, ratio: bool, level: float) -> Estimate:
    """Dollars per success of one side minus, or over, those of the other."""
    usd, gained = (pairs.a, pairs.b), (pairs.a_by, pairs.b_by)
    assert gained[0] is not None
    assert gained[1] is not None
    successes = gained[0], gained[1]
    if not (successes[0].any() and successes[1].any()):
        return Estimate.absent("a side has no success on the common samples", level=level)
    if ratio and not usd[1].any():
        return Estimate.absent("the baseline costs nothing, so there is no ratio", level=level)

    def statistic(drawn: NDArray[np.intp]) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            ours, theirs = (u[drawn].sum() / s[drawn].sum() for u, s in zip(usd, successes, strict=True))
            return float(ours / theirs if ratio else ours - theirs)

    return cluster_bootstrap(statistic, pairs.a.size, pairs.groups, level=level)
