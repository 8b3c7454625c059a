"""Judges what was gathered from a reply: answer, filter, fault of the host, or nothing. For all dialects."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec

from evalkit.adapters import outcomes
from evalkit.adapters.parts import Gathered, usage_of
from evalkit.toolcalls.defects import defects_of
from evalkit.toolcalls.leaks import leaked
from evalkit.types.chat import ToolCall
from evalkit.types.generation import Failure, Finish, Outcome, Response
from evalkit.types.wire import Decoded, Reply

if TYPE_CHECKING:
    from evalkit.types.chat import Request
    from evalkit.types.provider import Endpoint

_THINK = re.compile(r"^\s*<(think|thinking|reasoning)>(?P<inside>.*?)</\1>", re.DOTALL)
_UNOPENED = re.compile(r"^(?P<inside>.*?)</(think|thinking|reasoning)>", re.DOTALL)
_UNCLOSED = re.compile(r"^\s*<(think|thinking|reasoning)>(?P<inside>.*)$", re.DOTALL)
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>\w+)[^<]*<\|message\|>(?P<inside>.*?)"
    r"(?=<\|(?:end|return|call|start|channel)\|>|$)",
    re.DOTALL,
)
_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
}


def read(gathered: Gathered | None, reply: Reply, endpoint: Endpoint, request: Request) -> Decoded:
    """The reading of a reply whose parts were joined; None for parts means that it was no known format."""
    if reply.status is None:
        return _no_reply(reply)
    if gathered is None:
        return _unreadable(reply)
    if gathered.error is not None:
        return _refused(gathered, reply, endpoint)
    if reply.error is not None or not gathered.finished:
        message = reply.error.message if reply.error else "it ended before its last part"
        return _infra(f"the reply is incomplete: {message}", reply)
    return _delivered(gathered, reply, endpoint, request)


def _delivered(gathered: Gathered, reply: Reply, endpoint: Endpoint, request: Request) -> Decoded:
    text, thought, field = _without_reasoning(gathered)
    usage = usage_of(gathered.usage)
    calls = tuple(
        ToolCall(id=c["id"] or f"call_{i}", name=c["name"], arguments=c["arguments"])
        for i, c in sorted(gathered.tools.items())
    )
    billed = (gathered.usage or {}).get("cost")
    filters = endpoint.provider.filters
    blocked = (
        outcomes.blocked_finish(gathered.native, filters)
        or outcomes.blocked_finish(gathered.normal, filters)
        or outcomes.spliced_filter(text)
    )
    response = Response(
        text=text,
        reasoning=thought,
        reasoning_field=field,
        tool_calls=calls,
        refusal="".join(gathered.refusal) or None,
        finish=_FINISHES.get((gathered.normal or "").lower()),
        native_finish=gathered.native,
        served_model=gathered.head.get("model"),
        served_by=gathered.head.get("provider"),
        response_id=gathered.head.get("id"),
        system_fingerprint=gathered.head.get("system_fingerprint"),
        usage=usage,
        billed_usd=float(billed) if isinstance(billed, int | float) and usage is not None else None,
        streamed_then_cut=blocked is not None and bool(text),
    )
    first, answer, chunks = _token_times(gathered, reply)
    return Decoded(
        outcome=_outcome(response, blocked),
        response=_with_defects(response, gathered, request),
        failure=Failure(message=f"the host ended the answer with {gathered.native!r}") if blocked else None,
        retryable=response.finish == "error",
        first_token_s=first,
        first_answer_s=answer,
        token_chunks=chunks,
    )


def _outcome(response: Response, blocked: Outcome | None) -> Outcome:
    if blocked is not None:
        return blocked
    if response.finish == "error":
        return Outcome.INFRA_ERROR
    if response.finish == "length":
        return Outcome.TRUNCATED
    if not (response.text.strip() or response.tool_calls or response.refusal):
        return Outcome.EMPTY
    return Outcome.OK


def _without_reasoning(gathered: Gathered) -> tuple[str, str | None, str | None]:
    """Answer, reasoning, and where the reasoning was found."""
    text = "".join(gathered.text)
    if gathered.reasoning:
        return text, "".join(gathered.reasoning), gathered.reasoning_field
    if "<|channel|>" in text:
        return _from_channels(text)
    for pattern in (_THINK, _UNOPENED, _UNCLOSED):
        match = pattern.match(text) if "think" in text or "reasoning>" in text else None
        if match:
            return text[match.end() :].lstrip(), match["inside"].strip(), "<think>"
    return text, None, None


def _from_channels(text: str) -> tuple[str, str | None, str | None]:
    """Harmony's channels that a server left in the text: `analysis` is reasoning, `final` is the answer."""
    inside: dict[str, list[str]] = {}
    for match in _CHANNEL.finditer(text):
        inside.setdefault(match["name"], []).append(match["inside"])
    if not inside.keys() & {"analysis", "final"}:
        return text, None, None
    thought = "\n".join(inside.get("analysis", ())).strip()
    answer = "\n".join(inside.get("final", ())).strip()
    return answer, thought or None, "harmony" if thought else None


def _with_defects(response: Response, gathered: Gathered, request: Request) -> Response:
    """The response with the kinds of everything that is wrong with its tool calls."""
    if not request.tools:
        return response
    wire = set(gathered.faults)
    if any(not slot["id"] for slot in gathered.tools.values()):
        wire.add("missing_id")
    raw = "".join(gathered.text)
    if not response.tool_calls and leaked(raw) and not leaked(response.text):
        wire.add("leaked_tool_tokens")  # it stood in a channel that is no part of the answer
    response = msgspec.structs.replace(response, defects=tuple(sorted(wire)))
    kinds = tuple(defect.kind for defect in defects_of(response, request.tools, request.tool_choice))
    return msgspec.structs.replace(response, defects=kinds)


def _token_times(gathered: Gathered, reply: Reply) -> tuple[float | None, float | None, int | None]:
    """Seconds until the first token and the first token of the answer, and the number of token pieces."""
    if len(gathered.ends) < 2 or not reply.marks:
        return None, None, None
    offsets = [offset for offset, _ in reply.marks]

    def at(end: int) -> float:
        return reply.marks[min(bisect_left(offsets, end), len(offsets) - 1)][1]

    answer = at(gathered.answer_end) if gathered.answer_end is not None else None
    return at(gathered.ends[0]), answer, len(gathered.ends)


def _refused(gathered: Gathered, reply: Reply, endpoint: Endpoint) -> Decoded:
    assert gathered.error is not None  # the caller looked
    error = outcomes.host_error(gathered.error, reply.status)
    assert error is not None
    verdict = outcomes.classify(error, endpoint.provider.filters)
    outcome = verdict.outcome
    text = "".join(gathered.text)
    if outcome is Outcome.HOST_INPUT_FILTER and gathered.ends:
        outcome = Outcome.HOST_OUTPUT_FILTER  # it came after the answer had begun
    partial = Response(text=text, streamed_then_cut=True) if text and outcome.is_blocked else None
    return Decoded(
        outcome=outcome,
        response=partial,
        failure=outcomes.failure_of(error, reply),
        retryable=verdict.retryable,
        retry_after_s=outcomes.retry_after(reply.headers, reply.started_at + reply.duration_s),
    )


def _no_reply(reply: Reply) -> Decoded:
    fault = reply.error.fault if reply.error else "protocol"
    message = f"{fault}: {reply.error.message if reply.error else 'no reply'}"
    return Decoded(
        outcome=Outcome.INFRA_ERROR,
        failure=Failure(message=message, code=fault),
        retryable=fault != "timeout_total",
    )


def _unreadable(reply: Reply) -> Decoded:
    """Neither JSON nor events: a proxy's page, a broken body, or nothing at all."""
    status = reply.status or 0
    if status >= 400:
        text = reply.body[:200].decode("utf-8", "replace")
        error = outcomes.HostError(status=status, code="", message=text or f"HTTP {status}")
        verdict = outcomes.classify(error, ())
        return Decoded(
            outcome=verdict.outcome,
            failure=outcomes.failure_of(error, reply),
            retryable=verdict.retryable,
            retry_after_s=outcomes.retry_after(reply.headers, reply.started_at + reply.duration_s),
        )
    return _infra(reply.error.message if reply.error else "the reply is not valid JSON", reply)


def _infra(message: str, reply: Reply) -> Decoded:
    return Decoded(
        outcome=Outcome.INFRA_ERROR,
        failure=Failure(
            message=message, status=reply.status, body=reply.body[:4096].decode("utf-8", "replace") or None
        ),
        retryable=True,
    )
