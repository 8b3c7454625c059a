"""Builds `samples.jsonl` from `tasks/`.

Deterministic: the same files give the same bytes. Run it from the root of the checkout:

    python -m suites.agentic.build            write samples.jsonl
    python -m suites.agentic.build --check    exit 1 if samples.jsonl is not what the tasks give
    python -m suites.agentic.build --table    print the size table of the README
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from suites.agentic.ends import checks_of
from suites.agentic.source import HERE, LEVELS, first_rows, load_apps, load_workspaces, tree

if TYPE_CHECKING:
    from suites.agentic.source import AppFile, AppTask, Call, WorkFile, WorkTask

Sample = dict[str, Any]


def build() -> list[Sample]:
    """All samples, world by world, in the order of their files."""
    return [
        *(app_sample(file, task) for file in load_apps() for task in file.tasks),
        *(work_sample(file, task) for file in load_workspaces() for task in file.tasks),
    ]


def app_sample(file: AppFile, task: AppTask) -> Sample:
    """A sample of a task in an application.

    Raises:
        DefinitionError: the task does not fit its world.
    """
    first = first_rows(file, task)
    data: dict[str, Any] = {"world": file.world, "state": first, **checks_of(file.world, task, first)._asdict()}
    if task.user is not None:
        data["user"] = task.user
    data |= {"oracle": calls(task.oracle), "wrong": calls(next(iter(task.wrong.values())))}
    return _sample(task.id, task.input, (file.world, task.level, *task.tags), data)


def work_sample(file: WorkFile, task: WorkTask) -> Sample:
    """A sample of a task in a workspace.

    Raises:
        DefinitionError: a folder of files is missing.
    """
    data: dict[str, Any] = {
        "world": "workspace",
        "files": tree(task.tree) | task.files,
        "keep": list(task.keep),
        "verify": f"{file.prelude}\n\n{task.verify}",
        "hidden": tree(task.hidden_tree) | task.hidden,
    }
    if task.user is not None:
        data["user"] = task.user
    data |= {"oracle": calls(task.oracle), "wrong": calls(next(iter(task.wrong.values())))}
    return _sample(task.id, task.input, (file.world, task.level, *task.tags), data)


def calls(source: tuple[Call, ...]) -> list[list[Any]]:
    """Calls as a sample has them: `[tool, arguments]`."""
    return [[name, arguments] for call in source for name, arguments in call.items()]


def render(samples: list[Sample]) -> str:
    """The samples as JSON lines."""
    return "".join(json.dumps(s, ensure_ascii=False, separators=(",", ":")) + "\n" for s in samples)


def size_table(samples: list[Sample]) -> str:
    """Markdown table of what the suite holds: worlds by difficulty."""
    cells = Counter((s["tags"][0], s["tags"][1]) for s in samples)
    rows = [f"| world | {' | '.join(LEVELS)} | all | policy says no | several turns |", "|---" * 7 + "|"]
    for world in (*dict.fromkeys(s["tags"][0] for s in samples), None):
        mine = [s for s in samples if world in (s["tags"][0], None)]
        counts = [sum(n for (w, l), n in cells.items() if world in (w, None) and l == level) for level in LEVELS]
        policy = sum("policy" in s["tags"] for s in mine)
        turns = sum("user" in s["data"] for s in mine)
        line = " | ".join(map(str, [*counts, len(mine), policy or "", turns or ""]))
        rows.append(f"| `{world}` | {line} |" if world else f"| **all** | {line} |")
    return "\n".join(rows) + "\n"


def _sample(name: str, text: str, tags: tuple[str, ...], data: dict[str, Any]) -> Sample:
    return {
        "id": name,
        "input": text.strip(),
        "cluster": name,
        "tags": list(tags),
        "language": "en",
        "data": data,
    }


def main(arguments: list[str]) -> int:
    """Write, check or tabulate; returns the exit code."""
    samples = build()
    file = HERE / "samples.jsonl"
    if "--table" in arguments:
        sys.stdout.write(size_table(samples))
        return 0
    if "--check" in arguments:
        fresh = file.is_file() and file.read_text(encoding="utf-8") == render(samples)
        sys.stdout.write("fresh\n" if fresh else f"{file.name} is stale: run python -m suites.agentic.build\n")
        return 0 if fresh else 1
    file.write_text(render(samples), encoding="utf-8")
    sys.stdout.write(f"{len(samples)} samples written to {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
