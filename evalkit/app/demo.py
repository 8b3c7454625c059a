"""The demonstration: three suites on the three embedded hosts, a report, and a verdict."""

from __future__ import annotations

from evalkit.app.setup import RunOptions, Setup, prepare
from evalkit.embedded.hosts import HOSTS, MODEL

SUITES = ("coding@demo", "agentic@demo", "probes@demo")


def demo_setup() -> Setup:
    """The demonstration's plan. The embedded hosts must be up.

    Raises:
        UsageError: something it needs is not installed.
    """
    return prepare(RunOptions(suites=SUITES, on=tuple(f"{host.provider}:{MODEL}" for host in HOSTS)))
