"""Results of lm-evaluation-harness: `samples_<task>_<date>.jsonl`, with `results_<date>.json` beside them.

The format keeps no tokens, times, finish reasons or errors, and writes an answer that did not come as the
empty text: that is read as empty and not scored, whatever the file says of it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.errors import UsageError
from evalkit.importers.record import About, Asked, Imported, Importer, Turn
from evalkit.importers.turns import answer, messages_of
from evalkit.types.chat import Message
from evalkit.types.score import Score, Unscored
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.importers.opened import Opened

_TASK = re.compile(r"^samples_(?P<task>.+?)(?:_\d{4}-\d\d-\d\dT[\d.:-]+)?\.jsonl(?:\.gz)?$")
_MODEL = re.compile(r"(?:^|,)(?:model|pretrained)=([^,]+)")
_SETTINGS = {"max_gen_toks": "max_tokens", "temperature": "temperature", "top_p": "top_p", "seed": "seed"}


class _Row(msgspec.Struct):
    doc_id: int | str
    resps: list[Any]
    arguments: Any
    target: Any = None
    doc: Any = None
    filter: str = "none"
    metrics: list[str] = []


class _Config(msgspec.Struct):
    model: str = ""
    model_args: Any = None


class _Results(msgspec.Struct):
    results: dict[str, Any]
    config: _Config = msgspec.field(default_factory=_Config)
    configs: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    higher_is_better: dict[str, Any] = {}
    lm_eval_version: str | None = None
    model_name: str | None = None


def build() -> Importer:
    """The format `lm_eval`."""
    return LmEval()


class LmEval:
    """See `evalkit.importers.record.Importer`."""

    name = "lm_eval"

    def recognizes(self, file: Opened) -> bool:
        """See `evalkit.importers.record.Importer`."""
        return {"doc_id", "resps"} <= file.first_object.keys() or _is_results(file)

    def read(self, files: Sequence[Opened], asked: Asked) -> Iterator[Imported | About]:
        """See `evalkit.importers.record.Importer`."""
        results = [file.document(_Results) for file in files if _is_results(file)]
        names = {_model(found) for found in results}
        if len(names) > 1:
            raise UsageError(
                f"{files[0].path}: the results are of {len(names)} models ({', '.join(sorted(names))}), and "
                "the samples do not say whose they are; import one model at a time."
            )
        model = next(iter(names), "")
        samples = [file for file in files if not _is_results(file)]
        if not samples:
            raise UsageError(
                f"{files[0].path}: aggregates only; give samples_*.jsonl too (lm_eval --log_samples)."
            )
        for file in samples:
            match = _TASK.match(file.name)
            task = match["task"] if match else asked.suite
            yield from (_about(task, found) for found in results if task in found.results)
            yield from _trials(file, task, asked.named(model, _endpoint(results)))


def _is_results(file: Opened) -> bool:
    head = file.opening.lstrip()[:200]
    return file.name.startswith("results") and head.startswith(b"{") and b'"results"' in head


def _model(found: _Results) -> str:
    arguments = found.config.model_args
    if isinstance(arguments, dict):
        return str(arguments.get("model") or arguments.get("pretrained") or found.model_name or "")
    match = _MODEL.search(str(arguments or ""))
    return match[1] if match else found.model_name or ""


def _endpoint(results: Sequence[_Results]) -> str:
    """What lm-eval calls the client, and the model: it does not say who served it."""
    if not results:
        return "(the samples do not say)"
    return f"{results[0].config.model or 'lm-eval'}:{_model(results[0])}"


def _about(task: str, found: _Results) -> About:
    config = found.configs.get(task)
    told = config.get("generation_kwargs") if isinstance(config, dict) else None
    settings = (
        {ours: told[name] for name, ours in _SETTINGS.items() if name in told}
        if isinstance(told, dict)
        else {}
    )
    directions = found.higher_is_better.get(task)
    return About(
        suite=task,
        version=str(found.versions.get(task, "")) or None,
        settings=settings,
        higher_is_better={k: v for k, v in directions.items() if isinstance(v, bool)}
        if isinstance(directions, dict)
        else {},
        software={"lm_eval": found.lm_eval_version} if found.lm_eval_version else {},
    )


def _trials(file: Opened, task: str, endpoint: str) -> Iterator[Imported]:
    """A document's repeats are epochs. Each further filter of it only adds scores."""
    seen: set[str] = set()
    for line, raw in file.rows(dict[str, Any]):
        where = f"{file.path}:{line}"
        try:
            row = msgspec.convert(raw, _Row)
        except msgspec.ValidationError as error:
            raise UsageError(f"{where}: {error}; nothing was imported.") from None
        given, prompt = _prompt(row.arguments)
        name = str(row.doc_id)
        sample = Sample(
            id=name, input=given, target=row.target, data=row.doc if isinstance(row.doc, dict) else {}
        )
        scores = tuple(_scores(row, raw))
        again = name in seen
        seen.add(name)
        for epoch, text in enumerate(_texts(row.resps), start=1):
            if epoch > 1 and again:
                break
            yield Imported(
                suite=task,
                sample=sample,
                endpoint=endpoint,
                epoch=epoch,
                turns=(Turn(said=answer(text), prompt=prompt),),
                scores=scores if epoch == 1 else (),
                where=where,
                again=again,
            )


def _prompt(arguments: Any) -> tuple[str | tuple[Message, ...], tuple[Message, ...]]:
    """The context of the first request: text, or the JSON of messages."""
    first: Any = arguments
    while isinstance(first, list | dict) and first:
        first = first[0] if isinstance(first, list) else next(iter(first.values()))
    text = first if isinstance(first, str) else ""
    if text.startswith('[{"'):
        try:
            messages = messages_of(msgspec.json.decode(text))
        except (msgspec.DecodeError, RecursionError):
            messages = None
        if messages is not None:
            return messages, messages
    return text, (Message(role="user", content=text),)


def _texts(resps: list[Any]) -> list[str]:
    """Answers by repeat. Log-likelihoods, which are no answers, are kept as their JSON."""
    first = resps[0] if resps else []
    if isinstance(first, list) and first and all(isinstance(text, str) for text in first):
        return [str(text) for text in first]
    return [msgspec.json.encode(resps).decode()]


def _scores(row: _Row, raw: dict[str, Any]) -> Iterator[Score | Unscored]:
    """lm-eval's metrics under its own names, `metric,filter`."""
    for metric in row.metrics:
        value = raw.get(metric)
        name = f"{metric},{row.filter}"
        if isinstance(value, bool | int | float) and math.isfinite(value):
            yield Score(metric=name, value=float(value))
        else:
            yield Unscored(metric=name, reason="not_recorded")
