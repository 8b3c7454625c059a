"""What is computed once and read by tables, sentences and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.compare import Comparisons, compare
from evalkit.analysis.frames import Frames, build_frames
from evalkit.analysis.rundata import RunData
from evalkit.analysis.summary import Summary, suite_records, summarize
from evalkit.report.words import letter, tidy
from evalkit.types.provider import Endpoint
from evalkit.types.run import SuiteRecord

if TYPE_CHECKING:
    from collections.abc import Sequence


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of the report: its letter, its name as text, and what was declared of it."""

    letter: str
    key: str
    name: str
    run: int
    endpoint: Endpoint
    reference: bool

    @property
    def weights(self) -> str:
        """The weights that it serves, as text."""
        declared = self.endpoint.weights
        return tidy(declared.repo) if declared else "weights not declared"


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """Frames, figures and comparisons of a report's runs, and its columns grouped by weights."""

    runs: tuple[RunData, ...]
    frames: Frames
    summary: Summary
    comparisons: Comparisons
    records: dict[str, SuiteRecord]
    columns: tuple[Column, ...]

    @property
    def reference(self) -> Column | None:
        """The endpoint that others are compared with."""
        return next((c for c in self.columns if c.reference), None)


def build_basis(runs: Sequence[RunData]) -> Basis:
    """Compute everything that needs statistics."""
    frames = build_frames(runs)
    comparisons = compare(runs, frames)
    return Basis(
        runs=tuple(runs),
        frames=frames,
        summary=summarize(runs, frames),
        comparisons=comparisons,
        records=suite_records(runs),
        columns=_columns(runs, frames, comparisons.reference),
    )


def _columns(runs: Sequence[RunData], frames: Frames, reference: str | None) -> tuple[Column, ...]:
    """Endpoints, those of the same weights next to each other; letters follow the order of the evidence."""
    made = []
    for number, subject in enumerate(frames.subjects):
        endpoints: dict[str, Any] = {e.id: e for e in runs[subject.run].manifest.endpoints}
        made.append(
            Column(
                letter=letter(number),
                key=subject.name,
                name=tidy(subject.name),
                run=subject.run,
                endpoint=endpoints[subject.endpoint],
                reference=subject.name == reference,
            )
        )
    order = list(dict.fromkeys(column.weights for column in made))
    return tuple(sorted(made, key=lambda column: order.index(column.weights)))
