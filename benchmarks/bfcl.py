"""Compares evalkit's rules for BFCL with the reference's, on accepted answers and on spoiled ones.

    python -m benchmarks.bfcl              every question
    python -m benchmarks.bfcl --every 20   every twentieth

prints the tables of docs/tool-calls.md, then every difference, and ends with 1 if there is one.
Needs the wheel: `pip install --no-deps bfcl-eval==2026.3.23` and `mpmath`. Of its checker's imports only the
table of models is replaced, which would import every vendor's client.
"""

from __future__ import annotations

import copy
import sys
import types
from collections import Counter, defaultdict
from typing import Any, Literal

from benchmarks.bfcl_answers import SPOILED, right
from evalkit.bfcl import package
from evalkit.bfcl.applications import read_call
from evalkit.bfcl.check import Call, fault_of
from evalkit.bfcl.faults import SKIPPED
from evalkit.bfcl.samples import MULTI_TURN, SINGLE_TURN, samples_of
from evalkit.bfcl.tools import language_of
from evalkit.bfcl.turns import Turns, fault_of_turns, turns_of

ACCEPTED: dict[str, Literal["first", "last", "all"]] = {
    "first accepted values": "first",
    "last accepted values": "last",
    "all arguments": "all",
}
CATEGORIES = tuple(c for c in SINGLE_TURN if "relevance" not in c)


def reference() -> Any:
    """The reference's `ast_checker`, as a function of category, functions, answer and calls."""
    table = types.ModuleType("bfcl_eval.constants.model_config")
    table.MODEL_CONFIG_MAPPING = {"x": types.SimpleNamespace(underscore_to_dot=True)}  # type: ignore[attr-defined]
    sys.modules[table.__name__] = table
    from bfcl_eval.constants.enums import Language
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker

    languages = {"python": Language.PYTHON, "java": Language.JAVA, "javascript": Language.JAVASCRIPT}

    def verdict(category: str, functions: list[Any], answer: list[Any], calls: list[Call]) -> bool | str:
        output = [{name: copy.deepcopy(arguments)} for name, arguments in calls]
        try:
            said = ast_checker(functions, output, answer, languages[language_of(category)], category, "x")
        except Exception as error:  # noqa: BLE001  # what the reference does then is stop
            return type(error).__name__
        return bool(said["valid"])

    return verdict


def single_turn(every: int) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]], list[str]]:
    """Counts by category and by change, and the answers on which the two disagree."""
    judge = reference()
    by_category: dict[str, Counter[str]] = defaultdict(Counter)
    by_change: dict[str, Counter[str]] = defaultdict(Counter)
    apart: list[str] = []
    for category in CATEGORIES:
        answers = package.answers(category)
        for row in package.rows(category)[::every]:
            answer = answers[row["id"]]
            passed = False
            for name, calls in versions_of(row, category, answer).items():
                theirs = judge(category, row["function"], answer, calls)
                ours = fault_of(category, row["function"], answer, calls)
                passed |= name in ACCEPTED and ours is None
                for count in (by_category[category], by_change[name]):
                    count["answers"] += 1
                    count["right"] += ours is None
                    count["agree"] += theirs == (ours is None)
                if theirs != (ours is None):
                    apart.append(f"{row['id']} {name}: reference {theirs}, evalkit {ours}")
            by_category[category]["questions"] += 1
            by_category[category]["passable"] += passed
            if passed == (row["id"] in SKIPPED):
                apart.append(f"{row['id']}: {'can' if passed else 'cannot'} be passed, against faults.py")
    return by_category, by_change, apart


def versions_of(row: dict[str, Any], category: str, answer: list[Any]) -> dict[str, list[Call]]:
    """Right answers of each kind, and the first of them changed in each way."""
    made = {name: right(row, category, answer, how=how) for name, how in ACCEPTED.items()}
    return made | {name: spoil(made["first accepted values"]) for name, spoil in SPOILED.items()}


def gold_turns(task: Turns) -> list[list[list[Call]]]:
    """The accepted calls of a conversation, one a step, by name and arguments."""
    return [[[as_call(task, text)] for text in turn] for turn in task.answer]


def as_call(task: Turns, text: str) -> Call:
    """An accepted call as a model would make it; positional arguments get the names of the tool's."""
    written = read_call(text)
    tools = (*task.tools, *(tool for more in task.later.values() for tool in more))
    names = next((list(t.parameters["properties"]) for t in tools if t.name == written.name), [])
    return written.name, {**dict(zip(names, written.values, strict=False)), **written.arguments}


def spoiled_turns(gold: list[list[list[Call]]]) -> dict[str, list[list[list[Call]]]]:
    """Ways to go wrong in a conversation; some of them are right in the end."""
    calls = [(t, s) for t, turn in enumerate(gold) for s in range(len(turn))]
    if not calls:
        return {}
    turn, step = calls[-1]

    def without() -> list[list[list[Call]]]:
        made = copy.deepcopy(gold)
        del made[turn][step]
        return made

    def changed() -> list[list[list[Call]]]:
        made = copy.deepcopy(gold)
        name, arguments = made[turn][step][0]
        made[turn][step] = [(name, {k: "xyz" if isinstance(v, str) else v for k, v in arguments.items()})]
        return made

    return {
        "nothing done": [[] for _ in gold],
        "last call missing": without(),
        "last call with other texts": changed(),
        "last call twice": [[*t, t[step]] if n == turn else t for n, t in enumerate(gold)],
        "all calls of a turn in one step": [[[c for s in t for c in s]] if t else [] for t in gold],
        "last turn missing": gold[:-1],
    }


def multi_turn(every: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """Counts by category and by change, and the conversations on which the two disagree."""
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    apart: list[str] = []
    number = 0
    for category in MULTI_TURN:
        rows = {row["id"]: row for row in package.rows(category)}
        for sample in samples_of(category)[::every]:
            task = turns_of(sample)
            gold = gold_turns(task)
            for name, made in {"accepted": gold, **spoiled_turns(gold)}.items():
                number += 1
                theirs = len(made) == len(task.answer) and _reference_turns(
                    multi_turn_checker, made, task, rows[sample.id], category, number
                )
                ours = fault_of_turns(task, made)
                key = category if name == "accepted" else name
                counts[key]["answers"] += 1
                counts[key]["right"] += ours is None
                counts[key]["agree"] += theirs == (ours is None)
                if theirs != (ours is None):
                    apart.append(f"{sample.id} {name}: reference {theirs}, evalkit {ours}")
    return counts, apart


def _reference_turns(
    checker: Any, made: list[list[list[Call]]], task: Turns, row: dict[str, Any], category: str, number: int
) -> bool:
    """The reference's verdict. It evaluates the package's own answers, never a model's."""
    decoded = [
        [
            [f"{name}({','.join(f'{k}={v!r}' for k, v in arguments.items())})" for name, arguments in s]
            for s in turn
        ]
        for turn in made
    ]
    said = checker(decoded, [list(t) for t in task.answer], row, category, f"m{number}")
    return bool(said["valid"])


def table(columns: tuple[str, ...], counts: dict[str, Counter[str]]) -> str:
    """Markdown of counts."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, count in counts.items():
        lines.append(f"| {name} | {' | '.join(f'{count[c]:,}' for c in columns[1:])} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print; returns 1 if the two disagree anywhere."""
    every = int(arguments[1]) if arguments[:1] == ["--every"] else 1
    by_category, by_change, apart = single_turn(every)
    turns, apart_turns = multi_turn(every)
    print(table(("category", "questions", "passable", "answers", "agree"), by_category), "\n")
    print(table(("change", "answers", "right", "agree"), by_change), "\n")
    print(table(("conversations", "answers", "right", "agree"), turns), "\n")
    for line in (*apart, *apart_turns):
        print("DIFFERS", line)
    return 1 if apart or apart_turns else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
