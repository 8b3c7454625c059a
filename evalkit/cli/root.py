"""The root command and what all commands share."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="evalkit",
    help="Compare the same open weights across hosts: quality, refusal, latency, cost, and a verdict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Results = Annotated[Path, typer.Option("--results", envvar="EVALKIT_RESULTS", help="Folder of runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")]
RUNS = Path("results")


def _version(value: bool) -> None:
    if value:
        from evalkit import __version__

        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Compare the same open weights across hosts.

    Exit codes: 0 ok, 1 gate failed, 2 misuse or broken input, 3 policy, 4 inconclusive, 5 hosts failed,
    70 a fault of evalkit or a plugin, 130 interrupted.
    """
    from evalkit.cli.dotenv import load_dotenv

    load_dotenv(Path(".env"))


def stopped(reason: str) -> str:
    """Why a run ended before its plan, as it is written on the command line."""
    return "Interrupted" if reason == "interrupted" else f"Stopped by --{reason.replace('_', '-')}"


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _printable(cell: str) -> str:
    """Text without what steers a terminal: names and messages may come from files of others."""
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else " " for c in cell)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table: ruled on a terminal, tab-separated in a pipe."""
    import sys

    columns, *rows = [[_printable(cell) for cell in row] for row in [columns, *rows]]
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)
