"""How far judges, or people, agree on classes: Krippendorff's alpha and Cohen's kappa, with intervals.

Both are 1 - D/E: the disagreement that was observed over that expected by chance. So the same agreement in
per cent gives a low value where one class is common, because chance agrees there too. That is no fault of the
judges; it is why the prevalence of the classes stands beside each value.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.stats.clusters import grouped, variance_of_mean
from evalkit.stats.intervals import ONE_CLUSTER, mid_p, rate
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

RARE = 20
"""Clusters with a rating outside the most common class, below which the interval is widened (`_widened`)."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two raters on the same `n` units.

    `kappa` is Cohen's, `agreed` the share of units on which they agree, `expected` the share by chance.
    `first` and `second` hold each rater's share of every class, which is the prevalence. `pabak` is what
    kappa would be if all classes were equally common.
    """

    kappa: Estimate
    agreed: Estimate
    n: int
    classes: tuple[str, ...]
    first: dict[str, float]
    second: dict[str, float]
    expected: float
    pabak: float | None


def krippendorff_alpha(
    ratings: Sequence[Sequence[str | None]],
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Agreement of any number of raters on nominal classes, some of whose ratings may be missing.

    Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability". Units with fewer than two ratings tell
    nothing and are left out (`unscored`). For the interval see `_carried`.

    Args:
        ratings: for each unit its ratings, None where one is missing; raters need not be the same.
        clusters: one label per unit.
        level: confidence level.

    Raises:
        UsageError: lengths differ.
    """
    inputs.check_level(level)
    of_units = inputs.codes(clusters, len(ratings))
    classes: list[str] = []
    apart: list[float] = []
    codes: list[int] = []
    units = 0
    for unit, code in zip(ratings, of_units.tolist(), strict=True):
        given = [label for label in unit if label is not None]
        if len(given) < 2:
            continue
        units += 1
        same = Counter(given)
        for label in given:
            classes.append(label)
            apart.append((len(given) - same[label]) / (len(given) - 1))
            codes.append(code)
    alone = len(ratings) - units
    if not units:
        return Estimate.absent("no unit has two ratings", level=level, unscored=alone)
    n, counts = len(classes), Counter(classes)
    expected = 1 - sum(count * (count - 1) for count in counts.values()) / (n * (n - 1))
    if expected == 0:
        return _one_class(classes[0], level, alone)
    squares = sum((count / n) ** 2 for count in counts.values())
    by_chance = np.array([-2 * (counts[label] / n - squares) for label in classes])
    found = _carried(np.array(apart), expected, by_chance, codes, level)
    found = _widened(found, np.array(apart), _outside(classes), codes)
    return msgspec.structs.replace(
        found, n=units, unscored=alone, method=f"Krippendorff's alpha, {found.method}"
    )


def cohen_kappa(
    first: Sequence[str],
    second: Sequence[str],
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Agreement:
    """Agreement of two raters beyond chance (Cohen 1960), with what belongs beside it.

    PABAK is that of Byrt, Bishop & Carlin (1993) for any number of classes. For the interval of kappa see
    `_carried`; that of the raw agreement is `rate`.

    Args:
        first: one rater's class of each unit.
        second: the other's, in the same order.
        clusters: one label per unit.
        level: confidence level.

    Raises:
        UsageError: there are no units, or lengths differ.
    """
    inputs.check_level(level)
    if len(first) != len(second) or not first:
        raise UsageError(
            f"The raters have {len(first)} and {len(second)} ratings; give both on the same units."
        )
    n = len(first)
    codes = inputs.codes(clusters, n)
    classes = tuple(sorted({*first, *second}))
    mine, yours = ({c: counts[c] / n for c in classes} for counts in (Counter(first), Counter(second)))
    chance = sum(mine[c] * yours[c] for c in classes)
    apart = np.array([float(a != b) for a, b in zip(first, second, strict=True)])
    agreed = 1 - float(apart.mean())
    if chance == 1:
        kappa = _one_class(classes[0], level, 0)
    else:
        pairs = zip(first, second, strict=True)
        by_chance = np.array([-(yours[a] + mine[b] - 2 * chance) for a, b in pairs])
        found = _carried(apart, 1 - chance, by_chance, codes.tolist(), level)
        outside = (_outside([*first, *second])).reshape(2, n).mean(axis=0)
        found = _widened(found, apart, outside, codes.tolist())
        kappa = msgspec.structs.replace(found, method=f"Cohen's kappa, {found.method}")
    many = len(classes)
    return Agreement(
        kappa=kappa,
        agreed=rate(1 - apart, codes.tolist(), level=level),
        n=n,
        classes=classes,
        first=mine,
        second=yours,
        expected=chance,
        pabak=(many * agreed - 1) / (many - 1) if many > 1 else None,
    )


def _one_class(name: str, level: float, alone: int) -> Estimate:
    note = f"all ratings are {name!r}: chance alone agrees, and nothing can be said beyond it"
    return Estimate.absent(note, level=level, unscored=alone)


def _outside(classes: Sequence[str]) -> Values:
    """1 where a rating is not the most common class."""
    common = Counter(classes).most_common(1)[0][0]
    return np.array([float(label != common) for label in classes])


def _widened(found: Estimate, apart: Values, outside: Values, codes: Sequence[int]) -> Estimate:
    """The estimate with wider limits where hardly any rating is outside the most common class.

    Then nearly all that is known of agreement comes from those few units, and the expected disagreement is
    twice their share: the coefficient is 1 - D/(2s) with s the share of ratings outside, which is a share
    of so many units and has the interval of one. Both intervals together are taken.
    """
    informative = len({code for code, out, off in zip(codes, outside, apart, strict=True) if out or off})
    if found.low is None or found.high is None or informative >= RARE:
        return found
    share = min(1.0, float(apart.sum() / (2 * outside.sum()))) if outside.any() else 1.0
    low, high = mid_p(share * informative, informative, found.level)
    return msgspec.structs.replace(
        found,
        low=min(found.low, 1 - high),
        high=max(found.high, 1 - low),
        note=f"only {informative} independent units have a rating outside the most common class",
    )


def _carried(
    apart: Values, expected: float, by_chance: Values, codes: Sequence[int], level: float
) -> Estimate:
    """1 - D/E with an interval that keeps a width where all agree.

    The score interval of the mean disagreement D (`rate`, cluster-robust) is carried to the scale of the
    coefficient and stretched by what the estimation of E adds or takes: the ratio of the standard errors of
    the whole and of D alone, both from linearization (Fleiss, Cohen & Everitt 1969 for kappa), clustered. A
    bootstrap would give perfect agreement an interval of no width. Coverage: `docs/statistics.md`.

    Args:
        apart: disagreement of each observation, in [0, 1].
        expected: E, above 0.
        by_chance: influence of each observation on E.
        codes: cluster of each observation.
        level: confidence level.
    """
    observed = rate(apart, codes, level=level)
    assert observed.value is not None
    value = 1 - observed.value / expected
    if observed.low is None or observed.high is None:
        return msgspec.structs.replace(
            observed, value=value, low=None, high=None, method="none", note=ONE_CLUSTER
        )
    array = np.asarray(codes, dtype=np.intp)
    array = np.unique(array, return_inverse=True)[1]
    whole = apart - observed.value * by_chance / expected
    alone = variance_of_mean(grouped(apart, array))
    stretch = math.sqrt(variance_of_mean(grouped(whole, array)) / alone) if alone > 0 else 1.0
    down, up = (observed.high - observed.value) / expected, (observed.value - observed.low) / expected
    return msgspec.structs.replace(
        observed,
        value=value,
        low=max(-1.0, value - stretch * down),
        high=min(1.0, value + stretch * up),
        method="score interval of the disagreement",
        note=None,
    )
