"""Which version of which scorer, and which panel, gave the answers of runs their classes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.analysis.frames import latest_scores
from evalkit.types.card import Instrument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.rundata import RunData


def instruments(runs: Sequence[RunData], metric: str) -> tuple[Instrument, ...]:
    """Everything that gave these runs' answers a class of a metric; more than one is no one judge.

    The order of a panel's judges does not matter.
    """
    found: dict[Instrument, None] = {}
    for run in runs:
        panels = {
            record.suite.id: tuple(sorted(plugin.options.get("judges", ())))
            for record in run.manifest.suites
            for plugin in record.suite.scorers
            if plugin.name == metric
        }
        for row in latest_scores(run.scores).values():
            if row.score is not None and row.score.metric == metric:
                panel = panels.get(row.trial.suite, ())
                made = Instrument(metric=metric, scorer=row.scorer, version=row.version, panel=panel)
                found[made] = None
    return tuple(found)
