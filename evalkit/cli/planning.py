"""`plan`: what a run would ask, cost and be able to decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.root import RUNS, Json, Results, app, echo_json, table
from evalkit.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.analysis.forecast import Range
    from evalkit.app.plan import Forecast, SuiteSize
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
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", min=1, help="Requests at once per provider, at most.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help="Policy file (default: ./policy.yaml).")] = None,
    prices: Annotated[str | None, typer.Option(help="Your price file (default: ./prices.yaml).")] = None,
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
    from evalkit.report.numbers import count, dollars, seconds

    columns = [
        "suite",
        "endpoint",
        "trials",
        "requests",
        "input tokens",
        "output tokens",
        "cost",
        "time",
        "basis",
    ]
    table(
        "Plan",
        columns,
        [
            [
                share.suite,
                share.endpoint,
                count(share.trials),
                _text(share.requests, count),
                _text(share.input, count),
                _text(share.output, count),
                _text(share.usd, dollars),
                _text(share.seconds, seconds),
                share.basis,
            ]
            for share in found.shares
        ],
    )
    typer.echo(f"in all: {_text(found.usd, dollars)}, {_text(found.seconds, seconds)}")
    if found.unpriced:
        typer.echo(f"unpriced: {', '.join(found.unpriced)}; add them to prices.yaml to know what they cost")
    for size in found.sizes:
        typer.echo(_shows(size))
    refused = [record for record in found.policy if not record.allowed]
    typer.echo(f"policy: {len(found.policy) - len(refused)} of {len(found.policy)} allowed")
    for each in found.prospects:
        typer.echo(f"gate: {each.title}: {each.sentence}")


def _shows(size: SuiteSize) -> str:
    draws = "" if size.epochs == 1 else f", {size.epochs} draws of each"
    if size.detectable is None:
        told = "too few to find any difference with 80 % power"
    else:
        told = f"finds differences from {size.detectable * 100:.1f} points with 80 % power"
    return (
        f"{size.suite}: {size.samples} samples in {size.clusters} clusters{draws}; {told} if "
        f"{size.discordance:.0%} of samples differ"
    )


def _text(amount: Range, show: Callable[[float], str]) -> str:
    """`$1.20 [$0.90, $1.70]`, `$0.10 to $4.00`, `at least 40`, or `not known`."""
    low, high = amount.low, amount.high
    if amount.value is not None:
        sides = f"{'?' if low is None else show(low)}, {'?' if high is None else show(high)}"
        return f"{show(amount.value)} [{sides}]"
    if low is None:
        return "not known"
    if high is None:
        return "not known" if low == 0 else f"at least {show(low)}"
    return show(low) if low == high else f"{show(low)} to {show(high)}"
