"""Finds the program in an answer. Pure, and linear in the length of the text.

Of all fenced blocks that parse and define what was asked for, the last one counts: drafts come first and
corrections last. Without one, unfenced code is looked for, and then a bare body that continues the prompt's
signature. Which rule fired is part of the result.
"""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Literal

import msgspec

Rule = Literal["fence", "fence_without_entry", "unfenced", "body", "literal", "none"]

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<tag>[\w+#.-]*)[^\n`]*$")
_STARTS = re.compile(r"^(?:def |class |import |from \w|@\w|async def )")
_THOUGHT = re.compile(r"<(?P<end>/?)(?:think|thinking|reasoning)>")
_OTHER_LANGUAGES = {"bash", "sh", "shell", "console", "text", "txt", "json", "yaml", "html", "diff", "output"}
_MAX_SPAN_TRIES = 64


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """The program, or None, with the rule that found it and the number of fenced blocks there were."""

    program: str | None
    rule: Rule
    blocks: int


def extract(answer: str, entry: str | None, preamble: str = "") -> Extraction:
    """The program that an answer means.

    Args:
        answer: The model's text. Reasoning in tags is dropped up to the last closing tag.
        entry: The name that must be defined; None for a whole file.
        preamble: Code that a bare body continues, ending in the signature.
    """
    text = without_thoughts(answer)
    blocks = fenced_blocks(text)
    parsed = [block for block in blocks if _parses(block)]
    for block in reversed(parsed):
        if entry is None or _defines(block, entry):
            return Extraction(program=_kept(block, entry, preamble), rule="fence", blocks=len(blocks))
    if entry is not None and preamble:
        for block in reversed(blocks):
            program = _as_body(block, preamble, entry)
            if program is not None:
                return Extraction(program=program, rule="body", blocks=len(blocks))
    unfenced = _unfenced(text, entry)
    if unfenced is not None:
        return Extraction(program=_kept(unfenced, entry, preamble), rule="unfenced", blocks=len(blocks))
    if entry is not None and preamble and not blocks:
        program = _as_body(text, preamble, entry)
        if program is not None:
            return Extraction(program=program, rule="body", blocks=0)
    if parsed:
        return Extraction(program=parsed[-1], rule="fence_without_entry", blocks=len(blocks))
    return Extraction(program=blocks[-1] if blocks else None, rule="none", blocks=len(blocks))


def without_thoughts(answer: str) -> str:
    """The answer after its reasoning, with lines ended by newlines.

    A thought that never ends hides the rest: the answer was cut, not wrong.
    """
    text = answer.replace("\r\n", "\n").replace("\r", "\n")
    after, opened = 0, len(text)
    for tag in _THOUGHT.finditer(text):
        if tag["end"]:
            after, opened = tag.end(), len(text)
        elif opened == len(text):
            opened = tag.start()
    return text[after:opened]


def fenced_blocks(text: str) -> list[str]:
    """The content of every fence of ``` or ~~~, dedented; the last may be unclosed."""
    blocks: list[str] = []
    lines: list[str] | None = None
    mark = ""
    skip = False
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if lines is None:
            if fence:
                lines, mark = [], fence["mark"]
                skip = fence["tag"].lower() in _OTHER_LANGUAGES
        elif fence and fence["mark"].startswith(mark) and not fence["tag"]:
            if not skip:
                blocks.append(_clean(lines))
            lines = None
        else:
            lines.append(line)
    if lines is not None and not skip:
        blocks.append(_clean(lines))
    return [block for block in blocks if block.strip()]


def _clean(lines: list[str]) -> str:
    return textwrap.dedent("\n".join(lines)).strip("\n") + "\n"


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _defines(code: str, entry: str) -> bool:
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == entry:
            return True
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == entry for t in node.targets
        ):
            return True
    return False


def _kept(program: str, entry: str | None, preamble: str) -> str:
    """The program without what only shows it off, after what the prompt had given.

    Left out are asserts, bare calls and lines that ask for input. What the prompt imports and defines, but
    for the entry itself, comes first, since many answers leave it out.
    """
    if entry is None:
        return program
    tree = ast.parse(program)
    dropped = [node for node in tree.body if _shows_off(node)]
    lines = program.split("\n")
    for node in dropped:
        if node.col_offset == 0 and ";" not in lines[(node.end_lineno or node.lineno) - 1]:
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return _given(preamble, entry) + "\n".join(lines)


def _shows_off(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return any(
            isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "input"
            for part in ast.walk(node.value)
        )
    return False


def _given(preamble: str, entry: str) -> str:
    """The prompt's imports and definitions but for the entry's; empty where there are none."""
    if not preamble.strip():
        return ""
    try:
        body = ast.parse(preamble.rstrip() + "\n    pass\n").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    kept = [
        node
        for node in body
        if not (isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == entry)
        and not isinstance(node, ast.Expr)
    ]
    return "".join(ast.unparse(node) + "\n" for node in kept)


def _as_body(block: str, preamble: str, entry: str) -> str | None:
    body = textwrap.indent(textwrap.dedent(block).strip("\n"), "    ")
    program = f"{preamble.rstrip()}\n{body}\n"
    return program if body.strip() and _parses(program) and _defines(program, entry) else None


def _unfenced(text: str, entry: str | None) -> str | None:
    """The longest run of lines from a definition or import on that parses; the last such run wins."""
    if entry is not None and entry not in text:
        return None
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _STARTS.match(line)]
    runs = [start for i, start in enumerate(starts) if i == 0 or not _continues(lines, starts[i - 1], start)]
    for start in reversed(runs):
        code = _longest_that_parses(lines[start:])
        if code is not None and (entry is None or _defines(code, entry)):
            return code
    return None


def _continues(lines: list[str], earlier: int, later: int) -> bool:
    """Whether nothing but code lies between two definitions."""
    return all(not line or line[0] in " \t#@)" or _STARTS.match(line) for line in lines[earlier + 1 : later])


def _longest_that_parses(lines: list[str]) -> str | None:
    """Lines up to the first that breaks the syntax; a few cuts are tried, so that the work stays linear."""
    end = len(lines)
    for _ in range(_MAX_SPAN_TRIES):
        code = "\n".join(lines[:end]).rstrip() + "\n"
        try:
            ast.parse(code)
        except SyntaxError as error:
            cut = (error.lineno or 1) - 1
            if cut <= 0:
                return None
            end = min(end - 1, cut)
        except (ValueError, RecursionError, MemoryError):
            return None
        else:
            return code if code.strip() else None
    return None
