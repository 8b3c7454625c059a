"""`report`, `compare` and `gate`: what a run says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.root import RUNS, Json, Results, app, echo_json, table

if TYPE_CHECKING:
    from evalkit.analysis.compare import Comparisons
    from evalkit.analysis.summary import Summary

Runs = Annotated[list[str], typer.Argument(help="Runs by name, unique prefix, path, or `latest`.")]


@app.command(rich_help_panel="Judge")
def report(
    runs: Runs,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The HTML file.")] = None,
    results: Results = RUNS,
) -> None:
    """Write one self-contained HTML report of one or more runs."""
    from evalkit.app.report import report_on
    from evalkit.store.folder import find_run

    folders = [find_run(name, results) for name in runs]
    path = output or Path("reports") / f"{folders[0].name}.html"
    report_on(folders, path)
    typer.echo(str(path.resolve()))


@app.command(rich_help_panel="Judge")
def compare(
    runs: Runs,
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """Compare endpoints on the samples that both were asked, in the terminal."""
    from evalkit.app.report import measure
    from evalkit.store.folder import find_run

    summary, comparisons = measure([find_run(name, results) for name in runs])
    if json:
        echo_json({"summary": summary, "comparisons": comparisons})
        return
    print_comparison(summary, comparisons)


def print_comparison(summary: Summary, comparisons: Comparisons) -> None:
    """One row for each endpoint and suite, then the differences to the reference."""
    from evalkit.app.report import comparison_rows, difference_rows

    columns, rows = comparison_rows(summary)
    table("Endpoints (95 % intervals, n)", columns, rows)
    if comparisons.tests:
        typer.echo(
            f"\nDifferences to {comparisons.reference}; {comparisons.family} tests, "
            f"Holm-corrected at {comparisons.alpha:g}. * is significant."
        )
        columns, rows = difference_rows(comparisons)
        table("", columns, rows)
