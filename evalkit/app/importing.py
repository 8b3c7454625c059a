"""Makes a run folder of what other tools recorded.

The folder is written under another name and moved into place when it is whole, so that nothing is left of a
file that turns out to be broken.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit import __version__, plugins
from evalkit.app.imported import Grid, slug
from evalkit.errors import InfrastructureError, StoreError, UsageError
from evalkit.importers.opened import Opened
from evalkit.importers.record import About, Asked, Imported
from evalkit.importers.turns import generation, settled
from evalkit.scorers.recorded import VERSION
from evalkit.store.folder import RunWriter, new_run
from evalkit.types.generation import Outcome, TrialKey
from evalkit.types.run import SCHEMA, Manifest
from evalkit.types.score import Score, ScoreRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.importers.record import Importer
    from evalkit.types.generation import Generation

_SUFFIXES = {".json", ".jsonl", ".eval", ".gz"}
_AMOUNTS = ("usage", "latency", "first token", "cost", "finish reason")


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks for. `endpoints` are `provider:model`, or `name in the file=provider:model`."""

    files: tuple[Path, ...]
    results: Path
    form: str = "auto"
    run: str | None = None
    suite: str | None = None
    endpoints: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An import. `outcomes` counts generations; `missing` names what no answer of the files tells."""

    folder: Path
    manifest: Manifest
    form: str
    trials: int
    planned: int
    scores: int
    outcomes: dict[str, int]
    missing: tuple[str, ...]
    seconds: float


def import_files(options: ImportOptions) -> Done:
    """Read files of one format into a new run.

    Raises:
        UsageError: a file cannot be read, breaks its format, or contradicts another.
        StoreError: a run of that name is there already.
        InfrastructureError: the results folder cannot be written.
    """
    started = time.monotonic()
    files = [Opened(path) for path in dict.fromkeys(_files(options.files))]
    try:
        importer = _importer(files, options.form)
        name = options.run or f"{slug(_stem(files[0]))}-{files[0].sha256[:8]}"
        target = new_run(name, options.results)
        if target.exists():
            raise StoreError(f"{target}: exists already; name another run with --run, or remove it.")
        draft = options.results / f".importing-{name}-{os.getpid()}"
        try:
            writing = _Writing(files, importer, options, draft, name)
            manifest = writing.work()
            draft.rename(target)
        except OSError as error:
            raise InfrastructureError(f"{target}: cannot be written ({error.strerror}); make room.") from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    finally:
        for file in files:
            file.close()
    return Done(
        folder=target,
        manifest=manifest,
        form=importer.name,
        trials=writing.grid.trials,
        planned=writing.grid.planned(),
        scores=writing.scores,
        outcomes=writing.outcomes,
        missing=writing.missing(),
        seconds=time.monotonic() - started,
    )


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are named; a folder stands for the results in it."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = [p for p in sorted(path.rglob("*")) if p.is_file() and p.suffix in _SUFFIXES]
        if not inside:
            raise UsageError(f"{path}: has no {', '.join(sorted(_SUFFIXES))} file; name the files.")
        yield from inside


def _importer(files: Sequence[Opened], form: str) -> Importer:
    """The importer that the user named, or the one that knows every file."""
    if form != "auto":
        return plugins.importer(form)
    every = [plugins.importer(name) for name in plugins.formats("importer")]
    for file in files:
        if not any(importer.recognizes(file) for importer in every):
            raise UsageError(
                f"{file.path}: its format was not recognized; name it with --format "
                f"({', '.join(importer.name for importer in every)}), or see docs/interop.md for the fields."
            )
    known = [importer for importer in every if all(importer.recognizes(file) for file in files)]
    if len(known) != 1:
        raise UsageError(
            "The files are of several formats; import those of one format at a time."
            if not known
            else f"{files[0].path}: could be {' or '.join(i.name for i in known)}; name it with --format."
        )
    return known[0]


def _stem(file: Opened) -> str:
    return file.name.removesuffix(".gz").rsplit(".", 1)[0]


class _Writing:
    """One import under way."""

    def __init__(
        self, files: Sequence[Opened], importer: Importer, options: ImportOptions, draft: Path, name: str
    ) -> None:
        self._files = files
        self._importer = importer
        self._options = options
        self._draft = draft
        self._name = name
        self._now = time.time()
        self._said: dict[str, int] = dict.fromkeys(_AMOUNTS, 0)
        self.grid = Grid()
        self.scores = 0
        self.outcomes: dict[str, int] = {}

    def work(self) -> Manifest:
        """Write the whole draft folder."""
        with RunWriter(self._draft) as writer:
            try:
                for told in self._told():
                    if isinstance(told, About):
                        self.grid.about(msgspec.structs.replace(told, suite=slug(told.suite)))
                    else:
                        self._add(writer, msgspec.structs.replace(told, suite=slug(told.suite)))
            finally:
                self.grid.close()
            if not self.grid.trials:
                raise UsageError(f"{self._files[0].path}: holds no answers; nothing was imported.")
            self.grid.check()
            manifest = self._manifest(writer)
            writer.write_manifest(manifest)
        return manifest

    def _told(self) -> Iterator[Imported | About]:
        renamed = dict(pair.rsplit("=", 1) for pair in self._options.endpoints if "=" in pair)
        plain = [name for name in self._options.endpoints if "=" not in name]
        if len(plain) > 1:
            raise UsageError("--endpoint is given twice; write `name in the file=provider:model` for each.")
        asked = Asked(
            suite=self._options.suite or _stem(self._files[0]),
            endpoint=plain[0] if plain else None,
            renamed=renamed,
        )
        return self._importer.read(self._files, asked)

    def _add(self, writer: RunWriter, told: Imported) -> None:
        trial = self.grid.add(told, self._draft / "samples")
        endpoint = self.grid.endpoint(told.endpoint, told.where)
        rows = [
            generation(turn, trial, number, endpoint, self._now)
            for number, turn in enumerate(told.turns, start=1)
        ]
        for row in rows if not told.again else ():
            writer.journal.append(row)
            self.outcomes[row.outcome.value] = self.outcomes.get(row.outcome.value, 0) + 1
            self._count(row)
        made = settled(told.scores, rows[-1])
        self.grid.scored(told.suite, made, told.scores)
        self.scores += sum(isinstance(score, Score) for score in made)
        writer.journal.append_scores([self._row(trial, score) for score in made])

    def _row(self, trial: TrialKey, said: Any) -> ScoreRow:
        scored = isinstance(said, Score)
        return ScoreRow(
            trial=trial,
            scorer=self._importer.name,
            version=VERSION,
            at=self._now,
            score=said if scored else None,
            unscored=None if scored else said,
        )

    def _count(self, row: Generation) -> None:
        response = row.response
        told = (
            response is not None and response.usage is not None,
            row.timing is not None,
            row.timing is not None and row.timing.first_token_s is not None,
            row.cost is not None,
            (response is not None and response.native_finish is not None) or row.outcome is Outcome.TRUNCATED,
        )
        for name, known in zip(_AMOUNTS, told, strict=True):
            self._said[name] += known

    def missing(self) -> tuple[str, ...]:
        """What no answer tells."""
        return tuple(name for name, count in self._said.items() if count == 0)

    def _manifest(self, writer: RunWriter) -> Manifest:
        sources = [{"file": file.name, "sha256": file.sha256, "bytes": file.size} for file in self._files]
        moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(self._now))
        return Manifest(
            schema=SCHEMA,
            run=self._name,
            created_at=moment,
            finished_at=moment,
            evalkit=__version__,
            argv=self._options.argv,
            seed=0,
            suites=self.grid.records(self._importer.name, self._files[0].name),
            endpoints=self.grid.endpoints(),
            reference=self.grid.endpoints()[0].id,
            status="finished",
            options={
                "identity": "imported:" + self._files[0].sha256,
                "imported": {
                    "format": self._importer.name,
                    "files": sources,
                    "missing": self.missing(),
                    "trials": self.grid.trials,
                    "planned": self.grid.planned(),
                },
            },
            software=self.grid.software,
            checksums=writer.checksums(),
            note=self._note(),
        )

    def _note(self) -> str:
        first = self._files[0]
        more = f" and {len(self._files) - 1} more files" if len(self._files) > 1 else ""
        parts = [f"imported ({self._importer.name}) from {first.name}{more}, SHA-256 {first.sha256[:16]}…"]
        if self.missing():
            parts.append(f"the file does not say: {', '.join(self.missing())}")
        gaps = self.grid.planned() - self.grid.trials
        if gaps:
            parts.append(
                f"{gaps} of {self.grid.planned()} pairs of sample and endpoint are not in it and count as "
                "not run"
            )
        return "; ".join(parts) + "."
