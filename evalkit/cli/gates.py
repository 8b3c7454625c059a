"""`report`, `compare` and `gate`: what a run says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.root import RUNS, Json, Results, app, echo_json, table

if TYPE_CHECKING:
    from evalkit.analysis.compare import Comparisons
    from evalkit.analysis.summary import Summary
    from evalkit.types.gate import GateVerdict

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


@app.command(rich_help_panel="Judge")
def gate(
    runs: Runs,
    file: Annotated[Path, typer.Option("--gate", "-g", help="Gate file (YAML).")],
    baseline: Annotated[
        str | None, typer.Option(help="Endpoint or provider (default: the run's reference).")
    ] = None,
    candidate: Annotated[str | None, typer.Option(help="Endpoint or provider to judge.")] = None,
    report: Annotated[Path | None, typer.Option("--report", "-o", help="Write the HTML report too.")] = None,
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """Hold runs against a gate file. Exits 0 pass, 1 fail, 3 policy, 4 inconclusive."""
    from evalkit.analysis.decide import exit_code
    from evalkit.app.gate import judge_runs, note_of
    from evalkit.app.look import load_run
    from evalkit.app.report import report_on
    from evalkit.store.folder import find_run

    folders = [find_run(name, results) for name in runs]
    verdict = judge_runs(folders, file, candidate=candidate, baseline=baseline)
    if report is not None:
        report_on(folders, report, note_of(verdict, [load_run(folder) for folder in folders]))
    if json:
        echo_json(verdict)
    else:
        print_verdict(verdict)
    raise typer.Exit(int(exit_code(verdict)))


def print_verdict(verdict: GateVerdict) -> None:
    """The verdict sentence, then one line for each rule."""
    typer.echo(f"{verdict.decision.upper()}: {verdict.sentence}")
    for rule in verdict.rules:
        typer.echo(f"  {rule.decision:12} {rule.title}: {rule.reason}")


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
