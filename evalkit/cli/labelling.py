"""`label`: a page on which people class a run's answers to probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.cli.root import RUNS, Json, Results, app, echo_json, table
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.analysis.probes.labelling import Labelling


@app.command(rich_help_panel="Run")
def label(
    run: Annotated[str, typer.Argument(help="Run by name, unique prefix, path, or `latest`.")] = "latest",
    annotator: Annotated[
        str | None, typer.Option("--annotator", "-a", help="Whose labels they are; one name a person.")
    ] = None,
    n: Annotated[
        int, typer.Option("--n", min=1, help="Answers drawn at random. The same for every annotator.")
    ] = 200,
    language: Annotated[
        list[str] | None, typer.Option(help="Only questions in this language. May repeat.")
    ] = None,
    settle: Annotated[
        bool, typer.Option("--settle", help="Only answers on which annotators differ; you decide.")
    ] = False,
    status: Annotated[
        bool,
        typer.Option("--status", help="Print how far labelling is and how far annotators agree; no page."),
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the page's address only.")] = False,
    results: Results = RUNS,
    json: Json = False,
) -> None:
    """Label a random sample of a run's answers to probes by keyboard, on a page of this machine only.

    `evalkit judge calibrate` holds judges and rules against the labels. Ctrl-C ends; again goes on.

    Example: `evalkit label latest --annotator ada`
    """
    from evalkit.app.labelling import label_run, label_status, open_browser
    from evalkit.store.folder import find_run

    folder = find_run(run, results)
    if status:
        found = label_status(folder)
        if json:
            echo_json(found)
        else:
            _say(found)
        return
    if annotator is None:
        raise UsageError("Say whose labels they are: --annotator NAME, or --status for how far labelling is.")

    def opened(address: str) -> None:
        typer.echo(address)
        typer.echo("The page is for this machine only; Ctrl-C ends.", err=True)
        if not no_browser:
            open_browser(address)

    summary = label_run(folder, annotator, n, settle=settle, languages=tuple(language or ()), opened=opened)
    if json:
        echo_json(summary)
    else:
        typer.echo(str(summary), err=True)


def _say(found: Labelling) -> None:
    people = found.annotators
    table(
        f"Labels of {found.run}",
        ["suite", "endpoint", "language", "kind", "answers", *people, "labelled", "still to label"],
        [
            [p.suite, p.endpoint, p.language, p.kind, str(p.answers)]
            + [str(p.by.get(name, 0)) for name in people]
            + [str(p.labelled), str(p.lacking)]
            for p in found.parts
        ],
    )
    if found.twice:
        alpha = found.alpha
        limits = "" if alpha.low is None or alpha.high is None else f" [{alpha.low:.2f}, {alpha.high:.2f}]"
        value = "none" if alpha.value is None else f"{alpha.value:.2f}{limits}"
        typer.echo(
            f"Two or more classed {found.twice} answers and agree on {found.agreeing}; Krippendorff's alpha "
            f"{value}. {found.settled} settled, {found.differing} left to settle."
        )
    else:
        typer.echo("No answer has the class of two annotators, so nobody knows how far people agree.")
    if any(p.lacking for p in found.parts):
        typer.echo(
            f"{found.enough} answers (--n {found.enough}) give every part the labels that a correction needs."
        )
    typer.echo(f"{found.unclear} answers are unclear to somebody; {found.stale} labels are of another text.")
