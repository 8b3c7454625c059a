"""Results of promptfoo: the JSON that `promptfoo eval -o results.json` writes, of version 3.

Written after its published schema. Answers from promptfoo's cache keep no time here: it is not that of a
request. A cost of 0 is what promptfoo writes when it knows no price, so it is missing.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.importers.record import About, Asked, Imported, Importer, Turn
from evalkit.importers.turns import answer, error_reply, messages_of
from evalkit.types.chat import Message
from evalkit.types.generation import Usage
from evalkit.types.score import Score
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.importers.opened import Opened

_ERROR = 2
"""`failureReason`: 0 none, 1 an assertion, 2 an error."""
_KINDS = {"chat", "completion", "messages", "responses"}


class _Row(msgspec.Struct, rename="camel"):
    provider: Any
    prompt: Any = None
    test_idx: int = 0
    prompt_idx: int = 0
    vars: dict[str, Any] = {}
    test_case: dict[str, Any] = {}
    success: bool | None = None
    score: float | None = None
    named_scores: dict[str, Any] = {}
    failure_reason: int | None = None
    error: str | None = None
    latency_ms: float | None = None
    cost: float | None = None
    token_usage: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    grading_result: dict[str, Any] | None = None


class _Results(msgspec.Struct):
    results: tuple[_Row, ...]
    version: int | None = None


class _Document(msgspec.Struct):
    results: _Results
    config: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


def build() -> Importer:
    """The format `promptfoo`."""
    return Promptfoo()


class Promptfoo:
    """See `evalkit.importers.record.Importer`."""

    name = "promptfoo"

    def recognizes(self, file: Opened) -> bool:
        """See `evalkit.importers.record.Importer`."""
        head = file.opening
        return b'"evalId"' in head[:2000] and b'"results"' in head[:4000]

    def read(self, files: Sequence[Opened], asked: Asked) -> Iterator[Imported | About]:
        """See `evalkit.importers.record.Importer`."""
        epochs: Counter[tuple[str, str, str]] = Counter()
        for file in files:
            document = file.document(_Document)
            told = document.config.get("description")
            suite = told if isinstance(told, str) and told else asked.suite
            version = document.metadata.get("promptfooVersion")
            yield About(suite=suite, software={"promptfoo": version} if isinstance(version, str) else {})
            several = len({row.prompt_idx for row in document.results.results}) > 1
            for number, row in enumerate(document.results.results):
                name = f"{row.test_idx}/{row.prompt_idx}" if several else str(row.test_idx)
                endpoint = _endpoint(row.provider, asked)
                epochs[suite, name, endpoint] += 1
                yield Imported(
                    suite=suite,
                    sample=_sample(row, name),
                    endpoint=endpoint,
                    epoch=epochs[suite, name, endpoint],
                    turns=(_turn(row),),
                    scores=tuple(_scores(row)),
                    where=f"{file.path} $.results.results[{number}]",
                )


def _endpoint(provider: Any, asked: Asked) -> str:
    """`openai:chat:name` as `openai:name`. A label is what users rename by."""
    told = provider if isinstance(provider, dict) else {"id": provider}
    found = str(told.get("label") or told.get("id") or "")
    parts = str(told.get("id") or "").split(":")
    if len(parts) > 2 and parts[1] in _KINDS:
        parts = [parts[0], ":".join(parts[2:])]
    return asked.named(found, ":".join(parts))


def _prompt(row: _Row) -> str | tuple[Message, ...]:
    raw = row.prompt.get("raw") if isinstance(row.prompt, dict) else row.prompt
    text = raw if isinstance(raw, str) else ""
    if text.lstrip().startswith("["):
        try:
            return messages_of(msgspec.json.decode(text)) or text
        except (msgspec.DecodeError, RecursionError):
            return text
    return text


def _sample(row: _Row, name: str) -> Sample:
    asserts = row.test_case.get("assert")
    first = asserts[0] if isinstance(asserts, list) and asserts else None
    target = first.get("value") if isinstance(first, dict) else None
    return Sample(id=name, input=_prompt(row), target=target, data={"vars": row.vars} if row.vars else {})


def _turn(row: _Row) -> Turn:
    asked = _prompt(row)
    prompt = asked if isinstance(asked, tuple) else (Message(role="user", content=asked),)
    response = row.response or {}
    output = response.get("output")
    text = output if isinstance(output, str) or output is None else msgspec.json.encode(output).decode()
    cached = bool(response.get("cached"))
    if row.failure_reason == _ERROR or (row.error and text is None):
        said, status = error_reply(row.error or "an error that the file does not describe", partial=text)
        return Turn(said=said, status=status, prompt=prompt)
    finish = response.get("finishReason")
    flagged = isinstance(response.get("guardrails"), dict) and response["guardrails"].get("flagged") is True
    if text is None and finish is None and not flagged:
        return Turn(said=None, prompt=prompt)
    said = answer(text, "content_filter" if flagged else finish if isinstance(finish, str) else None)
    if response.get("isRefusal") is True and not flagged:
        said.refusal = [text or "marked as a refusal"]
    return Turn(
        said=said,
        prompt=prompt,
        usage=_usage(row.token_usage or response.get("tokenUsage")),
        total_s=row.latency_ms / 1000 if row.latency_ms and row.latency_ms > 0 and not cached else None,
        usd=row.cost if row.cost and row.cost > 0 and math.isfinite(row.cost) else None,
    )


def _usage(told: Any) -> Usage | None:
    """Counts; promptfoo writes zeros where it knows none, and only a total for cached answers."""
    if not isinstance(told, dict):
        return None
    details = told.get("completionDetails")
    inside = details if isinstance(details, dict) else {}
    usage = Usage(
        input=_count(told.get("prompt")),
        cached_input=_count(inside.get("cacheReadInputTokens")),
        output=_count(told.get("completion")),
        reasoning=_count(inside.get("reasoning")),
    )
    return usage if usage.input or usage.output else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _scores(row: _Row) -> Iterator[Score]:
    reason = (row.grading_result or {}).get("reason")
    explanation = reason[:2000] if isinstance(reason, str) else None
    if row.success is not None:
        yield Score(metric="pass", value=float(row.success), explanation=explanation)
    named = {"score": row.score, **row.named_scores}
    for name, value in named.items():
        if isinstance(value, bool | int | float) and math.isfinite(value):
            yield Score(metric=name, value=float(value))
