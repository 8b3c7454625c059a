"""Literals of Java and JavaScript are read by pattern; what is none stays text."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.bfcl.literals import LONGEST, java_value, javascript_value


@pytest.mark.parametrize(
    ("text", "kind", "inner", "value"),
    [
        ("-12", "integer", None, -12),
        ("1.5", "integer", None, "1.5"),
        ("7L", "long", None, 7),
        ("7", "long", None, "7"),
        ("2.5e3f", "float", None, 2500.0),
        ("2.5", "float", None, "2.5"),
        ("2.5", "double", None, 2.5),
        ("true", "boolean", None, True),
        ("True", "boolean", None, "True"),
        ("abc", "any", None, "abc"),
        ('new String[]{"a", "b"}', "Array", "String", ['"a"', '"b"']),
        ('new Object[]{"a", 2, true}', "Array", None, ["a", 2, True]),
        ('new ArrayList<>(Arrays.asList("a", "b"))', "ArrayList", "String", ["a", "b"]),
        ("new ArrayList<>(Arrays.asList(1L, 2L))", "ArrayList", "long", [1, 2]),
        ("new ArrayList<Integer>() {{ add(1); add(2); }}", "ArrayList", "integer", [1, 2]),
        ("new ArrayList<>()", "ArrayList", None, []),
        ("a list", "ArrayList", None, "a list"),
        ('new HashMap<A, B>() {{ put("k", 1); put("b", false); }}', "HashMap", None, {"k": 1, "b": False}),
        ("new HashMap<>()", "HashMap", None, {}),
        ("9" * 5000, "integer", None, "9" * 5000),
    ],
)  # fmt: skip
def test_java(text: str, kind: str, inner: str | None, value: Any) -> None:
    found = java_value(text, kind, inner)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "inner", "value"),
    [
        ("'abc'", "String", None, "abc"),
        ("abc", "String", None, "abc"),
        ("12", "integer", None, 12),
        ("1.5", "float", None, 1.5),
        ("12n", "Bigint", None, 12),
        ("false", "Boolean", None, False),
        ("[1, 'two', true]", "array", None, [1, "two", True]),
        ("['a', 'b']", "array", "String", ["a", "b"]),
        ("new Array(1, 2)", "array", "integer", [1, 2]),
        ("[[1, 2], [3, 4]]", "array", "array", [[1, 2], [3, 4]]),
        ("[]", "array", "String", []),
        ("{}", "dict", None, {}),
        ("{a: 1, 'b': [1, 2], c: yes}", "dict", None, {"a": 1, "b": [1, 2], "c": "yes"}),
        ("no object", "dict", None, "no object"),
    ],
)
def test_javascript(text: str, kind: str, inner: str | None, value: Any) -> None:
    found = javascript_value(text, kind, inner)
    assert found == value
    assert type(found) is type(value)


def test_endless_text_is_not_searched() -> None:
    """Some of the patterns need time that grows with a power of the length."""
    for kind in ("ArrayList", "HashMap", "Array"):
        text = f"new {kind}" + "{put(" * LONGEST
        assert java_value(text, kind) is text
    text = "{" + "a:" * LONGEST
    assert javascript_value(text, "dict") is text
