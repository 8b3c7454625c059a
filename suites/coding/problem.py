"""A problem as its author writes it: one YAML file in `problems/`, named after its id.

Tests are written as in an interactive session. Lines of one test follow each other, a blank line ends it; the
value of the last expression is compared with the literal below it, or `raises NAME` names the exception:

    >>> stack = Stack()
    >>> stack.push(1)
    >>> stack.size()
    1

    >>> Stack().pop()
    raises IndexError

`setup` is run before every test. A mutant is a wrong answer that a model may well give: the solution with
`old` (found exactly once) replaced by `new`, or whole `code`. The `broken` code of a repair is one as well.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

HERE = Path(__file__).parent
PROBLEMS = HERE / "problems"
Kind = Literal["function", "repair", "module"]
Difficulty = Literal["easy", "medium", "hard"]
KINDS: tuple[str, ...] = get_args(Kind)
DIFFICULTIES: tuple[str, ...] = get_args(Difficulty)


class Mutant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wrong answer, and what is wrong with it."""

    why: str
    old: str = ""
    new: str = ""
    code: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One problem file. `cluster` is the id unless problems share an idea; `cpu_s` covers all tests."""

    kind: Kind
    difficulty: Difficulty
    topic: str
    prompt: str
    visible: str
    hidden: str
    solution: str
    mutants: list[Mutant]
    entry: str = ""
    answer_file: str = ""
    files: dict[str, str] = {}
    broken: str = ""
    setup: str = ""
    cluster: str = ""
    demo: bool = False
    cpu_s: int = 4
    memory_mb: int = 256


def load_problems() -> dict[str, Source]:
    """Every problem by id, so ordered that any first N (`--limit`) are a fair mix."""
    found = {file.stem: read(file) for file in sorted(PROBLEMS.glob("*.yaml"))}
    groups: dict[tuple[int, int], list[str]] = {}
    for name, source in found.items():
        group = DIFFICULTIES.index(source.difficulty), KINDS.index(source.kind)
        groups.setdefault(group, []).append(name)
    places = {
        name: ((index + 0.5) / len(names), group)
        for group, names in groups.items()
        for index, name in enumerate(names)
    }
    return {name: found[name] for name in sorted(found, key=places.__getitem__)}


def read(file: Path) -> Source:
    """One problem.

    Raises:
        ValueError: the file is not one; the message names file and place.
    """
    import yaml

    try:
        return msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")), Source)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ValueError(f"{file.name}: {error}") from None


def tests_of(source: Source) -> list[dict[str, Any]]:
    """The tests in the form that the scorer reads, the visible ones first."""
    visible = [one_test(block, source.setup) for block in blocks(source.visible)]
    hidden = [one_test(block, source.setup) for block in blocks(source.hidden)]
    return [*visible, *({**test, "hidden": True} for test in hidden)]


def blocks(session: str) -> list[str]:
    """The tests of a session, each with its lines."""
    return [block for block in session.strip("\n").split("\n\n") if block.strip()]


def one_test(block: str, setup: str) -> dict[str, Any]:
    """`run` with `expect` or `raises`.

    Raises:
        ValueError: no code, no expectation, or one that is no literal.
    """
    lines = [line for line in block.split("\n") if line.strip()]
    code = "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... ")))
    outcome = "\n".join(line for line in lines if not line.startswith((">>> ", "... "))).strip()
    if not code or not outcome:
        raise ValueError(f"a test needs code and an outcome: {block!r}")
    run = setup + _assigning(code)
    if outcome.startswith("raises "):
        return {"run": run, "raises": outcome.removeprefix("raises ").strip()}
    return {"run": run, "expect": repr(ast.literal_eval(outcome))}


def _assigning(code: str) -> str:
    """The code with its last expression assigned to `result`."""
    last = ast.parse(code).body[-1]
    if not isinstance(last, ast.Expr):
        raise ValueError(f"the last line must be an expression: {code!r}")
    lines = code.split("\n")
    lines[last.lineno - 1] = f"result = {lines[last.lineno - 1]}"
    return "\n".join(lines)


def wrong_answers(source: Source) -> list[str]:
    """The programs that must fail.

    Raises:
        ValueError: an edit's `old` does not occur exactly once.
    """
    programs = [source.broken] if source.broken else []
    for mutant in source.mutants:
        if not mutant.code and source.solution.count(mutant.old) != 1:
            raise ValueError(f"{mutant.why!r}: {mutant.old!r} is not found exactly once in the solution")
        programs.append(mutant.code or source.solution.replace(mutant.old, mutant.new))
    return programs
