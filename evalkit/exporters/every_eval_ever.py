"""Every Eval Ever 0.3: for each endpoint one aggregate JSON, and its samples beside it as JSONL.

A figure without a value, and a trial without a score, cannot be said in this format: both are left out, and
how many trials that were is in the details of the samples' reference.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit import __version__
from evalkit.analysis.measures import MEASURES
from evalkit.exporters.flat import facts, subjects
from evalkit.exporters.record import file_name, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.analysis.rundata import RunData
    from evalkit.analysis.summary import Figure
    from evalkit.exporters.record import Exported, Exporter, Part, Trial
    from evalkit.types.provider import Endpoint
    from evalkit.types.run import SuiteRecord
    from evalkit.types.score import Metric, Score

VERSION = "0.3.0"
_UNITS = {
    "share": "proportion",
    "seconds": "s",
    "usd": "USD",
    "tokens": "tokens",
    "tokens_per_second": "tokens/s",
}


def build() -> Exporter:
    """The format `every_eval_ever`."""
    return EveryEvalEver()


class EveryEvalEver:
    """See `evalkit.exporters.record.Exporter`."""

    name = "every_eval_ever"
    remote = False

    def export(self, exported: Exported, target: str) -> list[str]:
        """See `evalkit.exporters.record.Exporter`."""
        parts: dict[str, list[Part]] = {}
        for part in exported.parts():
            parts.setdefault(part.subject, []).append(part)
        written: list[str] = []
        for subject, run, endpoint in subjects(exported):
            written += _write(exported, subject, run, endpoint, parts.get(subject, []), Path(target))
        return written


def _write(
    exported: Exported, subject: str, run: RunData, endpoint: Endpoint, parts: list[Part], root: Path
) -> list[str]:
    developer, model = _named(endpoint)
    name = _file_id(run, endpoint)
    folder = f"data/evalkit-{file_name(run.manifest.run)}/{file_name(developer)}/{file_name(model)}"
    records = {part.suite: part.record for part in parts}
    identity = f"{run.manifest.run}/{developer}_{model}/{_stamp(run)}"
    results = [_result(f, records[f.suite]) for f in exported.figures(subject) if f.suite in records]
    if not results:
        return []
    rows = [row for part in parts for row in _samples(part, identity, f"{developer}/{model}")]
    data = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    planned = sum(len(part.trials) for part in parts)
    aggregate: dict[str, Any] = {
        "schema_version": VERSION,
        "evaluation_id": identity,
        "evaluation_timestamp": run.manifest.created_at,
        "retrieved_timestamp": _stamp(run),
        "source_metadata": {
            "source_name": "evalkit",
            "source_type": "evaluation_run",
            "source_organization_name": "not stated",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": "evalkit", "version": __version__},
        "model_info": _model_info(run, endpoint, f"{developer}/{model}", developer),
        "evaluation_results": results,
    }
    written = []
    if rows:
        aggregate["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": f"{folder}/{name}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(data).hexdigest(),
            "total_rows": len(rows),
            "additional_details": {
                "trials_planned": str(planned),
                "trials_without_a_score": str(planned - len(rows)),
            },
        }
        written.append(write_file(root / folder / f"{name}_samples.jsonl", data))
    text = msgspec.json.format(msgspec.json.encode(aggregate), indent=2)
    return [write_file(root / folder / f"{name}.json", text), *written]


def _file_id(run: RunData, endpoint: Endpoint) -> uuid.UUID:
    """An id in the form that the format demands, but the same for the same run and endpoint."""
    digest = hashlib.sha256(f"{run.manifest.run}\n{run.manifest.created_at}\n{endpoint.id}".encode()).digest()
    return uuid.UUID(bytes=digest[:16], version=4)


def _stamp(run: RunData) -> str:
    return str(int(datetime.fromisoformat(run.manifest.created_at).timestamp()))


def _named(endpoint: Endpoint) -> tuple[str, str]:
    """Developer and model: those of the weights if they are known, else the provider's names."""
    developer, slash, model = (endpoint.weights.repo if endpoint.weights else endpoint.model).partition("/")
    return (developer, model) if slash else (endpoint.provider.id, developer)


def _model_info(run: RunData, endpoint: Endpoint, identity: str, developer: str) -> dict[str, Any]:
    kinds = {"self_hosted": "self_deployed", "embedded": "self_deployed"}
    return {
        "name": endpoint.model,
        "id": identity,
        "developer": developer,
        "inference_platform": endpoint.provider.id,
        "additional_details": {
            **facts(run, endpoint),
            "deployment_type": kinds.get(endpoint.provider.kind, "externally_managed"),
            "model_availability": "open_weights" if endpoint.weights else "unknown",
        },
    }


def _result(figure: Figure, record: SuiteRecord) -> dict[str, Any]:
    estimate, measure = figure.estimate, MEASURES.get(figure.measure)
    unit = measure.unit if measure else "number"
    primary = _primary(record)
    lower = measure is not None and measure.better == "lower"
    bounded = unit == "share"
    if figure.measure.startswith("quality") and primary is not None:
        lower, bounded = not primary.higher_is_better, primary.kind != "number"
    uncertainty: dict[str, Any] = {"num_samples": estimate.n}
    if estimate.low is not None and estimate.high is not None:
        uncertainty["confidence_interval"] = {
            "lower": estimate.low,
            "upper": estimate.high,
            "confidence_level": estimate.level,
            "method": estimate.method,
        }
    return {
        "evaluation_result_id": f"{figure.suite}/{figure.measure}",
        "evaluation_name": str(figure.suite),
        "source_data": {"dataset_name": record.suite.id, "source_type": "other"},
        "metric_config": {
            "evaluation_description": measure.meaning if measure else figure.measure,
            "metric_id": f"evalkit/{figure.measure}",
            "metric_name": primary.title if figure.measure == "quality" and primary else figure.measure,
            "metric_kind": figure.measure,
            "metric_unit": _UNITS.get(unit, unit),
            "lower_is_better": lower,
            "score_type": "continuous",
            "min_score": 0.0 if bounded or unit != "number" else "-Infinity",
            "max_score": 1.0 if bounded else "Infinity",
            "additional_details": {
                "suite_sha256": record.hash,
                "denominator": measure.denominator if measure else "",
            },
        },
        "score_details": {
            "score": estimate.value,
            "uncertainty": uncertainty,
            "details": {
                "failed": str(estimate.failed),
                "unscored": str(estimate.unscored),
                "clusters": str(estimate.clusters),
            },
        },
    }


def _primary(record: SuiteRecord) -> Metric | None:
    return next((m for m in record.metrics if m.name == record.suite.primary), None)


def _samples(part: Part, identity: str, model: str) -> Iterator[dict[str, Any]]:
    primary = _primary(part.record)
    if primary is None:
        return
    for trial in part.trials:
        score = next((r.score for r in trial.scores if r.score and r.score.metric == primary.name), None)
        if score is not None and trial.turns:
            yield _sample_row(part, trial, score, primary) | {"evaluation_id": identity, "model_id": model}


def _sample_row(part: Part, trial: Trial, score: Score, primary: Metric) -> dict[str, Any]:
    sample, last = trial.sample, trial.turns[-1]
    raw = "" if sample is None else _text(sample.input)
    target = sample.target if sample else None
    reference = [
        _text(t) for t in (target if isinstance(target, list | tuple) else [target]) if t is not None
    ]
    single = len(trial.turns) == 1 and not (last.response and last.response.tool_calls)
    response = last.response
    text = response.text if response else ""
    good = score.value == (1.0 if primary.higher_is_better else 0.0)
    row: dict[str, Any] = {
        "schema_version": VERSION,
        "evaluation_name": part.suite,
        "evaluation_result_id": f"{part.suite}/quality",
        "sample_id": trial.key.sample,
        "sample_hash": hashlib.sha256((raw + "".join(reference)).encode()).hexdigest(),
        "interaction_type": "single_turn" if single else "agentic",
        "input": {"raw": raw, "reference": reference},
        "output": _output(last) if single else None,
        "messages": None if single else _messages(trial),
        "answer_attribution": [
            {
                "turn_idx": 0 if single else len(_messages(trial)) - 1,
                "source": "output.raw" if single else "messages[turn_idx].content",
                "extracted_value": score.answer if score.answer is not None else text,
                "extraction_method": "custom",
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": score.value, "is_correct": good, "num_turns": len(trial.turns)},
        "metadata": _metadata(trial),
    }
    usages = [g.response.usage if g.response else None for g in trial.turns]
    if all(u is not None and u.input is not None and u.output is not None for u in usages):
        counts = [(u.input or 0, u.output or 0, u.reasoning, u.cached_input) for u in usages if u is not None]
        row["token_usage"] = {
            "input_tokens": sum(c[0] for c in counts),
            "output_tokens": sum(c[1] for c in counts),
            "total_tokens": sum(c[0] + c[1] for c in counts),
            **_sums(
                ("reasoning_tokens", [c[2] for c in counts]),
                ("input_tokens_cache_read", [c[3] for c in counts]),
            ),
        }
    if last.timing is not None:
        first = trial.turns[0].timing.first_token_s if trial.turns[0].timing else None
        total = sum(g.timing.total_s for g in trial.turns if g.timing)
        row["performance"] = {"latency_ms": total * 1000}
        if first is not None:
            row["performance"]["time_to_first_token_ms"] = first * 1000
    return row


def _sums(*named: tuple[str, list[int | None]]) -> dict[str, int]:
    return {name: sum(v for v in values if v is not None) for name, values in named if None not in values}


def _metadata(trial: Trial) -> dict[str, str]:
    usd = [g.cost.usd if g.cost else None for g in trial.turns]
    found: dict[str, str] = {"epoch": str(trial.key.epoch), "outcome": trial.turns[-1].outcome.value}
    if None not in usd:
        found["cost_usd"] = repr(sum(u for u in usd if u is not None))
    if trial.sample is not None and trial.sample.language:
        found["language"] = trial.sample.language
    if trial.sample is not None and trial.sample.tags:
        found["tags"] = ",".join(trial.sample.tags)
    return found


def _output(last: Any) -> dict[str, Any]:
    response = last.response
    made: dict[str, Any] = {"raw": [response.text if response else ""]}
    if response is not None and response.reasoning:
        made["reasoning_trace"] = [response.reasoning]
    return made


def _messages(trial: Trial) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for generation in trial.turns:
        for message in generation.prompt:
            row: dict[str, Any] = {"role": message.role, "content": message.content}
            if message.tool_call_id:
                row["tool_call_id"] = [message.tool_call_id]
            made.append(row)
        if (response := generation.response) is not None:
            row = {"role": "assistant", "content": response.text}
            if response.tool_calls:
                row["tool_calls"] = [
                    {"id": c.id, "name": c.name, "arguments": {"json": c.arguments}}
                    for c in response.tool_calls
                ]
            made.append(row)
    return [{"turn_idx": number, **row} for number, row in enumerate(made)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
