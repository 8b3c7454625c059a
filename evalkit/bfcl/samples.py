"""Categories of BFCL as samples."""

from __future__ import annotations

from typing import Any

import msgspec

from evalkit.bfcl import package
from evalkit.bfcl.applications import CLASSES
from evalkit.bfcl.faults import SKIPPED
from evalkit.bfcl.tools import language_of, tool_of
from evalkit.errors import DefinitionError
from evalkit.types.chat import Message
from evalkit.types.suite import Sample
from evalkit.types.tool_case import BfclRow, ToolCase, Wants

SINGLE_TURN = (
    "simple_python",
    "simple_java",
    "simple_javascript",
    "multiple",
    "parallel",
    "parallel_multiple",
    "irrelevance",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
    "live_relevance",
    "live_irrelevance",
)
MULTI_TURN = (
    "multi_turn_base",
    "multi_turn_miss_func",
    "multi_turn_miss_param",
    "multi_turn_long_context",
)


def samples_of(category: str) -> list[Sample]:
    """Every sample of a category, without those whose accepted answer is faulty.

    Raises:
        DefinitionError: there is no such category.
        MissingDataError: the package `bfcl-eval` is not there.
    """
    if category not in (*SINGLE_TURN, *MULTI_TURN):
        known = ", ".join((*SINGLE_TURN, *MULTI_TURN))
        raise DefinitionError(f"samples: BFCL has no category {category!r}; expected one of {known}.")
    answers = package.answers(category)
    make = _turns if category in MULTI_TURN else _single
    return [
        make(row, category, answers.get(row["id"], []))
        for row in package.rows(category)
        if row["id"] not in SKIPPED
    ]


def _single(row: dict[str, Any], category: str, answer: list[Any]) -> Sample:
    wants: Wants = (
        "no_call" if "irrelevance" in category else "any_call" if "relevance" in category else "calls"
    )
    language = language_of(category)
    case = ToolCase(
        tools=tuple(tool_of(document, language) for document in row["function"]),
        wants=wants,
        bfcl=BfclRow(category=category, functions=row["function"], answer=answer),
    )
    return Sample(
        id=row["id"],
        input=tuple(Message(role=m["role"], content=m["content"]) for m in row["question"][0]),
        tags=(category, *([] if language == "python" else [language])),
        data=_plain(case),
    )


def _turns(row: dict[str, Any], category: str, answer: list[Any]) -> Sample:
    """A conversation. `data` is `evalkit.bfcl.turns.Turns`."""
    documents = [d for name in row["involved_classes"] for d in package.documents(CLASSES[name].documents)]
    later = {name for names in row.get("missed_function", {}).values() for name in names}
    data = {
        "category": category,
        "applications": row["involved_classes"],
        "start": row["initial_config"],
        "turns": [[m["content"] for m in turn] for turn in row["question"]],
        "answer": answer,
        "tools": [_plain(tool_of(d)) for d in documents if d["name"] not in later],
        "later": {
            turn: [_plain(tool_of(d)) for name in names for d in documents if d["name"] == name]
            for turn, names in row.get("missed_function", {}).items()
        },
    }
    first = row["question"][0]
    number = row["id"].rpartition("_")[2]
    return Sample(
        id=row["id"],
        input=tuple(Message(role=m["role"], content=m["content"]) for m in first),
        cluster=f"multi_turn_{number}",
        tags=(category.removeprefix("multi_turn_"),),
        data=data,
    )


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
