"""Which trials there are, and in which order. Pure.

All endpoints work the samples in one seeded order, and endpoints of one provider alternate, so that neither
the time of day nor a host that slows down during the run favours one of them.
"""

from __future__ import annotations

import random
from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

import msgspec

from evalkit.types.generation import TrialKey
from evalkit.types.provider import Endpoint
from evalkit.types.suite import LoadedSuite, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Trial(msgspec.Struct, frozen=True):
    """Sample by endpoint by epoch: the unit of work."""

    loaded: LoadedSuite
    sample: Sample
    endpoint: Endpoint
    epoch: int

    @property
    def key(self) -> TrialKey:
        """Its identity in the run."""
        return TrialKey(self.loaded.suite.id, self.sample.id, self.endpoint.id, self.epoch)


class Shard(msgspec.Struct, frozen=True):
    """Part `index` (from 1) of `count` of a run's samples, the same for every endpoint."""

    index: int = 1
    count: int = 1


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run will do. `epochs` overrides the suites' own.

    `only` restricts the work to some samples, as `(suite, sample)`, when a plan is worked bit by bit.
    """

    suites: tuple[LoadedSuite, ...]
    endpoints: tuple[Endpoint, ...]
    seed: int
    epochs: int | None = None
    shard: Shard = Shard()
    only: frozenset[tuple[str, str]] | None = None

    def whole(self) -> Plan:
        """The plan that this one is a part of."""
        return msgspec.structs.replace(self, shard=Shard())

    def epochs_of(self, loaded: LoadedSuite) -> int:
        """How many draws each sample of a suite gets."""
        return self.epochs or loaded.suite.epochs

    def size(self) -> int:
        """Number of trials."""
        per_endpoint = sum(len(self.samples_of(s)) * self.epochs_of(s) for s in self.suites)
        return per_endpoint * len(self.endpoints)

    def samples_of(self, loaded: LoadedSuite) -> tuple[Sample, ...]:
        """The shard's samples of a suite that are to be worked."""
        own = loaded.samples[self.shard.index - 1 :: self.shard.count]
        if self.only is None:
            return own
        return tuple(sample for sample in own if (loaded.suite.id, sample.id) in self.only)

    def providers(self) -> dict[str, list[Endpoint]]:
        """Endpoints by provider id, in the order given."""
        groups: dict[str, list[Endpoint]] = {}
        for endpoint in self.endpoints:
            groups.setdefault(endpoint.provider.id, []).append(endpoint)
        return groups

    def trials(self, endpoints: Sequence[Endpoint]) -> Iterator[Trial]:
        """The trials of some endpoints in working order, made as they are asked for."""
        return (
            Trial(loaded, sample, endpoint, epoch)
            for loaded, sample, epoch in self._order()
            for endpoint in endpoints
        )

    def _order(self) -> Iterator[tuple[LoadedSuite, Sample, int]]:
        """Every sample and epoch once. Numbers are shuffled, not objects: there may be very many."""
        parts: list[tuple[LoadedSuite, tuple[Sample, ...], int]] = []
        starts: list[int] = []
        size = 0
        for loaded in self.suites:
            samples = self.samples_of(loaded)
            for epoch in range(1, self.epochs_of(loaded) + 1):
                parts.append((loaded, samples, epoch))
                starts.append(size)
                size += len(samples)
        numbers = array("Q", range(size))
        random.Random(self.seed).shuffle(numbers)  # noqa: S311  # an order, not a secret
        for number in numbers:
            part = bisect_right(starts, number) - 1
            loaded, samples, epoch = parts[part]
            yield loaded, samples[number - starts[part]], epoch
