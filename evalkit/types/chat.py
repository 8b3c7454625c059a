"""What is asked of a model: messages, tools and settings, independent of any wire protocol."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]
ReasoningEffort = Literal["off", "minimal", "low", "medium", "high", "max"]


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that a model made. `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One turn of a conversation.

    `reasoning` is kept on assistant turns because some hosts demand it back; adapters send it only where
    the provider's declaration says so.
    """

    role: Role
    content: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    reasoning: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function offered to the model; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How an answer is drawn. `None` leaves a parameter out, so that the host's default applies.

    `max_tokens` is always sent, because hosts' defaults differ widely; it is None only in imported runs,
    whose files do not tell. `extra` holds body fields of one
    host's own; they are sent as they are.
    """

    max_tokens: int | None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning: ReasoningEffort | None = None
    extra: dict[str, Any] = {}


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question to one endpoint.

    `tool_choice` is `auto`, `none`, `required` or the name of a tool; `response_schema` asks for JSON that
    keeps that schema. `prefill`-style trailing assistant messages are legal and sent as they are. With
    `likelihood`, nothing is generated: it asks how probable the second of two messages is as the text that
    follows the first, both plain and without a chat template.
    """

    messages: tuple[Message, ...]
    settings: Settings
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    response_schema: dict[str, Any] | None = None
    likelihood: bool = False
