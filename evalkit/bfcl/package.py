"""Finds the wheel `bfcl-eval` and reads from it. Nothing of it is imported but the eight class files."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from evalkit.errors import DefinitionError, MissingDataError

NAME = "bfcl_eval"
FOLDER = "EVALKIT_BFCL"
"""Environment variable that names an unpacked wheel's `bfcl_eval` folder."""
INSTALL = "pip install --no-deps bfcl-eval==2026.3.23 && pip install mpmath"
_DATA = "data/BFCL_v4_{}.json"
_ANSWERS = "data/possible_answer/BFCL_v4_{}.json"


def folder() -> Path:
    """The package's folder: the one that $EVALKIT_BFCL names, else the installed one.

    Raises:
        MissingDataError: there is none, or it holds no data; the message says how to get it.
    """
    given = os.environ.get(FOLDER)
    if given:
        found = Path(given)
    else:
        spec = importlib.util.find_spec(NAME)
        if spec is None or not spec.submodule_search_locations:
            raise MissingDataError(f"The data of BFCL is not installed: {INSTALL}; or set ${FOLDER}.")
        found = Path(next(iter(spec.submodule_search_locations)))
    if not (found / _DATA.format("simple_python")).is_file():
        raise MissingDataError(
            f"{found}: holds no {_DATA.format('simple_python')}; ${FOLDER} names the folder bfcl_eval of "
            f"bfcl-eval 2026.3.23, or install it: {INSTALL}."
        )
    return found


def rows(category: str) -> list[dict[str, Any]]:
    """The questions of a category.

    Raises:
        MissingDataError: the package is not there.
        DefinitionError: the file is not there or broken.
    """
    return _lines(folder() / _DATA.format(category))


def answers(category: str) -> dict[str, Any]:
    """The accepted answers of a category by question; empty where a category has none."""
    file = folder() / _ANSWERS.format(category)
    return {row["id"]: row["ground_truth"] for row in _lines(file)} if file.is_file() else {}


def documents(name: str) -> list[dict[str, Any]]:
    """The documented functions of one application of the multi-turn categories."""
    return _lines(folder() / "data/multi_turn_func_doc" / f"{name}.json")


def application(module: str, name: str) -> type[Any]:
    """A class of the multi-turn categories, from its own file.

    Raises:
        MissingDataError: the package or `mpmath` is not there.
    """
    _register(folder())
    try:
        loaded = importlib.import_module(f"{NAME}.eval_checker.multi_turn_eval.func_source_code.{module}")
    except ModuleNotFoundError as error:
        raise MissingDataError(f"BFCL's {name} needs {error.name}: {INSTALL}.") from None
    found: type[Any] = getattr(loaded, name)
    return found


def _register(place: Path) -> None:
    """Let `bfcl_eval` be the package in this folder, wherever it lies. Its own `__init__` files are empty."""
    known = sys.modules.get(NAME)
    if known is not None and Path(next(iter(known.__path__))) == place:
        return
    for loaded in [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]:
        del sys.modules[loaded]
    spec = importlib.util.spec_from_file_location(
        NAME, place / "__init__.py", submodule_search_locations=[str(place)]
    )
    assert spec is not None  # the suffix is that of a module
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)


def _lines(file: Path) -> list[dict[str, Any]]:
    try:
        return [msgspec.json.decode(line) for line in file.read_bytes().splitlines() if line.strip()]
    except FileNotFoundError:
        raise DefinitionError(f"{file}: there is no such file; is it bfcl-eval 2026.3.23?") from None
    except msgspec.DecodeError as error:
        raise DefinitionError(f"{file}: is not JSON, one object a line: {error}.") from None
