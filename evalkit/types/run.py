"""A run's manifest: everything that is needed to read, check and repeat it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from evalkit.types.provider import Endpoint, Price
from evalkit.types.score import Metric
from evalkit.types.suite import Suite

SCHEMA = 1
"""Version of a results folder. A newer one is refused, an older one is read."""

Status = Literal["running", "finished", "interrupted", "stopped"]


class SuiteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A suite as it was used. `samples` is the planned number per endpoint and epoch."""

    suite: Suite
    hash: str
    samples: int
    epochs: int
    metrics: tuple[Metric, ...]


class PriceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A price row frozen at planning, with the resolver's step that gave it. `price` None is unpriced."""

    endpoint: str
    source: str
    price: Price | None
    rows: tuple[Price, ...] = ()
    note: str | None = None


class PolicyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a suite's data may go to an endpoint, and the facts that decided."""

    suite: str
    endpoint: str
    sensitivity: str
    allowed: bool
    rule: str
    facts: dict[str, Any] = {}
    role: str = "subject"


class HostVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of an endpoint's identity found: whether it serves the weights that it declares.

    `method` names the detector. evalkit does not write these by itself yet; whoever verified a host may.
    """

    endpoint: str
    word: Literal["matches", "differs", "unclear"]
    method: str
    reason: str | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`. Written before the first request, closed after the last."""

    schema: int
    run: str
    created_at: str
    evalkit: str
    argv: tuple[str, ...]
    seed: int
    suites: tuple[SuiteRecord, ...]
    endpoints: tuple[Endpoint, ...]
    status: Status = "running"
    finished_at: str | None = None
    reference: str | None = None
    judges: tuple[Endpoint, ...] = ()
    prices: tuple[PriceRecord, ...] = ()
    policy: tuple[PolicyRecord, ...] = ()
    policy_file: str | None = None
    host_verdicts: tuple[HostVerdict, ...] = ()
    options: dict[str, Any] = {}
    software: dict[str, str] = {}
    checksums: dict[str, str] = {}
    note: str | None = None

    @property
    def shard(self) -> tuple[int, int]:
        """Which part of its plan the run is, counted from 1, and of how many."""
        match self.options.get("shard"):
            case [int(index), int(count)] if 1 <= index <= count:
                return index, count
        return 1, 1
