"""Rows of published data in JSON files, and the shapes that benchmarks pack their tests in.

Nothing is executed: what is published as a pickle is read only where it holds a single text.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import pickle
import zlib
from typing import TYPE_CHECKING, Any

from evalkit.errors import DefinitionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_BYTES = 1 << 30
_ENDINGS = (".jsonl", ".json", ".jsonl.gz", ".json.gz")


def reads(path: Path) -> bool:
    """Whether the file's name says that it holds JSON."""
    return path.name.endswith(_ENDINGS)


def rows(path: Path) -> list[dict[str, Any]]:
    """Every row of a file: one object a line, a list of objects, or an object of columns or of rows.

    Raises:
        UsageError: the file cannot be read or holds something else.
    """
    found: Any
    try:
        raw = path.read_bytes()
        if path.name.endswith(".gz"):
            with gzip.open(io.BytesIO(raw)) as file:
                raw = file.read(MOST_BYTES)
        text = raw.decode("utf-8")
        if ".jsonl" in path.name:
            found = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            found = json.loads(text)
            found = list(found.values()) if isinstance(found, dict) else found
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read as JSON rows: {error}.") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UsageError(f"{path}: expected one JSON object a line, or a list of objects.")
    return found


class _TextOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise DefinitionError(f"packed tests name {module}.{name}; expected text only.")


def from_json(text: str) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise DefinitionError(f"expected JSON: {error}.") from None


def unpacked(text: str) -> Any:
    """Tests as LiveCodeBench packs them: JSON, or base64 of zlib of a pickled JSON text."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        inflated = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MOST_BYTES)
        held = _TextOnly(io.BytesIO(inflated)).load()
        return json.loads(str(held))
    except (ValueError, zlib.error, pickle.UnpicklingError, EOFError, IndexError) as error:
        raise DefinitionError(f"expected packed tests: {error}.") from None


def as_tests(items: list[Any], form: str, before: str = "") -> list[dict[str, Any]]:
    """A test of one form for each text; `before` is code that each of them needs."""
    return [{form: f"{before}\n{item}" if before else item} for item in items]


def stdio_tests(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tests of a program from cases with `input` and `output`; others than of standard input are left out."""
    return [
        {"stdin": item["input"], "output": item["output"]}
        for item in items
        if item.get("testtype", "stdin") == "stdin"
    ]


def entry_of(code: str, test: str = "") -> str:
    """The name that a test calls, of those that code defines; without such a call the last of them."""
    import ast

    try:
        body, calls = ast.parse(code).body, ast.walk(ast.parse(test))
    except (SyntaxError, ValueError):
        return ""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = [node.name for node in body if isinstance(node, kinds)]
    called = [n.func.id for n in calls if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    return next((name for name in called if name in defined), defined[-1] if defined else "")


FILTERS: dict[str, Callable[..., Any]] = {
    "from_json": from_json,
    "unpacked": unpacked,
    "as_tests": as_tests,
    "stdio_tests": stdio_tests,
    "entry_of": entry_of,
}
"""Filters for field templates."""
