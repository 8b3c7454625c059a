"""`samples: bfcl:<category>[,<category>...]`, from the wheel `bfcl-eval` on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.bfcl.samples import samples_of

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.types.suite import Sample


def read(what: str, folder: Path) -> list[Sample]:
    """Every sample of the named categories, in order.

    Raises:
        DefinitionError: there is no such category.
        MissingDataError: the wheel is not there; the message says how to get it.
    """
    del folder
    return [sample for category in what.split(",") for sample in samples_of(category.strip())]
