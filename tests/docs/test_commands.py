"""Every command and Python block of the pages is run; what cannot be run here is listed with the reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT, blocks, code, commands, pages, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOT_RUN = {
    r"make (demo|test|docs)": "of the Makefile; it installs an environment, and the tests run inside it",
    r"\. \.venv/bin/activate": "the environment that make made",
    r"evalkit serve": "serves until Ctrl-C; tests/end_to_end/test_embedded.py does, on the real weights",
    r"pip install ": "needs a network",
    r"vllm serve ": "needs a graphics card and 700 GB of weights",
    r"evalkit import logs/": "needs a log of Inspect; tests/interop/test_inspect.py has Inspect write some",
    r"evalkit export .* --format mlflow": "needs a server; tests/exporters/test_exporters.py logs to MLflow",
    r"evalkit run .* --executor ray": "needs a cluster; tests/end_to_end/test_cluster.py makes one",
}
ELSEWHERE = {ROOT / "docs" / "gates.md": "tests/end_to_end/test_gates_page.py holds it to more"}
PYTHON = [ROOT / "docs" / "start.md", ROOT / "docs" / "reference" / "api.md"]


def expected(command: str) -> set[int]:
    """A verdict is no error; everything else must succeed."""
    if command.startswith("evalkit gate"):
        return {0, 1, 4}
    return {0, 4} if re.match(r"evalkit plan .*--gate", command) else {0}


def reason(command: str) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), None)


def every_command() -> list[str]:
    return [
        command
        for page in pages()
        for block in blocks(page.read_text(encoding="utf-8"), "sh")
        for command in commands(block)
    ]


def worth_running(page: Path) -> bool:
    languages = {block.language for block in code(page.read_text(encoding="utf-8"))}
    return page not in ELSEWHERE and ("sh" in languages or page in PYTHON)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page", [p for p in pages() if worth_running(p)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_a_page_can_be_followed(page: Path, world: Callable[[str, str], None]) -> None:
    ran = 0
    for block in code(page.read_text(encoding="utf-8")):
        if block.file is not None:
            world(block.file, block.text)
        elif block.language == "python" and page in PYTHON:
            exec(compile(block.text, str(page), "exec"), {})
            ran += 1
        elif block.language == "sh":
            for command in commands(block.text):
                if reason(command) is None:
                    done = run(command)
                    assert done.code in expected(command), f"{command}\n{done.said}"
                    ran += 1
    assert ran


def test_nothing_is_excused_that_no_page_says() -> None:
    said = every_command()
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in said), pattern


def test_there_is_nothing_but_commands_in_shell_blocks() -> None:
    for command in every_command():
        assert re.match(r"(evalkit|make|pytest|pip|export|vllm|docker|podman|python|\.) ", command), command


def test_no_command_hides_in_a_block_without_a_language() -> None:
    for page in pages():
        inside, plain = False, False
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("```"):
                inside, plain = not inside, line == "```"
            elif inside and plain:
                assert not re.match(r"(evalkit|make|pytest|pip) ", line), f"{page.name}: {line}"
