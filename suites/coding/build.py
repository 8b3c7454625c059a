"""Builds `samples.jsonl` and `reference.jsonl` from the files in `problems/`.

Deterministic: the same files give the same bytes. Run it from the root of the checkout:

    python -m suites.coding.build            write both files
    python -m suites.coding.build --check    exit 1 if they are not what the problems give
    python -m suites.coding.build --table    print the tables of the README
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from suites.coding.problem import (
    DIFFICULTIES,
    HERE,
    KINDS,
    Source,
    load_problems,
    tests_of,
    wrong_answers,
)

ASK = "Answer with one Python code block that holds the complete {what}."


def prompt_of(source: Source) -> str:
    """What the model reads."""
    parts = [source.prompt.strip()]
    if source.broken:
        parts.append(f"```python\n{source.broken}```")
    if source.files:
        shown = [f"`{name}`:\n\n```python\n{text}```" for name, text in source.files.items()]
        parts += ["These files are there already:", *shown]
    ask = f"file `{source.answer_file}`" if source.kind == "module" else "code"
    return "\n\n".join([*parts, ASK.format(what=ask)])


def sample_of(name: str, source: Source) -> dict[str, Any]:
    """One row of `samples.jsonl`."""
    data: dict[str, Any] = {"kind": source.kind, "tests": tests_of(source)}
    if source.entry:
        data["entry"] = source.entry
    if source.kind == "module":
        data |= {"files": source.files, "answer_file": source.answer_file}
    data["limits"] = {"cpu_s": source.cpu_s, "memory_mb": source.memory_mb}
    return {
        "id": name,
        "input": prompt_of(source),
        "cluster": source.cluster or name,
        "tags": [source.kind, source.difficulty, source.topic, *(["demo"] if source.demo else [])],
        "language": "en",
        "data": data,
    }


def build(problems: dict[str, Source]) -> tuple[str, str]:
    """The text of `samples.jsonl` and of `reference.jsonl`."""
    samples = [sample_of(name, source) for name, source in problems.items()]
    references = [
        {"id": name, "solution": source.solution, "mutants": wrong_answers(source)}
        for name, source in problems.items()
    ]
    return _lines(samples), _lines(references)


def tables(problems: dict[str, Source]) -> str:
    """Markdown: difficulty by kind, and difficulty by topic."""
    found = list(problems.values())
    by_kind: Counter[tuple[str, str]] = Counter((p.kind, p.difficulty) for p in found)
    by_topic: Counter[tuple[str, str]] = Counter((p.topic, p.difficulty) for p in found)
    kinds = _table("kind", list(KINDS), by_kind)
    return f"{kinds}\n{_table('topic', sorted({p.topic for p in found}), by_topic)}"


def _table(title: str, rows: list[str], counts: Counter[tuple[str, str]]) -> str:
    lines = [f"| {title} | {' | '.join(DIFFICULTIES)} | all |", "|---|" + "---|" * (len(DIFFICULTIES) + 1)]
    for row in rows:
        cells = [counts[row, level] for level in DIFFICULTIES]
        lines.append(f"| {row} | {' | '.join(str(n or '') for n in cells)} | {sum(cells)} |")
    totals = [sum(counts[row, level] for row in rows) for level in DIFFICULTIES]
    lines.append(f"| **all** | {' | '.join(f'**{n}**' for n in totals)} | **{sum(totals)}** |")
    return "\n".join(lines) + "\n"


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main(arguments: list[str]) -> int:
    """Write, check or tabulate; returns the exit code."""
    problems = load_problems()
    if "--table" in arguments:
        sys.stdout.write(tables(problems))
        return 0
    texts = dict(zip(("samples.jsonl", "reference.jsonl"), build(problems), strict=True))
    if "--check" in arguments:
        stale = [n for n, text in texts.items() if (HERE / n).read_text(encoding="utf-8") != text]
        for name in stale:
            sys.stdout.write(f"{name} is stale: run python -m suites.coding.build\n")
        return 1 if stale else 0
    for name, text in texts.items():
        (HERE / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(problems)} problems written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
