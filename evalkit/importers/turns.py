"""Turns out of what files tell, and generations out of turns, by the rules that hold on the wire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.adapters.outcomes import host_error
from evalkit.adapters.parts import Gathered, json_object
from evalkit.adapters.reading import read
from evalkit.fingerprint import imported
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.generation import Cost, Failure, Generation, Outcome, Timing, TrialKey
from evalkit.types.score import Score, Unscored
from evalkit.types.wire import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.importers.record import Turn
    from evalkit.types.provider import Endpoint

_STATUS = re.compile(
    r"(?:error code|status(?:[ _]code)?|http(?:/[\d.]+)?|api error|response)\D{0,3}\b([1-5]\d\d)\b",
    re.IGNORECASE,
)
_ASKED = Request(messages=(), settings=Settings(max_tokens=None))
_MAX_OBJECT = 100_000
RECORDED = "recorded"
"""Name by which costs that a file states are known."""


def answer(text: str | None, finish: str | None = None, *, reasoning: str | None = None) -> Gathered:
    """A reply that has this text and native finish reason."""
    return Gathered(
        text=[text] if text else [],
        reasoning=[reasoning] if reasoning else [],
        reasoning_field="recorded" if reasoning else None,
        native=finish,
        normal=finish,
        finished=True,
    )


def error_reply(
    message: str, code: str = "", *, status: int | None = None, partial: str | None = None
) -> tuple[Gathered, int | None]:
    """A reply that is an error, and its status: as told, or else as the message or the object in it says.

    Tools keep errors as text, often with the host's own JSON inside; that is read as the host's.
    """
    inside = _object_in(message)
    told = status or _status_in(message) or _status_of(inside)
    body: dict[str, Any] = {"error": {"message": message, "code": code}}
    if not code and inside is not None:
        if isinstance(inside.get("message"), str):
            inside = {"error": inside}
        if host_error(inside, None) is not None:
            body = inside
    said = Gathered(text=[partial] if partial else [], error=body, ends=[0] if partial else [], finished=True)
    return said, told


def _object_in(message: str) -> dict[str, Any] | None:
    start, end = message.find("{"), message.rfind("}")
    if start < 0 or end - start > _MAX_OBJECT:
        return None
    return json_object(message[start : end + 1].encode("utf-8", "replace"))


def _status_in(message: str) -> int | None:
    found = _STATUS.search(message[:500])
    return int(found[1]) if found else None


def _status_of(error: dict[str, Any] | None) -> int | None:
    """A status that stands as the error's code, as routers write it."""
    inner = error.get("error") if error else None
    code = inner.get("code") if isinstance(inner, dict) else error.get("code") if error else None
    return code if isinstance(code, int) and 400 <= code < 600 else None


def generation(turn: Turn, trial: TrialKey, number: int, endpoint: Endpoint, now: float) -> Generation:
    """A turn as a row of the journal.

    Args:
        turn: What the file tells.
        trial: Whose turn it is.
        number: Which turn, from 1.
        endpoint: Its provider's own filter signatures are tried first.
        now: Unix time of the import, where the file does not say when the answer came.
    """
    row = Generation(
        fingerprint=imported(trial, number),
        trial=trial,
        turn=number,
        endpoint=endpoint.id,
        outcome=Outcome.INFRA_ERROR,
        at=now if turn.at is None else turn.at,
        prompt=turn.prompt,
        failure=Failure(message="The file holds no answer and says no reason.", code="not_recorded"),
    )
    if turn.said is None:
        return row
    body = b"" if turn.said.error is None else msgspec.json.encode(turn.said.error)
    reply = Reply(status=turn.status or 0, headers={}, body=body, marks=(), started_at=row.at, duration_s=0.0)
    decoded = read(turn.said, reply, endpoint, _ASKED)
    failure, response = decoded.failure, decoded.response
    if failure is not None:
        failure = msgspec.structs.replace(failure, status=failure.status or None, body=failure.body or None)
    if response is not None:
        response = msgspec.structs.replace(response, usage=turn.usage, billed_usd=turn.usd)
    timed = turn.total_s if response is not None else None
    return msgspec.structs.replace(
        row,
        outcome=decoded.outcome,
        response=response,
        failure=failure,
        timing=None if timed is None else Timing(total_s=timed, first_token_s=turn.first_token_s),
        cost=None if turn.usd is None or response is None else Cost(usd=turn.usd, price=RECORDED),
    )


def settled(scores: Sequence[Score | Unscored], last: Generation) -> list[Score | Unscored]:
    """The file's scores; where the host delivered nothing, no score: a failure is not a wrong answer."""
    response = last.response
    empty = response is None or not (response.text.strip() or response.tool_calls or response.refusal)
    if not (last.outcome.is_failure or last.outcome.is_blocked or empty):
        return list(scores)
    return [
        Unscored(
            metric=score.metric,
            reason=last.outcome.value,
            detail=f"the file scores it {score.value:g}" if isinstance(score, Score) else None,
        )
        for score in scores
    ]


def messages_of(raw: Any) -> tuple[Message, ...] | None:
    """OpenAI-style messages, with the text parts of multi-part contents joined; None if they are none."""
    if not isinstance(raw, list) or not raw:
        return None
    made: list[Message] = []
    for item in raw:
        role = item.get("role") if isinstance(item, dict) else None
        if role == "developer":
            role = "system"
        if role not in {"system", "user", "assistant", "tool"}:
            return None
        made.append(
            msgspec.convert(
                {
                    "role": role,
                    "content": text_of(item.get("content")),
                    "tool_call_id": item.get("tool_call_id")
                    if isinstance(item.get("tool_call_id"), str)
                    else None,
                },
                Message,
            )
        )
    return tuple(made)


def text_of(content: Any) -> str | None:
    """A message's text; what is no text is named in its place."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [p if isinstance(p, dict) else {"type": "text", "text": str(p)} for p in content]
        return "\n".join(
            str(p.get("text") or "")
            if p.get("type") in {"text", "input_text", "output_text", None}
            else f"[{p['type']}]"
            for p in parts
            if p.get("type") != "reasoning"
        )
    return str(content)


def calls_of(raw: Any) -> dict[int, dict[str, str]]:
    """Tool calls as adapters gather them, from either of the shapes that files keep them in."""
    found: dict[int, dict[str, str]] = {}
    for call in raw if isinstance(raw, list) else ():
        if not isinstance(call, dict):
            continue
        function = call.get("function")
        inside = (
            function if isinstance(function, dict) else {"name": function, "arguments": call.get("arguments")}
        )
        arguments = inside.get("arguments")
        found[len(found)] = {
            "id": str(call.get("id") or ""),
            "name": str(inside.get("name") or ""),
            "arguments": arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode(),
        }
    return found
