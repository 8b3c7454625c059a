"""One Markdown page: figures by endpoint and suite, differences to the reference, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.analysis.compare import compare
from evalkit.exporters.record import write_file
from evalkit.report.plain import comparison_rows, difference_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.exporters.record import Exported, Exporter


def build() -> Exporter:
    """The format `markdown`."""
    return Markdown()


class Markdown:
    """See `evalkit.exporters.record.Exporter`."""

    name = "markdown"
    remote = False

    def export(self, exported: Exported, target: str) -> list[str]:
        """See `evalkit.exporters.record.Exporter`."""
        comparisons = compare(exported.runs, exported.frames)
        lines = ["# " + ", ".join(_cell(run.manifest.run) for run in exported.runs), ""]
        lines += [f"> {_cell(run.manifest.note)}\n" for run in exported.runs if run.manifest.note]
        lines += ["95 % intervals in brackets; n is the denominator. – is not known, never 0.", ""]
        lines += [*_table(*comparison_rows(exported.summary)), ""]
        if comparisons.tests:
            lines += [
                f"## Differences to {_cell(str(comparisons.reference))}",
                "",
                f"{comparisons.family} tests, Holm-corrected at {comparisons.alpha:g}; * is significant.",
                "",
                *_table(*difference_rows(comparisons)),
            ]
        return [write_file(Path(target) / "report.md", "\n".join(lines).rstrip() + "\n")]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = [_row(columns), _row(["---"] * len(columns))]
    return [*head, *(_row([_cell(text) for text in row]) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    """Text that cannot break out of its cell, nor become markup: names come from outside."""
    plain = " ".join(text.split())
    for character in "\\`*_[]<>|#!":
        if character == "*" and plain.endswith("*"):
            plain = plain[:-1].replace("*", "\\*") + "*"
        else:
            plain = plain.replace(character, "\\" + character)
    return plain
