"""Answers to BFCL's questions made from its accepted ones: right ones, and ways to spoil them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

from evalkit.bfcl.tools import language_of, tool_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.bfcl.check import Call

Row = dict[str, Any]
JAVA_ITEMS = {"String": "String", "integer": "int", "double": "double", "float": "float", "long": "long"}


def right(
    row: Row, category: str, answer: list[Row], *, how: Literal["first", "last", "all"] = "first"
) -> list[Call]:
    """Calls made of accepted values.

    `first` takes the first of each argument, `last` the last and leaves out what may be left out, `all` the
    first that is not empty and leaves out nothing.
    """
    last = how == "last"
    language = language_of(category)
    calls: list[Call] = []
    for wanted in answer:
        name, accepted = next(iter(wanted.items()))
        document = next((f for f in row["function"] if f["name"] == name), row["function"][0])
        nodes = document["parameters"]["properties"]
        arguments = {}
        for parameter, values in accepted.items():
            given = ([v for v in values if v != ""] or values) if how == "all" else values
            left_out = how != "all" and "" in given and (last or given[0] == "")
            if not given or left_out:
                continue
            value = _concrete(given[-1 if last else 0], last=last)
            node = nodes.get(parameter, {"type": "string"})
            arguments[parameter] = value if language == "python" else written(value, node, language)
        calls.append((tool_name(name), arguments))
    return calls


def _concrete(value: Any, *, last: bool) -> Any:
    """An accepted value as a call would have it: accepted objects list the accepted values of each key."""
    if isinstance(value, dict):
        chosen = {k: (v[-1 if last else 0] if isinstance(v, list) and v else v) for k, v in value.items()}
        return {k: _concrete(v, last=last) for k, v in chosen.items() if v != "" or "" not in value[k]}
    if isinstance(value, list):
        return [_concrete(v, last=last) for v in value]
    return value


def written(value: Any, node: Row, language: str) -> str:
    """A value as a literal of the language."""
    return _java(value, node) if language == "java" else _javascript(value, node.get("type", ""))


def _java(value: Any, node: Row) -> str:
    kind, inner = node.get("type", ""), (node.get("items") or {}).get("type", "")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return {"long": f"{value}L", "float": f"{value}f"}.get(kind, str(value))
    if isinstance(value, dict):
        puts = " ".join(f'put("{k}", {_java_item(v)});' for k, v in value.items())
        return f"new HashMap<String, Object>() {{{{ {puts} }}}}"
    if isinstance(value, list):
        items = ", ".join(_java_item(v, inner, quote=kind != "Array" or inner != "String") for v in value)
        if kind == "ArrayList":
            return f"new ArrayList<>(Arrays.asList({items}))" if value else "new ArrayList<>()"
        return f"new {JAVA_ITEMS.get(inner, 'Object')}[]{{{items}}}"
    return str(value)


def _java_item(value: Any, kind: str = "", *, quote: bool = True) -> str:
    if isinstance(value, str):
        return f'"{value}"' if quote else value
    return _java(value, {"type": kind})


def _javascript(value: Any, kind: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_javascript_item(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_javascript_item(v) for v in value) + "]"
    return f"{value}n" if kind == "Bigint" else str(value)


def _javascript_item(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else _javascript(value, "")


def _change(spoil: Callable[[Any], Any]) -> Callable[[list[Call]], list[Call]]:
    """Spoils the first argument of the last call."""

    def changed(calls: list[Call]) -> list[Call]:
        made = copy.deepcopy(calls)
        name, arguments = made[-1]
        for key in list(arguments)[:1]:
            arguments[key] = spoil(arguments[key])
        return [*made[:-1], (name, arguments)]

    return changed


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + " xyz"
    if isinstance(value, list):
        return [_other(value[0]), *value[1:]] if value else ["xyz"]
    if isinstance(value, dict):
        return {k: _other(v) for k, v in value.items()} or {"xyz": 1}
    return "xyz"


def _loose(value: Any) -> Any:
    return f" {value.upper()}. " if isinstance(value, str) else value


def _as_text(value: Any) -> Any:
    return value if isinstance(value, str) else str(value)


def _as_float(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _without_first(calls: list[Call]) -> list[Call]:
    name, arguments = calls[-1]
    return [*calls[:-1], (name, dict(list(arguments.items())[1:]))]


SPOILED: dict[str, Callable[[list[Call]], list[Call]]] = {
    "another value": _change(_other),
    "text in other case and spacing": _change(_loose),
    "value as text": _change(_as_text),
    "integer as float": _change(_as_float),
    "value in a list": _change(lambda v: [v]),
    "null": _change(lambda _: None),
    "truth value": _change(lambda _: True),
    "empty object": _change(lambda _: {}),
    "argument left out": _without_first,
    "argument too many": lambda calls: [*calls[:-1], (calls[-1][0], {**calls[-1][1], "xyz": 1})],
    "another function": lambda calls: [*calls[:-1], (calls[-1][0] + "x", calls[-1][1])],
    "name with dots": lambda calls: [*calls[:-1], (calls[-1][0].replace("_", "."), calls[-1][1])],
    "call missing": lambda calls: calls[:-1],
    "call twice": lambda calls: [*calls, calls[-1]],
    "calls in reverse": lambda calls: calls[::-1],
}
"""Ways to change right calls; some leave them right."""
