"""BFCL's rules for single-turn calls: which call is the wanted one.

Written anew from the reference's behaviour (bfcl-eval 2026.3.23), its oddities included: texts are compared
without case, spaces and `,./-_*^`; an accepted value of another type than the declared one stands for a
variable; types are looked at one level deep. What makes the reference stop with an exception is a fault here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from evalkit.bfcl.literals import JAVA_TYPES, JAVASCRIPT_TYPES, java_value, javascript_value
from evalkit.bfcl.tools import language_of, tool_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.types.generation import Response

Call = tuple[str, dict[str, Any]]
Fault = tuple[str, str]
"""Kind of the fault in the reference's words, and what is wrong."""

_PYTHON_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_PYTHON_LISTS = {"array", "tuple"}
_LISTS = {"Array", "ArrayList", "array"}
_IGNORED = re.compile(r"[ \,\.\/\-\_\*\^]")
_LEFT_OUT = ""
"""This among accepted values says that the argument may be left out."""


class Declared(NamedTuple):
    """What a parameter is declared to be: its type as read, that of its elements, and the value as read."""

    kind: str
    outer: type
    inner: type | None
    value: Any


def fault_of(
    category: str,
    functions: Sequence[dict[str, Any]],
    answer: Sequence[dict[str, Any]],
    calls: Sequence[Call],
) -> Fault | None:
    """What is wrong with the calls of an answer; None if they are right.

    Args:
        category: such as `live_parallel_multiple`; decides how many calls are wanted, and the language.
        functions: the documents of the offered functions.
        answer: for each wanted call, accepted values by parameter, below the function's name.
        calls: names as they were sent, and arguments.
    """
    language = language_of(category)
    if len(calls) != len(answer):
        return "wrong_count", f"{len(calls)} calls instead of {len(answer)}"
    if "parallel" not in category:
        document = _document(functions, answer[0]) if "multiple" in category else functions[0]
        return _fault_of_call(document, answer[0], calls[0], language)
    left = list(calls)
    for wanted in answer:
        document = _document(functions, wanted)
        found = next((c for c in left if _fault_of_call(document, wanted, c, language) is None), None)
        if found is None:
            return "cannot_find_match", f"no call is the wanted one of {next(iter(wanted))}"
        left.remove(found)
    return None


def _document(functions: Sequence[dict[str, Any]], wanted: dict[str, Any]) -> dict[str, Any] | None:
    name = next(iter(wanted))
    return next((f for f in functions if f["name"] == name), None)


def _fault_of_call(
    document: dict[str, Any] | None, wanted: dict[str, Any], call: Call, language: str
) -> Fault | None:
    if document is None:
        return "no_document", f"{next(iter(wanted))} was not offered"
    accepted: dict[str, Any] = next(iter(wanted.values()))
    parameters = document["parameters"]["properties"]
    name, given = call
    if name != tool_name(document["name"]):
        return "wrong_func_name", f"{name} instead of {tool_name(document['name'])}"
    for parameter in document["parameters"].get("required", ()):
        if parameter not in given:
            return "missing_required", f"{parameter} is missing"
    for parameter, value in given.items():
        if parameter not in parameters or parameter not in accepted:
            return "unexpected_param", f"{parameter} was not wanted"
        wrong = _fault_of_value(parameters[parameter], value, accepted[parameter], language)
        if wrong is not None:
            return wrong[0], f"{parameter}: {wrong[1]}"
    for parameter, values in accepted.items():
        if parameter not in given and _LEFT_OUT not in values:
            return "missing_optional", f"{parameter} is missing"
    return None


def _fault_of_value(node: dict[str, Any], value: Any, accepted: list[Any], language: str) -> Fault | None:
    if language != "python" and not isinstance(value, str):
        return "type", f"a text in {language} was wanted"
    declared = _declared(node, value, language)
    if declared is None:
        return "unknown_type", f"type {node.get('type')!r} is not known"
    value = declared.value
    meant = _type_meant(accepted)
    variable = meant is not None and meant is not declared.outer
    if type(value) is declared.outer:
        if not _elements_fit(declared, value, accepted):
            return "type_nested", f"an element of {_shown(value)} has the wrong type"
    elif type(value) is meant:
        variable = True
    else:
        return "type", f"{_shown(value)} is no {declared.kind}"
    if _is_one_of(declared, value, accepted, plain=variable):
        return None
    return "value", f"{_shown(value)} is none of the accepted values"


def _declared(node: dict[str, Any], value: Any, language: str) -> Declared | None:
    kind = str(node.get("type"))
    items = node.get("items")
    inner = str(items.get("type")) if isinstance(items, dict) else None
    if language == "python":
        if kind == "float" and type(value) is int:
            value = _as_float(value)
        nested = _PYTHON_TYPES.get(inner or "") if kind in _PYTHON_LISTS else None
        return Declared(kind, _PYTHON_TYPES[kind], nested, value) if kind in _PYTHON_TYPES else None
    types, read = (JAVA_TYPES, java_value) if language == "java" else (JAVASCRIPT_TYPES, javascript_value)
    if kind not in types:
        return None
    if kind in _LISTS:
        return Declared(kind, types[kind], types.get(inner or ""), read(value, kind, inner))
    return Declared(kind, types[kind], None, read(value, kind))


def _as_float(value: int) -> float | int:
    try:
        return float(value)
    except OverflowError:
        return value


def _elements_fit(declared: Declared, value: Any, accepted: list[Any]) -> bool:
    """Whether every element is of the declared type, or of that of an accepted element: one level deep."""
    if declared.inner is None:
        return True
    return any(
        not isinstance(one, list) or all(_element_fits(x, one, declared.inner) for x in value)
        for one in accepted
    )


def _element_fits(element: Any, accepted: list[Any], inner: type) -> bool:
    return type(element) in {inner, _type_meant(accepted)}


def _type_meant(accepted: list[Any]) -> type | None:
    """Type of the first accepted value; None if there is none but that it may be left out."""
    return next((type(a) for a in accepted if a != _LEFT_OUT), None)


def _is_one_of(declared: Declared, value: Any, accepted: list[Any], *, plain: bool) -> bool:
    """Whether a value is accepted; `plain` compares without looking into it."""
    if plain:
        return value in accepted
    if declared.outer is dict:
        return any(_dict_is(value, one) for one in accepted if one != _LEFT_OUT)
    if declared.outer is list and declared.inner is dict:
        return any(
            len(value) == len(one) and all(_dict_is(x, y) for x, y in zip(value, one, strict=True))
            for one in accepted
        )
    if declared.outer is str:
        return normal(value) in [normal(a) for a in accepted if isinstance(a, str)]
    if declared.outer is list:
        return [_loose(x) for x in value] in [[_loose(x) for x in _items(one)] for one in accepted]
    return value in accepted


def _items(accepted: Any) -> Iterable[Any]:
    """An accepted list; a text is taken letter by letter, so that the empty one is the empty list."""
    return accepted if isinstance(accepted, list | str) else ()


def _dict_is(value: Any, accepted: Any) -> bool:
    """Whether an object has accepted values below each key, and every key that may not be left out."""
    if not isinstance(value, dict) or not isinstance(accepted, dict):
        return False
    for key, inside in value.items():
        if key not in accepted or _loose(inside) not in [_loose(a) for a in _items(accepted[key])]:
            return False
    return all(key in value or _LEFT_OUT in values for key, values in accepted.items())


def _loose(value: Any) -> Any:
    return normal(value) if isinstance(value, str) else value


def read_calls(response: Response | None) -> list[Call]:
    """The calls of an answer as names and arguments; as in the reference none at all if one is not JSON."""
    calls: list[Call] = []
    for call in response.tool_calls if response is not None else ():
        try:
            arguments: Any = json.loads(call.arguments)
        except (ValueError, RecursionError):
            return []
        if not isinstance(arguments, dict):
            return []
        calls.append((call.name, arguments))
    return calls


def normal(text: str) -> str:
    """A text as the reference compares it."""
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _shown(value: Any) -> str:
    return repr(value)[:120]
