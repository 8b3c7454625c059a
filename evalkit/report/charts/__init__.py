"""Pictures of a report as static SVG, each with a text alternative and the table behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.report.charts.bars import cost, outcomes
from evalkit.report.charts.base import Picture
from evalkit.report.charts.forest import forest
from evalkit.report.charts.heat import heat_maps
from evalkit.report.charts.latency import latency
from evalkit.report.charts.tradeoff import tradeoff

if TYPE_CHECKING:
    from evalkit.report.basis import Basis

__all__ = ["Picture", "pictures"]


def pictures(basis: Basis) -> tuple[Picture, ...]:
    """All pictures for which there are data, in reading order."""
    made = (
        forest(basis),
        outcomes(basis),
        tradeoff(basis, "cost_per_1k", "Quality against cost", "US dollars per 1,000 samples"),
        tradeoff(basis, "total_p50", "Quality against waiting time", "median seconds to the whole answer"),
        latency(basis),
        cost(basis),
        *heat_maps(basis),
    )
    return tuple(picture for picture in made if picture is not None)
