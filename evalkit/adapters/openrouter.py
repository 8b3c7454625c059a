"""OpenRouter: chat completions through a router, pinned to one upstream and audited.

A model is written `author/slug@tag`, where the tag is the router's own name of an endpoint, such as
`deepinfra/fp8`. Fallbacks, plugins and caches are switched off, because each of them answers with something
other than the endpoint that is measured. An answer that another upstream gave is a failure of the router; it
is kept on record and counts for nobody. Source: openrouter.ai/docs, as of 2026-11.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from evalkit.adapters import outcomes
from evalkit.adapters.openai_chat import OpenAIChat
from evalkit.adapters.parts import gather, json_object
from evalkit.types.generation import Failure, Outcome, Response
from evalkit.types.wire import Call, Decoded, Reply

if TYPE_CHECKING:
    from evalkit.ports.core import Adapter
    from evalkit.types.chat import Request
    from evalkit.types.provider import Endpoint

_NO_PLUGINS = [{"id": name, "enabled": False} for name in ("context-compression", "response-healing", "web")]
_HEADERS = {"x-openrouter-metadata": "enabled", "x-openrouter-cache": "false"}


def build() -> Adapter:
    """The adapter `openrouter`."""
    return OpenRouter()


class OpenRouter:
    """See `evalkit.ports.core.Adapter`."""

    name = "openrouter"

    def __init__(self) -> None:
        self._chat = OpenAIChat()

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Call:
        """Chat completions with the routing that pins one upstream."""
        call = self._chat.encode(request, _as_sent(endpoint), stream=stream)
        return msgspec.structs.replace(call, headers={**call.headers, **_HEADERS})

    def decode(self, call: Call, reply: Reply, endpoint: Endpoint, request: Request) -> Decoded:
        """Read a reply, and find out who gave it."""
        decoded = self._chat.decode(call, reply, _as_sent(endpoint), request)
        if reply.headers.get("x-openrouter-cache-status", "").upper() == "HIT":
            return _discarded(decoded, "cached", "the router answered from its cache")
        parts = _last_parts(reply)
        if decoded.failure is not None:
            decoded = _of_router(decoded, parts, reply)
        served = _served(parts, decoded)
        if (response := decoded.response) is not None:
            decoded = msgspec.structs.replace(
                decoded, response=msgspec.structs.replace(response, served_by=served)
            )
            if response.text and _counted_nothing(parts.get("usage")):
                return _discarded(decoded, "cached", "an answer without a token counted is a replay")
        pinned = _pinned_host(endpoint)
        if pinned is None or served is None or pinned.is_(served) or decoded.outcome.is_failure:
            return decoded
        return _discarded(decoded, "not_pinned", f"served by {served}, not by the pinned {pinned.name}")


def split(model: str) -> tuple[str, str | None]:
    """Model and endpoint tag of `author/slug@tag`."""
    slug, at, tag = model.partition("@")
    return slug, tag if at else None


def _as_sent(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its tag turned into routing."""
    slug, tag = split(endpoint.model)
    routing: dict[str, Any] = {"require_parameters": True}
    if tag is not None:
        routing |= {"only": [tag], "allow_fallbacks": False}
    quirks = msgspec.structs.replace(
        endpoint.quirks,
        stream_usage="always",
        extra_body={**endpoint.quirks.extra_body, "provider": routing, "plugins": _NO_PLUGINS},
    )
    declaration = msgspec.structs.replace(endpoint.declaration, model=slug)
    return msgspec.structs.replace(endpoint, declaration=declaration, quirks=quirks)


class _Pinned(NamedTuple):
    """The upstream that shall answer; `exact` where its name was discovered, not made from the tag."""

    name: str
    exact: bool

    def is_(self, served: str) -> bool:
        """`z-ai` is `Z.AI`; a tag may be longer than the name, as `google-vertex` is for `Google`."""
        wanted, found = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (self.name, served))
        return wanted == found if self.exact else bool(found) and wanted.startswith(found)


def _pinned_host(endpoint: Endpoint) -> _Pinned | None:
    _, tag = split(endpoint.model)
    if tag is None:
        return None
    known = endpoint.declaration.upstream
    return _Pinned(known or tag.partition("/")[0], exact=known is not None)


def _served(parts: dict[str, Any], decoded: Decoded) -> str | None:
    """Who answered or refused: by the metadata, else by the body, else by the error."""
    told = (
        _selected(parts.get("openrouter_metadata")),
        decoded.response.served_by if decoded.response is not None else None,
        parts.get("provider"),
        _error_metadata(parts).get("provider_name"),
    )
    return next((name for name in told if isinstance(name, str) and name), None)


def _error_metadata(parts: dict[str, Any]) -> dict[str, Any]:
    found = parts.get("error")
    metadata = found.get("metadata") if isinstance(found, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _counted_nothing(usage: Any) -> bool:
    """The router sets every count of a replayed answer to 0."""
    return isinstance(usage, dict) and usage.get("prompt_tokens") == 0 and usage.get("completion_tokens") == 0


def _last_parts(reply: Reply) -> dict[str, Any]:
    """Top-level fields of the body, or of the last chunk that has each."""
    whole = json_object(reply.body.lstrip())
    if whole is not None:
        return whole
    found: dict[str, Any] = {}
    for line in reply.body.splitlines():
        if any(name in line for name in (b"openrouter_metadata", b'"error"', b'"provider"', b'"usage"')):
            found |= json_object(line.removeprefix(b"data:").strip()) or {}
    return found


def _selected(metadata: Any) -> str | None:
    """The upstream that answered, by the router's own account of it."""
    endpoints = metadata.get("endpoints") if isinstance(metadata, dict) else None
    available = endpoints.get("available") if isinstance(endpoints, dict) else None
    for entry in available if isinstance(available, list) else ():
        if (
            isinstance(entry, dict)
            and entry.get("selected") is True
            and isinstance(entry.get("provider"), str)
        ):
            provider: str = entry["provider"]
            return provider
    return None


def _of_router(decoded: Decoded, parts: dict[str, Any], reply: Reply) -> Decoded:
    """Tell the router's own refusals from those of the hosts behind it."""
    error = outcomes.host_error(parts, reply.status)
    if error is None:
        return decoded
    metadata = _error_metadata(parts)
    if error.code == "refusal":
        return _model_refused(error.message, reply)
    if metadata.get("limit_source") == "openrouter_in_flight_budget":
        return msgspec.structs.replace(decoded, outcome=Outcome.RATE_LIMITED, retryable=True)
    if "patterns" in metadata or _stopped_by_guardrail(parts):
        return msgspec.structs.replace(decoded, outcome=Outcome.ROUTER_BLOCK, retryable=False)
    of_a_host = bool(metadata.get("provider_name"))  # moderation that this host demands comes before it
    if decoded.outcome is Outcome.HOST_INPUT_FILTER and not of_a_host and _never_reached_a_host(parts):
        return msgspec.structs.replace(decoded, outcome=Outcome.ROUTER_BLOCK)
    return decoded


def _model_refused(message: str, reply: Reply) -> Decoded:
    """The host reports the model's own refusal as an error: it is an answer."""
    gathered = gather(reply)
    head = gathered.head if gathered is not None else {}
    return Decoded(
        outcome=Outcome.OK,
        response=Response(
            refusal=message or "refused", native_finish="refusal", served_by=head.get("provider")
        ),
    )


def _stopped_by_guardrail(parts: dict[str, Any]) -> bool:
    metadata = parts.get("openrouter_metadata")
    pipeline = metadata.get("pipeline") if isinstance(metadata, dict) else None
    return any(
        isinstance(stage, dict)
        and stage.get("type") == "guardrail"
        and isinstance(stage.get("data"), dict)
        and stage["data"].get("action") == "blocked"
        for stage in (pipeline if isinstance(pipeline, list) else ())
    )


def _never_reached_a_host(parts: dict[str, Any]) -> bool:
    metadata = parts.get("openrouter_metadata")
    return isinstance(metadata, dict) and metadata.get("attempt") == 0


def _discarded(decoded: Decoded, code: str, message: str) -> Decoded:
    """An answer that is not the pinned endpoint's: on record, and excluded from its figures."""
    return msgspec.structs.replace(
        decoded,
        outcome=Outcome.INFRA_ERROR,
        failure=Failure(message=f"Excluded: {message}.", code=code),
        retryable=False,
    )
