"""The canonical solutions of HumanEval in twenty-one wrappings: how many come out as they were.

    python -m benchmarks.extraction

An answer counts if the entry of the extracted program is the canonical function, statement by statement.
That the canonical solutions pass is measured by `benchmarks/humaneval.py`.
"""

from __future__ import annotations

import ast
import time
from typing import TYPE_CHECKING

from benchmarks.humaneval import solutions
from evalkit.catalog.suites import load_suite
from evalkit.scorers.code.extract import extract
from evalkit.scorers.code.job import problem_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.scorers.code.problem import Problem


def fenced(code: str, tag: str = "python", mark: str = "```") -> str:
    return f"{mark}{tag}\n{code.rstrip()}\n{mark}\n"


def only_entry(code: str, entry: str) -> str:
    """The entry's function without imports and helpers."""
    tree = ast.parse(code)
    return next(ast.unparse(n) for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == entry)


def draft(entry: str) -> str:
    return f"def {entry}(*args):\n    return None\n"


def body(code: str, problem: Problem) -> str:
    return code[len(problem.preamble) :]


def indented(text: str) -> str:
    return "".join("   " + line if line.strip() else line for line in text.splitlines(keepends=True))


def usage(entry: str) -> str:
    return fenced(f"print({entry}(1))")


WRAPPINGS: dict[str, Callable[[str, Problem, str], str]] = {
    "fence, prose around": lambda c, p, e: f"Here it is:\n\n{fenced(c)}\nIt works.\n",
    "fence, imports and helpers left out": lambda c, p, e: fenced(only_entry(c, e)),
    "fence without tag": lambda c, p, e: fenced(c, ""),
    "fence tagged Python3": lambda c, p, e: fenced(c, "Python3"),
    "solution, then usage": lambda c, p, e: fenced(c) + "Use it:\n" + usage(e),
    "usage, then solution": lambda c, p, e: usage(e) + "The code:\n" + fenced(c),
    "wrong draft, then correction": lambda c, p, e: fenced(draft(e)) + "Corrected:\n" + fenced(c),
    "longer draft, then correction": lambda c, p, e: (
        fenced(draft(e) + "# note\n" * 99) + "Corrected:\n" + fenced(c)
    ),
    "draft in <think>": lambda c, p, e: f"<think>\n{fenced(draft(e))}</think>\n{fenced(c)}",
    "only </think>": lambda c, p, e: f"{fenced(draft(e))}</think>\n{fenced(c)}",
    "raw code": lambda c, p, e: c,
    "raw code, prose around": lambda c, p, e: f"Here is the function:\n\n{c}\nThat is all.\n",
    "body only, raw": lambda c, p, e: body(c, p),
    "body only, fenced": lambda c, p, e: fenced(body(c, p)),
    "unclosed fence": lambda c, p, e: f"Sure:\n```python\n{c}",
    "main guard with input": lambda c, p, e: fenced(
        f"{c}\n\nif __name__ == '__main__':\n    print({e}(input()))"
    ),
    "input at the top": lambda c, p, e: fenced(f"{c}\n\nn = input()\nprint({e}(n))"),
    "helper without return": lambda c, p, e: fenced(f"def note(x, into):\n    into.append(x)\n\n\n{c}"),
    "windows line ends": lambda c, p, e: fenced(c).replace("\n", "\r\n"),
    "fence indented in a list": lambda c, p, e: "1. Write:\n" + indented(fenced(c)),
    "fence of tildes": lambda c, p, e: fenced(c, mark="~~~"),
}


def same_entry(program: str | None, code: str, entry: str) -> bool:
    """Whether both define the entry by the same statements, the docstring left aside."""
    try:
        found, wanted = (_statements(text or "", entry) for text in (program, code))
    except SyntaxError:
        return False
    return found is not None and found == wanted


def _statements(text: str, entry: str) -> list[str] | None:
    defined = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == entry]
    if not defined:
        return None
    rest = [
        n for n in defined[-1].body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
    ]
    return [ast.dump(node) for node in rest]


def main() -> None:
    right = solutions()
    samples = load_suite("humaneval").samples
    print("| wrapping | found of 164 |\n|---|---|")
    spent, answers = 0.0, 0
    for name, wrap in WRAPPINGS.items():
        found = 0
        for sample in samples:
            problem = problem_of(sample.id, sample.data)
            code, entry = right[sample.id], problem.entry or ""
            answer = wrap(code, problem, entry)
            started = time.process_time()
            program = extract(answer, entry, problem.preamble).program
            spent, answers = spent + time.process_time() - started, answers + 1
            found += same_entry(program, code, entry)
        print(f"| {name} | {found} |", flush=True)
    print(f"\n{spent / answers * 1000:.2f} ms of CPU for an answer")
    prose = "The next step is to look at `x` and say why it is so.\n"
    for count in (100, 400, 1600, 6400):
        started = time.process_time()
        extract(prose * count + fenced(next(iter(right.values()))), "has_close_elements")
        print(f"{count} lines of prose before: {(time.process_time() - started) * 1000:.1f} ms")


if __name__ == "__main__":
    main()
