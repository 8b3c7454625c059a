"""Finds solvers, scorers, adapters and formats by name.

The folder is the registry: `evalkit/scorers/<name>.py` (or a package of that name) with a `build` function.
Third parties add theirs with entry points in the groups `evalkit.solvers`, `evalkit.scorers`,
`evalkit.adapters`, `evalkit.importers` and `evalkit.exporters`. Nothing is imported before its name is used.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from typing import TYPE_CHECKING, Any, Literal

from evalkit.catalog.strict import convert
from evalkit.errors import UnknownNameError

if TYPE_CHECKING:
    from types import ModuleType

    from evalkit.importers.record import Importer
    from evalkit.ports.core import Adapter, Scorer, Solver
    from evalkit.types.suite import Plugin

Kind = Literal["solver", "scorer", "adapter", "importer", "exporter"]


def names(kind: Kind) -> list[str]:
    """Every name of a kind."""
    package = importlib.import_module(f"evalkit.{kind}s")
    shipped = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return sorted({*shipped, *(point.name for point in _entry_points(kind))})


def solver(plugin: Plugin) -> Solver:
    """The solver that a suite names, with its options checked.

    Raises:
        UnknownNameError: there is no such solver.
        DefinitionError: its options break its schema.
    """
    built: Solver = _build("solver", plugin)
    return built


def scorer(plugin: Plugin) -> Scorer:
    """The scorer that a suite names, with its options checked.

    Raises:
        UnknownNameError: there is no such scorer.
        DefinitionError: its options break its schema.
    """
    built: Scorer = _build("scorer", plugin)
    return built


def adapter(name: str) -> Adapter:
    """The adapter of a wire protocol.

    Raises:
        UnknownNameError: there is no such adapter.
    """
    built: Adapter = _module("adapter", name).build()
    return built


def importer(name: str) -> Importer:
    """The importer of a format.

    Raises:
        UnknownNameError: there is no such format.
    """
    built: Importer = _module("importer", name).build()
    return built


def exporter(name: str) -> Any:
    """The exporter of a format.

    Raises:
        UnknownNameError: there is no such format.
    """
    return _module("exporter", name).build()


def formats(kind: Literal["importer", "exporter"]) -> list[str]:
    """Names of all formats that can be imported or exported."""
    return [name for name in names(kind) if _is_plugin(kind, name)]


def _build(kind: Kind, plugin: Plugin) -> Any:
    module = _module(kind, plugin.name)
    options = convert(
        plugin.options, module.Options, lambda path: f"{kind} {plugin.name!r} $.options{path[1:]}"
    )
    return module.build(options)


def _module(kind: Kind, name: str) -> ModuleType | Any:
    target = f"evalkit.{kind}s.{name}"
    try:
        module = importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name != target:
            raise
    else:
        if hasattr(module, "build"):
            return module
    for point in _entry_points(kind):
        if point.name == name:
            return point.load()
    word = "format" if kind in {"importer", "exporter"} else kind
    raise UnknownNameError(word, name, [n for n in names(kind) if _is_plugin(kind, n)])


def _is_plugin(kind: Kind, name: str) -> bool:
    """Helper modules of a folder have no `build`."""
    spec = importlib.util.find_spec(f"evalkit.{kind}s.{name}")
    return spec is None or hasattr(importlib.import_module(f"evalkit.{kind}s.{name}"), "build")


def _entry_points(kind: Kind) -> importlib.metadata.EntryPoints:
    return importlib.metadata.entry_points(group=f"evalkit.{kind}s")
