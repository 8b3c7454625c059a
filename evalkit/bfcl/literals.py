"""Values written in Java or JavaScript syntax, read as the reference reads them: by pattern, never evaluated.

Text that is no literal of its type stays text, as does everything longer than `LONGEST`, because some of
these patterns take time that grows faster than the text.
"""

from __future__ import annotations

import re
from typing import Any

LONGEST = 4000

JAVA_TYPES: dict[str, type] = {
    "byte": int,
    "short": int,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": bool,
    "char": str,
    "String": str,
    "any": str,
    "Array": list,
    "ArrayList": list,
    "Queue": list,
    "Stack": list,
    "Set": set,
    "HashMap": dict,
    "Hashtable": dict,
}
JAVASCRIPT_TYPES: dict[str, type] = {
    "String": str,
    "any": str,
    "integer": int,
    "float": float,
    "Bigint": int,
    "Boolean": bool,
    "dict": dict,
    "array": list,
}

_INTEGER = re.compile(r"^-?\d+$")
_DECIMAL = re.compile(r"^-?\d+(\.\d+)?$")
_DOUBLE = re.compile(r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$")
_JAVA_FLOAT = re.compile(r"^-?\d+(\.\d+)?([eE][+-]?\d+)?[fF]$")
_JAVA_LONG = re.compile(r"^-?\d+[lL]$")
_BIGINT = re.compile(r"^-?\d+n$")
_AS_LIST = re.compile(r"new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\)")
_ADDED = re.compile(r"new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\}", re.DOTALL)
_ADD = re.compile(r"add\((.+?)\)")
_EMPTY_LIST = re.compile(r"new\s+ArrayList<\w*>\(\)")
_ARRAY = re.compile(r"new\s+\w+\[\]\s*\{(.*?)\}")
_MAP = re.compile(r"new\s+HashMap<.*?>\s*\(\)\s*\{\s*\{?\s*(.*?)\s*\}?\s*\}", re.DOTALL)
_PUT = re.compile(r"put\(\"(.*?)\",\s*(.*?)\)")
_EMPTY_MAP = re.compile(r"new\s+HashMap<.*?>\s*\(\)")
_JS_2D = re.compile(r"\[\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\]|\bnew\s+Array\(\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\)")
_JS_1D = re.compile(r"\[(.*?)\]|\bnew\s+Array\((.*?)\)")
_JS_INNER = re.compile(r"\[(.*?)\]")
_JS_DICT = re.compile(r"\{(.*?)\}")
_JS_PAIR = re.compile(r"([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$)")


def java_value(text: str, kind: str, inner: str | None = None) -> Any:
    """A Java literal of type `kind` with elements of type `inner`; the text itself if it is none."""
    if len(text) > LONGEST:
        return text
    match kind:
        case "byte" | "short" | "integer":
            return _number(text, _INTEGER, int)
        case "long":
            return _number(text, _JAVA_LONG, int, cut=1)
        case "float":
            return _number(text, _JAVA_FLOAT, float, cut=1)
        case "double":
            return _number(text, _DOUBLE, float)
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "ArrayList":
            return _array_list(text, inner)
        case "Array":
            found = _ARRAY.search(text)
            return text if not found else [_java_item(x, inner) for x in _split(found[1]) if x]
        case "HashMap":
            return _hash_map(text)
    return text


def javascript_value(text: str, kind: str, inner: str | None = None) -> Any:
    """A JavaScript literal of type `kind` with elements of type `inner`; the text itself if it is none."""
    if len(text) > LONGEST:
        return text
    match kind:
        case "String":
            return text[1:-1] if _quoted(text) else text
        case "integer":
            return _number(text, _INTEGER, int)
        case "float":
            return _number(text, _DECIMAL, float)
        case "Bigint":
            return _number(text, _BIGINT, int, cut=1)
        case "Boolean":
            return {"true": True, "false": False}.get(text, text)
        case "array":
            return _javascript_array(text.strip(), inner)
        case "dict":
            return _javascript_object(text.strip())
    return text


def _number(text: str, pattern: re.Pattern[str], kind: type, cut: int = 0) -> Any:
    if not pattern.match(text):
        return text
    plain = text.rstrip("\n")
    try:
        return kind(plain[: len(plain) - cut])
    except ValueError:  # more digits than Python reads
        return text


def _array_list(text: str, inner: str | None) -> Any:
    as_list = _AS_LIST.search(text)
    if as_list:
        return [_list_item(x, inner) for x in _split(as_list[1])]
    added = _ADDED.search(text)
    if added:
        return [_list_item(x.strip(), inner) for x in _ADD.findall(added[1])]
    return [] if _EMPTY_LIST.search(text) else text


def _list_item(text: str, inner: str | None) -> Any:
    """Elements of a list lose their quotes, those of an array keep them: so does the reference."""
    return text[1:-1] if inner in {"char", "String"} else _java_item(text, inner)


def _java_item(text: str, inner: str | None) -> Any:
    return java_value(text, inner) if inner else _java_guess(text)


def _hash_map(text: str) -> Any:
    filled = _MAP.search(text)
    if filled:
        return {key: _java_guess(value.strip()) for key, value in _PUT.findall(filled[1])}
    return {} if _EMPTY_MAP.search(text) else text


def _java_guess(text: str) -> Any:
    """A value of unknown type."""
    if text in {"true", "false"}:
        return text == "true"
    if text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    if _JAVA_LONG.match(text):
        return _number(text, _JAVA_LONG, int, cut=1)
    if _JAVA_FLOAT.match(text):
        return _number(text, _JAVA_FLOAT, float, cut=1)
    return _python_number(text)


def _javascript_array(code: str, inner: str | None) -> Any:
    square = _JS_2D.match(code)
    if square:
        rows = [row.strip() for row in _JS_INNER.findall(square[0])]
        rows[0] = rows[0].removeprefix("[")
        return [[_javascript_guess(x) for x in _split(row)] for row in rows]
    flat = _JS_1D.match(code)
    if not flat:
        return code
    inside = (flat[1] if flat[1] is not None else flat[2] or "").strip()
    items = _split(inside) if inside else []
    if not inner:
        return [_javascript_guess(x) for x in items]
    if inner not in JAVASCRIPT_TYPES:
        return code if items else []
    return [javascript_value(x, inner) for x in items]


def _javascript_object(code: str) -> Any:
    if code == "{}":
        return {}
    found = _JS_DICT.match(code)
    if not found:
        return code
    made: dict[str, Any] = {}
    for key, value in _JS_PAIR.findall(found[1]):
        value = value.strip()
        if value.startswith("[") and value.endswith("]"):
            read = _javascript_array(value, None)
        elif value.startswith("{") and value.endswith("}"):
            read = _javascript_object(value)
        else:
            read = _javascript_guess(value.strip("'\""))
        made[key.strip().strip("'\"")] = read
    return made


def _javascript_guess(text: str) -> Any:
    text = text.strip()
    if text in {"true", "false"}:
        return text == "true"
    return text[1:-1] if _quoted(text) else _python_number(text)


def _quoted(text: str) -> bool:
    return any(text.startswith(mark) and text.endswith(mark) for mark in ('"', "'"))


def _python_number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _split(text: str) -> list[str]:
    return [piece.strip() for piece in text.split(",")]
