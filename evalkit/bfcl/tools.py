"""BFCL's function documents as tools of the OpenAI format.

As in the reference: dots in names become underscores, its type names become those of JSON Schema, each
description says the language, and arguments of Java and JavaScript are texts in that language's syntax.
"""

from __future__ import annotations

import json
from typing import Any

from evalkit.types.chat import Tool

TYPES = {
    "integer": "integer",
    "byte": "integer",
    "short": "integer",
    "long": "integer",
    "Bigint": "integer",
    "number": "number",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "bool": "boolean",
    "array": "array",
    "list": "array",
    "tuple": "array",
    "ArrayList": "array",
    "Array": "array",
    "Queue": "array",
    "Stack": "array",
    "dict": "object",
    "object": "object",
    "HashMap": "object",
    "Hashtable": "object",
}
"""Their types in JSON Schema; every other one is sent as text."""

_LANGUAGES = {"python": "Python 3", "java": "Java 8 SDK", "javascript": "JavaScript"}
_NAMES = {"java": "Java", "javascript": "JavaScript"}
_LISTS = {"ArrayList", "Array", "array"}
_KEPT = ("description", "enum", "default", "minimum", "maximum", "minItems", "maxItems")


def language_of(category: str) -> str:
    """The language in which a category's arguments are written."""
    for name in ("javascript", "java"):
        if category.endswith(name):
            return name
    return "python"


def tool_name(name: str) -> str:
    """The name under which a function is offered: `^[a-zA-Z0-9_-]{1,64}$` knows no dots."""
    return name.replace(".", "_")


def tool_of(document: dict[str, Any], language: str = "python") -> Tool:
    """A function document as a tool."""
    declared = document["parameters"]
    parameters: dict[str, Any] = declared["properties"]
    if language == "python":
        properties = {name: _schema(node) for name, node in parameters.items()}
    else:
        properties = {name: _written(node, language) for name, node in parameters.items()}
    note = f" Note that the provided function is in {_LANGUAGES[language]} syntax."
    return Tool(
        name=tool_name(document["name"]),
        description=document["description"] + note,
        parameters={
            "type": "object",
            "properties": properties,
            "required": list(declared.get("required", ())),
        },
    )


def _schema(node: dict[str, Any]) -> dict[str, Any]:
    kind = TYPES.get(node.get("type", ""), "string")
    made: dict[str, Any] = {"type": kind, **{key: node[key] for key in _KEPT if key in node}}
    if node.get("type") == "float":
        made["format"] = "float"
        made["description"] = f"{node.get('description', '')} This is a float type value."
    if kind == "object" and isinstance(node.get("properties"), dict):
        made["properties"] = {name: _schema(inner) for name, inner in node["properties"].items()}
        if isinstance(node.get("required"), list):
            made["required"] = node["required"]
    if kind == "array" and isinstance(node.get("items"), dict):
        made["items"] = _schema(node["items"])
    return made


def _written(node: dict[str, Any], language: str) -> dict[str, Any]:
    """A parameter that is given as text in a language's own syntax."""
    name, kind = _NAMES[language], node.get("type", "")
    if kind == "any":
        note = f" This parameter can be of any type of {name} object in string representation."
    else:
        note = f" This is {name} {kind} type parameter in string representation."
    if kind in _LISTS and "items" in node:
        note += (
            f" The list elements are of type {node['items']['type']}; they are not in string representation."
        )
    if kind == "dict" and "properties" in node:
        note += (
            " The dictionary entries have the following schema; they are not in string representation. "
            f"{json.dumps(node['properties'])}"
        )
    made: dict[str, Any] = {"type": "string", "description": node.get("description", "") + note}
    return made | {key: node[key] for key in ("enum", "default") if key in node}
