"""`import` and `export`: results of other tools in, results for other tools out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli.root import RUNS, Results, app

Runs = Annotated[list[str], typer.Argument(help="Runs by name, unique prefix, path, or `latest`.")]


@app.command(rich_help_panel="Exchange")
def export(
    runs: Runs,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the tables.")],
    form: Annotated[str, typer.Option("--format", help="parquet or csv.")] = "parquet",
    results: Results = RUNS,
) -> None:
    """Write the tables behind the report: generations, trials, scores and estimates."""
    from evalkit.app.export import export_tables
    from evalkit.store.folder import find_run

    for path in export_tables([find_run(name, results) for name in runs], output, form):
        typer.echo(str(path))
