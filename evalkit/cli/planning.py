"""`plan`: what a run would ask, cost and be able to decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import Concurrency, Judges, PolicyFile, PriceFile, Reserves
from evalkit.cli.root import RUNS, Json, Results, app, echo_json, table
from evalkit.errors import ExitCode

if TYPE_CHECKING:
    from evalkit.app.plan import Forecast
    from evalkit.app.setup import RunOptions


@app.command(rich_help_panel="Run")
def plan(
    suites: Annotated[list[str], typer.Argument(help="Suites by id or folder; id@tag for a tag's samples.")],
    weights: Annotated[
        str | None, typer.Option("--weights", "-w", help="Every declared endpoint of these weights.")
    ] = None,
    providers: Annotated[
        str | None, typer.Option("--providers", "-p", help="Only these of them, separated by commas.")
    ] = None,
    on: Annotated[list[str] | None, typer.Option("--on", help="One endpoint, provider:model.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only samples with this tag.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N samples of each suite.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Draws of each sample.")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="A setting, name=value.")] = None,
    concurrency: Concurrency = None,
    judge: Judges = None,
    reserve: Reserves = None,
    policy: PolicyFile = None,
    prices: PriceFile = None,
    gate: Annotated[
        Path | None, typer.Option("--gate", "-g", help="Say which rules this size can decide.")
    ] = None,
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """Requests, tokens, dollars, time and what can be decided, before anything is sent. Needs no key.

    Exits 3 if the policy forbids it, 4 if a rule of the gate cannot be decided at this size.

    Example: `evalkit plan coding --weights deepseek-ai/DeepSeek-V3.1 --gate move.gate.yaml`
    """
    from evalkit.app.judges import Panel
    from evalkit.app.setup import RunOptions
    from evalkit.cli.runs import settings_of

    options = RunOptions(
        suites=tuple(suites),
        weights=weights,
        providers=tuple(providers.split(",")) if providers else None,
        on=tuple(on or ()),
        tags=tuple(tag or ()),
        limit=limit,
        epochs=epochs,
        policy=policy,
        prices=prices,
        settings=settings_of(setting or []),
        panel=Panel(judges=tuple(judge or ()), reserves=tuple(reserve or ())),
    )
    show_plan(options, results=results, concurrency=concurrency, gate=gate, json=json)


def show_plan(
    options: RunOptions, *, results: Path, concurrency: int | None, gate: Path | None, json: bool
) -> None:
    """Print the forecast of a plan, and exit with 4 if its gate cannot be decided."""
    from evalkit.app.plan import forecast
    from evalkit.app.setup import prepare
    from evalkit.catalog.gates import load_gate

    found = forecast(
        prepare(options, asking=False),
        results=results,
        concurrency=concurrency,
        gate=load_gate(gate) if gate is not None else None,
    )
    if json:
        echo_json(found)
    else:
        print_forecast(found)
    raise typer.Exit(int(ExitCode.INCONCLUSIVE if found.hopeless else ExitCode.OK))


def print_forecast(found: Forecast) -> None:
    """Amounts by suite and endpoint, what each size can show, policy, and the prospects of a gate."""
    from evalkit.app.forecast_text import COLUMNS, forecast_lines, forecast_rows

    table("Plan", COLUMNS, forecast_rows(found))
    for line in forecast_lines(found):
        typer.echo(line)
