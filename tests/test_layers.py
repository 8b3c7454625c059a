"""A module imports only from layers below its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "evalkit"

# From the bottom up. Packages on one line are siblings and do not import each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "shipped"),
    ("types",),
    ("ports",),
    ("wire", "fingerprint", "stats", "worlds", "toolcalls", "bfcl", "lmeval"),
    ("adapters", "solvers", "scorers", "pricing", "policy", "catalog", "store", "sandbox"),
    ("importers",),
    ("engine", "plugins"),
    ("analysis",),
    ("report",),
    ("embedded", "exporters"),
    ("app", "testing"),
    ("api", "cli", "pytest_plugin"),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# A name from the root package itself (`__version__`) belongs to no layer.
FREE = {"", "__init__", "_shipped"}


def part_of(module: str) -> str:
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if "_shipped" not in path.parts)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" if module == "evalkit" else module for alias in node.names}
    return {name for name in found if name == "evalkit" or name.startswith("evalkit.")}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if own in FREE:
        return
    assert own in LEVEL, f"{own} has no layer; give it one here and in docs/architecture.md"
    for imported in imports_of(path):
        part = part_of(imported)
        if part in {own, "__version__"} or part in FREE:
            continue
        assert LEVEL[part] < LEVEL[own], f"{path} imports {imported}, which is not below it"


def test_every_layer_exists() -> None:
    parts = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in modules()}
    assert parts - FREE <= set(LEVEL)


def test_async_is_at_the_edge_only() -> None:
    for path in modules():
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if own in {"engine", "wire", "sandbox", "app", "testing", "ports"}:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef)], path
