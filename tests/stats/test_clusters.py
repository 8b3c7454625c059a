"""Degrees of freedom without the matrix are those with it."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.stats.clusters import degrees_of_freedom


@pytest.mark.parametrize("seed", range(20))
def test_degrees_of_freedom_agree_with_the_matrix(seed: int) -> None:
    draw = np.random.default_rng(seed)
    sizes = draw.integers(1, 30, size=draw.integers(2, 60)).astype(np.float64)
    n = sizes.sum()
    scale = 1 / np.sqrt(1 - sizes / n)
    covariance = (np.diag(sizes) - np.outer(sizes, sizes) / n) * np.outer(scale, scale)
    expected = np.trace(covariance) ** 2 / (covariance**2).sum()
    assert degrees_of_freedom(sizes) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [2, 5, 1000])
def test_equal_clusters_have_one_less_than_their_number(count: int) -> None:
    assert degrees_of_freedom(np.full(count, 3.0)) == pytest.approx(count - 1)
