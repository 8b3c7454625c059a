"""Plain JSON lines of prompt and response: the format to convert anything else to.

One object a line; `docs/interop.md` lists the fields. Unknown fields are refused by name, because a field
that is misspelt and passed over would be a number that is missing without a word.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.errors import UsageError
from evalkit.importers.record import About, Asked, Imported, Importer, Turn
from evalkit.importers.turns import answer, error_reply
from evalkit.types.chat import Message
from evalkit.types.generation import Usage
from evalkit.types.score import Score, Unscored
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.adapters.parts import Gathered
    from evalkit.importers.opened import Opened

GOOD = frozenset({"complete", "correct", "pass", "passed", "good", "yes", "true", "c"})
"""Labels that count as good, in lower case, where a row gives a label and no number."""


class Error(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why there is no answer, as the host said it."""

    message: str
    status: int | None = None
    code: str | int | None = None


class Tokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Token counts; `input` includes cached ones and `output` reasoning."""

    input: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line."""

    sample: str | int
    prompt: str | tuple[Message, ...] = ""
    response: str | msgspec.UnsetType | None = msgspec.UNSET
    reasoning: str | None = None
    endpoint: str | None = None
    epoch: int = 1
    error: str | Error | None = None
    finish_reason: str | None = None
    served_by: str | None = None
    served_model: str | None = None
    target: Any = None
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    language: str | None = None
    data: dict[str, Any] = {}
    usage: Tokens | None = None
    latency_s: float | None = None
    first_token_s: float | None = None
    cost_usd: float | None = None
    at: float | None = None
    scores: dict[str, float | bool | None] = {}
    labels: dict[str, str | None] = {}
    suite: str | None = None


def build() -> Importer:
    """The format `jsonl`."""
    return Jsonl()


class Jsonl:
    """See `evalkit.importers.record.Importer`."""

    name = "jsonl"

    def recognizes(self, file: Opened) -> bool:
        """See `evalkit.importers.record.Importer`."""
        first = file.first_object
        return "sample" in first and bool(first.keys() & {"response", "error"})

    def read(self, files: Sequence[Opened], asked: Asked) -> Iterator[Imported | About]:
        """See `evalkit.importers.record.Importer`."""
        for file in files:
            for number, row in file.rows(Row):
                where = f"{file.path}:{number}"
                problem = _problem(row)
                if problem is not None:
                    raise UsageError(f"{where}: {problem}; nothing was imported.")
                name = row.endpoint or asked.endpoint
                if name is None:
                    raise UsageError(
                        f"{where}: names no endpoint; give `endpoint` or --endpoint provider:model."
                    )
                yield Imported(
                    suite=row.suite or asked.suite,
                    sample=_sample(row),
                    endpoint=asked.renamed.get(name, name),
                    epoch=row.epoch,
                    turns=(_turn(row),),
                    scores=tuple(_scores(row)),
                    where=where,
                )


def _problem(row: Row) -> str | None:
    """What a row's types cannot say."""
    if row.response is msgspec.UNSET and row.error is None:
        return "has neither `response` nor `error` (`response` may be null)"
    for name in ("latency_s", "first_token_s", "cost_usd", "at"):
        value = getattr(row, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            return f"`{name}` is {value}; expected 0 or more"
    for name, value in row.scores.items():
        if value is not None and not math.isfinite(value):
            return f"`scores.{name}` is {value}; expected a finite number or null"
    counts = msgspec.structs.asdict(row.usage).values() if row.usage else ()
    if any(count is not None and count < 0 for count in counts):
        return "`usage` has a negative count"
    return None


def _sample(row: Row) -> Sample:
    return Sample(
        id=str(row.sample),
        input=row.prompt,
        target=row.target,
        cluster=row.cluster,
        tags=row.tags,
        language=row.language,
        data=row.data,
    )


def _turn(row: Row) -> Turn:
    prompt = row.prompt if isinstance(row.prompt, tuple) else (Message(role="user", content=row.prompt),)
    text = row.response if isinstance(row.response, str) else None
    said: Gathered | None
    status: int | None = None
    if row.error is not None:
        error = row.error if isinstance(row.error, Error) else Error(message=row.error)
        code = "" if error.code is None else str(error.code)
        said, status = error_reply(error.message, code, status=error.status, partial=text)
    elif text is None and row.finish_reason is None:
        said = None
    else:
        said = answer(text, row.finish_reason, reasoning=row.reasoning)
    if said is not None:
        told = {"provider": row.served_by, "model": row.served_model}
        said.head = {name: value for name, value in told.items() if value is not None}
    return Turn(
        said=said,
        prompt=prompt,
        status=status,
        usage=Usage(**msgspec.structs.asdict(row.usage)) if row.usage else None,
        total_s=row.latency_s or None,  # nothing takes no time: 0 stands for unknown
        first_token_s=row.first_token_s or None,
        usd=row.cost_usd,
        at=row.at,
    )


def _scores(row: Row) -> Iterator[Score | Unscored]:
    for metric in dict.fromkeys((*row.scores, *row.labels)):
        value, label = row.scores.get(metric), row.labels.get(metric)
        if value is None and label is None:
            yield Unscored(metric=metric, reason="not_recorded")
            continue
        if value is None:
            assert label is not None
            value = float(label.casefold() in GOOD)
        yield Score(metric=metric, value=float(value), label=label)
