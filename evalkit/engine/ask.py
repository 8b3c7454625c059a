"""One question to one endpoint: look it up, else ask, and record before anything else happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from evalkit.engine.budget import Purse, Tokens
from evalkit.engine.limiter import Limiter
from evalkit.engine.retry import RetryPolicy, with_retries
from evalkit.engine.room import room_told
from evalkit.errors import EvalkitError
from evalkit.fingerprint import fingerprint, imported
from evalkit.ports.core import Adapter, Journal, Transport
from evalkit.types.chat import Message, Request
from evalkit.types.generation import (
    Attempt,
    Failure,
    Generation,
    Outcome,
    Timing,
    TrialKey,
)
from evalkit.types.provider import Endpoint
from evalkit.types.wire import Call, Decoded, Reply, Timeouts

if TYPE_CHECKING:
    from evalkit.engine.stop import StopReason
    from evalkit.ports.core import Progress


class Recorded(Protocol):
    """The answers of an earlier run."""

    name: str

    def find(self, fingerprint: str) -> Generation | None:
        """The recorded success for exactly this question."""
        ...


class NotRecordedError(EvalkitError):
    """A replay asked for an answer that the run does not hold."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request with its place in a trial. `new` are the messages since the trial's previous turn."""

    request: Request
    endpoint: Endpoint
    trial: TrialKey
    turn: int
    role: str
    draw: str
    new: tuple[Message, ...]


class _Tried(msgspec.Struct):
    decoded: Decoded
    reply: Reply | None = None
    waited_s: float = 0.0


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a question gets to its host, and what comes back is read.

    Without transports, or for an endpoint that has none, an answer can only be looked up (a replay).
    Adapters are by their name, limiters by provider.
    """

    adapters: Mapping[str, Adapter]
    transports: Callable[[Endpoint], Transport | None] | None
    limiters: Mapping[str, Limiter]
    timeouts: Timeouts = Timeouts()
    retries: RetryPolicy = RetryPolicy()
    stream: bool = True

    def transport(self, endpoint: Endpoint) -> Transport | None:
        """Who carries bytes to an endpoint, if anybody may."""
        return None if self.transports is None else self.transports(endpoint)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Where answers are kept, and the earlier runs whose answers may be taken instead of asking anew."""

    journal: Journal
    reuse: Sequence[Recorded] = ()

    def reused(self, question: Question, identity: str) -> Generation | None:
        """The answer of an earlier run to exactly this question, marked with where it is from."""
        for other in self.reuse:
            found = other.find(identity)
            if found is not None:
                return msgspec.structs.replace(
                    found, trial=question.trial, turn=question.turn, source=found.source or other.name
                )
        return None


class Asker:
    """The engine's way to the hosts: looking up, limits, attempts, costs and journal in one place."""

    def __init__(self, way: Way, record: Record, purse: Purse, progress: Progress) -> None:
        self._way = way
        self._record = record
        self._purse = purse
        self._progress = progress

    def halt(self, reason: StopReason) -> None:
        """The run is to stop: nobody waits any longer for a provider that rests."""
        for limiter in self._way.limiters.values():
            limiter.halt(reason)

    async def ask(self, question: Question) -> Generation:
        """The recorded answer to exactly this question, or a new one.

        Raises:
            NotRecordedError: a replay has no answer to this question.
            InfrastructureError: the journal cannot be written.
            UsageError: the endpoint cannot carry a parameter, or its key is missing.
            StoppedError: the budget is spent, or the run is stopping while the provider rests.
        """
        endpoint = question.endpoint
        call = self._way.adapters[endpoint.provider.adapter].encode(
            question.request, endpoint, stream=self._way.stream
        )
        identity = fingerprint(call, endpoint, question.draw)
        transport, journal = self._way.transport(endpoint), self._record.journal
        recorded = journal.recall(identity) if transport is None else journal.find(identity)
        if recorded is not None:
            self._progress.generated(recorded, recorded=True)
            return recorded
        if transport is None:
            raise NotRecordedError(f"{question.trial.sample} at {endpoint.id} has no recorded answer.")
        reused = self._record.reused(question, identity)
        generation = reused or await self._send(question, call, identity, transport)
        journal.append(generation)
        self._progress.generated(generation, recorded=reused is not None)
        return generation

    def recorded(self, trial: TrialKey, turn: int) -> Generation | None:
        """A turn that another tool recorded; None after the trial's last.

        Raises:
            NotRecordedError: there is nothing of this trial at all.
        """
        found = self._record.journal.recall(imported(trial, turn))
        if found is None and turn == 1:
            raise NotRecordedError(f"{trial.sample} at {trial.endpoint} has no recorded answer.")
        return found

    async def _send(self, question: Question, call: Call, identity: str, transport: Transport) -> Generation:
        endpoint = question.endpoint
        asked_at = time.time()
        attempts: list[Attempt] = []
        last: Reply | None = None

        async def attempt() -> Decoded:
            nonlocal last
            tried = await self._try(question, call, transport)
            if tried.reply is not None:
                last = tried.reply
                attempts.append(_attempt(tried.reply, tried.decoded, tried.waited_s))
            return tried.decoded

        decoded = await with_retries(self._way.retries, attempt)
        ended_at = time.time() if last is None else last.started_at + last.duration_s
        return Generation(
            fingerprint=identity,
            trial=question.trial,
            turn=question.turn,
            endpoint=endpoint.id,
            outcome=decoded.outcome,
            at=ended_at,
            role=question.role,
            prompt=question.new,
            response=decoded.response,
            failure=decoded.failure,
            attempts=tuple(attempts),
            timing=_timing(last, decoded, asked_at) if last and decoded.response is not None else None,
            cost=self._purse.cost(decoded, endpoint, ended_at),
        )

    async def _try(self, question: Question, call: Call, transport: Transport) -> _Tried:
        """One attempt: admission, budget, wire, reading, and what the limiter learns from it."""
        endpoint = question.endpoint
        limiter = self._way.limiters[endpoint.provider.id]
        tokens = most_tokens(call, question.request)
        queued = time.monotonic()
        if not await limiter.enter(tokens.total):
            return _Tried(decoded=_given_up(limiter.given_up or ""))
        waited_s = time.monotonic() - queued
        used: int | None = None
        try:
            reserved = await self._purse.reserve(endpoint, tokens)
            decoded: Decoded | None = None
            try:
                reply = await transport.send(call, endpoint, self._way.timeouts)
                decoded = self._way.adapters[endpoint.provider.adapter].decode(
                    call, reply, endpoint, question.request
                )
            finally:
                self._purse.settle(reserved, decoded, endpoint)
            ended_at = reply.started_at + reply.duration_s
            limiter.told(decoded, room_told(reply.headers, endpoint.provider.rate_limit_headers, ended_at))
            used = _used(decoded)
        finally:
            limiter.leave(tokens.total, used)
        return _Tried(decoded=decoded, reply=reply, waited_s=waited_s)


def most_tokens(call: Call, request: Request) -> Tokens:
    """The most that a request can use: a token is at least a byte of its body, in practice three or four.

    Three bytes a token are reckoned, and the whole of `max_tokens`.
    """
    return Tokens(input=len(call.body) // 3, output=request.settings.max_tokens or 0)


def _used(decoded: Decoded) -> int | None:
    usage = decoded.response.usage if decoded.response else None
    if usage is None or usage.input is None or usage.output is None:
        return None
    return usage.input + usage.output


def _given_up(reason: str) -> Decoded:
    return Decoded(
        outcome=Outcome.INFRA_ERROR,
        failure=Failure(message=f"Not asked: the provider was given up after {reason}", code="given_up"),
    )


def _attempt(reply: Reply, decoded: Decoded, waited_s: float) -> Attempt:
    error = decoded.failure.message if decoded.failure else None
    return Attempt(
        started_at=reply.started_at,
        duration_s=reply.duration_s,
        outcome=decoded.outcome,
        status=reply.status,
        error=error[:300] if error else None,
        waited_s=waited_s,
    )


def _timing(reply: Reply, decoded: Decoded, asked_at: float) -> Timing:
    return Timing(
        total_s=reply.duration_s,
        queued_s=max(0.0, reply.started_at - asked_at),
        first_token_s=decoded.first_token_s,
        first_answer_s=decoded.first_answer_s,
        token_chunks=decoded.token_chunks,
    )
