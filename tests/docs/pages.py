"""Reads pages of the documentation and does what they say, in the current folder."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """A block of code; `file` is where the page says to save it."""

    language: str
    text: str
    file: str | None


class Done(NamedTuple):
    code: int
    said: str


def pages() -> list[Path]:
    """Every page that a reader sees, but for those made at build time."""
    found = [page for page in (ROOT / "docs").rglob("*.md") if "generated" not in page.parts]
    return [ROOT / "README.md", *sorted(found)]


def code(page: str) -> list[Block]:
    """Every block of code of a page, in order."""
    return [Block(m["language"], m["text"], m["file"]) for m in _BLOCK.finditer(page)]


def blocks(page: str, language: str) -> list[str]:
    return [block.text for block in code(page) if block.language == language]


def commands(text: str) -> Iterator[str]:
    """The commands of a shell block; a line that ends in a backslash goes on."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip()


def run(command: str) -> Done:
    """Run one command: evalkit in this process, `export` for what follows, the rest in a shell."""
    words = shlex.split(command, comments=True)
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        os.environ[name] = value
        return Done(0, "")
    if words[0] == "evalkit" and not set(words) & {"|", "&&", ">", "||"}:
        return evalkit(words[1:])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command.replace("pytest ", "pytest -p evalkit.pytest_plugin ", 1)]
        if words[0] == "pytest"
        else ["bash", "-c", command],
        env={**os.environ, "PATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout + done.stderr)


def evalkit(words: list[str]) -> Done:
    """The command line with these words, without a process of its own."""
    from evalkit.cli import main

    said = io.StringIO()
    with (
        patch.object(sys, "argv", ["evalkit", *words]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        try:
            main()
        except SystemExit as end:
            return Done(int(end.code or 0), said.getvalue())
    return Done(0, said.getvalue())
