"""Which layer decided: reads statuses, error bodies and finish reasons by a catalogue of signatures.

What matches no signature is an infrastructure error, never a refusal. The provider's own `filters` come
before the catalogue that all hosts share.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.types.generation import Failure, Outcome
from evalkit.types.provider import FilterRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.types.wire import Reply


class HostError(msgspec.Struct, frozen=True, kw_only=True):
    """An error as a host described it, wherever it was found."""

    status: int | None
    code: str
    message: str
    body: dict[str, Any] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """An error's outcome, and whether asking again can help."""

    outcome: Outcome
    retryable: bool


_COMMON: tuple[FilterRule, ...] = (
    FilterRule(
        outcome="router_block", status=403, message="guardrail|blocked by (your )?(workspace|organi[sz]ation)"
    ),
    FilterRule(outcome="host_input_filter", message=r"content exists risk"),
    FilterRule(outcome="host_output_filter", message=r"output data may contain inappropriate content"),
    FilterRule(outcome="host_input_filter", message=r"input data may contain inappropriate content"),
    FilterRule(outcome="host_input_filter", message=r"rejected because it was considered high risk"),
    FilterRule(outcome="host_output_filter", code=r"data_?inspection_?failed", message=r"output data"),
    FilterRule(outcome="host_input_filter", code=r"data_?inspection_?failed"),
    FilterRule(outcome="host_input_filter", code=r"^1301$|^1300$"),
    FilterRule(outcome="host_input_filter", code=r"^1026$", message="sensitive"),
    FilterRule(outcome="host_output_filter", code=r"^1027$", message="sensitive"),
    FilterRule(outcome="host_output_filter", code=r"output(text)?(risk|sensitive)"),
    FilterRule(outcome="host_input_filter", code=r"input(text)?(risk|sensitive)|^sensitivecontentdetected"),
    FilterRule(outcome="host_input_filter", code=r"sensitive_words_detected|prompt_blocked"),
    FilterRule(
        outcome="host_input_filter",
        code=r"^(content_filter|content_policy_violation|responsibleaipolicyviolation|invalid_prompt|"
        r"cyber_policy|bio_policy)$",
    ),
    FilterRule(outcome="host_input_filter", status=403, field="error.metadata.flagged_input"),
    FilterRule(outcome="tool_format_failure", code=r"^tool_use_failed$"),
    FilterRule(
        outcome="config_error",
        code=r"insufficient_quota|exceeded_current_quota|arrearage|billing|^1113$",
    ),
    FilterRule(outcome="infra_error", code=r"engine_overloaded|insufficient_system_resource"),
)

_BLOCKED_FINISHES = {
    "content_filter",
    "sensitive",
    "guardrail_intervened",
    "content_filtered",
    "safety",
    "prohibited_content",
    "blocklist",
    "recitation",
    "spii",
}
_SPLICED = re.compile(
    r"(?:The request was rejected because it was considered high risk|Content Exists Risk|"
    r"(?:Input|Output) data may contain inappropriate content|Content Security Warning: [^\n]{0,150})\.?\s*$"
)
"""Notes that filters write after, or instead of, the text that they cut. Only the very end of a text counts:
an answer may speak of filters."""
_OVERFLOW = re.compile(
    r"context_length_exceeded|context_window_exceeded|maximum context length|context window|"
    r"available context size|exceed\w* (?:the )?(?:model|max\w*)?\s?(?:token|context|input|sequence)\w* "
    r"(?:limit|length)|prompt is too long|input is too long|range of input length|too many (?:input )?tokens",
    re.IGNORECASE,
)
"""The conversation does not fit: neither a fault of the host nor of the request's form. Asking again cannot
help, and an agent may shorten what it sends."""
_TAIL = 300
_RAW = 1000
_TRANSIENT = {408, 409, 425, 500, 502, 503, 504, 520, 522, 524, 529}
_CONFIG = {400, 401, 402, 403, 404, 405, 410, 413, 415, 421, 422, 451}
_DURATION = re.compile(r"(?P<value>[\d.]+)(?P<unit>ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def classify(error: HostError, filters: Sequence[FilterRule]) -> Verdict:
    """The layer that an error came from."""
    for rule in (*filters, *_COMMON):
        if rule.finish is None and _matches(rule, error):
            outcome = Outcome(rule.outcome)
            return Verdict(outcome=outcome, retryable=outcome in {Outcome.INFRA_ERROR, Outcome.RATE_LIMITED})
    if _OVERFLOW.search(f"{error.code} {error.message}") and (error.status or 400) in {400, 413, 422}:
        return Verdict(outcome=Outcome.TRUNCATED, retryable=False)
    status = error.status or 0
    if status == 429 or re.search(
        r"rate.?limit|too many requests", f"{error.code} {error.message}", re.IGNORECASE
    ):
        return Verdict(outcome=Outcome.RATE_LIMITED, retryable=True)
    if status in _CONFIG:
        return Verdict(outcome=Outcome.CONFIG_ERROR, retryable=False)
    return Verdict(outcome=Outcome.INFRA_ERROR, retryable=status in _TRANSIENT or status < 400)


def blocked_finish(native: str | None, filters: Sequence[FilterRule]) -> Outcome | None:
    """The filter that a native finish reason tells of, if it does."""
    if native is None:
        return None
    for rule in filters:
        if rule.finish is not None and re.search(rule.finish, native, re.IGNORECASE):
            return Outcome(rule.outcome)
    return Outcome.HOST_OUTPUT_FILTER if native.lower() in _BLOCKED_FINISHES else None


def spliced_filter(text: str) -> Outcome | None:
    """The filter that ended a text with its own note in place of the model's words, if one did."""
    return Outcome.HOST_OUTPUT_FILTER if _SPLICED.search(text[-_TAIL:]) else None


def host_error(body: dict[str, Any], status: int | None) -> HostError | None:
    """The error inside a body, in any of the shapes that hosts use; None if there is none."""
    found = body.get("error")
    if isinstance(found, str):
        return HostError(status=status, code="", message=found, body=body)
    if isinstance(found, dict):
        code = found.get("code") or found.get("type") or ""
        metadata = found["metadata"] if isinstance(found.get("metadata"), dict) else {}
        given = found.get("code") if isinstance(found.get("code"), int) and status == 200 else status
        message = str(found.get("message") or found)
        if metadata.get("raw"):  # a router's copy of what the host behind it said
            message = f"{message}: {str(metadata['raw'])[:_RAW]}"
        return HostError(
            status=given, code=str(metadata.get("error_type") or code), message=message, body=body
        )
    base = body.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in {0, None}:
        return HostError(
            status=status, code=str(base["status_code"]), message=str(base.get("status_msg", "")), body=body
        )
    # Some gateways send their business errors with HTTP 200: a code and a message where choices belong.
    told = (
        isinstance(body.get("code"), str) and isinstance(body.get("message"), str) and "choices" not in body
    )
    if told or (status is not None and status >= 400):
        message = body.get("message") or body.get("detail") or body.get("msg") or ""
        return HostError(status=status, code=str(body.get("code") or ""), message=str(message), body=body)
    return None


def failure_of(error: HostError, reply: Reply) -> Failure:
    """The error for the record."""
    return Failure(
        message=error.message[:2000] or f"HTTP {error.status}",
        status=reply.status,
        code=error.code[:200] or None,
        body=reply.body[:4096].decode("utf-8", "replace") or None,
    )


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the host asks to wait, from `retry-after-ms`, `retry-after` or a reset header."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    if asked is not None:
        seconds = _number(asked)
        return seconds if seconds is not None else _until(asked, now)
    if headers.get("x-ratelimit-remaining-requests") == "0":
        return _duration(headers.get("x-ratelimit-reset-requests"))
    if headers.get("x-ratelimit-remaining-tokens") == "0":
        return _duration(headers.get("x-ratelimit-reset-tokens"))
    return None


def _matches(rule: FilterRule, error: HostError) -> bool:
    if rule.status is not None and rule.status != error.status:
        return False
    if rule.code is not None and not _compiled(rule.code).search(error.code):
        return False
    if rule.message is not None and not _compiled(rule.message).search(error.message):
        return False
    if rule.field is not None:
        value = _at(error.body, rule.field)
        return value is not None if rule.equals is None else value == rule.equals
    return True


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _at(body: Any, path: str) -> Any:
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return body


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is None or 0 <= value < 1e9 else None


def _until(date: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    parts = _DURATION.findall(text)
    return sum(float(value) * _SECONDS[unit] for value, unit in parts) if parts else _number(text)
