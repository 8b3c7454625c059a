"""Functions that say what runs show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from evalkit.api.objects import Comparison, Run, Verdict
from evalkit.api.options import (
    CONDUCTING,
    NAMING_ENDPOINTS,
    SELECTING,
    Asking,
    PathLike,
    check_names,
    conducted,
    results_of,
    selected,
    watcher,
)
from evalkit.api.running import folder_of
from evalkit.app.calibrating import calibrate_judges
from evalkit.app.gate import judge
from evalkit.app.report import measure, report_on
from evalkit.app.sequential import Gating

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.types.card import JudgeCard


def compare(*names: Run | PathLike, results: PathLike = "results") -> Comparison:
    """Compare runs or endpoints on the samples that both were asked.

    Args:
        *names: Runs, and endpoints or providers in them; without a run, those of the latest. The first
            endpoint is the reference. Without an endpoint all are compared with the first run's reference.
        results: Folder of runs.

    Raises:
        UsageError: a name is neither, or what is named has nothing in common.
        StoreError: a run is missing or damaged.
    """
    named = [str(name.folder) if isinstance(name, Run) else str(name) for name in names] or ["latest"]
    return Comparison(*measure(named, Path(results)))


def calibrate(
    runs: Run | PathLike | Sequence[Run | PathLike],
    *,
    metric: str = "probe_judge",
    name: str | None = None,
    results: PathLike = "results",
    cards: PathLike = "judges",
) -> JudgeCard:
    """Hold what classed answers to probes against people's labels, and store the judge card.

    Args:
        runs: Runs that people labelled.
        metric: `probe_judge` for the panel's classes, `probe` for the rules'.
        name: Of the card; otherwise that of the metric and the first run.
        results: Folder of runs.
        cards: Folder of judge cards.

    Raises:
        UsageError: there is nothing to compare: no labels, no such scores, or scores of different panels.
        StoreError: a run is missing or damaged.
        InfrastructureError: the card cannot be written.
    """
    named = (runs,) if isinstance(runs, Run | str | Path) else tuple(runs)
    folders = [folder_of(run, Path(results)) for run in named]
    return calibrate_judges(folders, metric, name, Path(cards)).card


def gate(
    file: PathLike,
    runs: Run | PathLike | Sequence[Run | PathLike] = (),
    *,
    candidate: str | None = None,
    baseline: Run | str | None = None,
    results: PathLike = "results",
) -> Verdict:
    """Hold runs against a gate file.

    Args:
        file: Gate file (YAML).
        runs: Runs that hold the candidate; none for the one that the gate file names.
        candidate: Endpoint or provider to judge; may be left out if there is just one beside the baseline.
        baseline: Another run, or an endpoint or provider of these; their reference by default.
        results: Folder of runs.

    Raises:
        UsageError: a name is unknown, or the sides cannot be compared.
        DefinitionError: the file breaks its schema.
        StoreError: a run is missing or damaged.
    """
    named = (runs,) if isinstance(runs, Run | str | Path) else tuple(runs)
    other = str(baseline.folder) if isinstance(baseline, Run) else baseline
    where = Path(results)
    folders = [str(folder_of(run, where)) for run in named]
    return Verdict(judge(folders, Path(file), candidate=candidate, baseline=other, results=where))


def gate_sequentially(
    suites: str | Sequence[str],
    file: PathLike,
    *,
    candidate: str,
    baseline: str | None = None,
    told: Callable[[str], None] | None = None,
    **options: Unpack[Asking],
) -> Verdict:
    """Ask suites batch by batch, just as many samples as it takes to decide a gate.

    Args:
        suites: Suites by id or folder.
        file: Gate file (YAML); a rule on a share can be decided early.
        candidate: Endpoint to judge, `provider:model`.
        baseline: Another endpoint, or a recorded run.
        told: Is given one line after each look.
        **options: See `Selection` (but for what names endpoints) and `Conduct`.

    Raises:
        EvalkitError: as `run` and `gate`.
    """
    check_names(options, (SELECTING - NAMING_ENDPOINTS) | CONDUCTING)
    gating = Gating(
        selected(suites, options),
        Path(file),
        candidate=candidate,
        baseline=baseline,
        results=results_of(options),
    )
    return Verdict(gating.run(conducted(options), watcher(options), told or (lambda _: None)))


def write_report(
    runs: Run | PathLike | Sequence[Run | PathLike], path: PathLike, *, results: PathLike = "results"
) -> Path:
    """Write one self-contained HTML report of one or more runs.

    Args:
        runs: One run or several.
        path: The HTML file.
        results: Folder of runs.

    Raises:
        StoreError: a run is missing or damaged.
        InfrastructureError: the file cannot be written.
    """
    named = (runs,) if isinstance(runs, Run | str | Path) else tuple(runs)
    report_on([folder_of(run, Path(results)) for run in named], Path(path))
    return Path(path)
