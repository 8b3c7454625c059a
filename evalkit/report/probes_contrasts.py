"""Tables of contrasts: topics of a jurisdiction against their controls, in a language, at home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.probes.classes import AS_SERVED, STEERING, Measure
from evalkit.analysis.probes.rates import ORIGIN_TOPICS
from evalkit.report.cells import Cell, estimate_cell
from evalkit.report.matrix import Group, Matrix, heads_of, spans_of
from evalkit.report.matrix import Row as Line
from evalkit.report.numbers import count
from evalkit.report.places import country, language
from evalkit.report.probes_corrected import points_cell
from evalkit.report.probes_lines import corrected_line, gathered
from evalkit.report.probes_words import points
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.probes.findings import Contrasted, Findings, Kind
    from evalkit.analysis.probes.panel import PanelFindings
    from evalkit.report.basis import Basis


def contrast_matrix(basis: Basis, found: Findings, panel: PanelFindings | None = None) -> Matrix:
    """Contrasts for jurisdictions with enough topics; for the largest one, marked, where none has."""
    enough = [place for place, topics in found.topics.items() if topics >= ORIGIN_TOPICS]
    shown = enough or list(found.topics)[:1]
    return _Contrasts(basis, found, panel).matrix(shown, "Against controls", languages=True)


def explored_matrix(basis: Basis, found: Findings, panel: PanelFindings | None = None) -> Matrix:
    """The excess of all other jurisdictions, which have too few topics to be more than a hint."""
    shown = [place for place, topics in found.topics.items() if topics < ORIGIN_TOPICS]
    return _Contrasts(basis, found, panel).matrix(shown, "Other jurisdictions: exploratory", languages=False)


CONTESTED = "depends on the judge"
EXPLORATORY = "exploratory"


class _Contrasts:
    """Contrasts of one suite, as rows."""

    def __init__(self, basis: Basis, found: Findings, panel: PanelFindings | None) -> None:
        self._basis = basis
        self._found = found
        self._panel = panel

    def matrix(self, places: Sequence[str], title: str, *, languages: bool) -> Matrix:
        """The table of some jurisdictions."""
        groups = []
        for place in places:
            topics = self._found.topics[place]
            few = f", exploratory: fewer than {ORIGIN_TOPICS}" if topics < ORIGIN_TOPICS else ""
            name = f"Topics of {country(place)} ({count(topics)}{few})"
            groups.append(Group(title=name, rows=_told(self._lines(place))))
            if languages:
                rows = _told(self._by_language(place))
                groups.append(Group(title=f"{name}, by language", rows=rows, folded=True))
        return Matrix(
            title=title,
            spans=spans_of(self._basis),
            heads=heads_of(self._basis),
            groups=tuple(group for group in groups if group.rows),
        )

    def _lines(self, place: str) -> list[Line]:
        """Contrasts of one jurisdiction's topics over all languages."""
        lines: list[Line] = []
        for measure in (AS_SERVED, STEERING):
            name = measure.title
            lines += self._excess(place, f"{name}: excess over controls", _tip(measure), measure)
            home = (
                "Home topics less others, less the same of reference models whose makers sit elsewhere, one "
                f"host each. {measure.meaning}"
            )
            lines.append(self._line(place, f"{name}: home excess", home, "home", measure))
        mirror = "Arguments for the state's position that were written, less arguments against it."
        lines.append(self._line(place, "Mirror gap", mirror, "mirror", None))
        return lines

    def _by_language(self, place: str) -> list[Line]:
        """The same in each language, and how much more there is in it than in English."""
        lines: list[Line] = []
        several = self._found.languages if len(self._found.languages) > 1 else ()
        for measure in (AS_SERVED, STEERING):
            name = measure.title
            for code in several:
                title = f"{name}: excess in {language(code)}"
                lines += self._excess(place, title, _tip(measure), measure, code)
            gap = f"How much more than in English, less the same on the controls. {measure.meaning}"
            lines += [
                self._line(place, f"{name}: {language(code)} beyond English", gap, "language", measure, code)
                for code in several
            ]
        return lines

    def _made(
        self, place: str, kind: Kind, measure: Measure | None, spoken: str | None
    ) -> list[Contrasted | None]:
        return [
            self._found.contrasted(column.key, kind, place, measure, spoken) for column in self._basis.columns
        ]

    def _line(
        self,
        place: str,
        title: str,
        tip: str,
        kind: Kind,
        measure: Measure | None,
        spoken: str | None = None,
    ) -> Line:
        cells = tuple(self._contrast(one) for one in self._made(place, kind, measure, spoken))
        return Line(title=title, tip=tip, cells=cells)

    def _excess(
        self, place: str, title: str, tip: str, measure: Measure, spoken: str | None = None
    ) -> list[Line]:
        """An excess, and directly below it corrected, where it is."""
        made = self._made(place, "excess", measure, spoken)
        cells = tuple(self._judged(one) for one in made)
        lines = [Line(title=title, tip=tip, cells=cells)]
        fixed = [one.corrected if one is not None else None for one in made]
        told = any(one is not None and one.estimate.value is not None for one in fixed)
        if told or (any(fixed) and self._found.topics[place] >= ORIGIN_TOPICS):
            lines.append(corrected_line(title, fixed, signed=True))
        return lines

    def _judged(self, one: Contrasted | None) -> Cell:
        """An excess with what each judge alone would make of it; no point where its sign depends on them."""
        cell = self._contrast(one)
        if self._panel is None or one is None or one.measure is None or one.language is not None:
            return cell
        key = one.endpoint, one.measure.key, one.jurisdiction
        under = tuple(
            (f"under {tidy(judge, 80)} alone", " ".join(part for part in points(estimate) if part))
            for judge, estimate in self._panel.excesses(*key).items()
        )
        if key not in self._panel.contested:
            return msgspec.structs.replace(cell, facts=(*cell.facts, *under))
        why = ("no figure", "its sign depends on the judge")
        return Cell(text=CONTESTED, missing=True, facts=(why, *under))

    def _contrast(self, one: Contrasted | None) -> Cell:
        """A contrast, marked where it rests on fewer topics than its jurisdiction has and than it takes."""
        if one is None:
            return estimate_cell(None, "share", denominator="")
        made = one.contrast
        cell = points_cell(made.estimate, "questions with both sides")
        few = made.exploratory and self._found.topics[one.jurisdiction] >= ORIGIN_TOPICS
        interval = f"{cell.interval} {EXPLORATORY}".strip() if few and not cell.missing else cell.interval
        facts = (*cell.facts, ("topics", count(made.topics)))
        return msgspec.structs.replace(cell, interval=interval, facts=facts)


def _told(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines that have something to show."""
    return gathered([line for line in lines if not line.is_void])


def _tip(measure: Measure) -> str:
    return f"{measure.title}: share on these topics less that on their matched controls. {measure.meaning}"
