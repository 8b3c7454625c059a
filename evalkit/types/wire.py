"""What crosses the network, as bytes and times."""

from __future__ import annotations

from typing import Literal

import msgspec

from evalkit.types.generation import Failure, Outcome, Response

WireFault = Literal[
    "connect",
    "tls",
    "dns",
    "timeout_connect",
    "timeout_first",
    "timeout_idle",
    "timeout_total",
    "cut",
    "protocol",
]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly what will be sent, without the key: the transport adds that from the environment."""

    path: str
    body: bytes
    stream: bool
    headers: dict[str, str] = {}
    method: str = "POST"


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds. `first` and `idle` count data, not keep-alive comments."""

    connect: float = 15.0
    first: float = 300.0
    idle: float = 120.0
    total: float = 1800.0


class WireError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a reply is missing or incomplete."""

    fault: WireFault
    message: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, complete or not.

    `marks` are `(offset, seconds)` pairs: by which time after sending how many bytes of `body` had arrived.
    Header names are lower case.
    """

    status: int | None
    headers: dict[str, str]
    body: bytes
    marks: tuple[tuple[int, float], ...]
    started_at: float
    duration_s: float
    error: WireError | None = None


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter's reading of a reply.

    `retryable` says whether asking again can help; `retry_after_s` is what the host asked for. Times are
    seconds since sending; see `evalkit.types.generation.Timing`.
    """

    outcome: Outcome
    response: Response | None = None
    failure: Failure | None = None
    retryable: bool = False
    retry_after_s: float | None = None
    first_token_s: float | None = None
    first_answer_s: float | None = None
    token_chunks: int | None = None
