"""Draws data sets with a known truth and counts how often an interval holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.types.estimate import Estimate

Draw = Callable[[np.random.Generator], "Estimate"]


@dataclass(frozen=True)
class Cell:
    """One coverage to be measured. `reason` is the mark that explains a coverage above 97 %."""

    truth: float
    draw: Draw
    reason: str = ""
    sets: int = 2000


@dataclass(frozen=True)
class Table:
    """Cells in rows; every row has one cell per column."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Coverage:
    """Shares of data sets; `below` and `above` are misses with the truth below or above the interval."""

    inside: float
    below: float
    above: float
    unbounded: float
    sets: int


def measure(cell: Cell, seed: int, share: float = 1.0) -> Coverage:
    """Simulate a cell; `share` scales the number of data sets.

    A coverage too near to 93 % to be told from it is measured again on four times as many data sets.
    """
    first = _measured(cell, np.random.default_rng((seed, 0)), max(1, int(cell.sets * share)))
    if share == 1 and 0.92 <= first.inside < 0.94:
        return _measured(cell, np.random.default_rng((seed, 1)), 4 * cell.sets)
    return first


def _measured(cell: Cell, rng: np.random.Generator, sets: int) -> Coverage:
    below = above = unbounded = 0
    for _ in range(sets):
        estimate = cell.draw(rng)
        low = -np.inf if estimate.low is None else estimate.low
        high = np.inf if estimate.high is None else estimate.high
        below += cell.truth < low - 1e-12
        above += cell.truth > high + 1e-12
        unbounded += estimate.low is None or estimate.high is None
    return Coverage(
        inside=1 - (below + above) / sets,
        below=below / sets,
        above=above / sets,
        unbounded=unbounded / sets,
        sets=sets,
    )


@dataclass(frozen=True)
class Shape:
    """How observations fall into clusters."""

    name: str
    sizes: NDArray[np.intp]

    @property
    def codes(self) -> NDArray[np.intp]:
        """Cluster of each observation."""
        return np.repeat(np.arange(self.sizes.size), self.sizes)

    @property
    def n(self) -> int:
        """Observations."""
        return int(self.sizes.sum())

    @property
    def labels(self) -> list[int] | None:
        """As the statistics take them; `None` when every observation stands alone."""
        return None if self.n == self.sizes.size else self.codes.tolist()


def alone(n: int) -> Shape:
    """As many independent observations."""
    return Shape("independent", np.ones(n, dtype=np.intp))


def threes(clusters: int) -> Shape:
    """Three repeats each."""
    return Shape("3 each", np.full(clusters, 3))


def unequal(clusters: int) -> Shape:
    """Sizes from 1 to 8."""
    return Shape("1 to 8", np.resize([1, 1, 2, 3, 4, 8], clusters))


def heavy(clusters: int) -> Shape:
    """Pairs, and one cluster with a third of all observations."""
    return Shape("one of a third", np.concatenate([[clusters - 1], np.full(clusters - 1, 2)]))


def binary(rng: np.random.Generator, shape: Shape, p: float, icc: float) -> NDArray[np.float64]:
    """0/1 values with mean p and correlation `icc` within clusters (beta-binomial)."""
    clusters = shape.sizes.size
    if icc == 0:
        chance = np.full(clusters, p)
    elif icc == 1:
        chance = (rng.random(clusters) < p).astype(float)
    else:
        chance = rng.beta(p * (1 / icc - 1), (1 - p) * (1 / icc - 1), clusters)
    values: NDArray[np.float64] = (rng.random(shape.n) < chance[shape.codes]).astype(np.float64)
    return values


def normal(rng: np.random.Generator, shape: Shape, icc: float) -> NDArray[np.float64]:
    """Standard normal values with correlation `icc` within clusters."""
    common = rng.standard_normal(shape.sizes.size)[shape.codes]
    values: NDArray[np.float64] = np.sqrt(icc) * common + np.sqrt(1 - icc) * rng.standard_normal(shape.n)
    return values


def changes(
    rng: np.random.Generator, shape: Shape, gains: float, losses: float, icc: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two sides' 0/1 values: the first alone succeeds with chance `gains`, the second with `losses`."""
    common = rng.random(shape.sizes.size)[shape.codes]
    own = rng.random(shape.n)
    u = np.where(rng.random(shape.n) < np.sqrt(icc), common, own)
    return (u < 1 - losses).astype(np.float64), (u >= gains).astype(np.float64)
