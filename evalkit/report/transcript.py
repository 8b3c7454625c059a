"""One trial as plain values for the browser: turns, scores and their facts, every number already text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.report.numbers import count, dollars, seconds, significant
from evalkit.report.words import LAYERS, clip, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.types.chat import Message, ToolCall
    from evalkit.types.generation import Generation
    from evalkit.types.score import Metric, ScoreRow
    from evalkit.types.suite import Sample

Turn = dict[str, Any]
_MOST_DATA = 4_000
_WORTH_TELLING_S = 0.05


def describe_input(sample: Sample) -> list[Turn]:
    """The question as messages."""
    if isinstance(sample.input, str):
        return [{"role": "user", "content": clip(sample.input), "calls": []}]
    return [describe_message(message) for message in sample.input]


def describe_message(message: Message) -> Turn:
    """A message as it was sent."""
    content = None if message.content is None else clip(message.content)
    return {"role": message.role, "content": content, "calls": _calls(message.tool_calls)}


def describe_value(value: object) -> str:
    """A value of any JSON type as text."""
    if isinstance(value, str):
        return clip(value)
    return clip(msgspec.json.format(msgspec.json.encode(value), indent=2).decode(), _MOST_DATA)


def describe_answer(
    rows: list[Generation], scores: list[ScoreRow], metrics: Sequence[Metric], sample: Sample | None
) -> Turn:
    """One endpoint's trial: what was scored, what the subject said, what judges said."""
    subject = [g for g in rows if g.role == "subject"]
    titles = {metric.name: metric for metric in metrics}
    shown = _asked_by(sample)
    return {
        "scores": [_score(row, titles) for row in scores],
        "turns": [_turn(g, _turn_title(g, subject), shown) for g in subject],
        "others": [_turn(g, f"{g.role}: {g.endpoint}", ()) for g in rows if g.role != "subject"],
    }


def _asked_by(sample: Sample | None) -> tuple[str, ...]:
    """Contents that the question already shows, so that a turn need not repeat them."""
    if sample is None:
        return ()
    if isinstance(sample.input, str):
        return (sample.input,)
    return tuple(m.content for m in sample.input if m.content is not None)


def _turn_title(g: Generation, subject: list[Generation]) -> str:
    return f"Turn {g.turn + 1}" if len(subject) > 1 else ""


def _turn(g: Generation, title: str, shown: Sequence[str]) -> Turn:
    response, failure = g.response, g.failure
    reasoning = response.reasoning if response else None
    return {
        "title": tidy(title),
        "prompt": [describe_message(m) for m in g.prompt if m.content is None or m.content not in shown],
        "reasoning": clip(reasoning) if reasoning else None,
        "reasoning_size": f"{count(len(reasoning))} characters" if reasoning else "",
        "text": _spoken(g),
        "calls": _calls(response.tool_calls) if response else [],
        "failure": _failure(g) if failure else None,
        "defects": list(response.defects) if response else [],
        "facts": _facts(g),
    }


def _spoken(g: Generation) -> str | None:
    response = g.response
    if response is None:
        return None
    said = response.text or response.refusal or ""
    if said:
        return clip(said)
    return None if response.tool_calls else "[no text]"


def _failure(g: Generation) -> str:
    failure = g.failure
    assert failure is not None
    head = " ".join(str(part) for part in (failure.status, failure.code) if part is not None)
    text = f"{LAYERS[g.outcome.value]['title']}. {head} {failure.message}".replace("  ", " ")
    return clip(f"{text}\n{failure.body}" if failure.body else text, _MOST_DATA)


def _facts(g: Generation) -> list[tuple[str, str]]:
    """Times, tokens and money of one request. What is unknown is left out, never 0."""
    facts = [*_time_facts(g), *_token_facts(g)]
    response = g.response
    if response is not None:
        facts.append(("cost", dollars(g.cost.usd) if g.cost else "unpriced"))
        if response.served_by:
            facts.append(("served by", tidy(response.served_by)))
        if response.finish:
            native = response.native_finish
            told = f" ({native})" if native and native != response.finish else ""
            facts.append(("finish", tidy(response.finish + told)))
    if len(g.attempts) > 1:
        facts.append(("attempts", str(len(g.attempts))))
    if g.source:
        facts.append(("taken from", tidy(g.source)))
    return facts


def _time_facts(g: Generation) -> list[tuple[str, str]]:
    t = g.timing
    if t is None:
        return []
    facts = [] if t.first_token_s is None else [("first token", seconds(t.first_token_s))]
    if t.first_answer_s is not None and t.first_answer_s != t.first_token_s:
        facts.append(("first of answer", seconds(t.first_answer_s)))
    facts.append(("total", seconds(t.total_s)))
    if t.queued_s >= _WORTH_TELLING_S:
        facts.append(("waited before", seconds(t.queued_s)))
    return facts


def _token_facts(g: Generation) -> list[tuple[str, str]]:
    usage = g.response.usage if g.response else None
    if usage is None:
        return []
    counted = (
        ("tokens in", usage.input),
        ("of them cached", usage.cached_input),
        ("tokens out", usage.output),
        ("of them reasoning", usage.reasoning),
    )
    return [(name, count(amount)) for name, amount in counted if amount is not None]


def _score(row: ScoreRow, metrics: dict[str, Metric]) -> Turn:
    score, missing = row.score, row.unscored
    name = score.metric if score else missing.metric if missing else ""
    metric = metrics.get(name)
    title = tidy(metric.title if metric else name)
    if score is None:
        why = f"{missing.reason}: {missing.detail}" if missing and missing.detail else ""
        why = why or (missing.reason if missing else "")
        return {"title": title, "value": "unscored", "answer": None, "why": clip(why), "data": []}
    return {
        "title": title,
        "value": _value(score.value, score.label, metric),
        "answer": None if score.answer is None else clip(score.answer),
        "why": None if score.explanation is None else clip(score.explanation),
        "data": [(tidy(k), describe_value(v)) for k, v in score.data.items()],
    }


def _value(value: float, label: str | None, metric: Metric | None) -> str:
    if label:
        return tidy(label.replace("_", " "))
    if metric is not None and metric.kind == "binary":
        return "✓ yes" if value else "✗ no"
    return significant(value)


def _calls(calls: Sequence[ToolCall]) -> list[tuple[str, str]]:
    return [(tidy(call.name), clip(_pretty(call.arguments), _MOST_DATA)) for call in calls]


def _pretty(arguments: str) -> str:
    """JSON indented; anything else exactly as the model wrote it."""
    if len(arguments) > _MOST_DATA:
        return arguments
    try:
        return msgspec.json.format(arguments.encode(), indent=2).decode()
    except (msgspec.DecodeError, UnicodeError):
        return arguments
