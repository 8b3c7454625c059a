"""Logs of Inspect: `.eval` (a zip of JSON) and `.json`, of version 2.

Kept: every generated turn, with usage and seconds of its model call where the events tell; scores by
scorer; errors. A sample's state, its tools' events and its retries stay behind.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.importers.jsonl import GOOD
from evalkit.importers.record import About, Asked, Imported, Importer, Turn
from evalkit.importers.turns import answer, calls_of, error_reply, text_of
from evalkit.types.chat import Message
from evalkit.types.generation import Usage
from evalkit.types.score import Score, Unscored
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.importers.opened import Opened

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Inspect's own values: correct, partial, incorrect, no answer."""
_SETTINGS = {"stop_seqs": "stop", "seed": "seed", "reasoning_effort": "reasoning"}
_SAME = ("max_tokens", "temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
_ATTACHED = "attachment://"


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_cache_write: int | None = None
    input_tokens_cache_read: int | None = None
    reasoning_tokens: int | None = None
    total_cost: float | None = None


class _Message(msgspec.Struct):
    role: str
    content: Any = None
    source: str | None = None
    tool_calls: Any = None
    tool_call_id: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    stop_reason: str | None = None


class _Output(msgspec.Struct):
    choices: tuple[_Choice, ...] = ()
    usage: _Usage | None = None
    time: float | None = None
    error: str | None = None


class _Event(msgspec.Struct):
    event: str = ""
    output: Any = None
    role: str | None = None


class _Error(msgspec.Struct):
    message: str = ""


class _Score(msgspec.Struct):
    value: Any = None
    answer: str | None = None
    explanation: str | None = None
    reason: str | None = None


class _Sample(msgspec.Struct):
    id: int | str
    epoch: int
    input: str | tuple[_Message, ...]
    target: Any = None
    messages: tuple[_Message, ...] = ()
    output: _Output = msgspec.field(default_factory=_Output)
    scores: dict[str, _Score] | None = None
    metadata: dict[str, Any] = {}
    events: tuple[_Event, ...] = ()
    attachments: dict[str, str] = {}
    error: _Error | None = None
    completed_at: str | None = None


class _Spec(msgspec.Struct):
    task: str
    model: str
    task_version: int | str = 0
    model_generate_config: dict[str, Any] = {}
    packages: dict[str, str] = {}


class _Plan(msgspec.Struct):
    config: dict[str, Any] = {}


class _Own(msgspec.Struct):
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    language: str | None = None


class _Header(msgspec.Struct):
    eval: _Spec
    plan: _Plan = msgspec.field(default_factory=_Plan)


class _Log(_Header):
    samples: tuple[_Sample, ...] | None = None


def build() -> Importer:
    """The format `inspect`."""
    return Inspect()


class Inspect:
    """See `evalkit.importers.record.Importer`."""

    name = "inspect"

    def recognizes(self, file: Opened) -> bool:
        """See `evalkit.importers.record.Importer`."""
        if file.is_zip:
            return bool({"header.json", "_journal/start.json"} & file.members().keys())
        head = file.opening[:4000]
        return b'"eval"' in head and b'"task"' in head and b'"version"' in head

    def read(self, files: Sequence[Opened], asked: Asked) -> Iterator[Imported | About]:
        """See `evalkit.importers.record.Importer`."""
        for file in files:
            if file.is_zip:
                names = file.members()
                header = file.member(
                    "header.json" if "header.json" in names else "_journal/start.json", _Header
                )
                yield _about(header)
                for name in names:
                    if name.startswith("samples/") and name.endswith(".json"):
                        yield _trial(file.member(name, _Sample), header, asked, f"{file.path}!{name}")
            else:
                log = file.document(_Log)
                yield _about(log)
                for number, sample in enumerate(log.samples or ()):
                    yield _trial(sample, log, asked, f"{file.path} $.samples[{number}]")


def _about(header: _Header) -> About:
    told = {**header.plan.config, **header.eval.model_generate_config}
    settings = {name: told[name] for name in _SAME if told.get(name) is not None}
    settings |= {ours: told[theirs] for theirs, ours in _SETTINGS.items() if told.get(theirs) is not None}
    return About(
        suite=header.eval.task,
        version=str(header.eval.task_version),
        settings=settings,
        software={f"inspect: {name}": version for name, version in header.eval.packages.items()},
    )


def _trial(sample: _Sample, header: _Header, asked: Asked, where: str) -> Imported:
    attached = sample.attachments
    given: Any = sample.input
    if not isinstance(given, str):
        given = tuple(_message(message, attached) for message in given)
    elif given.startswith(_ATTACHED):
        given = attached.get(given.removeprefix(_ATTACHED), given)
    return Imported(
        suite=header.eval.task,
        sample=_item(sample, given),
        endpoint=asked.named(header.eval.model, _endpoint(header.eval.model)),
        epoch=sample.epoch,
        turns=_turns(sample),
        scores=tuple(_scores(sample.scores or {})),
        where=where,
    )


def _item(sample: _Sample, given: Any) -> Sample:
    """The sample; of a log that we exported, with what we put into its metadata."""
    data = dict(sample.metadata)
    ours = data.pop("evalkit", None)
    own: dict[str, Any] = ours if isinstance(ours, dict) else {}
    try:
        more = msgspec.convert({k: own[k] for k in ("tags", "cluster", "language") if k in own}, _Own)
    except msgspec.ValidationError:
        more = _Own()
    return Sample(
        id=str(sample.id),
        input=given,
        target=sample.target or None,
        tags=more.tags,
        cluster=more.cluster,
        language=more.language,
        data=data,
    )


def _endpoint(model: str) -> str:
    """`openai-api/host/name` and `host/name` as `host:name`."""
    service, _, rest = model.removeprefix("openai-api/").partition("/")
    return f"{service}:{rest}" if rest else model


def _message(raw: _Message, attached: dict[str, str]) -> Message:
    text = text_of(raw.content)
    if text is not None and text.startswith(_ATTACHED):
        text = attached.get(text.removeprefix(_ATTACHED), text)
    role = raw.role if raw.role in {"system", "user", "assistant", "tool"} else "user"
    return Message(role=role, content=text, tool_call_id=raw.tool_call_id)  # type: ignore[arg-type]


def _turns(sample: _Sample) -> tuple[Turn, ...]:
    """Generated turns with what was new before each; a sample that failed ends in its error."""
    calls = _model_calls(sample)
    generated = sum(message.source == "generate" for message in sample.messages)
    turns: list[Turn] = []
    pending: list[Message] = []
    for message in sample.messages:
        if message.source != "generate" or message.role != "assistant":
            pending.append(_message(message, sample.attachments))
            continue
        last = len(turns) == generated - 1
        output = calls[len(turns)] if len(calls) == generated else sample.output if last else _Output()
        turns.append(_turn(message, output, tuple(pending), sample))
        pending = []
    if sample.error is not None:
        said, status = error_reply(sample.error.message)
        turns.append(Turn(said=said, status=status, prompt=tuple(pending), at=_time(sample)))
    elif not turns:
        choice = sample.output.choices[0].message if sample.output.choices else None
        turns.append(_turn(choice, sample.output, tuple(pending), sample))
    return tuple(turns)


def _model_calls(sample: _Sample) -> list[_Output]:
    """The outputs of the sample's own model calls, as its events keep them."""
    found: list[_Output] = []
    for event in sample.events:
        if event.event == "model" and event.role is None and event.output is not None:
            try:
                found.append(msgspec.convert(event.output, _Output))
            except msgspec.ValidationError:
                return []
    return found


def _turn(message: _Message | None, output: _Output, prompt: tuple[Message, ...], sample: _Sample) -> Turn:
    stop = output.choices[0].stop_reason if output.choices else None
    finish = {"unknown": None, "model_length": "length"}.get(stop or "unknown", stop)
    status: int | None = None
    if output.error and finish != "content_filter":
        said, status = error_reply(output.error)
    elif message is None and finish is None:
        return Turn(said=None, prompt=prompt, at=_time(sample))
    else:
        text = _message(message, sample.attachments).content if message else None
        said = answer(text, finish, reasoning=_reasoning(message.content if message else None))
        said.tools = calls_of(message.tool_calls if message else None)
    usage = output.usage
    return Turn(
        said=said,
        status=status,
        prompt=prompt,
        usage=_usage(usage),
        total_s=output.time or None,
        usd=usage.total_cost if usage else None,
        at=_time(sample),
    )


def _usage(told: _Usage | None) -> Usage | None:
    """Inspect counts cached input apart; ours includes it. Nothing but zeros is nothing told."""
    if told is None or not (told.input_tokens or told.output_tokens):
        return None
    cached, written = told.input_tokens_cache_read, told.input_tokens_cache_write
    return Usage(
        input=told.input_tokens + (cached or 0) + (written or 0),
        cached_input=cached,
        cache_write=written,
        output=told.output_tokens,
        reasoning=told.reasoning_tokens,
    )


def _reasoning(content: Any) -> str | None:
    parts = [p for p in content if isinstance(p, dict)] if isinstance(content, list) else []
    found = [str(p["reasoning"]) for p in parts if p.get("type") == "reasoning" and p.get("reasoning")]
    return "\n".join(found) or None


def _time(sample: _Sample) -> float | None:
    try:
        return datetime.fromisoformat(sample.completed_at).timestamp() if sample.completed_at else None
    except ValueError:
        return None


def _scores(told: dict[str, _Score]) -> Iterator[Score | Unscored]:
    for name, score in told.items():
        if isinstance(score.value, dict):
            for key, value in score.value.items():
                yield _score(f"{name}/{key}", value, score)
        else:
            yield _score(name, score.value, score)


def _score(metric: str, value: Any, told: _Score) -> Score | Unscored:
    label = value if isinstance(value, str) else None
    if isinstance(value, str):
        value = _GRADES.get(value, _number(value))
        if value is None:
            value = float((label or "").casefold() in GOOD)
        elif label not in _GRADES:
            label = None
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        return Unscored(metric=metric, reason=told.reason or "not_recorded", detail=told.explanation)
    return Score(
        metric=metric,
        value=float(value),
        label=label,
        answer=told.answer[:2000] if told.answer else None,
        explanation=told.explanation[:4000] if told.explanation else None,
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
