"""A gate's verdict as the page shows it."""

from __future__ import annotations

import msgspec


class RuleNote(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a gate: what it asks, what was decided, and why."""

    title: str
    decision: str
    sentence: str


class VerdictNote(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict in words. `decision` is `pass`, `fail` or `inconclusive`."""

    decision: str
    sentence: str
    baseline: str | None = None
    baseline_age: str | None = None
    rules: tuple[RuleNote, ...] = ()

    @property
    def ordered(self) -> tuple[RuleNote, ...]:
        """The rules, those that are broken first and those that hold last."""
        order = ("fail", "inconclusive", "pass")
        return tuple(
            sorted(self.rules, key=lambda rule: order.index(rule.decision) if rule.decision in order else 1)
        )
