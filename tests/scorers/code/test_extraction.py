# ruff: noqa: E501  # lines of a table
"""The published table of cases: the rule that fires, and that what it finds works."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.scorers.code.extract import extract

TABLE = Path(__file__).resolve().parents[2] / "data" / "extraction.yaml"
DATA = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
PAGE = TABLE.parents[2] / "docs" / "extraction.md"


@pytest.mark.parametrize("case", DATA["cases"], ids=lambda case: case["name"])
def test_the_rule_fires_and_the_program_works(case: dict[str, Any]) -> None:
    found = extract(case["answer"], "step", DATA["preamble"])
    assert found.rule == case["rule"], found
    if case.get("passes", True):
        names: dict[str, Any] = {"__name__": "solution"}
        exec(found.program or "", names)
        assert names["step"](3) == 7
    elif found.program is not None:
        with pytest.raises(Exception):  # noqa: B017, PT011, PT012
            names = {"__name__": "solution"}
            exec(found.program, names)
            assert names["step"](3) == 7


def test_the_table_is_the_one_that_is_published() -> None:
    assert len(DATA["cases"]) >= 80
    page = PAGE.read_text(encoding="utf-8")
    for case in DATA["cases"]:
        assert f"| {case['name']} | {case['rule']} |" in page, case["name"]


@pytest.mark.parametrize(
    "line",
    ["Some prose about it.\n", "def f(x):\n", "    x = 1\n", "```\n", "import x\n", "<think>\n", "</think>", "(", "x = [\n", "@a\n", "'''\n"],
)  # fmt: skip
def test_time_is_linear_in_the_length(line: str) -> None:
    def cost(count: int) -> float:
        text = line * count
        best = 1e9
        for _ in range(3):
            started = time.process_time()
            extract(text, "step", DATA["preamble"])
            best = min(best, time.process_time() - started)
        return best

    small, large = cost(1000), cost(8000)
    assert large < 8 * 4 * small + 0.5, (small, large)
