"""Reads how much a host will still take from the headers of its answer.

Names differ; what they mean does not. The usual ones are known here, a provider's own are declared in its
`rate_limit_headers` as `requests_left`, `tokens_left` and `resets`. The length of a window is not asked for:
nothing left means to wait for the reset, whatever the window.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_USUAL = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-tokens-remaining"),
    ("x-ratelimit-remaining", "x-tokenlimit-remaining"),
)
_RESET_OF_TOKENS = ("x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset")
_RESET_OF_REQUESTS = ("x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset", "x-ratelimit-reset")
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_S = 3600.0


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Requests and tokens left in the host's window, and seconds until it begins anew."""

    requests: int | None = None
    tokens: int | None = None
    resets_s: float | None = None


def room_told(headers: Mapping[str, str], declared: Mapping[str, str], now: float) -> Room | None:
    """What the headers of an answer say, or None if they say nothing.

    Args:
        headers: By lower-case name.
        declared: The provider's `rate_limit_headers`.
        now: Unix time at which the answer came.
    """
    for requests_name, tokens_name in (_own(declared), *_USUAL) if declared else _USUAL:
        requests, tokens = _count(headers.get(requests_name)), _count(headers.get(tokens_name))
        if requests is not None or tokens is not None:
            return Room(requests=requests, tokens=tokens, resets_s=_resets(headers, declared, tokens, now))
    return None


def _own(declared: Mapping[str, str]) -> tuple[str, str]:
    return declared.get("requests_left", "").lower(), declared.get("tokens_left", "").lower()


def _resets(
    headers: Mapping[str, str], declared: Mapping[str, str], tokens: int | None, now: float
) -> float | None:
    own = (declared["resets"].lower(),) if "resets" in declared else ()
    for name in (*own, *(_RESET_OF_TOKENS if tokens == 0 else ()), *_RESET_OF_REQUESTS):
        seconds = duration(headers.get(name), now)
        if seconds is not None:
            return min(seconds, _LONGEST_S)
    return None


def duration(text: str | None, now: float) -> float | None:
    """Seconds from `6m0s`, `1.5`, a Unix time in seconds or milliseconds, or an RFC 3339 time."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        parts = _PART.findall(text)
        if parts and "".join(value + unit for value, unit in parts) == text:
            return sum(float(value) * _SECONDS[unit] for value, unit in parts)
        return _until(text, now)
    if not 0 <= number < 1e14:
        return None
    if number > 1e11:
        number /= 1000
    return max(0.0, number - now) if number > 1e8 else number


def _until(text: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now) if moment.tzinfo is not None else None


def _count(text: str | None) -> int | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return int(value) if value is not None and 0 <= value < 1e12 else None
