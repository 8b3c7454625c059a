"""What every exporter is given, and what they share."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from evalkit.analysis.frames import Frames, build_frames, latest_scores, latest_turns, planned
from evalkit.analysis.rundata import RunData
from evalkit.analysis.summary import Summary, summarize
from evalkit.errors import InfrastructureError
from evalkit.types.generation import Generation, TrialKey
from evalkit.types.provider import Endpoint
from evalkit.types.run import SuiteRecord
from evalkit.types.score import ScoreRow
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from evalkit.analysis.summary import Figure

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One planned trial with everything that is recorded of it. `turns` are the subject's own."""

    key: TrialKey
    sample: Sample | None
    turns: tuple[Generation, ...]
    scores: tuple[ScoreRow, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One suite at one endpoint in one run; `subject` and `suite` are their names in the figures."""

    run: RunData
    endpoint: Endpoint
    record: SuiteRecord
    subject: str
    suite: str
    trials: tuple[Trial, ...]


class Exported:
    """Runs with their tables and figures, computed once when first wanted."""

    def __init__(self, runs: Sequence[RunData]) -> None:
        self.runs = tuple(runs)

    @cached_property
    def frames(self) -> Frames:
        """Tables of generations, trials and scores."""
        return build_frames(self.runs)

    @cached_property
    def summary(self) -> Summary:
        """Every figure."""
        return summarize(self.runs, self.frames)

    def figures(self, subject: str) -> Iterator[Figure]:
        """An endpoint's figures that have a value."""
        own = (f for f in self.summary.figures if f.subject == subject)
        return (f for f in own if f.estimate.value is not None)

    def parts(self) -> Iterator[Part]:
        """Every suite at every endpoint of every run, in order."""
        from evalkit.analysis.labels import subjects_of, suite_names

        suites = suite_names(self.runs)
        subjects = {(s.run, s.endpoint): s.name for s in subjects_of(self.runs)}
        for number, run in enumerate(self.runs):
            turns = latest_turns(run.generations)
            scores: dict[TrialKey, list[ScoreRow]] = {}
            for (key, _), row in latest_scores(run.scores).items():
                scores.setdefault(key, []).append(row)
            trials: dict[tuple[str, str], list[Trial]] = {}
            for key, sample in planned(run, turns):
                own = tuple(g for g in turns.get(key, ()) if g.role == "subject")
                trial = Trial(key=key, sample=sample, turns=own, scores=tuple(scores.get(key, ())))
                trials.setdefault((key.endpoint, key.suite), []).append(trial)
            for endpoint in run.manifest.endpoints:
                for record in run.manifest.suites:
                    yield Part(
                        run=run,
                        endpoint=endpoint,
                        record=record,
                        subject=subjects[number, endpoint.id],
                        suite=suites[number, record.suite.id],
                        trials=tuple(trials.get((endpoint.id, record.suite.id), ())),
                    )


class Exporter(Protocol):
    """A format that can be written. `remote` ones are logged to a server and need no folder."""

    name: str
    remote: bool

    def export(self, exported: Exported, target: str) -> list[str]:
        """Write to a folder, or log to a server; gives what was written.

        Raises:
            UsageError: a package is missing, or the target is of the wrong kind.
            InfrastructureError: it cannot be written or reached.
        """
        ...


def metric_of(row: ScoreRow) -> str:
    """The metric that a row speaks of."""
    said = row.score or row.unscored
    assert said is not None  # a row is one of the two
    return said.metric


def file_name(*parts: str) -> str:
    """A file's name out of names that may hold anything."""
    return "_".join(_UNSAFE.sub("-", part).strip("-.") or "x" for part in parts)[:180]


def write_file(path: Path, data: bytes | str) -> str:
    """Write a file, with its folder.

    Raises:
        InfrastructureError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode("utf-8", "replace") if isinstance(data, str) else data)
    except OSError as error:
        raise InfrastructureError(
            f"{path}: cannot be written ({error.strerror}); choose another folder."
        ) from None
    return str(path)


def estimates(exported: Exported) -> list[dict[str, Any]]:
    """Every figure as a row."""
    return [
        {
            "subject": figure.subject,
            "suite": figure.suite,
            "measure": figure.measure,
            **msgspec.structs.asdict(figure.estimate),
        }
        for figure in exported.summary.figures
    ]
