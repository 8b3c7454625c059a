"""Strict reading of YAML and JSONL into typed records.

Unknown keys, wrong types and broken syntax end in one `DefinitionError` that starts with
`file:line $.path` and, for a key, names the nearest one that exists.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import yaml

from evalkit.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is there; safe either way
_PATH = re.compile(r" - at `(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`")


def read_text(path: Path) -> str:
    """The file's text.

    Raises:
        DefinitionError: it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8").removeprefix("\ufeff")  # the mark that some editors write
    except FileNotFoundError:
        raise DefinitionError(f"{path}: there is no such file; check the name.") from None
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except OSError as error:
        raise DefinitionError(f"{path}: cannot be read ({error.strerror}).") from None


def load_yaml(path: Path, kind: type[T]) -> T:
    """Read one YAML file as `kind`.

    Raises:
        DefinitionError: the file breaks YAML or the schema.
    """
    return parse_yaml(read_text(path), kind, str(path))


def parse_yaml(text: str, kind: type[T], name: str) -> T:
    """Read YAML text as `kind`; `name` stands for the file in messages.

    Raises:
        DefinitionError: the text breaks YAML or the schema.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            _check_nodes(node, name)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  # CSafeLoader or SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise DefinitionError(
            f"{name}:{line} not valid YAML: {problem}; check indentation and quotes."
        ) from None
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"{name}:1 not valid YAML: {error}.") from None
    if not isinstance(value, dict):
        raise DefinitionError(f"{name}:1 $ is not a mapping; expected `key: value` lines.")
    return convert(value, kind, lambda path: f"{name}:{_line_of(node, path)} {path}")


def load_jsonl(path: Path, kind: type[T], recurring: Sequence[str] = ()) -> list[T]:
    """Read one record per line. Blank lines are allowed.

    Args:
        path: The file.
        kind: What each line is.
        recurring: Fields whose texts are the same in many rows; each text is kept in memory once.

    Raises:
        DefinitionError: a line is not JSON or breaks the schema; the message has its number.
    """
    rows: list[T] = []
    texts: dict[str, str] = {}
    for number, line in enumerate(BytesIO(read_text(path).encode()), 1):
        if not line.strip():
            continue
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise DefinitionError(f"{path}:{number} not valid JSON: {error}; one object a line.") from None
        if isinstance(value, dict):
            for name in recurring:
                if name in value:
                    value[name] = _once(value[name], texts)
        rows.append(convert(value, kind, partial(_at_line, path, number)))
    return rows


def _once(value: Any, texts: dict[str, str]) -> Any:
    """A text, or a list of texts, of which those that were seen before are the same objects."""
    if isinstance(value, str):
        return texts.setdefault(value, value)
    if isinstance(value, list):
        return [texts.setdefault(item, item) if isinstance(item, str) else item for item in value]
    return value


def line_of(path: Path, key: str) -> int:
    """Line of `key`, such as `$.generation.max_tokens`, in a YAML file that was read before."""
    return _line_of(yaml.compose(read_text(path), Loader=_Loader), key)


def _at_line(path: Path, number: int, where: str) -> str:
    return f"{path}:{number} {where}"


def convert(value: Any, kind: type[T], at: Callable[[str], str]) -> T:
    """Plain data as `kind`; `at` says in messages where a path such as `$.name` is.

    Raises:
        DefinitionError: the data breaks the schema.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        message = str(error)
        found = _PATH.search(message)
        path = found["path"] if found else "$"
        text = message[: found.start()] if found else message
        raise DefinitionError(f"{at(_with_key(path, text))}: {_readable(text, kind, path)}") from None


def _with_key(path: str, text: str) -> str:
    unknown = _UNKNOWN.search(text)
    return f"{path}.{unknown['key']}" if unknown else path


def _readable(text: str, kind: type[Any], path: str) -> str:
    unknown = _UNKNOWN.search(text)
    if not unknown:
        return text[0].lower() + text[1:] + _mend(text, kind, path) + "."
    near = get_close_matches(unknown["key"], _fields_at(kind, path), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "remove it."
    return f"unknown key {unknown['key']!r}; {hint}"


def _mend(text: str, kind: type[Any], path: str) -> str:
    """What to do about a value of the wrong type or word."""
    if text.startswith("Expected `str`, got `") and text.endswith(("`int`", "`float`", "`bool`")):
        return "; put it in quotes"
    if text.startswith("Invalid enum value"):
        words = [
            w for o in _types_at(kind, path) if isinstance(o, msgspec.inspect.LiteralType) for w in o.values
        ]
        return f"; expected {' or '.join(map(str, words))}" if words else ""
    return ""


def _fields_at(kind: type[Any], path: str) -> list[str]:
    """Field names that are legal at `path` of `kind`, as far as the type tells."""
    return [
        f.encode_name
        for o in _types_at(kind, path)
        if isinstance(o, msgspec.inspect.StructType)
        for f in o.fields
    ]


def _types_at(kind: type[Any], path: str) -> Sequence[Any]:
    """The types that may stand at `path` of `kind`, as far as the type tells."""
    current: Any = msgspec.inspect.type_info(kind)
    for part in re.findall(r"\.(\w+)|\[(\.\.\.|\d+)\]", path):
        current = _step(current, part[0])
        if current is None:
            return ()
    return getattr(current, "types", (current,))


def _step(info: Any, name: str) -> Any:
    for option in getattr(info, "types", (info,)):
        if name and isinstance(option, msgspec.inspect.StructType):
            return next((f.type for f in option.fields if f.encode_name == name), None)
        if isinstance(option, msgspec.inspect.DictType):
            return option.value_type
        if not name and hasattr(option, "item_type"):
            return option.item_type
    return None


def _check_nodes(node: Any, name: str) -> None:
    """Refuse duplicate keys, and aliases: a few lines of them can expand to gigabytes."""
    seen: set[int] = set()
    pending = [node]
    while pending:
        node = pending.pop()
        line = node.start_mark.line + 1
        if id(node) in seen:
            raise DefinitionError(f"{name}:{line} is used again through a YAML alias; write the value out.")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if key.value in keys:
                    where = f"{name}:{key.start_mark.line + 1}"
                    raise DefinitionError(f"{where} key {key.value!r} is given twice; keep one.")
                keys.add(key.value)
                pending.append(value)
        elif isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)


def _line_of(node: Any, path: str) -> int:
    """Line of the deepest node on `path` that exists."""
    line = int(node.start_mark.line) + 1
    for name, index in re.findall(r"\.([\w-]+)|\[(\d+|\.\.\.)\]", path):
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == name), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and index.isdigit() and int(index) < len(node.value):
            node = node.value[int(index)]
            line = node.start_mark.line + 1
        else:
            return line
    return line
