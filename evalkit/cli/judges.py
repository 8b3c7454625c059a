"""`judge`: panels of judges for the answers to probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.root import RUNS, Json, Results, app, echo_json, table
from evalkit.errors import ExitCode

if TYPE_CHECKING:
    from evalkit.app.judging import Judged

Judges = Annotated[
    list[str] | None,
    typer.Option("--judge", help="Judge for answers to probes, provider:model. Two or more; repeat."),
]
Reserves = Annotated[
    list[str] | None,
    typer.Option("--reserve", help="Asked, in order, where a judge is blocked or fails. May repeat."),
]

judge_app = typer.Typer(help="Class answers to probes by a panel of judges, and measure the judges.")
app.add_typer(judge_app, name="judge", rich_help_panel="Run")


@judge_app.command()
def run(
    run: Annotated[str, typer.Argument(help="Run by name, unique prefix, path, or `latest`.")] = "latest",
    judge: Judges = None,
    reserve: Reserves = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", min=1, help="Requests at once per provider, at most.")
    ] = None,
    policy: Annotated[str | None, typer.Option(help="Policy file (default: ./policy.yaml).")] = None,
    prices: Annotated[str | None, typer.Option(help="Your price file (default: ./prices.yaml).")] = None,
    transport: Annotated[str, typer.Option(help="Network client: auto, aiohttp, openai.")] = "auto",
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Stop before judging has cost this many US dollars in all.")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=1, help="Stop before judges were sent more requests than this in all.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no answer after so many minutes.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds that one attempt may take (default: 1800).")
    ] = None,
    results: Results = RUNS,
    progress: Annotated[
        str, typer.Option("--progress", help="auto, live (table), lines, json (events on stderr), none.")
    ] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
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
            f"Stopped ({judged.tally.stopped}); `evalkit judge run {judged.run}` with the same "
            "judges goes on from here. The classes of before still stand.",
            err=True,
        )
        interrupted = judged.tally.stopped == "interrupted"
        raise typer.Exit(int(ExitCode.INTERRUPTED if interrupted else ExitCode.OK))
