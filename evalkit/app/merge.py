"""Joins the parts of a sharded run to the run that one process would have made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.errors import StoreError, UsageError
from evalkit.store.folder import MANIFEST, RunWriter, read_manifest, read_samples
from evalkit.store.journal import LABELS, AppendFile, read_generations, read_label_steps, read_scores
from evalkit.types.suite import LoadedSuite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.types.run import Manifest
    from evalkit.types.suite import Plugin


def merge(folders: Sequence[Path], target: Path, *, partial: bool = False) -> Manifest:
    """Write one run from parts of one plan; the parts stay as they are.

    Args:
        folders: Runs made with `--shard I/N` and otherwise the same options.
        target: Folder of the new run, which must not exist.
        partial: Join what there is; the missing parts' trials are pending, and `evalkit resume` asks them.

    Raises:
        UsageError: the runs are no parts of one plan, a part is missing or given twice, or the target exists.
        StoreError: a run is missing or damaged.
        InfrastructureError: the disk failed.
    """
    parts = sorted(((read_manifest(folder), folder) for folder in folders), key=lambda part: part[0].shard)
    _require_one_plan(parts)
    missing = _missing(parts)
    if missing and not partial:
        count = parts[0][0].shard[1]
        raise UsageError(
            f"{', '.join(f'{index}/{count}' for index in missing)} of the run is missing; name its folder "
            "too, or give --partial to join what there is."
        )
    if (target / MANIFEST).exists():
        raise UsageError(f"{target}: holds a run already; name another with --run.")
    first = parts[0][0]
    with RunWriter(target) as writer:
        for record in first.suites:
            samples = read_samples(parts[0][1], record.suite.id)
            loaded = LoadedSuite(suite=record.suite, samples=samples, folder=str(target), hash=record.hash)
            writer.write_samples(loaded)
        for _, folder in parts:
            for generation in read_generations(folder):
                writer.journal.append(generation)
            writer.journal.append_scores(tuple(read_scores(folder)))
        _keep_labels([folder for _, folder in parts], target)
        whole = _joined(target.name, [manifest for manifest, _ in parts], complete=not missing)
        whole = msgspec.structs.replace(whole, checksums=writer.checksums())
        writer.write_manifest(whole)
    return whole


def _require_one_plan(parts: Sequence[tuple[Manifest, Path]]) -> None:
    if not parts:
        raise UsageError("Nothing to merge; name the folders of a sharded run.")
    first, where = parts[0]
    plan, count = first.options.get("plan"), first.shard[1]
    if not plan:
        raise StoreError(f"{where}: was written by an evalkit that could not merge; run it again.")
    for manifest, folder in parts[1:]:
        if manifest.options.get("plan") != plan or manifest.shard[1] != count:
            raise UsageError(
                f"{folder} is no part of the same run as {where}: a suite, setting, endpoint, seed or the "
                "number of parts differs; `evalkit report A B` shows runs of other plans side by side."
            )
    indexes = [manifest.shard[0] for manifest, _ in parts]
    twice = next((index for index in indexes if indexes.count(index) > 1), None)
    if twice is not None:
        raise UsageError(f"Part {twice}/{count} is given twice; name each part once.")
    for manifest, folder in parts[1:]:
        if _scorers(manifest) != _scorers(first):
            raise UsageError(
                f"{folder} and {where} were scored or judged differently; score and judge both alike, or "
                "merge first and judge the joined run."
            )


def _scorers(manifest: Manifest) -> dict[str, tuple[Plugin, ...]]:
    return {record.suite.id: record.suite.scorers for record in manifest.suites}


def _keep_labels(folders: Sequence[Path], target: Path) -> None:
    """What people said of the parts' answers holds for the whole, and so does what they put off."""
    rows = [row for folder in folders for row in read_label_steps(folder)]
    if rows:
        file = AppendFile(target / LABELS)
        file.append(rows)
        file.close()


def _missing(parts: Sequence[tuple[Manifest, Path]]) -> list[int]:
    given = {manifest.shard[0] for manifest, _ in parts}
    return [index for index in range(1, parts[0][0].shard[1] + 1) if index not in given]


def _joined(name: str, parts: Sequence[Manifest], *, complete: bool) -> Manifest:
    first = parts[0]
    counts = {
        record.suite.id: sum(
            r.samples for part in parts for r in part.suites if r.suite.id == record.suite.id
        )
        for record in first.suites
    }
    ended = [part.finished_at for part in parts if part.finished_at is not None]
    return msgspec.structs.replace(
        first,
        run=name,
        created_at=min(part.created_at for part in parts),
        finished_at=max(ended) if ended else None,
        status="finished" if complete and all(part.status == "finished" for part in parts) else "stopped",
        suites=tuple(msgspec.structs.replace(r, samples=counts[r.suite.id]) for r in first.suites),
        options={
            **first.options,
            "identity": first.options["plan"],
            "shard": [1, 1],
            "merged": [part.run for part in parts],
        },
    )
