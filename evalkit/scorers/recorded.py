"""Scores that another tool gave: the scorer of imported runs.

Its rows are written by the import and kept when a run is scored again; it finds nothing by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.types.score import Metric

if TYPE_CHECKING:
    from evalkit.ports.core import Scorer, Scores
    from evalkit.types.effects import Worked

VERSION = "1"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`source` names the tool whose scores these are; `metrics` is what they mean."""

    source: str
    metrics: tuple[Metric, ...]


def build(options: Options) -> Scorer:
    """The scorer `recorded`."""
    return Recorded(options)


class Recorded:
    """See `evalkit.ports.core.Scorer`."""

    version = VERSION
    needs_sandbox = False

    def __init__(self, options: Options) -> None:
        self.name = options.source
        self.metrics = options.metrics

    def score(self, worked: Worked) -> Scores:
        """See `evalkit.ports.core.Scorer`. What the file does not score stays without a score."""
        del worked
        return ()
