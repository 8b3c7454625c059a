"""Puts a run that was made in memory on the disk, closed as a real one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.store.folder import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.analysis.rundata import RunData


def record(run: RunData, results: Path) -> Path:
    """Write a run into `results` and give its folder."""
    folder = results / run.manifest.run
    (folder / "samples").mkdir(parents=True)
    for name, rows in (("generations", run.generations), ("scores", run.scores)):
        write_rows(folder / f"{name}.jsonl", rows)
    for suite, samples in run.samples.items():
        write_rows(folder / "samples" / f"{suite}.jsonl", samples)
    close(folder, run)
    return folder


def close(folder: Path, run: RunData) -> None:
    """Write the manifest with the checksums of the files as they are now."""
    files = sorted(p for p in folder.rglob("*.jsonl"))
    sums = {str(p.relative_to(folder)): sha256_of(p) for p in files}
    manifest = msgspec.structs.replace(run.manifest, checksums=sums)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def write_rows(path: Path, rows: tuple[msgspec.Struct, ...]) -> None:
    """One JSON object a line."""
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
