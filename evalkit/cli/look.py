"""`suites` and `providers`: what there is, and whether it is sound."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli.root import Json, app, echo_json, table

suites_app = typer.Typer(help="List, check and describe suites.", invoke_without_command=True)
providers_app = typer.Typer(help="List, show and check providers.", invoke_without_command=True)
app.add_typer(suites_app, name="suites", rich_help_panel="Look")
app.add_typer(providers_app, name="providers", rich_help_panel="Look")


@suites_app.callback()
def list_suites(context: typer.Context, json: Json = False) -> None:
    """List suites: your own in ./suites, then the shipped ones."""
    if context.invoked_subcommand is not None:
        return
    from evalkit.app.suites import every_suite

    suites = every_suite()
    if json:
        echo_json(suites)
        return
    rows = [[s.id, s.version, s.sensitivity, s.primary, s.title] for s in suites]
    table("Suites", ["suite", "version", "sensitivity", "primary", "title"], rows)


@suites_app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Suites by id or folder (default: all).")] = None,
    json: Json = False,
) -> None:
    """Validate suites: every file, sample, solver and scorer. Errors say file:line and path."""
    from evalkit.app.suites import check_suites

    found, missing = check_suites(names or ())
    if json:
        echo_json(found)
        return
    table(
        "Sound suites", ["suite", "samples", "hash"], [[f.suite, str(f.samples), f.hash[:12]] for f in found]
    )
    if missing:
        rows = [[name, "not read", how] for name, how in missing.items()]
        table("Data of others that is not here", ["suite", "samples", "how to get it"], rows)


@suites_app.command()
def schema(
    kind: Annotated[str, typer.Argument(help="suite, sample, provider, policy or gate.")] = "suite",
) -> None:
    """Print the JSON Schema of a definition file, for editors."""
    from evalkit.app.schemas import schema_of

    echo_json(schema_of(kind))


@providers_app.callback()
def list_providers(
    context: typer.Context,
    weights: Annotated[bool, typer.Option("--weights", help="List weights and who serves them.")] = False,
    json: Json = False,
) -> None:
    """List providers: the shipped declarations and your own."""
    if context.invoked_subcommand is not None:
        return
    from evalkit.catalog.providers import load_providers

    declared = load_providers()
    if json:
        echo_json([d.provider for d in declared.values()])
        return
    if weights:
        pairs = sorted(
            (e.weights.repo, p.provider.id, e.model)
            for p in declared.values()
            for e in p.provider.endpoints
            if e.weights is not None
        )
        table("Weights", ["weights", "provider", "model"], [list(pair) for pair in pairs])
        return
    rows = [
        [
            p.id,
            p.kind,
            p.operator.country or "?",
            p.operator.parent_country or "?",
            ", ".join(p.processing_countries or ()) or "?",
            p.key_env or "none",
            str(len(p.endpoints)),
        ]
        for p in sorted((d.provider for d in declared.values()), key=lambda p: (p.kind, p.id))
    ]
    columns = ["provider", "kind", "operator", "parent", "processing", "key", "endpoints"]
    table("Providers", columns, rows)


@providers_app.command("show")
def show_provider(
    name: Annotated[str, typer.Argument(help="Provider by id.")],
) -> None:
    """Everything that is declared of a provider, and in which file."""
    from evalkit.catalog.providers import load_provider

    echo_json(load_provider(name))


@providers_app.command("check")
def check_provider(
    name: Annotated[str, typer.Argument(help="Provider by id, or one endpoint, provider:model.")],
    json: Json = False,
) -> None:
    """Make one tiny call to each endpoint and say what is wrong.

    Exits with 2 where a key is missing and nothing was sent, with 5 where a call found a fault.
    """
    from evalkit.app.check import check_endpoints
    from evalkit.errors import ExitCode

    results = check_endpoints(name)
    if json:
        echo_json(results)
    else:
        table(
            "Check", ["endpoint", "verdict", "detail"], [[r.endpoint, r.verdict, r.detail] for r in results]
        )
    faults = {result.verdict for result in results} - {"ok"}
    if faults:
        raise typer.Exit(int(ExitCode.USAGE if faults == {"key missing"} else ExitCode.INFRASTRUCTURE))


@providers_app.command()
def discover(
    router: Annotated[str, typer.Argument(help="Router by id: openrouter.")],
    model: Annotated[str, typer.Argument(help="Model as the router names it: author/slug.")],
) -> None:
    """Ask a router which hosts serve a model, and declare them in ./providers."""
    from evalkit.app.discover import discover as ask

    found = ask(router, model)
    for line in found.changes:
        typer.echo(line)
    typer.echo(f"{found.file}: {found.endpoints} endpoints of {model}.")
