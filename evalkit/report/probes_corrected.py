"""Figures after a judge's errors, as cells that stand below those that were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.report.cells import Cell, estimate_cell, figure
from evalkit.report.numbers import count
from evalkit.report.probes_words import points
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from evalkit.analysis.probes.corrected import Corrected, Corrections
    from evalkit.analysis.probes.findings import Findings
    from evalkit.types.estimate import Estimate

UNCALIBRATED = "uncalibrated"
TIP = "Corrected with labels of people (PPI++). Rogan and Gladen's correction opens beneath."


def corrected_cell(found: Corrected | None, *, signed: bool = False) -> Cell:
    """A corrected rate, or (`signed`) difference of rates; without enough labels, that it is uncalibrated."""
    if found is None:
        return estimate_cell(None, "share", denominator="")
    beside = ("by Rogan and Gladen", _told(found.rogan_gladen, signed=signed))
    if found.estimate.value is None:
        why = tidy((found.estimate.note or "").removeprefix(f"{UNCALIBRATED}: "), 600)
        return Cell(text=UNCALIBRATED, missing=True, facts=(("why", why or "no labels"), beside))
    told = "labelled answers"
    cell = (
        points_cell(found.estimate, told)
        if signed
        else estimate_cell(found.estimate, "share", denominator=told)
    )
    return msgspec.structs.replace(cell, facts=(*cell.facts, beside))


def points_cell(estimate: Estimate, denominator: str) -> Cell:
    """A difference of shares in points."""
    text, interval = points(estimate)
    cell = estimate_cell(estimate, "share", denominator=denominator)
    facts = tuple(
        (name, f"{interval} {estimate.method}" if name.endswith("interval") else told)
        for name, told in cell.facts
    )
    return msgspec.structs.replace(cell, text=text, interval=interval, facts=facts)


def _told(estimate: Estimate, *, signed: bool) -> str:
    """A figure, its interval and what it assumes on one line."""
    note = tidy(estimate.note or "", 600)
    if estimate.value is None:
        return note or "no figure"
    text, interval = points(estimate) if signed else figure(estimate, "share")
    return " ".join(part for part in (text, interval, note) if part)


def on_correction(found: Findings, corrections: Corrections | None) -> str:
    """What stands between these classes and the truth: labels, a card of judges, or nothing."""
    if corrections is None and found.by_rules:
        return ""
    whose = "rules" if found.by_rules else "judges"
    if corrections is None:
        return (
            "Uncalibrated: nobody classed any of these answers, so the judges' own errors are in every "
            "figure. Run evalkit label and evalkit judge calibrate to measure them."
        )
    if not corrections.labels:
        return (
            f"Nobody classed any of these answers, so the errors of the {whose} are in every figure. A judge "
            "card of other runs gives Rogan and Gladen's correction, which assumes that they err here as "
            "there; it opens beneath the cells that say uncalibrated."
        )
    return (
        f"People classed {count(corrections.labels)} of these answers. Where that is enough, rates and "
        f"excesses are corrected for the errors of the {whose}, directly below the uncorrected. Withheld, "
        "steered among answers and the hosts' parts are never corrected."
    )
