"""Checks that stand in front of every statistic: finite numbers, equal lengths, sane levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray


def numbers(values: ArrayLike, what: str = "values") -> NDArray[np.float64]:
    """A non-empty one-dimensional array of finite numbers.

    Raises:
        UsageError: the input is empty, not one-dimensional, not numeric, or holds NaN or infinity.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The {what} are not all numbers ({error}); leave missing ones out.") from error
    if array.ndim != 1:
        raise UsageError(f"The {what} have {array.ndim} dimensions; give one sequence of numbers.")
    if array.size == 0:
        raise UsageError(f"The {what} are empty; a statistic needs at least one observation.")
    finite = np.isfinite(array)
    if not finite.all():
        where = int(np.argmin(finite))
        raise UsageError(
            f"The {what} hold {array[where]} at position {where}; leave observations without a finite "
            "number out and count them as unscored."
        )
    return array


def unit_interval(values: ArrayLike, what: str = "values") -> NDArray[np.float64]:
    """As `numbers`, and every one lies in [0, 1].

    Raises:
        UsageError: as `numbers`, or a value lies outside.
    """
    array = numbers(values, what)
    outside = (array < 0) | (array > 1)
    if outside.any():
        where = int(np.argmax(outside))
        raise UsageError(
            f"The {what} hold {array[where]:g} at position {where}, outside [0, 1]; "
            "a rate is made of 0, 1 and fractions between."
        )
    return array


def codes(clusters: Sequence[Hashable] | None, n: int) -> NDArray[np.intp]:
    """Cluster labels as integers 0..G-1 in order of first appearance; one cluster each when `None`.

    Raises:
        UsageError: there is not exactly one label per observation.
    """
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise UsageError(
            f"There are {len(clusters)} cluster labels for {n} observations; give one label each."
        )
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in clusters], dtype=np.intp)


def same_length(a: NDArray[np.float64], b: NDArray[np.float64], what: str) -> None:
    """Pairs need two sequences of one length.

    Raises:
        UsageError: the lengths differ.
    """
    if a.size != b.size:
        raise UsageError(
            f"The two sides of {what} have {a.size} and {b.size} observations; "
            "give values of the common samples only, in the same order."
        )


def check_level(level: float) -> None:
    """A confidence level lies strictly between 0.5 and 1.

    Raises:
        UsageError: it does not.
    """
    if not 0.5 < level < 1:
        raise UsageError(f"The confidence level {level:g} is not between 0.5 and 1; give for example 0.95.")
