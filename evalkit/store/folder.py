"""A run folder: where it is, who may write to it, and its manifest.

results/<run>/manifest.json       what was planned, with which facts; closed with checksums
generations.jsonl   one row for each request and its answer or failure
scores.jsonl        one row for each metric of each trial
samples/<suite>.jsonl   the samples as they were used
labels.jsonl        what people said of answers, if they were asked; not part of what the run is closed with
lock                held by the process that writes
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from evalkit.errors import EvalkitError, InfrastructureError, StoreError, UnknownNameError, UsageError
from evalkit.store.journal import RunJournal
from evalkit.types.run import SCHEMA, Manifest
from evalkit.types.suite import LoadedSuite, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

MANIFEST = "manifest.json"
SCORES = "scores.jsonl"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+ -]{0,119}")
JOURNALS = ("generations.jsonl", SCORES)


class _Schema(msgspec.Struct, frozen=True):
    schema: int


class RunWriter:
    """The one process that may write to a run folder, as a context manager."""

    def __init__(self, folder: Path, scores: str = SCORES, secrets: Sequence[str] = ()) -> None:
        """Remember the folder; nothing is touched yet.

        Args:
            folder: The run's.
            scores: The file that new scores go to.
            secrets: What must not be in the journals, should an answer hold it.
        """
        self.folder = folder
        self._secrets = secrets
        self._scores = scores
        self.journal: RunJournal
        self._lock = -1

    def __enter__(self) -> Self:
        """Create the folder, take its lock and open the journals.

        Raises:
            StoreError: another process writes to it.
            InfrastructureError: it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InfrastructureError(
                f"{self.folder}: cannot be written ({error.strerror}); choose another folder with --results."
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StoreError(f"{self.folder}: another process writes to this run; wait for it.") from None
        if self._scores != SCORES:
            (self.folder / self._scores).unlink(missing_ok=True)  # of an earlier try that was cut off
        try:
            self.journal = RunJournal(self.folder, self._scores, self._secrets)
        except EvalkitError:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close journals and give the lock back."""
        self.journal.close()
        os.close(self._lock)

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest in one step.

        Raises:
            InfrastructureError: the disk is full or gone; the old manifest stays.
        """
        replace_file(self.folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))

    def write_samples(self, loaded: LoadedSuite) -> None:
        """Keep the samples as they are used, so that the run can be read without the suite."""
        lines = bytearray()  # grows in place: a suite may have very many samples
        for sample in loaded.samples:
            lines += msgspec.json.encode(sample)
            lines += b"\n"
        replace_file(self.folder / "samples" / f"{loaded.suite.id}.jsonl", lines)

    def adopt_scores(self) -> None:
        """Let the scores of this writer take the place of the run's."""
        self.journal.sync()
        (self.folder / self._scores).replace(self.folder / SCORES)

    def checksums(self) -> dict[str, str]:
        """SHA-256 of every file of the run but the manifest itself."""
        self.journal.sync()
        files = [*JOURNALS, *(f"samples/{p.name}" for p in sorted((self.folder / "samples").glob("*.jsonl")))]
        return {name: sha256_of(self.folder / name) for name in files}


def replace_file(path: Path, data: bytes | bytearray) -> None:
    """Write a file so that a reader sees the old or the new content, never a part.

    What is no file but a terminal, a pipe or a device is written to as it is.

    Raises:
        InfrastructureError: the disk is full or gone; the old content stays.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        try:
            path.write_bytes(data)
        except OSError as error:
            raise InfrastructureError(f"{path}: cannot be written ({error.strerror}).") from None
        return
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InfrastructureError(
            f"{path}: cannot be written ({error.strerror}); make room or check rights."
        ) from None


def new_run(name: str, results: Path) -> Path:
    """The folder of a run of this name below `results`; it may be there already.

    Raises:
        UsageError: the name would lead elsewhere, or cannot be one on every machine.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--run {name!r} is no name of a run; begin with a letter or digit, and use letters, digits, "
            "'.', '_', '+', '-' and blanks. `--results` names the folder of all runs."
        )
    return results / name


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run.

    Raises:
        StoreError: there is none, it is damaged, or it was written by a newer evalkit.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except OSError:
        raise StoreError(f"{folder}: no run here (no {MANIFEST}); `evalkit runs` lists them.") from None
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema > SCHEMA:
            raise StoreError(
                f"{path}: written by a newer evalkit (schema {schema}, this one reads up to {SCHEMA}); "
                "update evalkit."
            )
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise StoreError(f"{path}: is damaged ({error}); restore it from a copy.") from None


def read_samples(folder: Path, suite: str) -> tuple[Sample, ...]:
    """The samples of a suite as they were used in a run.

    Raises:
        StoreError: they are missing or damaged.
    """
    path = folder / "samples" / f"{suite}.jsonl"
    try:
        return tuple(msgspec.json.decode(line, type=Sample) for line in path.read_bytes().splitlines())
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"{path}: the run's samples cannot be read ({error}); restore the folder.") from None


def find_run(name: str, results: Path) -> Path:
    """A run folder by name, by path, by unique prefix, or `latest`.

    Raises:
        UnknownNameError: there is no such run.
    """
    direct = Path(name)
    if (direct / MANIFEST).is_file():
        return direct
    runs = list_runs(results)
    if not runs:
        raise UnknownNameError(
            "run", name, (), f"There are no runs in {results}; `evalkit demo` or `evalkit run` makes one."
        )
    if name == "latest":
        return runs[-1]
    starting = [path for path in runs if path.name == name]
    starting = starting or [path for path in runs if path.name.startswith(name)]
    if len(starting) == 1:
        return starting[0]
    if starting:
        raise UsageError(f"Run {name!r} may be {' or '.join(path.name for path in starting)}; write it out.")
    raise UnknownNameError(
        "run", name, [path.name for path in runs], f"`evalkit runs` lists those in {results}."
    )


def written_now(folder: Path) -> bool:
    """Whether a process writes to the run at this moment."""
    try:
        lock = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def list_runs(results: Path) -> list[Path]:
    """Every run folder below `results`, oldest first."""
    if not results.is_dir():
        return []
    runs = [path for path in results.iterdir() if (path / MANIFEST).is_file()]
    return sorted(runs, key=lambda path: ((path / MANIFEST).stat().st_mtime_ns, path.name))
