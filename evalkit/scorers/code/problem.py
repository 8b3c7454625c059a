"""Coding problems as samples declare them in their `data`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from evalkit.errors import DefinitionError


class Test(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One test, in one of four forms.

    `run` assigns `result`, which must equal the literal `expect`, or an exception named `raises` must come.
    It runs beside the answer, and what is expected never goes near it: prefer this form.
    `check` are statements with asserts. They run apart from the answer, which they reach by the name of the
    problem's entry (and `candidate`): plain values go in and come out.
    `stdin` is the input of a program whose output must be `output`, but for blanks at the ends of lines.
    `beside` is a `unittest` module that runs in the answer's own process, which a hostile answer can forge:
    only for tests that need the answer's objects.
    """

    __test__ = False
    run: str = ""
    expect: str | None = None
    raises: str | None = None
    check: str | None = None
    stdin: str | None = None
    output: str | None = None
    beside: str | None = None
    hidden: bool = False

    def __post_init__(self) -> None:
        """One form, and all of it."""
        forms = [bool(self.run), self.check is not None, self.stdin is not None, self.beside is not None]
        if sum(forms) > 1:
            raise ValueError("a test has one of `run`, `check`, `stdin` and `beside`")
        if (self.stdin is None) != (self.output is None):
            raise ValueError("`stdin` and `output` belong together")


class CodeLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of all tests of a sample together. `output_kb` holds for the values that tests return, too."""

    cpu_s: float = 10.0
    memory_mb: int = 512
    output_kb: int = 1024


class Problem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the scorer reads of a sample's `data`.

    For `function` and `repair` the answer's names are in scope of the tests. For `module` the answer is the
    file `answer_file`, laid out with `files`, and the tests import what they need. A `program` is run once
    for each test, from its input to its output. The answer to `literal` is a value, which must equal the
    first test's `expect` and is not executed; that to `arguments` takes the place of `{answer}` in the tests'
    `run`, beside the code in `preamble`. Otherwise `preamble` is code that a bare body continues, ending in
    the signature; what it imports and defines is there for the answer and for checks as well.
    """

    kind: Literal["function", "repair", "module", "program", "literal", "arguments"]
    tests: list[Test]
    entry: str | None = None
    files: dict[str, str] = {}
    answer_file: str = "solution.py"
    preamble: str = ""
    limits: CodeLimits = CodeLimits()


def problem_of(sample_id: str, data: dict[str, Any]) -> Problem:
    """The problem that a sample declares.

    Raises:
        DefinitionError: its `data` is not one.
    """
    try:
        problem = msgspec.convert(data, Problem)
    except msgspec.ValidationError as error:
        raise DefinitionError(f"sample {sample_id!r} $.data: {error}.") from None
    if problem.entry is None and any(test.check is not None for test in problem.tests):
        raise DefinitionError(f"sample {sample_id!r} $.data.entry: is missing; `check` tests call it.")
    if not problem.tests:
        raise DefinitionError(f"sample {sample_id!r} $.data.tests: is empty.")
    if (problem.kind == "program") != all(test.stdin is not None for test in problem.tests):
        raise DefinitionError(
            f"sample {sample_id!r} $.data.tests: a program is tested by `stdin` and `output`, and only it is."
        )
    return problem
