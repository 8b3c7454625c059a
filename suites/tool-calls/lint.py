"""Checks on the written cases that a schema cannot make. Each yields sentences that name case and argument.

Run it from the root of the checkout:

    python -m suites.tool-calls.lint
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from evalkit.scorers.tool_calls.values import folded

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
MINIMA = {"single": 40, "multiple": 30, "parallel": 25, "complex": 20, "irrelevance": 25, "tool_choice": 6}


def tool_problems(tools: dict[str, Any], schema_of: Any) -> Iterator[str]:
    """What is wrong with the tools: names, schemas, required parameters that there are not."""
    for name, tool in tools.items():
        if not NAME.match(name):
            yield f"tool {name!r}: the name does not match {NAME.pattern}"
        try:
            Draft202012Validator.check_schema(schema_of(tool))
        except SchemaError as error:
            yield f"tool {name!r}: no JSON Schema: {error.message}"
        for parameter in tool.required:
            if parameter not in tool.properties:
                yield f"tool {name!r}: required {parameter!r} is no property"


def case_problems(case: Any, kind: str, tools: dict[str, Any], sample: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one case."""
    where = f"case {case.id!r}"
    if kind == "irrelevance" and (case.wants != "no_call" or case.why is None):
        yield f"{where}: an irrelevance case wants no_call and says why"
    if kind == "multiple" and len(case.tools) < 2:
        yield f"{where}: fewer than two tools are offered"
    if kind == "parallel" and max((len(c) for c in (case.either or (case.calls,))), default=0) < 2:
        yield f"{where}: fewer than two calls are wanted"
    if case.wants == "calls" and not (case.calls or case.either):
        yield f"{where}: no calls are given"
    if case.wants != "calls" and (case.calls or case.either):
        yield f"{where}: calls are given, but {case.wants} is wanted"
    named = case.tool_choice not in {None, "auto", "none", "required"}
    if named and case.tool_choice not in case.tools:
        yield f"{where}: tool_choice names a tool that is not offered"
    for calls in sample["data"].get("accept", ()):
        for call in calls:
            if call["name"] not in case.tools:
                yield f"{where}: {call['name']} is not offered"
                continue
            yield from _call_problems(where, case, call, tools[call["name"]], prompt_of(sample))


def _call_problems(
    where: str, case: Any, call: dict[str, Any], tool: Any, prompt: str
) -> Iterator[str]:
    arguments = call["arguments"]
    for name in tool.required:
        if name not in arguments or arguments[name].get("optional"):
            yield f"{where}: required {name!r} of {call['name']} has no wanted value"
    for name, accepted in arguments.items():
        if name not in tool.properties:
            yield f"{where}: {call['name']} has no parameter {name!r}"
            continue
        values = accepted.get("values") or [" ".join(accepted.get("contains", ()))]
        for value in values:
            for error in Draft202012Validator(tool.properties[name]).iter_errors(value):
                yield f"{where}: {name} {json.dumps(value)} does not fit the schema: {error.message}"
        if not accepted.get("optional"):
            told = accepted.get("values") or [accepted.get("contains", [])]
            yield from _unsaid(where, case, name, told, prompt)


def _unsaid(where: str, case: Any, name: str, values: list[Any], prompt: str) -> Iterator[str]:
    said = case.said.get(name)
    phrases = said if isinstance(said, list) else [said] if said is not None else []
    for phrase in phrases:
        if folded(str(phrase)) not in prompt:
            yield f"{where}: said {phrase!r} for {name} is not in the prompt"
    if not phrases and not any(all(is_said(leaf, prompt) for leaf in leaves(v)) for v in values):
        yield f"{where}: no accepted value of {name} is in the prompt; say by `said` which words mean it"


def is_said(value: Any, prompt: str) -> bool:
    """Whether a text or number occurs in the prompt as it is; truth values always do."""
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        forms = {f"{value:g}", f"{value}", f"{value:,}", f"{value:.2f}", f"{value:,.2f}"}
        return any(re.search(rf"(?<![\d.]){re.escape(form)}(?!\d)", prompt) for form in forms)
    return folded(str(value)).replace("_", " ") in prompt.replace("_", " ")


def leaves(value: Any) -> Iterator[Any]:
    """Every text and number inside a value."""
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    else:
        yield value


def prompt_of(sample: dict[str, Any]) -> str:
    """All that the model is told, folded."""
    given = sample["input"]
    return folded(given if isinstance(given, str) else "\n".join(m["content"] for m in given))


def problems(bank: Any, build: Any) -> Iterator[str]:
    """Everything that is wrong with the suite."""
    samples = build.build(bank)
    yield from tool_problems(bank.tools, build.schema_of)
    for name, count in Counter(s["id"] for s in samples).items():
        if count > 1:
            yield f"case {name!r}: the id occurs {count} times"
    by_id = {s["id"]: s for s in samples}
    for file in bank.files:
        if len(file.cases) < MINIMA[file.kind]:
            yield f"{file.kind}: {len(file.cases)} cases, at least {MINIMA[file.kind]} are wanted"
        for case in file.cases:
            yield from case_problems(case, file.kind, bank.tools, by_id[case.id])
    used = {name for file in bank.files for case in file.cases for name in case.tools}
    yield from (f"tool {name!r}: no case offers it" for name in bank.tools if name not in used)


def main() -> int:
    """Print every problem; returns the exit code."""
    build = importlib.import_module("suites.tool-calls.build")
    found = list(problems(build.load_bank(), build))
    sys.stdout.write("".join(f"{line}\n" for line in found) or "no problem\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
