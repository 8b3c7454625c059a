"""OpenAI-compatible chat completions, streamed or not, in the dialects that hosts speak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.adapters import completions
from evalkit.adapters.call_ids import with_ids
from evalkit.adapters.parts import gather
from evalkit.adapters.reading import read
from evalkit.errors import UsageError
from evalkit.types.wire import Call, Decoded, Reply

if TYPE_CHECKING:
    from evalkit.ports.core import Adapter
    from evalkit.types.chat import Message, Request, Settings
    from evalkit.types.provider import Endpoint, Quirks


def build() -> Adapter:
    """The adapter `openai_chat`."""
    return OpenAIChat()


class OpenAIChat:
    """See `evalkit.ports.core.Adapter`."""

    name = "openai_chat"

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Call:
        """Exact bytes for a request; what the endpoint cannot carry is refused."""
        if request.likelihood:
            return completions.encode(request, endpoint)
        quirks = endpoint.quirks
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": [_message(m, quirks) for m in with_ids(request.messages, quirks.tool_call_ids)],
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
            require(endpoint, "response_format")
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
        if request.likelihood:
            return completions.decode(reply, endpoint, request)
        return read(gather(reply), reply, endpoint, request)


def require(endpoint: Endpoint, parameter: str) -> None:
    """Refuse a parameter that the endpoint is declared not to support.

    Raises:
        UsageError: it is not supported.
    """
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
        require(endpoint, name)
        if name in quirks.forced and quirks.forced[name] != value:
            raise UsageError(
                f"{endpoint.id} answers only with {name} {quirks.forced[name]}, but {value} was asked for; "
                "leave it out or set it so."
            )
        body[name] = value
    if settings.stop:
        require(endpoint, "stop")
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
    if message.reasoning is not None and quirks.return_reasoning == "<think>":
        body["content"] = f"<think>\n{message.reasoning}\n</think>\n\n{message.content or ''}"
    elif message.reasoning is not None and quirks.return_reasoning is not None:
        body[quirks.return_reasoning] = message.reasoning
    return body


def _tool_choice(choice: str, endpoint: Endpoint) -> Any:
    named = choice not in {"auto", "none", "required"}
    if ("named" if named else choice) not in endpoint.quirks.tool_choice:
        raise UsageError(f"{endpoint.id} does not support tool_choice {choice!r}; use another or none.")
    return {"type": "function", "function": {"name": choice}} if named else choice
