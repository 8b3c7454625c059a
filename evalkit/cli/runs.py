"""`run`, `score` and `runs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.options import (
    Client,
    Concurrency,
    Executor,
    Judges,
    MaxCost,
    MaxMinutes,
    MaxRequests,
    Otel,
    PolicyFile,
    PriceFile,
    Quiet,
    Reserves,
    SandboxName,
    Shown,
    Timeout,
    Understood,
)
from evalkit.cli.root import RUNS, Json, Results, app, echo_json, stopped, table
from evalkit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.app.run import Ended
    from evalkit.engine.plan import Shard
    from evalkit.types.run import Manifest

runs_app = typer.Typer(help="List, show and verify recorded runs.", invoke_without_command=True)
app.add_typer(runs_app, name="runs", rich_help_panel="Look")


@app.command(rich_help_panel="Run")
def run(
    suites: Annotated[
        list[str], typer.Argument(help="Suites by id or folder; id@tag takes the samples with a tag.")
    ],
    weights: Annotated[
        str | None, typer.Option("--weights", "-w", help="Every declared endpoint of these weights.")
    ] = None,
    providers: Annotated[
        str | None, typer.Option("--providers", "-p", help="Only these of them, separated by commas.")
    ] = None,
    on: Annotated[
        list[str] | None, typer.Option("--on", help="One endpoint, provider:model. May repeat.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Endpoint that others are compared with (default: the first).")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only samples with this tag. May repeat.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N samples of each suite.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Draws of each sample, instead of the suite's.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A generation setting, name=value. May repeat.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the working order.")] = 0,
    concurrency: Concurrency = None,
    judge: Judges = None,
    reserve: Reserves = None,
    policy: PolicyFile = None,
    prices: PriceFile = None,
    sandbox: SandboxName = "auto",
    i_understand: Understood = False,
    executor: Executor = "here",
    transport: Client = "auto",
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Stream answers; without it there is no first token.")
    ] = True,
    shard: Annotated[str | None, typer.Option(help="Work part I of N of the samples: I/N.")] = None,
    max_failed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of trials that hosts may fail before exit code 5.")
    ] = 0.1,
    max_cost: MaxCost = None,
    max_requests: MaxRequests = None,
    max_minutes: MaxMinutes = None,
    timeout: Timeout = None,
    reuse: Annotated[
        list[str] | None,
        typer.Option("--reuse", help="Take equal questions' answers from this recorded run. May repeat."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing: say what it would take, as `plan` does.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--run", help="Name of the run (default: made from its plan).")
    ] = None,
    results: Results = RUNS,
    progress: Shown = "auto",
    otel: Otel = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Run suites on endpoints. The same command again resumes.

    Example: `evalkit run coding probes@mini --weights deepseek-ai/DeepSeek-V3.1`
    """
    from evalkit.app.judges import Panel
    from evalkit.app.run import Conduct, execute
    from evalkit.app.setup import RunOptions, prepare
    from evalkit.cli.planning import show_plan
    from evalkit.cli.progress import shown, traced, watching
    from evalkit.engine.budget import Bounds
    from evalkit.store.folder import find_run

    options = RunOptions(
        suites=tuple(suites),
        weights=weights,
        providers=tuple(providers.split(",")) if providers else None,
        on=tuple(on or ()),
        tags=tuple(tag or ()),
        limit=limit,
        epochs=epochs,
        seed=seed,
        reference=reference,
        policy=policy,
        prices=prices,
        shard=_shard(shard),
        settings=settings_of(setting or []),
        panel=Panel(judges=tuple(judge or ()), reserves=tuple(reserve or ())),
    )
    if dry_run:
        show_plan(options, results=results, concurrency=concurrency, gate=None, json=json)
    setup = prepare(options)
    conduct = Conduct(
        results=results,
        name=name,
        concurrency=concurrency,
        sandbox=sandbox,
        i_understand=i_understand,
        executor=executor,
        transport=transport,
        max_failed=max_failed,
        budget=Bounds(usd=max_cost, requests=max_requests, minutes=max_minutes),
        timeout_s=timeout,
        stream=stream,
        reuse=tuple(find_run(other, results) for other in reuse or ()),
        argv=tuple(sys.argv[1:]),
    )
    with (
        watching(setup.plan, shown(progress, quiet=quiet or json)) as watcher,
        traced(watcher, (*setup.plan.endpoints, *setup.judges.values()), wanted=otel) as traces,
    ):
        ended = execute(setup, conduct, traces)
    _say(ended, json=json)


@app.command(rich_help_panel="Run")
def resume(
    run: Annotated[str, typer.Argument(help="Run by name, unique prefix, path, or `latest`.")] = "latest",
    concurrency: Concurrency = None,
    policy: PolicyFile = None,
    sandbox: SandboxName = "auto",
    i_understand: Understood = False,
    executor: Executor = "here",
    max_failed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of trials that hosts may fail before exit code 5.")
    ] = 0.1,
    max_cost: MaxCost = None,
    max_requests: MaxRequests = None,
    max_minutes: MaxMinutes = None,
    timeout: Timeout = None,
    results: Results = RUNS,
    progress: Shown = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Go on with a recorded run: exactly what has no answer yet is asked."""
    from evalkit.app.run import Conduct
    from evalkit.app.run import resume as go_on
    from evalkit.app.setup import reopen
    from evalkit.cli.progress import shown, watching
    from evalkit.engine.budget import Bounds
    from evalkit.store.folder import find_run

    folder = find_run(run, results)
    conduct = Conduct(
        results=results,
        concurrency=concurrency,
        sandbox=sandbox,
        i_understand=i_understand,
        executor=executor,
        max_failed=max_failed,
        budget=Bounds(usd=max_cost, requests=max_requests, minutes=max_minutes),
        timeout_s=timeout,
        policy=policy,
    )
    with watching(reopen(folder).plan, shown(progress, quiet=quiet or json)) as watcher:
        ended = go_on(folder, conduct, watcher)
    _say(ended, json=json)


@app.command(rich_help_panel="Run")
def score(
    run: Annotated[str, typer.Argument(help="Run by name, unique prefix, path, or `latest`.")] = "latest",
    suite: Annotated[
        str | None, typer.Option("--with", help="Score with this suite's scorers; it must have the samples.")
    ] = None,
    scorer: Annotated[
        list[str] | None, typer.Option(help="Score with this too: name, or name={options as JSON}.")
    ] = None,
    sandbox: SandboxName = "auto",
    i_understand: Understood = False,
    executor: Executor = "here",
    results: Results = RUNS,
    progress: Shown = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Score a recorded run again, without a call; an imported one too."""
    from evalkit.app.rescore import Rescoring, changed
    from evalkit.app.run import Conduct, rescore
    from evalkit.app.setup import reopen
    from evalkit.cli.progress import shown, watching
    from evalkit.store.folder import find_run

    folder = find_run(run, results)
    setup = changed(reopen(folder), Rescoring(suite=suite, scorers=tuple(scorer or ())))
    conduct = Conduct(results=results, sandbox=sandbox, i_understand=i_understand, executor=executor)
    with watching(setup.plan, shown(progress, quiet=quiet or json)) as watcher:
        ended = rescore(folder, setup, conduct, watcher)
    _say(ended, json=json)


@runs_app.callback()
def list_all(context: typer.Context, results: Results = RUNS, json: Json = False) -> None:
    """List recorded runs, oldest first."""
    if context.invoked_subcommand is not None:
        return
    from evalkit.store.folder import list_runs, read_manifest

    found = [(read_manifest(folder), folder) for folder in list_runs(results)]
    if json:
        echo_json([_facts(m) for m, _ in found])
        return
    rows = [[m.run, m.created_at, _status(m, f), _suites(m), str(len(m.endpoints))] for m, f in found]
    if not rows:
        typer.echo(f"No runs in {results}; `evalkit demo` or `evalkit run` makes one.", err=True)
    table("Runs", ["run", "created", "status", "suites", "endpoints"], rows)


@runs_app.command()
def show(
    run: Annotated[str, typer.Argument(help="Run by name, unique prefix, path, or `latest`.")] = "latest",
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """What a run planned and what became of it."""
    from evalkit.app.look import outcome_rows
    from evalkit.store.folder import find_run, read_manifest

    folder = find_run(run, results)
    manifest = read_manifest(folder)
    rows = outcome_rows(folder)
    if json:
        echo_json({**_facts(manifest), "outcomes": rows})
        return
    typer.echo(
        f"{manifest.run}: {_status(manifest, folder)}, {_suites(manifest)}, created {manifest.created_at}"
    )
    table(
        "Outcomes",
        ["endpoint", "suite", "outcome", "generations", "example"],
        [[r["endpoint"], r["suite"], r["outcome"], str(r["count"]), r["example"]] for r in rows],
    )


@runs_app.command()
def verify(
    run: Annotated[str, typer.Argument(help="Run by name, unique prefix, path, or `latest`.")] = "latest",
    results: Results = RUNS,
) -> None:
    """Check that nothing in a run changed since it was closed."""
    from evalkit.app.look import changed_files
    from evalkit.store.folder import find_run

    folder = find_run(run, results)
    changed = changed_files(folder)
    if changed:
        raise UsageError(f"{folder}: changed since the run was closed: {', '.join(changed)}.")
    typer.echo(f"{folder}: unchanged since it was closed.")


def _shard(text: str | None) -> Shard:
    from evalkit.engine.plan import Shard

    if text is None:
        return Shard()
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise UsageError(f"--shard {text!r} is not I/N with 1 ≤ I ≤ N.")
    return Shard(int(index), int(count))


def settings_of(pairs: list[str]) -> dict[str, object]:
    """Generation settings from `name=value` words."""
    import msgspec

    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair!r} is not name=value.")
        try:
            found[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[name] = value
    return found


def _say(ended: Ended, *, json: bool) -> None:
    tally = ended.tally
    if json:
        echo_json({**_facts(ended.manifest), "folder": str(ended.folder), "tally": tally})
    else:
        parts = [f"{tally.worked} trials worked in {tally.seconds:.0f} s"]
        parts += [f"{tally.skipped} were done before"] * bool(tally.skipped)
        parts += [f"{tally.failed} failed at their host"] * bool(tally.failed)
        parts += [f"{tally.not_recorded} have no recorded answer"] * bool(tally.not_recorded)
        typer.echo(f"{ended.folder}: {', '.join(parts)}.")
    if tally.stopped is not None:
        typer.echo(
            f"{stopped(tally.stopped)}; `evalkit resume {ended.manifest.run}` goes on from here.", err=True
        )
        raise typer.Exit(int(ExitCode.INTERRUPTED if tally.stopped == "interrupted" else ExitCode.OK))


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "run": manifest.run,
        "status": manifest.status,
        "created_at": manifest.created_at,
        "suites": [record.suite.id for record in manifest.suites],
        "endpoints": [endpoint.id for endpoint in manifest.endpoints],
    }


def _status(manifest: Manifest, folder: Path) -> str:
    """The run's status; one that says `running` and has no process was killed."""
    from evalkit.store.folder import written_now

    if manifest.status == "running" and not written_now(folder):
        return "cut off (evalkit resume)"
    return manifest.status


def _suites(manifest: Manifest) -> str:
    return ", ".join(record.suite.id for record in manifest.suites)
