"""`recheck`: asks empty answers to probes again."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli.options import Client, PolicyFile
from evalkit.cli.root import RUNS, Json, Results, app, echo_json, table


@app.command(rich_help_panel="Run")
def recheck(
    run: Annotated[str, typer.Argument(help="Run by name, unique prefix, path, or `latest`.")] = "latest",
    policy: PolicyFile = None,
    transport: Client = "auto",
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """Ask empty answers to probes again, alone and beside a control: blocked, or only overloaded?"""
    from evalkit.app.recheck import look_again_at_empty
    from evalkit.app.setup import reopen
    from evalkit.cli.progress import watching
    from evalkit.store.folder import find_run

    folder = find_run(run, results)
    with watching(reopen(folder).plan, "none") as watcher:
        found = look_again_at_empty(folder, watcher, policy=policy, transport=transport)
    if json:
        echo_json(found)
        return
    if not found:
        typer.echo(f"{folder}: no answer to a probe was empty, so there is nothing to ask again.")
        return
    table(
        "Empty answers to probes",
        ["endpoint", "empty", "blocked (came again)", "no control to ask"],
        [[r.endpoint, str(r.empty), str(r.reproduced), str(r.without_control)] for r in found],
    )
