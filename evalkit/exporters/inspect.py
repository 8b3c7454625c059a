"""Logs that Inspect reads: one `.eval` for each suite at each endpoint.

Scores that are missing are Inspect's own unscored ones, with the reason. A host's failure is the sample's
error; a filter's block is `content_filter`. Outcome, cost and first-token times, for which the format has no
place, are in each sample's metadata.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit import __version__
from evalkit.errors import InfrastructureError
from evalkit.exporters.record import file_name, metric_of

if TYPE_CHECKING:
    from evalkit.exporters.record import Exported, Exporter, Part, Trial
    from evalkit.types.chat import Message
    from evalkit.types.generation import Generation, Usage

_STOPS = {
    "stop": "stop",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_SETTINGS = ("max_tokens", "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty")


def build() -> Exporter:
    """The format `inspect`."""
    return Inspect()


class Inspect:
    """See `evalkit.exporters.record.Exporter`."""

    name = "inspect"
    remote = False

    def export(self, exported: Exported, target: str) -> list[str]:
        """See `evalkit.exporters.record.Exporter`."""
        return [_write(part, Path(target)) for part in exported.parts() if part.trials]


def _write(part: Part, folder: Path) -> str:
    moment = part.run.manifest.created_at[:19].replace(":", "-")
    identity = _identity(part)
    path = folder / f"{moment}_{file_name(part.suite, part.endpoint.id)}_{identity[:10]}.eval"
    header = _header(part, identity)
    worked = [trial for trial in part.trials if trial.turns]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            start = {"version": 2, "eval": header["eval"], "plan": header["plan"]}
            archive.writestr("_journal/start.json", json.dumps(start))
            summaries = []
            for trial in worked:
                sample = _sample(part, trial)
                name = f"samples/{file_name(trial.key.sample)}_epoch_{trial.key.epoch}.json"
                archive.writestr(name, json.dumps(sample, ensure_ascii=False))
                kept = ("id", "epoch", "input", "target", "metadata", "scores", "model_usage", "total_time")
                summaries.append({name: sample[name] for name in kept} | {"completed": True})
            archive.writestr("summaries.json", json.dumps(summaries, ensure_ascii=False))
            archive.writestr("header.json", json.dumps(header, ensure_ascii=False))
    except OSError as error:
        raise InfrastructureError(
            f"{path}: cannot be written ({error.strerror}); choose another folder."
        ) from None
    return str(path)


def _identity(part: Part) -> str:
    text = f"{part.run.manifest.run}\n{part.record.suite.id}\n{part.endpoint.id}"
    return hashlib.sha256(text.encode()).hexdigest()[:22]


def _model(part: Part) -> str:
    return f"{part.endpoint.provider.id}/{part.endpoint.model}"


def _header(part: Part, identity: str) -> dict[str, Any]:
    manifest, suite = part.run.manifest, part.record.suite
    config = {k: v for k in _SETTINGS if (v := getattr(suite.generation, k)) is not None}
    samples = [trial.key.sample for trial in part.trials if trial.key.epoch == 1]
    worked = sum(bool(trial.turns) for trial in part.trials)
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": identity,
            "run_id": manifest.run,
            "created": manifest.created_at,
            "task": suite.id,
            "task_id": identity,
            "task_version": suite.version,
            "dataset": {"name": suite.id, "samples": len(samples), "sample_ids": samples, "shuffled": False},
            "model": _model(part),
            "model_generate_config": config,
            "model_base_url": part.endpoint.base_url or None,
            "config": {"epochs": part.record.epochs},
            "packages": {"evalkit": __version__},
            "metadata": {
                "evalkit_suite_sha256": part.record.hash,
                "weights": part.endpoint.weights.repo if part.endpoint.weights else None,
                "note": manifest.note,
            },
        },
        "plan": {"name": "plan", "steps": [{"solver": suite.solver.name}], "config": config},
        "results": {
            "total_samples": len(part.trials),
            "completed_samples": worked,
            "scores": _aggregates(part),
        },
        "stats": {"started_at": manifest.created_at, "completed_at": manifest.finished_at or ""},
    }


def _aggregates(part: Part) -> list[dict[str, Any]]:
    """Means of what was scored. Inspect's viewer shows them; the intervals are in evalkit's own report."""
    made = []
    for metric in part.record.metrics:
        rows = [
            r
            for t in part.trials
            for r in t.scores
            if (r.score or r.unscored) and metric_of(r) == metric.name
        ]
        values = [r.score.value for r in rows if r.score is not None]
        metrics = {"mean": {"name": "mean", "value": math.fsum(values) / len(values)}} if values else {}
        made.append(
            {
                "name": metric.name,
                "scorer": rows[0].scorer if rows else metric.name,
                "scored_samples": len(values),
                "unscored_samples": len(rows) - len(values),
                "metrics": metrics,
            }
        )
    return made


def _sample(part: Part, trial: Trial) -> dict[str, Any]:
    sample, last = trial.sample, trial.turns[-1]
    totals = [g.timing.total_s if g.timing else None for g in trial.turns]
    usage = _usage_sum(trial.turns)
    target = sample.target if sample else None
    return {
        "id": trial.key.sample,
        "epoch": trial.key.epoch,
        "input": _input(trial),
        "target": _texts(target),
        "messages": _messages(trial, _model(part)),
        "output": _output(last, _model(part)),
        "scores": {metric_of(row): _score(row) for row in trial.scores if row.score or row.unscored},
        "metadata": {
            **(dict(sample.data) if sample else {}),
            "evalkit": {
                "outcome": last.outcome.value,
                "usd": [g.cost.usd if g.cost else None for g in trial.turns],
                "first_token_s": [g.timing.first_token_s if g.timing else None for g in trial.turns],
                "served_by": [g.response.served_by if g.response else None for g in trial.turns],
                "tags": list(sample.tags) if sample else [],
                "cluster": sample.cluster if sample else None,
                "language": sample.language if sample else None,
            },
        },
        "model_usage": {_model(part): usage} if usage else {},
        "total_time": math.fsum(t for t in totals if t is not None) if None not in totals else None,
        "error": _error(last),
        "completed_at": _moment(last.at),
    }


def _moment(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).isoformat()


def _input(trial: Trial) -> Any:
    if trial.sample is None:
        return ""
    if isinstance(trial.sample.input, str):
        return trial.sample.input
    return [_message(message, None) for message in trial.sample.input] or ""


def _texts(target: Any) -> str | list[str]:
    if target is None:
        return ""
    if isinstance(target, list | tuple):
        return [t if isinstance(t, str) else json.dumps(t) for t in target]
    return target if isinstance(target, str) else msgspec.json.encode(target).decode()


def _messages(trial: Trial, model: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for generation in trial.turns:
        made += (_message(message, None) for message in generation.prompt)
        if generation.response is not None:
            made.append(_answer(generation, model))
    return made


def _message(message: Message, source: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role, "content": message.content or ""}
    if message.role == "tool":
        made["tool_call_id"] = message.tool_call_id
    if message.role == "assistant" and message.tool_calls:
        made["tool_calls"] = [_call(call.id, call.name, call.arguments) for call in message.tool_calls]
    if source is not None:
        made["source"] = source
    return made


def _answer(generation: Generation, model: str) -> dict[str, Any]:
    response = generation.response
    assert response is not None  # the caller looked
    content: Any = response.text
    if response.reasoning:
        content = [
            {"type": "reasoning", "reasoning": response.reasoning},
            {"type": "text", "text": response.text},
        ]
    made = {"role": "assistant", "content": content, "source": "generate", "model": model}
    if response.tool_calls:
        made["tool_calls"] = [_call(call.id, call.name, call.arguments) for call in response.tool_calls]
    return made


def _call(identity: str, name: str, arguments: str) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        parsed = None
    made: dict[str, Any] = {"id": identity, "function": name, "type": "function"}
    if isinstance(parsed, dict):
        return made | {"arguments": parsed}
    return made | {"arguments": {}, "parse_error": f"not a JSON object: {arguments[:500]}"}


def _output(last: Generation, model: str) -> dict[str, Any]:
    response = last.response
    made: dict[str, Any] = {"model": model, "choices": []}
    if response is not None:
        stop = "content_filter" if last.outcome.is_blocked else _STOPS.get(response.finish or "", "unknown")
        answer = {k: v for k, v in _answer(last, model).items() if k != "model"}
        made |= {"choices": [{"message": answer, "stop_reason": stop}], "completion": response.text}
        if (usage := _usage(response.usage)) is not None:
            made["usage"] = usage | ({"total_cost": last.cost.usd} if last.cost else {})
    elif last.outcome.is_blocked:
        made["choices"] = [
            {
                "message": {"role": "assistant", "content": "", "source": "generate"},
                "stop_reason": "content_filter",
            }
        ]
    if last.timing is not None:
        made["time"] = last.timing.total_s
    if last.failure is not None and last.outcome.is_blocked:
        made["error"] = last.failure.message
    return made


def _usage(told: Usage | None) -> dict[str, Any] | None:
    """Inspect counts cached input apart, and has no word for a count that is not known."""
    if told is None or told.input is None or told.output is None:
        return None
    cached, written = told.cached_input or 0, told.cache_write or 0
    made = {
        "input_tokens": max(0, told.input - cached - written),
        "output_tokens": told.output,
        "total_tokens": told.input + told.output,
        "input_tokens_cache_read": told.cached_input,
        "input_tokens_cache_write": told.cache_write,
        "reasoning_tokens": told.reasoning,
    }
    return {name: value for name, value in made.items() if value is not None}


def _usage_sum(turns: tuple[Generation, ...]) -> dict[str, Any] | None:
    parts = [_usage(g.response.usage if g.response else None) for g in turns]
    if not parts or None in parts:
        return None
    names = dict.fromkeys(name for part in parts if part for name in part)
    return {name: sum(part.get(name, 0) for part in parts if part) for name in names}


def _score(row: Any) -> dict[str, Any]:
    if row.score is None:
        return {"value": math.nan, "reason": row.unscored.reason, "explanation": row.unscored.detail}
    score = row.score
    made = {"value": score.value, "answer": score.answer, "explanation": score.explanation}
    return made | {"metadata": {**score.data, "label": score.label, "scorer": row.scorer}}


def _error(last: Generation) -> dict[str, Any] | None:
    if not last.outcome.is_failure:
        return None
    message = last.failure.message if last.failure else last.outcome.value
    status = f"Error code: {last.failure.status} - " if last.failure and last.failure.status else ""
    return {"message": status + message, "traceback": "", "traceback_ansi": ""}
