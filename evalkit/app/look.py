"""What a recorded run holds, for people and for the analysis."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from evalkit.analysis.rundata import RunData
from evalkit.errors import StoreError, UsageError
from evalkit.store.folder import read_manifest, read_samples, sha256_of
from evalkit.store.journal import read_generations, read_labels, read_scores

if TYPE_CHECKING:
    from pathlib import Path


def load_run(folder: Path) -> RunData:
    """A whole run in memory.

    Raises:
        StoreError: it is missing, damaged, or was written by a newer evalkit.
    """
    manifest = read_manifest(folder)
    return RunData(
        manifest=manifest,
        generations=tuple(read_generations(folder)),
        scores=tuple(read_scores(folder)),
        samples={record.suite.id: read_samples(folder, record.suite.id) for record in manifest.suites},
        labels=tuple(read_labels(folder)),
    )


def load_whole_run(folder: Path) -> RunData:
    """A run with answers in it, exactly as it was closed; one still open is taken as it is.

    Raises:
        UsageError: nothing is recorded in it.
        StoreError: it is missing or damaged, or a file is cut or was edited since the run ended.
    """
    changed = changed_files(folder)
    if changed:
        raise StoreError(
            f"{folder / changed[0]}: is not as the run left it (another SHA-256): cut off or edited; restore "
            "it from a copy, or run the same command again."
        )
    run = load_run(folder)
    if not run.generations:
        raise UsageError(
            f"{folder}: the run is empty, nothing was answered in it; `evalkit resume` it first."
        )
    return run


def outcome_rows(folder: Path) -> list[dict[str, Any]]:
    """Number of generations by endpoint, suite and outcome, with one failure's message as example."""
    counts: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], str] = {}
    for generation in read_generations(folder):
        key = (generation.endpoint, generation.trial.suite, generation.outcome.value)
        counts[key] += 1
        if generation.failure is not None:
            examples.setdefault(key, generation.failure.message[:160])
    return [
        {"endpoint": e, "suite": s, "outcome": o, "count": n, "example": examples.get((e, s, o), "")}
        for (e, s, o), n in sorted(counts.items())
    ]


def changed_files(folder: Path) -> list[str]:
    """Files of a closed run whose SHA-256 is no longer that of its manifest."""
    manifest = read_manifest(folder)
    return [
        name
        for name, checksum in manifest.checksums.items()
        if not (folder / name).is_file() or sha256_of(folder / name) != checksum
    ]
