"""pass@k and pass^k from several trials of each sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from evalkit.errors import UsageError
from evalkit.stats.intervals import rate
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


def pass_at_k(trials: int, successes: int, k: int) -> float | None:
    """Chance that at least one of k trials succeeds: 1 - C(n-c, k)/C(n, k).

    Unbiased (Chen et al. 2021, arXiv 2107.03374). `None` when there are fewer than k trials: no unbiased
    estimate exists.

    Raises:
        UsageError: `k` is below 1 or the counts contradict each other.
    """
    _check(trials, successes, k)
    if trials < k:
        return None
    return 1 - math.comb(trials - successes, k) / math.comb(trials, k)


def pass_hat_k(trials: int, successes: int, k: int) -> float | None:
    """Chance that all of k trials succeed, pass^k: C(c, k)/C(n, k) (Yao et al. 2024, arXiv 2406.12045).

    `None` when there are fewer than k trials.

    Raises:
        UsageError: `k` is below 1 or the counts contradict each other.
    """
    _check(trials, successes, k)
    if trials < k:
        return None
    return math.comb(successes, k) / math.comb(trials, k)


def mean_pass_at_k(
    trials: Sequence[int],
    successes: Sequence[int],
    k: int,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    every: bool = False,
) -> Estimate:
    """pass@k (or with `every` pass^k) over a suite's samples, with an interval over samples.

    Each sample counts once. Samples with fewer than k trials have no unbiased value: they are left out
    and counted as unscored. See `rate` for the interval.

    Args:
        trials: scored trials of each sample, shape (samples,).
        successes: those that succeeded, shape (samples,).
        k: how many trials.
        clusters: one label per sample.
        level: confidence level.
        every: all of k must succeed instead of one.

    Raises:
        UsageError: no sample at all, or counts contradict each other.
    """
    if len(trials) != len(successes) or (clusters is not None and len(clusters) != len(trials)):
        raise UsageError(
            "Trials, successes and clusters have different lengths; give one of each per sample."
        )
    if len(trials) == 0:
        raise UsageError("There are no samples; pass@k needs at least one.")
    one = pass_hat_k if every else pass_at_k
    values = [one(n, c, k) for n, c in zip(trials, successes, strict=True)]
    kept = [i for i, value in enumerate(values) if value is not None]
    short = len(values) - len(kept)
    reason = f"{short} of {len(values)} samples have fewer than {k} trials" if short else None
    if not kept:
        return Estimate.absent(str(reason), level=level, unscored=short)
    labels = None if clusters is None else [clusters[i] for i in kept]
    estimate = rate([value for value in values if value is not None], labels, level=level)
    note = "; ".join(text for text in (estimate.note, reason) if text) or None
    return msgspec.structs.replace(estimate, unscored=short, note=note)


def _check(trials: int, successes: int, k: int) -> None:
    if k < 1:
        raise UsageError(f"pass@k needs k of 1 or more, not {k}.")
    if not 0 <= successes <= trials:
        raise UsageError(f"{successes} successes of {trials} trials cannot be; give 0 to {trials}.")
