"""`merge`: the parts of a sharded run as one."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli.root import RUNS, Results, app


@app.command(rich_help_panel="Run")
def merge(
    runs: Annotated[list[str], typer.Argument(help="Runs made with --shard, by name, prefix or path.")],
    name: Annotated[str, typer.Option("--run", help="Name of the joined run.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Join what there is; `resume` asks what the missing parts hold.")
    ] = False,
    results: Results = RUNS,
) -> None:
    """Join the parts of a sharded run; they may have been made on different machines."""
    from evalkit.app.merge import merge as join
    from evalkit.store.folder import find_run, new_run

    target = new_run(name, results)
    whole = join([find_run(run, results) for run in runs], target, partial=partial)
    trials = sum(record.samples * record.epochs for record in whole.suites) * len(whole.endpoints)
    typer.echo(f"{target}: {len(runs)} parts, {trials} trials.")
