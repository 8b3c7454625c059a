"""Templates of suites over rows of data: sandboxed Jinja, compiled once.

A value that is a single `{{ expression }}` keeps its type, anything else is rendered to text. No code is
executed, nothing outside of the row can be reached, and what would make a huge text from a small one is
refused. A template of a suite that you do not trust can still take long: loops are not counted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from evalkit.catalog import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2.runtime import Context

    Template = Callable[[Mapping[str, Any]], Any]

LONGEST = 1 << 20
"""Most items that a multiplication may make."""

_EXPRESSION = re.compile(r"^\s*\{\{(?P<body>(?:(?!\}\}).)*)\}\}\s*$", re.DOTALL)
_PADDING = {"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map"}


class _Bounded(ImmutableSandboxedEnvironment):
    """The sandbox, without the ways to fill the memory from a few characters."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sized = [x for x in (left, right) if hasattr(x, "__len__")]
        if operator == "*" and sized:
            times = right if sized[0] is left else left
            if not isinstance(times, int) or len(sized[0]) * times > LONGEST:
                raise SecurityError(f"a product of more than {LONGEST} items is unsafe")
        if operator == "%" and isinstance(left, str | bytes):
            raise SecurityError("formatting with % is unsafe; use ~ to join texts")
        if operator == "**" and (abs(left) > LONGEST or abs(right) > 64):
            raise SecurityError("so large a power is unsafe")
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Any:
        if super().wrap_str_format(value) is not None:
            raise SecurityError("formatting with widths is unsafe; use ~ to join texts")
        return None

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str | bytes) and attr in _PADDING:
            return False
        return super().is_safe_attribute(obj, attr, value)


def environment() -> ImmutableSandboxedEnvironment:
    """The sandbox with the filters for published data."""
    made = _Bounded(undefined=StrictUndefined, keep_trailing_newline=True)
    for name in ("center", "format", "indent"):
        del made.filters[name]
    made.filters.update(json_lines.FILTERS)
    return made


def compiled(sandbox: ImmutableSandboxedEnvironment, spec: Any) -> Template:
    """A template, or a structure of them, as a function of a row.

    Raises:
        jinja2.TemplateError: it is no template.
    """
    if isinstance(spec, str):
        single = _EXPRESSION.match(spec)
        if single:
            return expression(sandbox, single["body"])
        template = sandbox.from_string(spec)
        return lambda scope: template.render(**scope)
    if isinstance(spec, dict):
        parts = {key: compiled(sandbox, item) for key, item in spec.items()}
        return lambda scope: {key: part(scope) for key, part in parts.items()}
    if isinstance(spec, list):
        items = [compiled(sandbox, item) for item in spec]
        return lambda scope: [item(scope) for item in items]
    return lambda scope: spec


def expression(sandbox: ImmutableSandboxedEnvironment, text: str) -> Template:
    """An expression, whose value keeps its type."""
    evaluate = sandbox.compile_expression(text, undefined_to_none=False)

    def value(scope: Mapping[str, Any]) -> Any:
        found = evaluate(**scope)
        return (
            str(found) if isinstance(found, StrictUndefined) else found
        )  # its text is an error that names it

    return value
