"""`judge`: panels of judges for the answers to probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import (
    Client,
    Concurrency,
    Judges,
    PolicyFile,
    PriceFile,
    Quiet,
    Reserves,
    Shown,
    Timeout,
)
from evalkit.cli.root import RUNS, Json, Results, app, echo_json, stopped, table
from evalkit.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.app.calibrating import Stored
    from evalkit.app.judging import Judged
    from evalkit.types.estimate import Estimate

judge_app = typer.Typer(help="Class answers to probes by a panel of judges, and measure the judges.")
app.add_typer(judge_app, name="judge", rich_help_panel="Run")


@judge_app.command()
def run(
    run: Annotated[str, typer.Argument(help="Run by name, unique prefix, path, or `latest`.")] = "latest",
    judge: Judges = None,
    reserve: Reserves = None,
    concurrency: Concurrency = None,
    policy: PolicyFile = None,
    prices: PriceFile = None,
    transport: Client = "auto",
    max_failed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of answers that judges' hosts may fail; else exit 5.")
    ] = 0.1,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Stop before judging has cost this many US dollars in all.")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=1, help="Stop before judges were sent more requests than this in all.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no answer after so many minutes.")
    ] = None,
    timeout: Timeout = None,
    results: Results = RUNS,
    progress: Shown = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Have a panel of judges class a run's answers to probes. The same command again goes on.

    Judges come from different makers and countries and never from the maker of what they judge. Without
    --judge, the run's own panel is asked for what it has not judged yet.

    Example: `evalkit judge run latest --judge openai:gpt-5.1 --judge together:Qwen/Qwen3-235B-A22B`
    """
    from evalkit.app.judges import Panel
    from evalkit.app.judging import judge_run
    from evalkit.app.run import Conduct
    from evalkit.app.setup import reopen
    from evalkit.cli.progress import shown, watching
    from evalkit.engine.budget import Bounds
    from evalkit.store.folder import find_run

    folder = find_run(run, results)
    conduct = Conduct(
        results=results,
        concurrency=concurrency,
        policy=policy,
        transport=transport,
        max_failed=max_failed,
        budget=Bounds(usd=max_cost, requests=max_requests, minutes=max_minutes),
        timeout_s=timeout,
    )
    panel = Panel(judges=tuple(judge or ()), reserves=tuple(reserve or ()))
    with watching(reopen(folder).plan, shown(progress, quiet=quiet or json)) as watcher:
        judged = judge_run(folder, panel, conduct, watcher, prices)
    _say(judged, json=json)


def _say(judged: Judged, *, json: bool) -> None:
    if json:
        echo_json(judged)
    else:
        left = f"; {judged.without_panel} have too few votes for one" if judged.without_panel else ""
        typer.echo(f"{judged.folder}: {judged.classed} answers have a class from the panel{left}.")
        rows = [
            [v.judge, str(v.voted), ", ".join(f"{n} {why}" for why, n in v.missing.items())]
            for v in judged.judges
        ]
        table("Judges", ["judge", "votes", "no vote"], rows)
    if judged.tally.stopped is not None:
        typer.echo(
            f"{stopped(judged.tally.stopped)}; `evalkit judge run {judged.run}` with the same "
            "judges goes on from here. The classes of before still stand.",
            err=True,
        )
        interrupted = judged.tally.stopped == "interrupted"
        raise typer.Exit(int(ExitCode.INTERRUPTED if interrupted else ExitCode.OK))


@judge_app.command()
def calibrate(
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Runs that people labelled: name, unique prefix, or path (default: latest)."),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="Whose classes: `probe_judge`, the panel's; `probe`, the rules'.")
    ] = "probe_judge",
    name: Annotated[
        str | None, typer.Option(help="Name of the judge card (default: of the metric and the first run).")
    ] = None,
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """Hold judges against people's labels, and store a judge card, judges/NAME.json.

    Example: `evalkit judge calibrate latest`
    """
    from evalkit.app.calibrating import calibrate_judges
    from evalkit.store.folder import find_run

    stored = calibrate_judges([find_run(run, results) for run in runs or ["latest"]], metric, name)
    if json:
        echo_json(stored)
    else:
        _say_calibrated(stored)


_CLASSES = "language class found sensitivity left specificity kappa share people's-kappa"
_TOGETHER = "language judge answers agreement kappa no-vote people's-alpha"


def _say_calibrated(stored: Stored) -> None:
    found = stored.card.calibrated
    people = f"{found.annotators} {'person' if found.annotators == 1 else 'people'}"
    typer.echo(
        f"{found.instrument.metric} against {people} on {found.labels} answers. Unsettled: "
        f"{found.differing}. Left out: {found.unclear} unclear, {found.moot} without a class of the judge, "
        f"{found.stale} labels of another text."
    )
    rows = [
        (
            c.language,
            c.label,
            f"{c.found} of {c.positives}",
            c.sensitivity,
            f"{c.left} of {c.negatives}",
            c.specificity,
            c.kappa,
            "" if c.prevalence is None else f"{c.prevalence:.2f}",
            c.people_kappa,
        )
        for c in found.classes
    ]
    _figures("Classes", _CLASSES, rows)
    together = [
        (o.language, "together", str(o.labels), o.agreement, o.kappa, "", o.people_alpha)
        for o in found.overall
    ]
    apart = [
        (j.language, j.judge, str(j.votes), j.agreement, j.kappa, str(j.missing), "") for j in found.judges
    ]
    _figures("All classes", _TOGETHER, [*together, *apart])
    for c in found.classes:
        for advice in c.advice:
            typer.echo(f"{c.label} in {c.language or 'all languages'}: {advice}.")
    if found.annotators < 2:
        typer.echo("One person labelled: nobody knows how far people agree. A second annotator shows it.")
    typer.echo(f"Stored as {stored.path}.")


def _figures(title: str, head: str, rows: Sequence[tuple[str | Estimate | None, ...]]) -> None:
    """A table whose first column is a language, or none for all of them."""
    columns = [name.replace("-", " ") for name in head.split()]
    cells = [[cell if isinstance(cell, str) else _interval(cell) for cell in row[1:]] for row in rows]
    named = [[str(row[0] or "all"), *rest] for row, rest in zip(rows, cells, strict=True)]
    table(title, columns, named)


def _interval(estimate: Estimate | None) -> str:
    """A value with its limits; empty if there is none."""
    if estimate is None or estimate.value is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
