"""Keys: read from the environment at the last moment, never stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from evalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalkit.types.provider import Endpoint, Provider
    from evalkit.types.wire import Reply

_SHORTEST = 8
"""A shorter value, such as the word that a local server takes for a key, is no secret."""


def key_of(provider: Provider) -> str | None:
    """The provider's key, or None where it needs none.

    Raises:
        UsageError: the environment variable is not set.
    """
    if provider.key_env is None:
        return None
    key = os.environ.get(provider.key_env, "").strip()
    if not key:
        raise UsageError(
            f"Provider {provider.id!r} needs a key: set {provider.key_env} in the environment or in .env."
        )
    if not key.isascii() or not key.isprintable():
        raise UsageError(f"{provider.key_env} holds characters that no HTTP header can carry; set it again.")
    return key


def auth_headers(endpoint: Endpoint) -> dict[str, str]:
    """The header that proves who asks.

    Raises:
        UsageError: the key is missing.
    """
    provider = endpoint.provider
    key = key_of(provider)
    if key is None or provider.auth == "none":
        return {}
    if provider.auth == "bearer":
        return {"authorization": f"Bearer {key}"}
    return {provider.auth: key}


def secrets_of(providers: Iterable[Provider]) -> tuple[str, ...]:
    """The keys that are set, for striking them out of records."""
    found = (os.environ.get(p.key_env, "").strip() for p in providers if p.key_env is not None)
    return tuple(dict.fromkeys(key for key in found if len(key) >= _SHORTEST))


def without_key(reply: Reply, provider: Provider) -> Reply:
    """The reply with the key struck out, should the host have sent it back; lengths stay as they were."""
    key = os.environ.get(provider.key_env, "").strip() if provider.key_env is not None else ""
    if len(key) < _SHORTEST:
        return reply
    struck = "*" * len(key)
    error = reply.error
    if key.encode() in reply.body:
        reply = msgspec.structs.replace(reply, body=reply.body.replace(key.encode(), struck.encode()))
    if error is not None and key in error.message:
        mended = msgspec.structs.replace(error, message=error.message.replace(key, struck))
        reply = msgspec.structs.replace(reply, error=mended)
    return reply
