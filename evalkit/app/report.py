"""Measures recorded runs and writes their report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.compare import Comparisons, compare
from evalkit.analysis.frames import build_frames
from evalkit.analysis.labels import named
from evalkit.analysis.probes.rows import label_metrics
from evalkit.analysis.summary import Summary, summarize
from evalkit.app.look import load_run, load_whole_run
from evalkit.errors import UnknownNameError, UsageError
from evalkit.report.page import write_report
from evalkit.store.cards import read_cards
from evalkit.store.folder import find_run, list_runs, read_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.analysis.labels import Subject
    from evalkit.report.verdict import VerdictNote


def measure(names: Sequence[str], results: Path) -> tuple[Summary, Comparisons]:
    """Every figure of some runs, and every comparison with the reference.

    Args:
        names: Runs by name or path, and endpoints or providers in them; without a run, those of the latest.
            The first endpoint is the reference. Without an endpoint all are compared with the first run's.
        results: Where runs are found by name.

    Raises:
        UsageError: a name is neither, or what is named has nothing in common.
        StoreError: a run is missing or damaged.
    """
    folders, endpoints = _told_apart(names, results)
    runs = [load_whole_run(folder) for folder in _each_once(folders)]
    frames = build_frames(runs)
    chosen = [subject for name in endpoints for subject in _subjects(name, frames.subjects)]
    only = tuple(dict.fromkeys(s.name for s in chosen or frames.subjects))
    reference = chosen[0].name if len(only) > 1 and chosen else None
    summary, found = summarize(runs, frames), compare(runs, frames, reference=reference, only=only)
    if len(only) > 1 and not found.tests:
        raise UsageError(
            f"{' and '.join(only)} have no common samples; run both on the same version of a suite."
        )
    return msgspec.structs.replace(summary, subjects=only), found


def unfinished(names: Sequence[str], results: Path) -> list[str]:
    """A sentence for each of the named runs whose plan has not been worked to its end; see `measure`."""
    told = []
    for folder in _each_once(_told_apart(names, results)[0]):
        manifest = read_manifest(folder)
        if manifest.status != "finished":
            planned = sum(r.samples * r.epochs for r in manifest.suites) * len(manifest.endpoints)
            told.append(
                f"run {manifest.run} is not finished: figures are over those of its {planned} planned trials "
                f"that were run; `evalkit resume {manifest.run}` asks the rest."
            )
    return told


def _told_apart(names: Sequence[str], results: Path) -> tuple[list[Path], list[str]]:
    """Run folders, and the names that are no runs."""
    folders, endpoints = [], []
    for name in names:
        try:
            folders.append(find_run(name, results))
        except UnknownNameError:
            endpoints.append(name)
    if not folders and list_runs(results):
        folders.append(find_run("latest", results))
    if not folders:
        raise UnknownNameError("run", names[0], (), f"There are no runs in {results}.")
    return folders, endpoints


def _subjects(name: str, subjects: Sequence[Subject]) -> list[Subject]:
    found = named(name, subjects)
    if not found:
        known = [subject.name for subject in subjects]
        raise UnknownNameError("run or endpoint", name, known, f"The runs hold {', '.join(known)}.")
    return found


def _each_once(folders: Sequence[Path]) -> list[Path]:
    """Folders in order; one that is named twice, such as by name and as `latest`, counts once."""
    return list({folder.resolve(): folder for folder in folders}.values())


def report_on(folders: Sequence[Path], path: Path, verdict: VerdictNote | None = None) -> None:
    """Write the report of some runs to one HTML file, with what the cards in `./judges` know of their judges.

    Raises:
        StoreError: a run or card is missing or damaged.
        InfrastructureError: the file cannot be written.
    """
    runs = [load_run(folder) for folder in _each_once(folders)]
    cards = read_cards() if label_metrics(runs) else ()
    write_report(path, runs, verdict=verdict, cards=cards)
