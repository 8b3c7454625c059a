"""`serve` and `demo`: real weights on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli.options import Quiet
from evalkit.cli.root import RUNS, Results, app
from evalkit.errors import ExitCode


@app.command(rich_help_panel="Run")
def serve(
    port: Annotated[int, typer.Option(help="First of three ports on 127.0.0.1.")] = 8611,
) -> None:
    """Serve the embedded weights as three hosts until Ctrl-C: as published, at 3 bits, misconfigured."""
    from evalkit.embedded.hosts import EmbeddedHosts

    with EmbeddedHosts(first_port=port) as hosts:
        for host in hosts.hosts:
            where = f"http://127.0.0.1:{hosts.ports[host.provider]}/v1"
            typer.echo(f"{host.provider}\t{where}\t{host.what}")
            typer.echo(f"  export {host.port_variable}={hosts.ports[host.provider]}", err=True)
        typer.echo("Serving; Ctrl-C stops.", err=True)
        hosts.wait()


@app.command(rich_help_panel="Run")
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the report goes.")] = Path(
        "reports/demo.html"
    ),
    results: Results = RUNS,
    quiet: Quiet = False,
) -> None:
    """Three suites on three hosts of the same real weights, a report, and a verdict. About five minutes."""
    from evalkit.app.demo import SUITES, demo_setup, judge_and_report
    from evalkit.app.report import measure
    from evalkit.app.run import Conduct, execute
    from evalkit.cli.gates import print_comparison, print_verdict
    from evalkit.cli.progress import shown, watching
    from evalkit.embedded.hosts import EmbeddedHosts

    typer.echo("Starting three servers of SmolLM2-135M-Instruct on this machine …", err=True)
    with EmbeddedHosts() as hosts:
        for host in hosts.hosts:
            typer.echo(f"  {host.provider}: {host.what}", err=True)
        setup = demo_setup()
        size = setup.plan.size()
        typer.echo(f"Running {', '.join(SUITES)}: {size} trials. Ctrl-C stops; again goes on.", err=True)
        with watching(setup.plan, shown("auto", quiet=quiet)) as progress:
            ended = execute(setup, Conduct(results=results, argv=("demo",)), progress)
    if ended.tally.stopped is not None:
        typer.echo("Stopped; `evalkit demo` goes on from here.", err=True)
        raise typer.Exit(int(ExitCode.INTERRUPTED))
    verdict = judge_and_report(ended.folder, output)
    print_comparison(*measure([str(ended.folder)], ended.folder.parent))
    typer.echo(f"\nRun     {ended.folder}")
    typer.echo(f"Report  {output.resolve()}")
    typer.echo("\nMove from the reference host to the cut-rate host?")
    print_verdict(verdict)
