"""`import` and `export`: results of other tools in, results for other tools out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.root import RUNS, Json, Results, app, echo_json

if TYPE_CHECKING:
    from evalkit.app.importing import Done

Runs = Annotated[
    list[str] | None, typer.Argument(help="Runs by name, unique prefix, or path (default: latest).")
]


@app.command(rich_help_panel="Exchange")
def export(
    runs: Runs = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for formats that are files.")
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="parquet, csv, markdown, junit, inspect, every-eval-ever; or logged: mlflow, wandb.",
        ),
    ] = "parquet",
    to: Annotated[
        str | None, typer.Option(help="Where to log: MLflow's tracking URI, or W&B's entity/project.")
    ] = None,
    results: Results = RUNS,
) -> None:
    """Write runs in the formats of other tools, or log them there."""
    from evalkit.app.export import export_runs
    from evalkit.store.folder import find_run

    target = to if to is not None else str(output) if output is not None else None
    for line in export_runs([find_run(name, results) for name in runs or ["latest"]], form, target):
        typer.echo(line)


@app.command("import", rich_help_panel="Exchange")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Files of one format; .gz is unpacked.")],
    form: Annotated[
        str, typer.Option("--format", help="auto, inspect, jsonl, lm_eval, openai_batch or promptfoo.")
    ] = "auto",
    name: Annotated[
        str | None, typer.Option("--run", help="Name of the run (default: after the file).")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="Suite of what names none in the files (default: after the file).")
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="provider:model that answered, or `name in the file=provider:model`. May repeat."),
    ] = None,
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """Read results of other tools as a run: to report, compare, score again and gate.

    Example: `evalkit import answers.jsonl --suite probes && evalkit score --with probes`
    """
    from evalkit.app.importing import ImportOptions, import_files

    done = import_files(
        ImportOptions(
            files=tuple(files),
            results=results,
            form=form.replace("-", "_"),
            run=name,
            suite=suite,
            endpoints=tuple(endpoint or ()),
            argv=tuple(sys.argv[1:]),
        )
    )
    if json:
        echo_json(_facts(done))
    else:
        _say(done)


def _facts(done: Done) -> dict[str, object]:
    """An import for scripts."""
    return {
        "run": done.manifest.run,
        "folder": str(done.folder),
        "format": done.form,
        "suites": [record.suite.id for record in done.manifest.suites],
        "endpoints": [endpoint.id for endpoint in done.manifest.endpoints],
        "trials": done.trials,
        "planned": done.planned,
        "scores": done.scores,
        "outcomes": done.outcomes,
        "missing": done.missing,
    }


def _say(done: Done) -> None:
    suites = ", ".join(record.suite.id for record in done.manifest.suites)
    outcomes = ", ".join(
        f"{count} {name}" for name, count in sorted(done.outcomes.items(), key=lambda i: -i[1])
    )
    typer.echo(
        f"{done.folder}: {done.trials} trials of {suites} at {len(done.manifest.endpoints)} endpoints "
        f"({outcomes}); {done.scores} recorded scores; {done.seconds:.1f} s."
    )
    if done.planned > done.trials:
        gaps = f"{done.planned - done.trials} of {done.planned}"
        typer.echo(f"{gaps} pairs of sample and endpoint are not in the files; they count as not run.")
    if done.missing:
        typer.echo(f"The files do not say: {', '.join(done.missing)}. It is shown as missing.")
    typer.echo(
        f"Next: `evalkit report {done.manifest.run}`; `evalkit score {done.manifest.run}` finds refusals, "
        "and with `--with SUITE` scores by a suite of evalkit."
    )
