"""Writes recorded runs in the formats of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit import plugins
from evalkit.app.look import load_whole_run
from evalkit.errors import UsageError
from evalkit.exporters.record import Exported, Exporter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def export_runs(folders: Sequence[Path], form: str, target: str | None) -> list[str]:
    """Write runs to a folder or log them to a server; gives what was written.

    Args:
        folders: The runs.
        form: A format, as its module in `evalkit/exporters/` is called.
        target: Folder, or what the format calls its place (a tracking URI, a project).

    Raises:
        UnknownNameError: there is no such format.
        UsageError: the format needs a folder, or a package that is not installed.
        InfrastructureError: the folder or server cannot be written.
        StoreError: a run is missing or damaged.
    """
    exporter: Exporter = plugins.exporter(form.replace("-", "_"))
    if target is None and not exporter.remote:
        raise UsageError(f"{form} is written to files; name their folder with --output.")
    return exporter.export(Exported([load_whole_run(folder) for folder in folders]), target or "")
