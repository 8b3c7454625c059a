"""BFCL's suites load from the wheel or a given folder, with sound tools, and say what to do without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from jsonschema import Draft202012Validator

from evalkit.bfcl import package
from evalkit.bfcl.samples import MULTI_TURN, SINGLE_TURN, samples_of
from evalkit.bfcl.turns import turns_of
from evalkit.catalog.suites import load_suite, suite_folders
from evalkit.errors import DefinitionError, MissingDataError
from evalkit.types.chat import Tool
from evalkit.types.tool_case import tool_case_of

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
SUITES = [name for name in suite_folders() if name.startswith("bfcl-")]


def test_every_category_is_in_one_suite() -> None:
    ids = [s.id for name in SUITES for s in load_suite(name).samples]
    assert len(ids) == len(set(ids)) == 4441 - 7
    assert set(ids) == {s.id for c in (*SINGLE_TURN, *MULTI_TURN) for s in samples_of(c)}


def test_tools_are_sound() -> None:
    tools = set()
    for name in SUITES:
        for sample in load_suite(name).samples:
            if name == "bfcl-multi-turn":
                task = turns_of(sample)
                offered = (*task.tools, *(tool for more in task.later.values() for tool in more))
            else:
                offered = tool_case_of(sample).tools
            tools |= {msgspec.json.encode(tool) for tool in offered}
    assert len(tools) > 2000
    for encoded in tools:
        tool = msgspec.json.decode(encoded, type=Tool)
        assert NAME.match(tool.name), tool.name
        Draft202012Validator.check_schema(tool.parameters)


def test_arguments_of_java_are_texts_that_say_what_they_are() -> None:
    sample = next(s for s in load_suite("bfcl-simple").samples if s.id == "simple_java_22")
    tool = tool_case_of(sample).tools[0]
    ids = tool.parameters["properties"]["ids"]
    assert ids["type"] == "string"
    assert "This is Java ArrayList type parameter in string representation." in ids["description"]
    assert "elements are of type long" in ids["description"]
    assert "Java 8 SDK" in tool.description


def test_held_out_tools_come_later() -> None:
    for sample in samples_of("multi_turn_miss_func"):
        task = turns_of(sample)
        first = {tool.name for tool in task.tools}
        assert task.later
        assert all(task.turns[int(turn)] == () for turn in task.later)
        assert not first & {tool.name for more in task.later.values() for tool in more}


def test_without_the_wheel_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(package.FOLDER, str(tmp_path))
    with pytest.raises(MissingDataError, match=r"pip install --no-deps bfcl-eval==2026\.3\.23"):
        load_suite("bfcl-simple")


def test_where_it_is_not_there_suites_are_still_checked(tmp_path: Path) -> None:
    """`evalkit suites check` goes on; named, such a suite ends with exit code 2."""

    def evalkit(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from evalkit.cli import main; main()", *arguments],
            cwd=tmp_path, env={**os.environ, package.FOLDER: str(tmp_path)},
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

    checked = evalkit("suites", "check")
    assert checked.returncode == 0, checked.stderr
    assert "bfcl-simple" in checked.stdout
    assert "not read" in checked.stdout
    assert "on the hub; `evalkit suites check bigcodebench` fetches it" in checked.stdout
    named = evalkit("suites", "check", "bfcl-simple")
    assert named.returncode == 2
    assert "pip install --no-deps bfcl-eval" in " ".join(named.stderr.split())
    assert "Traceback" not in named.stderr


def test_a_folder_of_ones_own_is_used(tmp_path: Path) -> None:
    (tmp_path / "anywhere").symlink_to(package.folder())
    script = (
        "from evalkit.bfcl.applications import Applications; from evalkit.bfcl.samples import samples_of\n"
        "import sys; assert len(samples_of('parallel')) == 200\n"
        "made = Applications(['MathAPI'], {}).call('add', {'a': 1, 'b': 2})\n"
        "print(made, sys.modules['bfcl_eval'].__path__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={package.FOLDER: str(tmp_path / "anywhere"), "PYTHONPATH": ":".join(p for p in sys.path if p)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"result": 3}')
    assert str(tmp_path / "anywhere") in done.stdout


def test_unknown_categories_and_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no category 'nothing'"):
        samples_of("nothing")
    text = (suite_folders()["bfcl-simple"] / "suite.yaml").read_text(encoding="utf-8")
    (tmp_path / "bfcl-simple").mkdir()
    (tmp_path / "bfcl-simple" / "suite.yaml").write_text(
        text.replace("samples: bfcl:", "samples: nowhere:"), encoding="utf-8"
    )
    with pytest.raises(DefinitionError, match="no source 'nowhere'"):
        load_suite("bfcl-simple", [tmp_path])
