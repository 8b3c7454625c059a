"""OpenAI-compatible chat completions, streamed or not, in the dialects that hosts speak."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.adapters import outcomes
from evalkit.adapters.parts import Gathered, gather, json_object, usage_of
from evalkit.errors import UsageError
from evalkit.types.chat import ToolCall
from evalkit.types.generation import Failure, Finish, Outcome, Response
from evalkit.types.wire import Call, Decoded, Reply

if TYPE_CHECKING:
    from evalkit.ports.core import Adapter
    from evalkit.types.chat import Message, Request, Settings
    from evalkit.types.provider import Endpoint, Quirks

_THINK = re.compile(r"^\s*<(think|thinking|reasoning)>(?P<inside>.*?)</\1>", re.DOTALL)
_UNOPENED = re.compile(r"^(?P<inside>.*?)</(think|thinking|reasoning)>", re.DOTALL)
_UNCLOSED = re.compile(r"^\s*<(think|thinking|reasoning)>(?P<inside>.*)$", re.DOTALL)
_LEAKED = re.compile(
    r"<\|?tool_calls?(_section)?(_begin)?\|?>|<minimax:tool_call>|<｜DSML|<\|channel\|>|functions\.\w+:\d+"
)
_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
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


def build() -> Adapter:
    """The adapter `openai_chat`."""
    return OpenAIChat()


class OpenAIChat:
    """See `evalkit.ports.core.Adapter`."""

    name = "openai_chat"

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Call:
        """Exact bytes for a request; what the endpoint cannot carry is refused."""
        quirks = endpoint.quirks
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": [_message(m, quirks) for m in request.messages],
            **_settings(request.settings, endpoint),
        }
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": t.name, "description": t.description, "parameters": t.parameters},
                }
                for t in request.tools
            ]
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice, endpoint)
        if request.response_schema is not None:
            _require(endpoint, "response_format")
            schema = {"name": "answer", "strict": True, "schema": request.response_schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        streamed = stream or quirks.stream_only
        if streamed:
            body["stream"] = True
            if quirks.stream_usage == "option":
                body["stream_options"] = {"include_usage": True}
        body.update(quirks.extra_body)
        body.update(request.settings.extra)
        return Call(path="/chat/completions", body=msgspec.json.encode(body), stream=streamed)

    def decode(self, call: Call, reply: Reply, endpoint: Endpoint, request: Request) -> Decoded:
        """Read a reply, whatever it is."""
        if reply.status is None:
            return _no_reply(reply)
        gathered = gather(reply)
        if gathered is None:
            return _unreadable(reply)
        if gathered.error is not None:
            return _refused(gathered, reply, endpoint)
        if reply.error is not None or not gathered.finished:
            message = reply.error.message if reply.error else "the stream ended before its last part"
            return _infra(f"the reply was cut: {message}", reply)
        return _delivered(gathered, reply, endpoint, request)


def _require(endpoint: Endpoint, parameter: str) -> None:
    if parameter in endpoint.quirks.unsupported:
        raise UsageError(
            f"{endpoint.id} does not support {parameter!r}; take it out of the suite's settings or "
            "leave this endpoint out."
        )


def _settings(settings: Settings, endpoint: Endpoint) -> dict[str, Any]:
    quirks = endpoint.quirks
    body: dict[str, Any] = {quirks.token_limit: settings.max_tokens}
    plain = ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty")
    for name in plain:
        value = getattr(settings, name)
        if value is None:
            continue
        _require(endpoint, name)
        if name in quirks.forced and quirks.forced[name] != value:
            raise UsageError(
                f"{endpoint.id} answers only with {name} {quirks.forced[name]}, but {value} was asked for; "
                "leave it out or set it so."
            )
        body[name] = value
    if settings.stop:
        _require(endpoint, "stop")
        body["stop"] = list(settings.stop)
    if settings.reasoning is not None:
        efforts = quirks.thinking.efforts
        if settings.reasoning not in efforts:
            raise UsageError(
                f"{endpoint.id} declares no reasoning effort {settings.reasoning!r} (declared: "
                f"{', '.join(efforts) or 'none'}); declare it under quirks.thinking.efforts."
            )
        body.update(efforts[settings.reasoning])
    return body


def _message(message: Message, quirks: Quirks) -> dict[str, Any]:
    role = quirks.system_role if message.role == "system" else message.role
    body: dict[str, Any] = {"role": role, "content": message.content}
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in message.tool_calls
        ]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    if message.reasoning is not None and quirks.return_reasoning is not None:
        body[quirks.return_reasoning] = message.reasoning
    return body


def _tool_choice(choice: str, endpoint: Endpoint) -> Any:
    named = choice not in {"auto", "none", "required"}
    if ("named" if named else choice) not in endpoint.quirks.tool_choice:
        raise UsageError(f"{endpoint.id} does not support tool_choice {choice!r}; use another or none.")
    return {"type": "function", "function": {"name": choice}} if named else choice


def _delivered(gathered: Gathered, reply: Reply, endpoint: Endpoint, request: Request) -> Decoded:
    text, thought, field = _without_reasoning(gathered)
    usage = usage_of(gathered.usage)
    calls = tuple(
        ToolCall(id=c["id"] or f"call_{i}", name=c["name"], arguments=c["arguments"])
        for i, c in sorted(gathered.tools.items())
    )
    billed = (gathered.usage or {}).get("cost")
    blocked = outcomes.blocked_finish(gathered.native, endpoint.provider.filters) or outcomes.blocked_finish(
        gathered.normal, endpoint.provider.filters
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
        defects=_defects(calls, text, gathered, request),
        streamed_then_cut=blocked is not None and bool(text),
    )
    first, answer, chunks = _token_times(gathered, reply)
    return Decoded(
        outcome=_outcome(response, blocked),
        response=response,
        failure=Failure(message=f"the host's filter ended the answer ({gathered.native})")
        if blocked
        else None,
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
    for pattern in (_THINK, _UNOPENED, _UNCLOSED):
        match = pattern.match(text) if "think" in text or "reasoning>" in text else None
        if match:
            return text[match.end() :].lstrip(), match["inside"].strip(), "<think>"
    return text, None, None


def _defects(calls: tuple[ToolCall, ...], text: str, gathered: Gathered, request: Request) -> tuple[str, ...]:
    """Tool-format faults by kind."""
    if not request.tools:
        return ()
    declared = {tool.name for tool in request.tools}
    found: list[str] = []
    for call in calls:
        if call.name not in declared:
            found.append("undeclared_tool")
        if json_object(call.arguments.encode("utf-8", "replace") or b"{}") is None:
            found.append("invalid_json")
    if _LEAKED.search(text):
        found.append("leaked_tool_tokens")
    if gathered.normal == "tool_calls" and not calls:
        found.append("finish_without_call")
    return tuple(found)


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
