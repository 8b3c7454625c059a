"""Reads gate files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.catalog.strict import load_yaml
from evalkit.types.gate import Gate

if TYPE_CHECKING:
    from pathlib import Path


def load_gate(path: Path) -> Gate:
    """Read a gate file strictly.

    Raises:
        DefinitionError: the file is not YAML, has an unknown key, or a rule makes no sense.
    """
    return load_yaml(path, Gate)
