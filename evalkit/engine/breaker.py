"""Decides when a provider has failed so often in a row that asking on is pointless.

After enough consecutive failures the provider rests; then one request probes it. A success takes everything
up again, a failure doubles the rest, and after the last probe the provider is given up: what is left is
recorded as not asked, and a resumed run asks exactly that.
"""

from __future__ import annotations

import msgspec

from evalkit.types.generation import Outcome


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after` failures in a row, a first rest of `pause_s` seconds, at most `longest_s`, `probes` probes."""

    after: int = 10
    pause_s: float = 15.0
    longest_s: float = 120.0
    probes: int = 5


class Breaker:
    """State of one provider. `resting` is True from the first rest until a probe succeeds."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self._policy = policy or BreakerPolicy()
        self._strikes = 0
        self._rests = 0
        self.resting = False
        self.given_up: str | None = None

    def succeeded(self) -> bool:
        """The provider did its work; True if that ended a rest."""
        ended, self.resting = self.resting, False
        self._strikes = self._rests = 0
        return ended

    def failed(self, outcome: Outcome, message: str, *, probe: bool) -> float | None:
        """The provider failed.

        Args:
            outcome: How; a fault of the configuration is not mended by waiting.
            message: What the provider said, for the reason.
            probe: Whether this was the one request that was let through after a rest.

        Returns:
            Seconds to rest from now, if a rest begins.
        """
        if self.given_up is not None or (self.resting and not probe):
            return None
        self._strikes += 1
        if self._strikes < self._policy.after:
            return None
        hopeless = outcome is Outcome.CONFIG_ERROR
        if hopeless or self._rests >= self._policy.probes:
            self.given_up = f"{self._strikes} failures in a row, the last: {message}"
            return None
        self.resting = True
        rest = min(self._policy.longest_s, self._policy.pause_s * 2.0**self._rests)
        self._rests += 1
        return rest
