"""One question to one endpoint: look it up, else ask, and record before anything else happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from evalkit.engine.retry import RetryPolicy, with_retries
from evalkit.errors import EvalkitError
from evalkit.fingerprint import fingerprint
from evalkit.pricing.cost import cost_of
from evalkit.types.chat import Message, Request
from evalkit.types.generation import Attempt, Generation, Outcome, Timing, TrialKey
from evalkit.types.provider import Endpoint
from evalkit.types.wire import Call, Decoded, Reply, Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evalkit.engine.limiter import Limiter
    from evalkit.ports.core import Adapter, Journal, Progress, Transport
    from evalkit.types.run import PriceRecord


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


class Asker:
    """The engine's way to the hosts: limiter, attempts, prices and journal in one place.

    Without a transport it only looks up (a replay).
    """

    def __init__(
        self,
        *,
        adapters: Mapping[str, Adapter],
        transports: Callable[[Endpoint], Transport] | None,
        limiters: Mapping[str, Limiter],
        journal: Journal,
        prices: Mapping[str, PriceRecord],
        progress: Progress,
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
        stream: bool = True,
    ) -> None:
        self._adapters = adapters
        self._transports = transports
        self._limiters = limiters
        self._journal = journal
        self._prices = prices
        self._progress = progress
        self._timeouts = timeouts or Timeouts()
        self._retries = retries or RetryPolicy()
        self._stream = stream

    async def ask(self, question: Question) -> Generation:
        """The recorded answer to exactly this question, or a new one.

        Raises:
            NotRecordedError: a replay has no answer to this question.
            InfrastructureError: the journal cannot be written.
            UsageError: the endpoint cannot carry a parameter, or its key is missing.
        """
        endpoint = question.endpoint
        call = self._adapters[endpoint.provider.adapter].encode(
            question.request, endpoint, stream=self._stream
        )
        identity = fingerprint(call, endpoint, question.draw)
        replays = self._transports is None
        recorded = self._journal.recall(identity) if replays else self._journal.find(identity)
        if recorded is not None:
            self._progress.generated(recorded, recorded=True)
            return recorded
        if self._transports is None:
            raise NotRecordedError(f"{question.trial.sample} at {endpoint.id} has no recorded answer.")
        generation = await self._send(question, call, identity, self._transports(endpoint))
        self._journal.append(generation)
        self._progress.generated(generation, recorded=False)
        return generation

    async def _send(self, question: Question, call: Call, identity: str, transport: Transport) -> Generation:
        endpoint = question.endpoint
        limiter = self._limiters[endpoint.provider.id]
        adapter = self._adapters[endpoint.provider.adapter]
        asked_at = time.time()
        attempts: list[Attempt] = []
        reply: Reply | None = None

        async def attempt() -> Decoded:
            nonlocal reply
            queued = time.monotonic()
            async with limiter:
                waited = time.monotonic() - queued
                reply = await transport.send(call, endpoint, self._timeouts)
            decoded = adapter.decode(call, reply, endpoint, question.request)
            _tell(limiter, decoded)
            attempts.append(_attempt(reply, decoded, waited))
            return decoded

        decoded = await with_retries(self._retries, attempt)
        assert reply is not None  # an attempt was made
        ended_at = reply.started_at + reply.duration_s
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
            timing=_timing(reply, decoded, asked_at) if decoded.response is not None else None,
            cost=cost_of(decoded.response, self._prices.get(endpoint.id), ended_at),
        )


def _tell(limiter: Limiter, decoded: Decoded) -> None:
    if decoded.outcome is Outcome.RATE_LIMITED:
        limiter.overloaded(decoded.retry_after_s)
    elif not decoded.outcome.is_failure:
        limiter.succeeded()


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
