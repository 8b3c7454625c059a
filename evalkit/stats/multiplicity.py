"""Many tests at once: Holm's correction over a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class HolmTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a family. `adjusted` is comparable with the family's alpha."""

    name: str
    p_value: float
    adjusted: float
    significant: bool


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Tests that are read together. `size` is how many there were, significant or not."""

    alpha: float
    size: int
    tests: tuple[HolmTest, ...]

    @property
    def sentence(self) -> str:
        """What to print beneath a table of p-values."""
        found = sum(test.significant for test in self.tests)
        return f"{found} of {self.size} tests significant at {self.alpha:g} after Holm's correction"


def holm(p_values: Mapping[str, float], *, alpha: float = 0.05) -> Family:
    """Control the chance of any false finding among the tests at `alpha` (Holm 1979).

    Needs no independence between the tests.

    Args:
        p_values: test name to its p-value, in the order of the report.
        alpha: family-wise error rate.

    Raises:
        UsageError: a p-value is not in [0, 1].
    """
    from statsmodels.stats.multitest import multipletests

    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise UsageError(f"The p-value of {name!r} is {p}; it must lie in [0, 1].")
    if not p_values:
        return Family(alpha=alpha, size=0, tests=())
    _, adjusted, _, _ = multipletests(list(p_values.values()), alpha=alpha, method="holm")
    return Family(
        alpha=alpha,
        size=len(p_values),
        tests=tuple(
            HolmTest(name=name, p_value=p, adjusted=float(corrected), significant=bool(corrected <= alpha))
            for (name, p), corrected in zip(p_values.items(), adjusted, strict=True)
        ),
    )
