"""Functions that say what there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.api.objects import Run
from evalkit.api.running import folder_of
from evalkit.app import suites as app_suites
from evalkit.app.check import check_endpoints
from evalkit.app.discover import discover as ask_router
from evalkit.app.schemas import schema_of
from evalkit.catalog.providers import load_providers
from evalkit.store.folder import list_runs

if TYPE_CHECKING:
    from evalkit.api.options import PathLike
    from evalkit.app.check import Checked
    from evalkit.app.discover import Discovered
    from evalkit.app.suites import Sound
    from evalkit.embedded.hosts import EmbeddedHosts
    from evalkit.types.provider import Provider
    from evalkit.types.suite import Suite


def load(run: PathLike = "latest", *, results: PathLike = "results") -> Run:
    """A recorded run.

    Args:
        run: Its name, a unique prefix of it, its path, or `latest`.
        results: Folder of runs.

    Raises:
        UnknownNameError: there is no such run.
    """
    return Run(folder_of(run, Path(results)))


def runs(results: PathLike = "results") -> list[Run]:
    """Every recorded run, oldest first."""
    return [Run(folder) for folder in list_runs(Path(results))]


def suites() -> list[Suite]:
    """The definitions of all suites, your own in `./suites` first."""
    return app_suites.every_suite()


def check_suites(*names: str) -> tuple[list[Sound], dict[str, str]]:
    """Read suites whole; without names, all of them.

    Returns:
        The sound ones, and for each whose data is not on this machine how to get it.

    Raises:
        DefinitionError: a file breaks its schema.
        UnknownNameError: there is no such suite, solver or scorer.
    """
    return app_suites.check_suites(names)


def providers() -> dict[str, Provider]:
    """Every declared provider by id, shipped or your own, with its endpoints."""
    return {name: declared.provider for name, declared in load_providers().items()}


def check_provider(name: str) -> list[Checked]:
    """Make one tiny call to each endpoint of a provider, or to one `provider:model`.

    Raises:
        UsageError: the provider is unknown or declares no endpoint.
    """
    return check_endpoints(name)


def discover(router: str, model: str) -> Discovered:
    """Ask a router which hosts serve a model, and declare them in `./providers`.

    Raises:
        UsageError: the provider is no router that can be asked, or it does not know the model.
        InfrastructureError: it cannot be reached.
    """
    return ask_router(router, model)


def schema(kind: str = "suite") -> dict[str, Any]:
    """The JSON Schema of a definition file: suite, sample, provider, policy, gate or prices.

    Raises:
        UnknownNameError: there is no such kind.
    """
    return schema_of(kind)


def serve(first_port: int = 8611) -> EmbeddedHosts:
    """The embedded weights as three hosts; a context manager that serves until it is left.

    Args:
        first_port: First of three ports on 127.0.0.1.

    Raises:
        UsageError: the extra `embedded` is not installed, or a port is taken.
    """
    from evalkit.embedded.hosts import EmbeddedHosts

    return EmbeddedHosts(first_port=first_port)
