"""A number with its uncertainty, its denominator and what is missing from it."""

from __future__ import annotations

import msgspec


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured quantity.

    `low` and `high` bound the two-sided interval at `level` (0.95 leaves 2.5 % beyond each end). `n` is the
    denominator: the observations that went into `value`. `clusters` counts the independent groups among
    them (repeats of one prompt are one cluster). `failed` and `unscored` are the planned observations that
    gave no value; they are not in `n`. `value` is `None` when there are no data. A limit is `None` when
    the data cannot bound that side; `note` then says why. `method` names how the interval was made.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    clusters: int
    method: str
    failed: int = 0
    unscored: int = 0
    note: str | None = None

    @classmethod
    def absent(cls, note: str, *, level: float = 0.95, failed: int = 0, unscored: int = 0) -> Estimate:
        """No data at all; `note` says why."""
        return cls(
            value=None,
            low=None,
            high=None,
            level=level,
            n=0,
            clusters=0,
            method="none",
            failed=failed,
            unscored=unscored,
            note=note,
        )

    def with_missing(self, *, failed: int, unscored: int) -> Estimate:
        """The same estimate with the counts of planned observations that gave no value."""
        return msgspec.structs.replace(self, failed=failed, unscored=unscored)

    @property
    def half_width(self) -> float | None:
        """Half the length of the interval, or `None` where a side is unbounded."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def planned(self) -> int:
        """Observations that were planned: used, failed and unscored."""
        return self.n + self.failed + self.unscored
