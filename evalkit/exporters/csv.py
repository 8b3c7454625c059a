"""Tables as CSV, UTF-8 with a header. A cell that is empty is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.exporters.tables import write_tables

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from evalkit.analysis.columns import Schema
    from evalkit.exporters.record import Exported, Exporter


def build() -> Exporter:
    """The format `csv`."""
    return Csv()


class Csv:
    """See `evalkit.exporters.record.Exporter`."""

    name = "csv"
    remote = False

    def export(self, exported: Exported, target: str) -> list[str]:
        """See `evalkit.exporters.record.Exporter`."""
        return write_tables(exported, target, "csv", _write)


def _write(table: pd.DataFrame, path: Path, schema: Schema) -> None:
    del schema
    table.to_csv(path, index=False)
