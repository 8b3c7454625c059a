"""A run as it was recorded: what every analysis starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.types.generation import Generation
from evalkit.types.label import LabelRow
from evalkit.types.run import Manifest
from evalkit.types.score import ScoreRow
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from evalkit.types.run import SuiteRecord


class RunData(msgspec.Struct, frozen=True, kw_only=True):
    """One run in memory.

    `generations` and `scores` are in the order of the journal; where two rows speak of the same thing the
    later one holds. `samples` are those that were used, by suite; a suite that is missing here can still be
    counted but not shown. `labels` are what people said of answers.
    """

    manifest: Manifest
    generations: tuple[Generation, ...] = ()
    scores: tuple[ScoreRow, ...] = ()
    samples: dict[str, tuple[Sample, ...]] = {}
    labels: tuple[LabelRow, ...] = ()

    def suite(self, name: str) -> SuiteRecord:
        """The record of a suite of this run; `KeyError` if the run does not have it."""
        return {record.suite.id: record for record in self.manifest.suites}[name]
