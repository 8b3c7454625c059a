"""OpenAI-style batches: the output and error files, with the input file for the prompts.

Bodies are read by the rules that hold for live replies. A batch tells neither seconds nor cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.adapters.parts import Gathered, gather, usage_of
from evalkit.errors import UsageError
from evalkit.importers.record import About, Asked, Imported, Importer, Turn
from evalkit.importers.turns import answer, error_reply, messages_of, text_of
from evalkit.types.chat import Message
from evalkit.types.suite import Sample
from evalkit.types.wire import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.importers.opened import Opened
    from evalkit.types.generation import Usage

_SETTINGS = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
}


class _Asked(msgspec.Struct):
    custom_id: str
    body: dict[str, Any]


class _Response(msgspec.Struct):
    body: Any
    status_code: int | None = None


class _Error(msgspec.Struct):
    message: str | None = None
    code: str | None = None


class _Answered(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


class _Question(msgspec.Struct):
    messages: tuple[Message, ...]
    model: str


def build() -> Importer:
    """The format `openai_batch`."""
    return OpenAIBatch()


class OpenAIBatch:
    """See `evalkit.importers.record.Importer`."""

    name = "openai_batch"

    def recognizes(self, file: Opened) -> bool:
        """See `evalkit.importers.record.Importer`."""
        first = file.first_object
        return "custom_id" in first and (_is_input(file) or bool(first.keys() & {"response", "error"}))

    def read(self, files: Sequence[Opened], asked: Asked) -> Iterator[Imported | About]:
        """See `evalkit.importers.record.Importer`."""
        questions: dict[str, _Question] = {}
        settings: dict[str, object] = {}
        for file in filter(_is_input, files):
            for line, row in file.rows(_Asked):
                if row.custom_id in questions:
                    raise UsageError(f"{file.path}:{line}: custom_id {row.custom_id!r} is there twice.")
                questions[row.custom_id] = _question(row.body)
                settings = settings or _told(row.body)
        outputs = [file for file in files if not _is_input(file)]
        if not outputs:
            raise UsageError(f"{files[0].path}: questions only; give the batch's output file too.")
        yield About(suite=asked.suite, settings=settings)
        for file in outputs:
            for line, answered in file.rows(_Answered):
                where = f"{file.path}:{line}"
                question = questions.get(answered.custom_id)
                if questions and question is None:
                    raise UsageError(f"{where}: custom_id {answered.custom_id!r} is not in the input file.")
                yield _trial(answered, question, asked, where)


def _is_input(file: Opened) -> bool:
    return {"body", "url"} <= file.first_object.keys()


def _told(body: dict[str, Any]) -> dict[str, object]:
    return {ours: body[name] for name, ours in _SETTINGS.items() if body.get(name) is not None}


def _question(body: dict[str, Any]) -> _Question:
    asked = body.get("messages") or body.get("input") or body.get("prompt")
    messages = messages_of(asked)
    if messages is None:
        messages = (Message(role="user", content=text_of(asked) or ""),)
    return _Question(messages=messages, model=str(body.get("model") or ""))


def _trial(answered: _Answered, question: _Question | None, asked: Asked, where: str) -> Imported:
    body = answered.response.body if answered.response else None
    told = body.get("model") if isinstance(body, dict) else None
    model = question.model if question else str(told or "")
    prompt = question.messages if question else ()
    single = prompt[0].content if len(prompt) == 1 and prompt[0].role == "user" else None
    return Imported(
        suite=asked.suite,
        sample=Sample(id=answered.custom_id, input=single if single is not None else prompt or ""),
        endpoint=asked.named(model),
        epoch=1,
        turns=(_turn(answered, prompt),),
        where=where,
    )


def _turn(answered: _Answered, prompt: tuple[Message, ...]) -> Turn:
    response = answered.response
    if response is None or (answered.error is not None and not response.body):
        error = answered.error
        if error is None:
            return Turn(said=None, prompt=prompt)
        said, status = error_reply(
            error.message or error.code or "an error without a message", error.code or ""
        )
        return Turn(said=said, status=status, prompt=prompt)
    status = response.status_code or 200
    body = response.body
    if isinstance(body, dict) and isinstance(body.get("output"), list):
        said, usage = _from_responses(body)
        return Turn(said=said, status=status, prompt=prompt, usage=usage)
    raw = msgspec.json.encode(body)
    gathered = gather(Reply(status=status, headers={}, body=raw, marks=(), started_at=0.0, duration_s=0.0))
    if gathered is None:
        gathered, found = error_reply(str(body)[:1000])
        status = found or status
    created = body.get("created") if isinstance(body, dict) else None
    return Turn(
        said=gathered,
        status=status,
        prompt=prompt,
        usage=usage_of(gathered.usage),
        at=float(created) if isinstance(created, int) and created > 0 else None,
    )


def _from_responses(body: dict[str, Any]) -> tuple[Gathered, Usage | None]:
    """A body of the responses API."""
    items = [item for item in body["output"] if isinstance(item, dict)]
    texts = [text_of(item.get("content")) or "" for item in items if item.get("type") == "message"]
    details = body.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    finish = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(str(reason), "stop")
    told = body.get("usage")
    usage = told if isinstance(told, dict) else {}
    said = answer("\n".join(texts), finish)
    if isinstance(body.get("model"), str):
        said.head = {"model": body["model"]}
    inside = {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }
    return said, usage_of(inside)
