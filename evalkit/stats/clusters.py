"""Clustered observations: sums by cluster, cluster-robust variance, degrees of freedom, dispersion."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

PRIOR_CLUSTERS = 2.0
"""Weight, in clusters, of the assumption that clusters are perfectly correlated (see `dispersion`)."""


class Grouped(msgspec.Struct, frozen=True, kw_only=True):
    """Observations summed by cluster.

    `sums` and `sizes` have shape (G,). `mean` is the mean over observations, so that a cluster counts by
    its size.
    """

    sums: NDArray[np.float64]
    sizes: NDArray[np.float64]

    @property
    def n(self) -> int:
        """Observations."""
        return int(self.sizes.sum())

    @property
    def count(self) -> int:
        """Clusters."""
        return self.sums.size

    @property
    def mean(self) -> float:
        """Mean over observations."""
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def singletons(self) -> bool:
        """Every cluster has one observation."""
        return self.n == self.count

    @property
    def worst_dispersion(self) -> float:
        """Variance inflation of the mean if observations of a cluster were all alike: sum m²/n (Kish)."""
        return float((self.sizes**2).sum() / self.sizes.sum())


def grouped(values: NDArray[np.float64], codes: NDArray[np.intp]) -> Grouped:
    """Sum `values` (n,) by their cluster `codes` (n,), which run from 0 to G-1."""
    sums: NDArray[np.float64] = np.bincount(codes, weights=values).astype(np.float64)
    return Grouped(sums=sums, sizes=np.bincount(codes).astype(np.float64))


def influence(data: Grouped) -> NDArray[np.float64]:
    """Each cluster's contribution to the error of the mean, with the CR2 small-sample factor; shape (G,).

    Their squares sum to the variance. CR2 (Bell & McCaffrey 2002) is unbiased when observations are
    independent with equal variance; for one observation per cluster it is the textbook s²/n.
    """
    residual = data.sums - data.sizes * data.mean
    weighted: NDArray[np.float64] = residual / (data.n * np.sqrt(1 - data.sizes / data.n))
    return weighted


def variance_of_mean(data: Grouped) -> float:
    """CR2 cluster-robust variance of the mean over observations. Needs two clusters or more."""
    return float((influence(data) ** 2).sum())


def degrees_of_freedom(sizes: NDArray[np.float64]) -> float:
    """Satterthwaite degrees of freedom of the CR2 variance (Bell & McCaffrey 2002), independent errors.

    G-1 for clusters of one size; fewer when a few clusters carry most observations.
    """
    # With C = A (diag(s) - s s'/n) A, where A = diag(1 - s/n)^-1/2, this is tr(C)^2 / sum(C^2). The diagonal
    # of C is s itself, so that neither the trace nor the sum needs the G by G matrix.
    n = sizes.sum()
    scaled = sizes**2 / (1 - sizes / n)
    beside = (scaled.sum() ** 2 - (scaled**2).sum()) / n**2
    return float(n**2 / ((sizes**2).sum() + beside))


def dispersion(variance: float, reference: float, informative: int, data: Grouped) -> float:
    """Variance inflation of a mean of bounded values against independent all-or-nothing values.

    The observed ratio `variance`/`reference` is unstable when only a few clusters vary, and undefined when
    none does. It is therefore averaged with the worst case (observations of a cluster all alike), which
    weighs as much as `PRIOR_CLUSTERS` clusters do; `informative` counts the clusters that tell something.
    With hardly any information the interval is that of one observation per cluster, never narrower;
    with many clusters the prior vanishes. Shrinking the design effect follows the practice of survey
    statistics for rare items (Korn & Graubard 1998); the weight was chosen by simulation
    (`benchmarks/statistics.py`): smaller ones fall below 93 % coverage for strongly correlated clusters.

    Args:
        variance: CR2 variance of the mean.
        reference: variance of the mean of as many independent all-or-nothing values.
        informative: clusters whose values differ from the constant that the data may be.
        data: the clustered observations.
    """
    worst = data.worst_dispersion
    if reference <= 0:
        return worst
    observed = variance / reference
    return (informative * observed + PRIOR_CLUSTERS * worst) / (informative + PRIOR_CLUSTERS)


def cluster_means(values: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Each cluster's mean, in the order of the codes; shape (G,). For sequential gates."""
    data = grouped(values, codes)
    means: NDArray[np.float64] = data.sums / data.sizes
    return means
