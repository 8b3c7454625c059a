"""Finds the policy: the file you name, `./policy.yaml`, that of your configuration folder, or the default."""

from __future__ import annotations

from pathlib import Path

from evalkit.catalog.providers import user_folder
from evalkit.catalog.strict import load_yaml
from evalkit.types.policy import Policy

_DEFAULT = Path(__file__).resolve().parent.parent / "policy" / "default.yaml"


def load_policy(file: str | None) -> tuple[str, Policy]:
    """The policy and where it was found.

    Raises:
        DefinitionError: the file is missing or breaks the schema.
    """
    own = (Path("policy.yaml"), user_folder() / "policy.yaml")
    path = Path(file) if file is not None else next((p for p in own if p.is_file()), _DEFAULT)
    return "default" if path == _DEFAULT else str(path), load_yaml(path, Policy)
