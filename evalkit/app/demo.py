"""The demonstration: three suites on the three embedded hosts, a report, and a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.app.gate import DEMO_GATE, judge_runs, note_of
from evalkit.app.report import report_on
from evalkit.app.setup import RunOptions, Setup, prepare
from evalkit.embedded.hosts import HOSTS, MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.types.gate import GateVerdict

SUITES = ("coding@demo", "agentic@demo", "probes@tiny")
CANDIDATE = "embedded-cutrate"
_MAX_TOKENS = 256
"""Enough for this model, and keeps the demonstration within minutes on two cores."""


def demo_setup() -> Setup:
    """The demonstration's plan. The embedded hosts must be up.

    Raises:
        UsageError: something it needs is not installed.
    """
    endpoints = tuple(f"{host.provider}:{MODEL}" for host in HOSTS)
    return prepare(RunOptions(suites=SUITES, on=endpoints, epochs=1, settings={"max_tokens": _MAX_TOKENS}))


def judge_and_report(folder: Path, output: Path) -> GateVerdict:
    """Judge the demonstration's run and write its report."""
    verdict = judge_runs([folder], DEMO_GATE, candidate=CANDIDATE)
    report_on([folder], output, note_of(verdict))
    return verdict
