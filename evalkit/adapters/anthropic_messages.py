"""Anthropic's messages API, streamed or not. Source: its reference, version header 2023-06-01.

Thinking is kept apart from the answer. A stop with `refusal` comes from the host's classifiers, not from the
model; it counts as a filter on the output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.adapters import outcomes, sse
from evalkit.adapters.call_ids import with_ids
from evalkit.adapters.openai_chat import require
from evalkit.adapters.parts import Gathered, json_object
from evalkit.adapters.reading import read
from evalkit.errors import UsageError
from evalkit.types.provider import FilterRule
from evalkit.types.wire import Call, Decoded, Reply

if TYPE_CHECKING:
    from evalkit.ports.core import Adapter
    from evalkit.types.chat import Message, Request
    from evalkit.types.provider import Endpoint

_NOT_KNOWN = ("seed", "presence_penalty", "frequency_penalty")
_FILTERS = (
    FilterRule(outcome="host_output_filter", finish="^refusal$"),
    FilterRule(outcome="host_output_filter", status=400, message="output blocked by content filtering"),
)


def build() -> Adapter:
    """The adapter `anthropic_messages`."""
    return AnthropicMessages()


class AnthropicMessages:
    """See `evalkit.ports.core.Adapter`."""

    name = "anthropic_messages"

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Call:
        """Exact bytes for a request; what the endpoint cannot carry is refused."""
        if request.likelihood:
            raise UsageError(
                f"{endpoint.id} gives no probabilities of a prompt, which a log-likelihood task needs; "
                "leave it out."
            )
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": _turns(with_ids(request.messages, endpoint.quirks.tool_call_ids)),
            **_settings(request, endpoint),
        }
        system = [m.content for m in request.messages if m.role == "system" and m.content]
        if system:
            body["system"] = "\n\n".join(system)
        if request.tools:
            body["tools"] = [
                {"name": t.name, "description": t.description, "input_schema": t.parameters}
                for t in request.tools
            ]
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice)
        if stream:
            body["stream"] = True
        body.update(endpoint.quirks.extra_body)
        body.update(request.settings.extra)
        headers = {"anthropic-version": "2023-06-01"}
        return Call(path="/v1/messages", body=msgspec.json.encode(body), stream=stream, headers=headers)

    def decode(self, call: Call, reply: Reply, endpoint: Endpoint, request: Request) -> Decoded:
        """Read a reply, whatever it is."""
        provider = endpoint.provider
        filtered = msgspec.structs.replace(provider, filters=(*provider.filters, *_FILTERS))
        return read(_gather(reply), reply, msgspec.structs.replace(endpoint, provider=filtered), request)


def _settings(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    settings = request.settings
    for name in _NOT_KNOWN:
        if getattr(settings, name) is not None:
            raise UsageError(
                f"{endpoint.id}: the messages API has no {name!r}; take it out of the suite's settings."
            )
    if request.response_schema is not None:
        raise UsageError(f"{endpoint.id}: the messages API has no response schema; leave this endpoint out.")
    body: dict[str, Any] = {"max_tokens": settings.max_tokens}
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(settings, name)
        if value is not None:
            require(endpoint, name)
            body[name] = value
    if settings.stop:
        body["stop_sequences"] = list(settings.stop)
    if settings.reasoning is not None:
        efforts = endpoint.quirks.thinking.efforts
        if settings.reasoning not in efforts:
            raise UsageError(
                f"{endpoint.id} declares no reasoning effort {settings.reasoning!r} (declared: "
                f"{', '.join(efforts) or 'none'}); declare it under quirks.thinking.efforts."
            )
        if request.tools and settings.reasoning != "off":
            raise UsageError(
                f"{endpoint.id}: signed thinking cannot be handed back between tool calls; set reasoning "
                "to off."
            )
        body.update(efforts[settings.reasoning])
    return body


def _tool_choice(choice: str) -> dict[str, str]:
    known = {"auto": "auto", "none": "none", "required": "any"}
    return {"type": known[choice]} if choice in known else {"type": "tool", "name": choice}


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Turns of user and assistant; results of tools that follow each other are one user turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        if message.role == "tool":
            block = {
                "type": "tool_result",
                "tool_use_id": message.tool_call_id,
                "content": message.content or "",
            }
            if turns and turns[-1]["role"] == "user" and isinstance(turns[-1]["content"], list):
                turns[-1]["content"].append(block)
            else:
                turns.append({"role": "user", "content": [block]})
        elif message.tool_calls:
            blocks: list[dict[str, Any]] = []
            if message.content:
                blocks.append({"type": "text", "text": message.content})
            blocks += [
                {
                    "type": "tool_use",
                    "id": c.id,
                    "name": c.name,
                    "input": json_object(c.arguments.encode()) or {},
                }
                for c in message.tool_calls
            ]
            turns.append({"role": "assistant", "content": blocks})
        else:
            turns.append({"role": message.role, "content": message.content or ""})
    return turns


def _gather(reply: Reply) -> Gathered | None:
    """Join a reply's parts; None if it is neither JSON nor a stream of events."""
    gathered = Gathered()
    if not reply.body.lstrip().startswith((b"event:", b"data:", b":")):
        whole = json_object(reply.body)
        if whole is None:
            return None
        _take_whole(gathered, whole, reply)
        return gathered
    for data, end in sse.events(reply.body):
        part = json_object(data)
        if part is None:
            return None
        _take_event(gathered, part, end, reply.status)
    return gathered


def _take_whole(gathered: Gathered, whole: dict[str, Any], reply: Reply) -> None:
    if outcomes.host_error(whole, reply.status) is not None:
        gathered.error = whole
        return
    _take_start(gathered, whole)
    blocks = whole.get("content")
    for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
        if isinstance(block, dict):
            _take_block(gathered, index, block)
            given = block.get("input")
            if block.get("type") == "tool_use" and isinstance(given, dict):
                gathered.tools[index]["arguments"] = msgspec.json.encode(given).decode()
    _take_stop(gathered, whole)
    gathered.ends.append(len(reply.body))
    gathered.answer_end = len(reply.body) if gathered.text else None
    gathered.finished = gathered.native is not None


def _take_event(gathered: Gathered, part: dict[str, Any], end: int, status: int | None) -> None:
    kind = part.get("type")
    index = part.get("index")
    if kind == "error" or (kind is None and outcomes.host_error(part, status) is not None):
        gathered.error = gathered.error or part
    elif kind == "message_start" and isinstance(part.get("message"), dict):
        _take_start(gathered, part["message"])
    elif kind == "content_block_start" and isinstance(part.get("content_block"), dict):
        _take_block(gathered, index if isinstance(index, int) else 0, part["content_block"])
    elif kind == "content_block_delta" and isinstance(part.get("delta"), dict):
        if _take_delta(gathered, index if isinstance(index, int) else 0, part["delta"], end):
            gathered.ends.append(end)
    elif kind == "message_delta":
        delta = part.get("delta")
        _take_stop(gathered, {**(delta if isinstance(delta, dict) else {}), "usage": part.get("usage")})
    elif kind == "message_stop":
        gathered.finished = True


def _take_start(gathered: Gathered, message: dict[str, Any]) -> None:
    for name in ("id", "model"):
        if isinstance(message.get(name), str):
            gathered.head[name] = message[name]
    _take_usage(gathered, message.get("usage"))


def _take_stop(gathered: Gathered, part: dict[str, Any]) -> None:
    if isinstance(part.get("stop_reason"), str):
        gathered.native = gathered.normal = part["stop_reason"]
    _take_usage(gathered, part.get("usage"))


def _take_usage(gathered: Gathered, usage: Any) -> None:
    """Counts in the common form: there, input excludes what was cached; here it includes it."""
    if not isinstance(usage, dict):
        return
    known = dict(gathered.head.get("usage", {}))
    known |= {name: value for name, value in usage.items() if isinstance(value, int)}
    gathered.head["usage"] = known
    read_tokens, written = known.get("cache_read_input_tokens"), known.get("cache_creation_input_tokens")
    fresh = known.get("input_tokens")
    gathered.usage = {
        "prompt_tokens": None if fresh is None else fresh + (read_tokens or 0) + (written or 0),
        "completion_tokens": known.get("output_tokens"),
        "prompt_tokens_details": {"cached_tokens": read_tokens, "cache_write_tokens": written},
    }


def _take_block(gathered: Gathered, index: int, block: dict[str, Any]) -> None:
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        gathered.text.append(block["text"])
    elif block.get("type") == "thinking" and isinstance(block.get("thinking"), str):
        gathered.reasoning.append(block["thinking"])
        gathered.reasoning_field = "thinking"
    elif block.get("type") == "tool_use":
        gathered.tools[index] = {
            "id": str(block.get("id") or ""),
            "name": str(block.get("name") or ""),
            "arguments": "",
        }


def _take_delta(gathered: Gathered, index: int, delta: dict[str, Any], end: int) -> bool:
    """Add a delta; True if it carried tokens."""
    text, thought, fragment = delta.get("text"), delta.get("thinking"), delta.get("partial_json")
    if isinstance(text, str) and text:
        gathered.text.append(text)
        gathered.answer_end = gathered.answer_end or end
        return True
    if isinstance(thought, str) and thought:
        gathered.reasoning.append(thought)
        gathered.reasoning_field = "thinking"
        return True
    if isinstance(fragment, str) and index in gathered.tools:
        gathered.tools[index]["arguments"] += fragment
        return bool(fragment)
    return False
