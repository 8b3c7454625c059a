"""Tables as Parquet. Each column carries its meaning in the metadata of its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import UsageError
from evalkit.exporters.tables import write_tables

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from evalkit.analysis.columns import Schema
    from evalkit.exporters.record import Exported, Exporter


def build() -> Exporter:
    """The format `parquet`."""
    return Parquet()


class Parquet:
    """See `evalkit.exporters.record.Exporter`."""

    name = "parquet"
    remote = False

    def export(self, exported: Exported, target: str) -> list[str]:
        """See `evalkit.exporters.record.Exporter`."""
        return write_tables(exported, target, "parquet", _write)


def _write(table: pd.DataFrame, path: Path, schema: Schema) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow: pip install 'evalkit[parquet]', or use --format csv."
        ) from None
    types = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(), "str": pa.string()}
    fields = [pa.field(name, types[c.kind], metadata={"meaning": c.meaning}) for name, c in schema.items()]
    pq.write_table(pa.Table.from_pandas(table, schema=pa.schema(fields), preserve_index=False), path)
