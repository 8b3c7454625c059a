"""`report`, `compare` and `gate`: what a run says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from evalkit.cli.root import RUNS, Json, Results, app, echo_json, table
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.analysis.compare import Comparisons
    from evalkit.analysis.summary import Summary
    from evalkit.app.gate import Judged
    from evalkit.types.gate import GateVerdict, RuleVerdict

Runs = Annotated[
    list[str] | None, typer.Argument(help="Runs by name, unique prefix, or path (default: latest).")
]


@app.command(rich_help_panel="Judge")
def report(
    runs: Runs = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The HTML file (default: reports/RUN.html).")
    ] = None,
    results: Results = RUNS,
) -> None:
    """Write one self-contained HTML report of one or more runs."""
    from evalkit.app.report import report_on
    from evalkit.store.folder import find_run

    folders = [find_run(name, results) for name in runs or ["latest"]]
    path = output or Path("reports") / f"{folders[0].name}.html"
    report_on(folders, path)
    typer.echo(str(path.resolve()))


@app.command(rich_help_panel="Judge")
def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Runs, and endpoints or providers in them; without a run, the latest."),
    ] = None,
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """Compare runs or endpoints on the samples that both were asked, in the terminal.

    The first one named is the reference. Example: `evalkit compare lab cutrate`
    """
    from evalkit.app.report import measure, unfinished

    names = names or ["latest"]
    summary, comparisons = measure(names, results)
    for note in unfinished(names, results):
        typer.echo(f"note: {note}", err=True)
    if json:
        # JSON has no keys of two parts.
        best = [{"suite": s, "measure": m, "endpoint": e} for (s, m), e in comparisons.best.items()]
        found = {name: getattr(comparisons, name) for name in comparisons.__struct_fields__}
        echo_json({"summary": summary, "comparisons": {**found, "best": best}})
        return
    print_comparison(summary, comparisons)


@app.command(rich_help_panel="Judge")
def gate(
    file: Annotated[Path, typer.Option("--gate", "-g", "--policy", help="Gate file (YAML).")],
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Runs that hold the candidate (default: the one that the gate file names)."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Another run, or an endpoint or provider of this one (default: its reference)."),
    ] = None,
    candidate: Annotated[str | None, typer.Option(help="Endpoint or provider to judge.")] = None,
    report: Annotated[Path | None, typer.Option("--report", "-o", help="Write the HTML report too.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write Markdown for a pull-request comment or a job summary.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the verdict as JSON; - prints it.")] = None,
    sequential: Annotated[
        bool,
        typer.Option("--sequential", help="Ask SUITES (the arguments) batch by batch until all is decided."),
    ] = False,
    name: Annotated[str | None, typer.Option("--run", help="With --sequential: name of the run.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="With --sequential: a generation setting, name=value.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", min=1, help="With --sequential: requests at once.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="With --sequential: stop before it costs more US dollars.")
    ] = None,
    results: Results = RUNS,
) -> None:
    """Hold a run against a gate file, or run just as many samples as it takes to decide it.

    Exits 0 pass, 1 fail, 2 misuse or broken input, 3 policy, 4 not decided yet.

    Example: `evalkit gate latest --baseline last-week --gate move.gate.yaml`

    Example: `evalkit gate coding --sequential --baseline lab:m --candidate host:m -g move.gate.yaml`
    """
    from evalkit.analysis.decide import exit_code
    from evalkit.app.gate import judge, write_verdict

    if sequential:
        drawing = Drawing(
            suites=tuple(runs or ()),
            candidate=candidate,
            baseline=baseline,
            name=name,
            settings=tuple(setting or ()),
            concurrency=concurrency,
            max_cost=max_cost,
        )
        judged = _draw(file, drawing, results)
    else:
        judged = judge(runs or [], file, candidate=candidate, baseline=baseline, results=results)
    to_screen = str(json) == "-"
    write_verdict(judged, report=report, markdown=markdown, json=None if to_screen else json)
    (echo_json if to_screen else print_verdict)(judged.verdict)
    raise typer.Exit(int(exit_code(judged.verdict)))


class Drawing(NamedTuple):
    """What a sequential gating asks, as it was typed."""

    suites: tuple[str, ...]
    candidate: str | None
    baseline: str | None
    name: str | None
    settings: tuple[str, ...]
    concurrency: int | None
    max_cost: float | None


def _draw(file: Path, asked: Drawing, results: Path) -> Judged:
    """Run batches until the gate is decided; each look is one line on standard error."""
    from evalkit.app.run import Conduct
    from evalkit.app.sequential import Gating
    from evalkit.app.setup import RunOptions
    from evalkit.cli.progress import watching
    from evalkit.cli.runs import settings_of
    from evalkit.engine.budget import Bounds

    if not asked.suites or asked.candidate is None:
        raise UsageError("--sequential needs suites to ask and a --candidate, provider:model.")
    options = RunOptions(suites=asked.suites, settings=settings_of(list(asked.settings)))
    gating = Gating(options, file, candidate=asked.candidate, baseline=asked.baseline, results=results)
    conduct = Conduct(
        results=results,
        name=asked.name,
        concurrency=asked.concurrency,
        budget=Bounds(usd=asked.max_cost),
        argv=tuple(sys.argv[1:]),
    )
    with watching(gating.setup.plan, "none") as watcher:
        return gating.run(conduct, watcher, lambda line: typer.echo(line, err=True))


def print_verdict(verdict: GateVerdict) -> None:
    """The verdict sentence, then one line for each rule."""
    typer.echo(f"{verdict.decision.upper()}: {verdict.sentence}")
    for rule in verdict.rules:
        typer.echo(f"  {rule.decision:12} {rule.title}: {rule.reason}{_flipped(rule)}")
    for text in (*verdict.warnings, *verdict.notes):
        typer.echo(f"  note: {text}")


def _flipped(rule: RuleVerdict) -> str:
    """How many common samples changed, and how many only one side has."""
    if rule.better is None or rule.worse is None:
        return ""
    lone = f", {rule.only_one} on one side only" if rule.only_one else ""
    return f" ({rule.better} better, {rule.worse} worse{lone})"


def print_comparison(summary: Summary, comparisons: Comparisons) -> None:
    """One row for each endpoint and suite, then the differences to the reference."""
    from evalkit.report.plain import comparison_rows, difference_rows

    columns, rows = comparison_rows(summary)
    table("Endpoints (95 % intervals, n)", columns, rows)
    if comparisons.tests:
        typer.echo(
            f"\nDifferences to {comparisons.reference}; {comparisons.family} tests, "
            f"Holm-corrected at {comparisons.alpha:g}. * is significant."
        )
        columns, rows = difference_rows(comparisons)
        table("", columns, rows)
