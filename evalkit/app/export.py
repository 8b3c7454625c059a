"""Writes a run's tables for other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.frames import build_frames
from evalkit.analysis.summary import summarize
from evalkit.app.look import load_run
from evalkit.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def export_tables(folders: Sequence[Path], target: Path, form: str) -> list[Path]:
    """Write `generations`, `trials`, `scores` and `estimates`, one file each, as `parquet` or `csv`.

    Raises:
        UsageError: the form is unknown, or Parquet needs a package that is not installed.
        InfrastructureError: the folder cannot be written.
        StoreError: a run is missing or damaged.
    """
    import pandas as pd

    if form not in {"parquet", "csv"}:
        raise UsageError(f"Unknown format {form!r}; expected parquet or csv.")
    runs = [load_run(folder) for folder in folders]
    frames = build_frames(runs)
    figures: list[dict[str, Any]] = [
        {"subject": f.subject, "suite": f.suite, "measure": f.measure, **msgspec.structs.asdict(f.estimate)}
        for f in summarize(runs, frames).figures
    ]
    tables = {
        "generations": frames.generations,
        "trials": frames.trials,
        "scores": frames.scores,
        "estimates": pd.DataFrame(figures),
    }
    written: list[Path] = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            path = target / f"{name}.{form}"
            if form == "csv":
                table.to_csv(path, index=False)
            else:
                table.to_parquet(path, index=False)
            written.append(path)
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow: pip install 'evalkit[datasets]', or use --format csv."
        ) from None
    except OSError as error:
        raise InfrastructureError(
            f"{target}: cannot be written ({error.strerror}); choose another folder."
        ) from None
    return written
