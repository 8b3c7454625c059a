"""Corrected figures as lines that stand below those that were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.report.matrix import Row as Line
from evalkit.report.probes_corrected import TIP, corrected_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.probes.corrected import Corrected

_SUFFIX = ", corrected"


def corrected_line(title: str, found: Sequence[Corrected | None], *, signed: bool = False) -> Line:
    """A figure after correction, for every endpoint; its denominators say that they count labels."""
    cells = (corrected_cell(one, signed=signed) for one in found)
    return Line(
        title=f"{title}{_SUFFIX}",
        tip=TIP,
        cells=tuple(
            msgspec.structs.replace(cell, n=f"{cell.n} labelled" if cell.n else "") for cell in cells
        ),
        bare=all(
            one is None or (one.estimate.value is None and one.rogan_gladen.value is None) for one in found
        ),
    )


def gathered(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines, with those that no endpoint has corrected in one line at the end, which names them."""
    bare = [line for line in lines if line.bare]
    if len(bare) < 2:
        return tuple(lines)
    names = "; ".join(line.title.removesuffix(_SUFFIX) for line in bare)
    last = Line(title="Corrected", tip=TIP, note=names, cells=bare[0].cells, bare=True)
    return (*(line for line in lines if not line.bare), last)
