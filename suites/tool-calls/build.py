"""Builds `samples.jsonl` from `tools.yaml` and `cases/*.yaml`.

Deterministic: the same files give the same bytes. Run it from the root of the checkout:

    python -m suites.tool-calls.build            write samples.jsonl
    python -m suites.tool-calls.build --check    exit 1 if samples.jsonl is not what the cases give
    python -m suites.tool-calls.build --table    print the size table of the README

An argument in `calls` is a plain value, or a mapping that says more:

    {any: [5, 6]}                  one of these values
    {near: 12.5, within: 0.05}     a number, give or take
    {items: [a, b]}                an array in any order
    {contains: [invoice, Friday]}  a text in which each of these occurs
    {..., optional: true}          it may be left out as well
"""

from __future__ import annotations

import datetime
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import msgspec

from evalkit.catalog.strict import load_yaml
from evalkit.errors import DefinitionError

HERE = Path(__file__).resolve().parent
KINDS = ("single", "multiple", "parallel", "complex", "irrelevance", "tool_choice")
LEVELS = ("easy", "medium", "hard")

Call = dict[str, dict[str, Any]]
"""Name of one tool, and its arguments as said above."""


class ToolSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool as `tools.yaml` has it."""

    description: str
    properties: dict[str, dict[str, Any]]
    required: tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case.

    `calls` are those wanted, `either` several sets of which one is wanted; `wants` says `any_call` or
    `no_call` instead, and `why` what is tested by that. `dialog` are turns before `ask`, the user's first.
    `said` gives, for an argument whose value is not in the prompt as it is, the words that mean it.
    """

    id: str
    level: Literal["easy", "medium", "hard"]
    tools: tuple[str, ...]
    ask: str
    calls: tuple[Call, ...] = ()
    either: tuple[tuple[Call, ...], ...] = ()
    wants: Literal["calls", "any_call", "no_call"] = "calls"
    why: Literal["unrelated", "missing_information", "almost_fits", "no_tool_needed"] | None = None
    system: str | None = None
    dialog: tuple[str, ...] = ()
    said: dict[str, Any] = {}
    tool_choice: str | None = None
    language: str = "en"
    cluster: str | None = None
    tags: tuple[str, ...] = ()


class CaseFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of `cases/`."""

    kind: Literal["single", "multiple", "parallel", "complex", "irrelevance", "tool_choice"]
    cases: tuple[Case, ...]


class Bank(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the suite is built from."""

    tools: dict[str, ToolSource]
    files: tuple[CaseFile, ...]


class _Tools(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tools: dict[str, ToolSource]


def load_bank(folder: Path = HERE) -> Bank:
    """Read tools and cases.

    Raises:
        DefinitionError: a file breaks its schema.
    """
    tools = load_yaml(folder / "tools.yaml", _Tools).tools
    files = [load_yaml(file, CaseFile) for file in (folder / "cases").glob("*.yaml")]
    return Bank(tools=tools, files=tuple(sorted(files, key=lambda f: KINDS.index(f.kind))))


def schema_of(tool: ToolSource) -> dict[str, Any]:
    """The tool's parameters as JSON Schema."""
    return {
        "type": "object",
        "properties": tool.properties,
        "required": list(tool.required),
        "additionalProperties": False,
    }


def build(bank: Bank) -> list[dict[str, Any]]:
    """All samples, kind by kind.

    Raises:
        DefinitionError: a case names a tool that there is not, or an argument is no legal mapping.
    """
    return [_sample(case, file.kind, bank) for file in bank.files for case in file.cases]


def _sample(case: Case, kind: str, bank: Bank) -> dict[str, Any]:
    unknown = [name for name in case.tools if name not in bank.tools]
    if unknown:
        raise DefinitionError(f"case {case.id!r}: there is no tool {unknown[0]!r} in tools.yaml.")
    data: dict[str, Any] = {
        "tools": [
            {
                "name": name,
                "description": bank.tools[name].description,
                "parameters": schema_of(bank.tools[name]),
            }
            for name in case.tools
        ],
        "wants": case.wants,
    }
    if case.wants == "calls":
        sets = case.either or (case.calls,)
        data["accept"] = [[_expected(case, call) for call in calls] for calls in sets]
    if case.tool_choice is not None:
        data["tool_choice"] = case.tool_choice
    reasons = [case.why] if case.why else []
    return {
        "id": case.id,
        "input": _conversation(case),
        "cluster": case.cluster or case.id,
        "tags": [kind, case.level, *reasons, *case.tags],
        "language": case.language,
        "data": data,
    }


def _conversation(case: Case) -> str | list[dict[str, str]]:
    if case.system is None and not case.dialog:
        return case.ask
    turns = [*case.dialog, case.ask]
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]
    return [{"role": "system", "content": case.system}, *messages] if case.system else messages


def _expected(case: Case, call: Call) -> dict[str, Any]:
    if len(call) != 1:
        raise DefinitionError(f"case {case.id!r}: a call is one tool with its arguments, got {list(call)}.")
    name, arguments = next(iter(call.items()))
    return {"name": name, "arguments": {key: accepted(case.id, v) for key, v in arguments.items()}}


def accepted(case: str, value: Any) -> dict[str, Any]:
    """An argument as `evalkit.types.tool_case.Accepted` has it.

    Raises:
        DefinitionError: a mapping with other keys than those that are documented above.
    """
    if not isinstance(value, dict):
        return {"values": [plain(value)]}
    rest = dict(value)
    optional = {"optional": True} if rest.pop("optional", False) else {}
    match rest:
        case {"any": list(values), **others} if not others:
            return {"values": [plain(v) for v in values], **optional}
        case {"near": near, "within": within, **others} if not others:
            return {"values": [near], "tolerance": within, **optional}
        case {"items": list(items), **others} if not others:
            return {"values": [plain(items)], "unordered": True, **optional}
        case {"contains": list(parts), **others} if not others:
            return {"contains": parts, **optional}
    raise DefinitionError(f"case {case!r}: {value} is no argument; write a literal object as {{any: [...]}}.")


def plain(value: Any) -> Any:
    """The value with YAML's dates as text."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def render(samples: list[dict[str, Any]]) -> str:
    """The samples as JSON lines."""
    return "".join(json.dumps(s, ensure_ascii=False, separators=(",", ":")) + "\n" for s in samples)


def size_table(samples: list[dict[str, Any]]) -> str:
    """Markdown table of what the suite holds."""
    counts = Counter((s["tags"][0], s["tags"][1]) for s in samples)
    rows = ["| kind | easy | medium | hard | all |", "|---|---|---|---|---|"]
    for kind in KINDS:
        numbers = [counts[kind, level] for level in LEVELS]
        rows.append(f"| {kind} | {' | '.join(str(n) for n in numbers)} | {sum(numbers)} |")
    numbers = [sum(counts[kind, level] for kind in KINDS) for level in LEVELS]
    rows.append(f"| **all** | {' | '.join(f'**{n}**' for n in numbers)} | **{sum(numbers)}** |")
    return "\n".join(rows) + "\n"


def main(arguments: list[str]) -> int:
    """Write, check or tabulate; returns the exit code."""
    samples = build(load_bank())
    file = HERE / "samples.jsonl"
    if "--table" in arguments:
        sys.stdout.write(size_table(samples))
        return 0
    if "--check" in arguments:
        fresh = file.is_file() and file.read_text(encoding="utf-8") == render(samples)
        sys.stdout.write("fresh\n" if fresh else f"{file.name} is stale: run python -m suites.tool-calls.build\n")
        return 0 if fresh else 1
    file.write_text(render(samples), encoding="utf-8")
    sys.stdout.write(f"{len(samples)} samples written to {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
