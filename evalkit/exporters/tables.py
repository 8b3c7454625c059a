"""The tables behind a report, for Parquet and CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.analysis import columns
from evalkit.analysis.frames import as_frame
from evalkit.errors import InfrastructureError
from evalkit.exporters.record import estimates

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from evalkit.exporters.record import Exported


def write_tables(
    exported: Exported, target: str, ending: str, write: Callable[[pd.DataFrame, Path, columns.Schema], None]
) -> list[str]:
    """Write `generations`, `trials`, `scores` and `estimates`, one file each.

    Raises:
        InfrastructureError: the folder cannot be written.
    """
    frames = exported.frames
    tables = {
        "generations": (frames.generations, columns.GENERATIONS),
        "trials": (frames.trials, columns.TRIALS),
        "scores": (frames.scores, columns.SCORES),
        "estimates": (as_frame(estimates(exported), columns.ESTIMATES), columns.ESTIMATES),
    }
    folder = Path(target)
    written: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (table, schema) in tables.items():
            path = folder / f"{name}.{ending}"
            write(table, path, schema)
            written.append(str(path))
    except OSError as error:
        raise InfrastructureError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder."
        ) from None
    return written
