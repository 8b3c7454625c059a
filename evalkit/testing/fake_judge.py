"""A judge for `FakeProvider`: reads what it is asked to check, and says yes to what it is told to."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from evalkit.testing.fake_provider import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PARTS = re.compile(
    r"<question-(?P<mark>\w+)>\n(?P<question>.*)\n</question-(?P=mark)>\n\n"
    r"<answer-(?P=mark)>\n(?P<answer>.*)\n</answer-(?P=mark)>",
    re.DOTALL,
)
_STATEMENT = re.compile(r"^(?P<name>[\w.]+): (?P<statement>.+)$", re.MULTILINE)


class Asked(NamedTuple):
    """What a judge was asked: question, answer, and the statements by name."""

    question: str
    answer: str
    statements: dict[str, str]


def asked(body: dict[str, Any]) -> Asked:
    """What a request asks of a judge.

    Raises:
        ValueError: the request is none to a judge of a panel.
    """
    prompt = str(body["messages"][-1]["content"])
    parts = _PARTS.search(prompt)
    if parts is None:
        raise ValueError(f"no question and answer to judge in {prompt[:80]!r}")
    statements = {m["name"]: m["statement"] for m in _STATEMENT.finditer(prompt, parts.end())}
    return Asked(parts["question"], parts["answer"], statements)


def judging(says: Callable[[Asked], Iterable[str] | Behaviour]) -> Callable[[dict[str, Any]], Behaviour]:
    """A script that holds true the statements that `says` names, and quotes the beginning of the answer."""

    def script(body: dict[str, Any]) -> Behaviour:
        question = asked(body)
        told = says(question)
        return told if isinstance(told, Behaviour) else Behaviour(text=verdict(question, told))

    return script


def verdict(question: Asked, yes: Iterable[str], quote: str | None = None) -> str:
    """A reply that says yes to some statements; the quotation is the answer's first words by default."""
    true = set(yes)
    words = question.answer[:60] if quote is None else quote
    return json.dumps(
        {
            name: {"answer": "yes", "quote": words} if name in true else {"answer": "no", "quote": ""}
            for name in question.statements
        }
    )
