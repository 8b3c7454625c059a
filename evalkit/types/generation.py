"""What came back: one recorded request with its attempts and its response or failure."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

from evalkit.types.chat import Message, ToolCall

Finish = Literal["stop", "length", "tool_calls", "content_filter", "error"]


class Outcome(enum.StrEnum):
    """Which layer decided how a request ended."""

    OK = "ok"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    ROUTER_BLOCK = "router_block"
    HOST_INPUT_FILTER = "host_input_filter"
    HOST_OUTPUT_FILTER = "host_output_filter"
    TOOL_FORMAT_FAILURE = "tool_format_failure"
    RATE_LIMITED = "rate_limited"
    INFRA_ERROR = "infra_error"
    CONFIG_ERROR = "config_error"

    @property
    def is_blocked(self) -> bool:
        """A filter in front of or behind the model withheld the answer."""
        return self in {Outcome.ROUTER_BLOCK, Outcome.HOST_INPUT_FILTER, Outcome.HOST_OUTPUT_FILTER}

    @property
    def is_failure(self) -> bool:
        """The host did not do its work; asking again may succeed, and a resumed run does."""
        return self in {Outcome.RATE_LIMITED, Outcome.INFRA_ERROR, Outcome.CONFIG_ERROR}


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens as the host counted them; `None` where it said nothing.

    `input` includes `cached_input` and `cache_write`; `output` includes `reasoning`.
    """

    input: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None


class Likelihood(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How probable a given text was: the natural logarithm, summed over its `tokens`.

    `greedy` says whether each of them was the likeliest at its place.
    """

    logprob: float
    greedy: bool
    tokens: int


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer as the host delivered it.

    `text` has reasoning taken out; `reasoning_field` names where that reasoning was found. `defects` lists
    tool-format faults by kind, one for each (`evalkit.toolcalls.defects`). `streamed_then_cut` marks text
    that a filter cut while it was streaming.
    """

    text: str = ""
    reasoning: str | None = None
    reasoning_field: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    finish: Finish | None = None
    native_finish: str | None = None
    served_model: str | None = None
    served_by: str | None = None
    response_id: str | None = None
    system_fingerprint: str | None = None
    usage: Usage | None = None
    billed_usd: float | None = None
    defects: tuple[str, ...] = ()
    streamed_then_cut: bool = False
    likelihood: Likelihood | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why there is no answer. `body` is the start of what the host sent, for the record."""

    message: str
    status: int | None = None
    code: str | None = None
    body: str | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try on the wire. Times are seconds; `started_at` is a Unix time."""

    started_at: float
    duration_s: float
    outcome: Outcome
    status: int | None = None
    error: str | None = None
    waited_s: float = 0.0


class Timing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Seconds, measured at this client, of the attempt that was kept.

    `queued_s` is what came before it: waiting for admission, earlier attempts and their pauses.
    `first_token_s` counts reasoning, `first_answer_s` does not. `token_chunks` is the number of streamed
    pieces that carried tokens. All but `total_s` and `queued_s` are `None` when not streamed.
    """

    total_s: float
    queued_s: float = 0.0
    first_token_s: float | None = None
    first_answer_s: float | None = None
    token_chunks: int | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """US dollars by part; `price` names the frozen price row or `billed`."""

    usd: float
    price: str
    input_usd: float | None = None
    cached_usd: float | None = None
    reasoning_usd: float | None = None
    output_usd: float | None = None


class TrialKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """Identity of a trial inside a run: sample by endpoint by epoch. Epochs count from 1."""

    suite: str
    sample: str
    endpoint: str
    epoch: int


class Generation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of `generations.jsonl`.

    `fingerprint` is the SHA-256 of endpoint, path, exact body bytes and draw. `prompt` holds the messages
    that are new since the trial's previous turn. `endpoint` is the one that was asked; it differs from
    `trial.endpoint` for judges and simulated users, whose `role` says so. `source` names the run that an
    answer was taken from instead of asked.
    """

    fingerprint: str
    trial: TrialKey
    turn: int
    endpoint: str
    outcome: Outcome
    at: float
    role: str = "subject"
    prompt: tuple[Message, ...] = ()
    response: Response | None = None
    failure: Failure | None = None
    attempts: tuple[Attempt, ...] = ()
    timing: Timing | None = None
    cost: Cost | None = None
    source: str | None = None

    @property
    def excluded(self) -> bool:
        """Another host or a router's cache answered: it says nothing of the endpoint that was asked."""
        return (
            self.outcome is Outcome.INFRA_ERROR
            and self.failure is not None
            and self.failure.code in {"not_pinned", "cached"}
        )

    @property
    def succeeded(self) -> bool:
        """The host did its work, whatever the answer is worth: never asked again."""
        return not self.outcome.is_failure
