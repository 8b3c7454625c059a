"""Rates that a judge measured, corrected with labels of people for the judge's errors."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import special

from evalkit.errors import UsageError
from evalkit.stats import inputs
from evalkit.stats.clusters import dispersion, grouped, variance_of_mean
from evalkit.stats.intervals import ONE_CLUSTER, rate
from evalkit.stats.paired import paired_difference
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike

FEW_LABELS = 10
"""Below this many labels in a stratum the tuning of `prediction_powered` is noise; it is switched off."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A judge against people, on items that people labelled.

    Of `positives` items that people call positive, the judge finds `found`; of `negatives` it rightly
    leaves `left`.
    """

    positives: int
    found: int
    negatives: int
    left: int


class Stratum(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the data in which labelled items are a random sample (a language, probes or controls).

    `truth` and `judged` are of the labelled items, shape (n,), `unlabelled` holds the judge's values of
    the others, shape (N,), `known` the values of items that nobody has to judge, shape (K,), such as those
    that a host blocked; all in [0, 1], and each may be empty. `weight` is the stratum's share in the whole.
    The cluster labels, one per item, are given for all three or for none.
    """

    truth: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    judged: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    unlabelled: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    known: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    weight: float = 1.0
    labelled_clusters: tuple[Hashable, ...] | None = None
    unlabelled_clusters: tuple[Hashable, ...] | None = None
    known_clusters: tuple[Hashable, ...] | None = None


def rogan_gladen(
    judged: ArrayLike,
    calibration: Calibration,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """True rate behind a judge's 0/1 verdicts, given the judge's sensitivity and specificity.

    The estimator (p + sp - 1)/(se + sp - 1) of Rogan & Gladen (1978) with the interval of Lang & Reiczigel
    (2014), which carries the uncertainty of sensitivity and specificity. It assumes that both are the
    same for the labelled items and these; where they may differ (languages, probes and controls) use
    `prediction_powered` by stratum.

    Args:
        judged: the judge's verdicts on items without labels, shape (n,), each 0 or 1.
        calibration: counts from labelled items.
        clusters: one label per verdict.
        level: confidence level.

    Raises:
        UsageError: a verdict is not 0 or 1, lengths differ, or the calibration lacks a class.
    """
    inputs.check_level(level)
    array = inputs.unit_interval(judged, "judge's verdicts")
    if not np.isin(array, (0.0, 1.0)).all():
        raise UsageError("The judge's verdicts must be 0 or 1 for this correction; some lie between.")
    c = calibration
    if not (0 <= c.found <= c.positives and 0 <= c.left <= c.negatives and c.positives > 0 < c.negatives):
        raise UsageError(
            "The calibration needs labelled positives and negatives, and no more hits than items."
        )
    data = grouped(array, inputs.codes(clusters, array.size))
    sensitivity, specificity = c.found / c.positives, c.left / c.negatives
    youden = sensitivity + specificity - 1
    if youden <= 0:
        note = f"sensitivity {sensitivity:.2f} and specificity {specificity:.2f}: no better than chance"
        return Estimate.absent(note, level=level, unscored=data.n)
    size = float(data.n)
    if data.count > 1 and not data.singletons:
        p = data.mean
        informative = int(min((data.sums > 0).sum(), (data.sums < data.sizes).sum()))
        size /= dispersion(variance_of_mean(data), p * (1 - p) / data.n, informative, data)
    low, high = _lang_reiczigel(data.mean, size, c, float(special.ndtri((1 + level) / 2)))
    value = min(1.0, max(0.0, (data.mean + specificity - 1) / youden))
    alone = data.count < 2
    return Estimate(
        value=value,
        low=None if alone else min(low, value),
        high=None if alone else max(high, value),
        level=level,
        n=data.n,
        clusters=data.count,
        method="none" if alone else "Rogan-Gladen, Lang-Reiczigel",
        note=ONE_CLUSTER if alone else None,
    )


def prediction_powered(strata: Sequence[Stratum], *, level: float = 0.95) -> Estimate:
    """Rate from a few labelled and many judged items: PPI++ (Angelopoulos et al. 2023), by stratum.

    In each stratum the estimate is lambda·mean(judged, unlabelled) + mean(truth - lambda·judged, labelled)
    with the power-tuning lambda = cov/var/(1 + n/N), clipped to [0, 1]; a bad judge gets lambda near 0,
    and the labels alone remain. Strata are averaged by weight (Fisch et al. 2024). No assumption on the
    judge's errors is needed, only that labelled items are a random sample of the stratum.

    What is known without a judge counts as it is: a stratum without unlabelled items has the rate of its
    labels, and `known` items add the uncertainty of how many they are and of nothing else.

    The interval joins those of the parts (`rate`, `paired_difference`) by squares (MOVER, Zou & Donner
    2008), so that it keeps a width when no disagreement was seen among the labelled items. Clusters that are
    in several parts (a topic asked in two languages) widen it, see `widened`.

    Args:
        strata: with labelled items, from two clusters or more, wherever there are unlabelled ones.
        level: confidence level. `n` of the estimate counts labelled items.

    Raises:
        UsageError: no strata, weights that do not sum to a positive number, or bad values.
    """
    inputs.check_level(level)
    parts = [_with_known(_rest_of(s, level), s, level) for s in strata]
    found = weighted_mean(parts, [s.weight for s in strata])
    if found.low is None:
        raise UsageError("A stratum has labels or verdicts from fewer than two clusters; add more.")
    found = widened(found, strata)
    return msgspec.structs.replace(
        found,
        n=sum(s.truth.size for s in strata),
        method=f"PPI++, {len(strata)} strata",
        note=f"{sum(s.unlabelled.size for s in strata)} further items were judged without labels",
    )


def rogan_gladen_with_known(judged: Stratum, calibration: Calibration, *, level: float = 0.95) -> Estimate:
    """`rogan_gladen` of a stratum's unlabelled items, joined with those whose values are known.

    Args:
        judged: a stratum; its labelled items are left out, for they are what the calibration was made of.
        calibration: counts from labelled items.
        level: confidence level.

    Raises:
        UsageError: as `rogan_gladen`.
    """
    if not judged.unlabelled.size:
        return rate(judged.known, judged.known_clusters, level=level)
    part = rogan_gladen(judged.unlabelled, calibration, judged.unlabelled_clusters, level=level)
    return _with_known(part, judged, level)


def weighted_mean(parts: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """Mean of independent estimates in [0, 1] by weight, with an interval by MOVER (Zou & Donner 2008).

    Without limits if a part that counts has none. `n` and `clusters` are sums.

    Raises:
        UsageError: there are no parts, or weights that do not sum to a positive number.
    """
    total = sum(weights)
    if not parts or min(weights) < 0 or total <= 0:
        raise UsageError("A correction needs strata with weights of 0 or more that sum to more than 0.")
    value = down = up = 0.0
    missing = None
    for part, weight in zip(parts, weights, strict=True):
        limits = _limits(part)
        if limits is None:
            missing = part
            continue
        share = weight / total
        value += share * limits[1]
        down += (share * (limits[1] - limits[0])) ** 2
        up += (share * (limits[2] - limits[1])) ** 2
    if missing is not None:
        return msgspec.structs.replace(missing, value=None, low=None, high=None, method="none")
    value = min(1.0, max(0.0, value))
    return Estimate(
        value=value,
        low=max(0.0, value - math.sqrt(down)),
        high=min(1.0, value + math.sqrt(up)),
        level=parts[0].level,
        n=sum(part.n for part in parts),
        clusters=sum(part.clusters for part in parts),
        method=parts[0].method,
    )


def widened(found: Estimate, strata: Sequence[Stratum]) -> Estimate:
    """An interval that took parts as independent, widened for the clusters that they share.

    Each half is multiplied by the root of the ratio of two cluster-robust variances of the same mean: one
    that sums each cluster's contributions to all parts before it squares them, and one that squares them
    part by part. It never becomes narrower, for where few clusters vary the ratio is noise. Where a part was
    labelled and the rest was not, the variance over clusters is itself estimated, so that Student's t takes
    the normal's place, with one degree of freedom less than there are clusters with labels.
    """
    if found.value is None or found.low is None or found.high is None:
        return found
    total = sum(s.weight for s in strata)
    joint: dict[Hashable, float] = {}
    apart = 0.0
    for stratum in strata:
        for values, clusters, weight in _parts_of(stratum, stratum.weight / total):
            if clusters is None:
                return found
            own: dict[Hashable, float] = {}
            for change, cluster in zip(
                (values - values.mean()) * weight / values.size, clusters, strict=True
            ):
                own[cluster] = own.get(cluster, 0.0) + float(change)
            for cluster, change in own.items():
                joint[cluster] = joint.get(cluster, 0.0) + change
            apart += sum(change**2 for change in own.values())
    if apart <= 0:
        return found
    factor = math.sqrt(max(1.0, sum(change**2 for change in joint.values()) / apart))
    labelled = {c for s in strata if s.unlabelled.size for c in s.labelled_clusters or ()}
    if labelled:
        tail = (1 + found.level) / 2
        factor *= float(special.stdtrit(len(labelled) - 1, tail) / special.ndtri(tail))
    return msgspec.structs.replace(
        found,
        low=max(0.0, found.value - factor * (found.value - found.low)),
        high=min(1.0, found.value + factor * (found.high - found.value)),
    )


def _parts_of(
    stratum: Stratum, share: float
) -> Iterator[tuple[NDArray[np.float64], tuple[Hashable, ...] | None, float]]:
    """What a stratum's estimate is a sum of: values, their clusters, and the weight of their mean."""
    labels, others, known = stratum.truth.size, stratum.unlabelled.size, stratum.known.size
    rest = share * (labels + others) / (labels + others + known)
    trust = _tuning(stratum.truth, stratum.judged, others) if labels and others else 1.0
    if labels:
        values = stratum.truth - trust * stratum.judged if others else stratum.truth
        yield values, stratum.labelled_clusters, rest
    if others:
        yield trust * stratum.unlabelled, stratum.unlabelled_clusters, rest
    if known:
        middle = 0.0
        if labels or others:
            middle = float(stratum.truth.mean()) if labels else float(stratum.unlabelled.mean())
        values = np.concatenate([np.full(labels + others, middle), stratum.known])
        yield values, _clusters_of(stratum), share


def _clusters_of(stratum: Stratum) -> tuple[Hashable, ...] | None:
    """Clusters of all items: labelled, unlabelled, known."""
    if stratum.known_clusters is None:
        return None
    return (
        *(stratum.labelled_clusters or ()),
        *(stratum.unlabelled_clusters or ()),
        *stratum.known_clusters,
    )


def independent_difference(first: Estimate, second: Estimate) -> Estimate:
    """First less second, from their own intervals (MOVER, Zou & Donner 2008).

    The two are taken as independent. Where clusters are in both and pull both the same way, the interval is
    wider than it need be.

    Args:
        first: an estimate with both limits, or one without a value, which is given back.
        second: another at the same level.
    """
    left, right = _limits(first), _limits(second)
    if left is None or right is None:
        missing = first if left is None else second
        return msgspec.structs.replace(missing, value=None, low=None, high=None, method="none")
    value = left[1] - right[1]
    return Estimate(
        value=value,
        low=max(-1.0, value - math.hypot(left[1] - left[0], right[2] - right[1])),
        high=min(1.0, value + math.hypot(left[2] - left[1], right[1] - right[0])),
        level=first.level,
        n=first.n + second.n,
        clusters=min(first.clusters, second.clusters),
        method=f"{first.method}; difference by MOVER",
        note=first.note if first.note == second.note else None,
    )


def _with_known(part: Estimate | None, stratum: Stratum, level: float) -> Estimate:
    """The estimate `part` of what is not known in a stratum, joined with what is; not yet cut to [0, 1].

    Each item of the rest stands at their estimated mean, so that the rate over all has the uncertainty of
    the known values and of how many they are; that of the rest is joined to it by squares.
    """
    if part is None:
        return rate(stratum.known, stratum.known_clusters, level=level)
    limits = _limits(part)
    if limits is None or not stratum.known.size:
        return part
    known = inputs.unit_interval(stratum.known, "known values")
    rest = stratum.truth.size + stratum.unlabelled.size
    centre = min(1.0, max(0.0, limits[1]))
    shares = _limits(rate([*[centre] * rest, *known], _clusters_of(stratum), level=level))
    if shares is None:
        return msgspec.structs.replace(part, low=None, high=None)
    share = rest / (rest + known.size)
    value = share * limits[1] + (1 - share) * float(known.mean())
    down = math.hypot(share * (limits[1] - limits[0]), shares[1] - shares[0])
    up = math.hypot(share * (limits[2] - limits[1]), shares[2] - shares[1])
    return msgspec.structs.replace(part, value=value, low=value - down, high=value + up)


def _rest_of(stratum: Stratum, level: float) -> Estimate | None:
    """The estimate of what is not known in a stratum, not yet cut to [0, 1], so that strata can be added."""
    if not stratum.truth.size and not stratum.unlabelled.size and stratum.known.size:
        return None
    truth = inputs.unit_interval(stratum.truth, "labels")
    if not stratum.unlabelled.size:
        return rate(truth, stratum.labelled_clusters, level=level)
    judged = inputs.unit_interval(stratum.judged, "judge's values of labelled items")
    others = inputs.unit_interval(stratum.unlabelled, "judge's values of unlabelled items")
    inputs.same_length(truth, judged, "the calibration")
    tuning = _tuning(truth, judged, others.size)
    # A common event is estimated by its complement: then most labelled items contribute exactly 0.
    common = truth.mean() > 0.5
    if common:
        truth, judged, others = 1 - truth, 1 - judged, 1 - others
    rectifier = paired_difference(truth, tuning * judged, stratum.labelled_clusters, level=level)
    rest = rate(others, stratum.unlabelled_clusters, level=level)
    first, second = _limits(rectifier), _limits(rest)
    if first is None or second is None:
        return msgspec.structs.replace(rectifier, low=None, high=None)
    value = first[1] + tuning * second[1]
    down = math.hypot(first[1] - first[0], tuning * (second[1] - second[0]))
    up = math.hypot(first[2] - first[1], tuning * (second[2] - second[1]))
    if common:
        value, down, up = 1 - value, up, down
    return msgspec.structs.replace(rectifier, value=value, low=value - down, high=value + up)


def _limits(part: Estimate) -> tuple[float, float, float] | None:
    """Low, value and high, where all three exist."""
    if part.value is None or part.low is None or part.high is None:
        return None
    return part.low, part.value, part.high


def _tuning(truth: NDArray[np.float64], judged: NDArray[np.float64], others: int) -> float:
    """PPI++'s lambda: how far the judge is trusted."""
    shrink = 1 + truth.size / others
    spread = float(judged.var(ddof=1)) if judged.size > 1 else 0.0
    if spread == 0 or truth.size < FEW_LABELS:
        return 1 / shrink
    covariance = float(np.cov(truth, judged)[0, 1])
    return min(1.0, max(0.0, covariance / spread / shrink))


def _lang_reiczigel(p: float, n: float, c: Calibration, z: float) -> tuple[float, float]:
    """Limits by Lang & Reiczigel (2014), equations 13 to 16: Wald with pseudo-counts and a shift."""
    size = n + z * z
    rate_ = (n * p + z * z / 2) / size
    positives, negatives = c.positives + 2, c.negatives + 2
    se, sp = (c.found + 1) / positives, (c.left + 1) / negatives
    youden = se + sp - 1
    if youden <= 0:
        return 0.0, 1.0
    prevalence = (rate_ + sp - 1) / youden
    var_se, var_sp = se * (1 - se) / positives, sp * (1 - sp) / negatives
    shift = 2 * z * z * (prevalence * var_se - (1 - prevalence) * var_sp)
    variance = rate_ * (1 - rate_) / size + prevalence**2 * var_se + (1 - prevalence) ** 2 * var_sp
    half = z * math.sqrt(variance) / youden
    return max(0.0, prevalence + shift - half), min(1.0, prevalence + shift + half)
