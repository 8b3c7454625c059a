"""Says which suites there are, and whether they are sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalkit import plugins
from evalkit.app.setup import scorers_of
from evalkit.catalog.datasets_source import is_on_the_hub
from evalkit.catalog.strict import load_yaml
from evalkit.catalog.suites import FILE, load_suite, suite_folders
from evalkit.errors import DefinitionError, MissingDataError, UsageError
from evalkit.types.suite import DatasetSource, Suite

if TYPE_CHECKING:
    from collections.abc import Sequence


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """A suite of which every file, sample, solver and scorer can be read; `hash` is that of its content."""

    suite: str
    samples: int
    hash: str


def every_suite() -> list[Suite]:
    """The definitions of all suites, your own in ./suites first."""
    return [load_yaml(folder / FILE, Suite) for folder in suite_folders().values()]


def check_suites(names: Sequence[str] = ()) -> tuple[list[Sound], dict[str, str]]:
    """Read suites whole; without names, all of them but those whose rows would be fetched from the hub.

    Returns:
        The sound ones, and for each whose data was not read, how to get it.

    Raises:
        DefinitionError: a file breaks its schema.
        UnknownNameError: there is no such suite, solver or scorer.
        MissingDataError: a suite that was named needs data that is not here.
    """
    found: list[Sound] = []
    missing: dict[str, str] = {}
    for name, folder in dict.fromkeys(names).items() or suite_folders().items():
        if folder is not None and _is_on_the_hub(folder):
            missing[name] = f"on the hub; `evalkit suites check {name}` fetches it"
            continue
        try:
            loaded = load_suite(name)
        except MissingDataError as error:
            if names:
                raise
            missing[name] = str(error)
            continue
        try:
            plugins.solver(loaded.suite.solver)
            scorers_of(loaded)
        except UsageError as error:
            raise DefinitionError(f"{Path(loaded.folder) / FILE}: {error}") from None
        found.append(Sound(suite=loaded.suite.id, samples=len(loaded.samples), hash=loaded.hash))
    return found, missing


def _is_on_the_hub(folder: Path) -> bool:
    samples = load_yaml(folder / FILE, Suite).samples
    return isinstance(samples, DatasetSource) and is_on_the_hub(samples, folder)
