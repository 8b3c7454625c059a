"""What the functions give back: handles on what is recorded, with frames and a display for notebooks."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis import columns
from evalkit.analysis.decide import exit_code
from evalkit.analysis.frames import as_frame
from evalkit.analysis.table import wide
from evalkit.app.forecast_text import COLUMNS, forecast_lines, forecast_rows
from evalkit.app.gate import Judged, write_verdict
from evalkit.app.look import changed_files, load_whole_run, outcome_rows
from evalkit.app.report import report_on
from evalkit.errors import EvalkitError, ExitCode
from evalkit.exporters.record import Exported, estimates
from evalkit.report.plain import comparison_rows, difference_rows
from evalkit.report.snippet import html_lines, html_table
from evalkit.store.folder import read_manifest

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.analysis.compare import Comparisons
    from evalkit.analysis.rundata import RunData
    from evalkit.analysis.summary import Summary
    from evalkit.app.plan import Forecast
    from evalkit.engine.run import Tally
    from evalkit.types.gate import GateVerdict
    from evalkit.types.run import Manifest

_FIGURES = "Endpoints (95 % intervals, n)"


class Run:
    """A recorded run. Frames are read from its folder when first wanted, and kept.

    The columns of each frame are documented in `evalkit.analysis.columns`.
    """

    def __init__(self, folder: str | Path, tally: Tally | None = None) -> None:
        """`tally` is what became of the trials in the call that gave this run."""
        self.folder = Path(folder)
        self.tally = tally

    @cached_property
    def manifest(self) -> Manifest:
        """Everything that was planned: suites, endpoints, prices, policy, versions."""
        return read_manifest(self.folder)

    @property
    def name(self) -> str:
        """Its name, by which `load` finds it."""
        return self.manifest.run

    @property
    def status(self) -> str:
        """`finished`, `interrupted`, `stopped` or `running`; all but the first can be resumed."""
        return self.manifest.status

    @property
    def suites(self) -> tuple[str, ...]:
        """Ids of its suites."""
        return tuple(record.suite.id for record in self.manifest.suites)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Ids of its endpoints; the reference may be any of them."""
        return tuple(endpoint.id for endpoint in self.manifest.endpoints)

    @property
    def reference(self) -> str | None:
        """Endpoint that others are compared with."""
        return self.manifest.reference

    @cached_property
    def records(self) -> RunData:
        """Everything that is recorded: samples, generations with their texts, and scores.

        Raises:
            UsageError: nothing is recorded yet.
            StoreError: a file is missing, damaged, or not as the run left it.
        """
        return load_whole_run(self.folder)

    @cached_property
    def _exported(self) -> Exported:
        return Exported([self.records])

    @property
    def generations(self) -> pd.DataFrame:
        """One row for each recorded request; columns `GENERATIONS`."""
        frame: pd.DataFrame = self._exported.frames.generations
        return frame

    @property
    def trials(self) -> pd.DataFrame:
        """One row for each planned trial, worked or not; columns `TRIALS`."""
        frame: pd.DataFrame = self._exported.frames.trials
        return frame

    @property
    def scores(self) -> pd.DataFrame:
        """One row for each trial and metric; columns `SCORES`."""
        frame: pd.DataFrame = self._exported.frames.scores
        return frame

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """One row for each figure of each endpoint, with interval and denominator; columns `ESTIMATES`."""
        return as_frame(estimates(self._exported), columns.ESTIMATES)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """How many generations ended in which layer; columns `OUTCOMES`."""
        return as_frame(outcome_rows(self.folder), columns.OUTCOMES)

    def frame(self) -> pd.DataFrame:
        """Trials with their scores: columns `TRIALS`, then `score:METRIC` for each metric.

        A score is missing, never 0, where a trial was not scored.
        """
        frame: pd.DataFrame = wide(self._exported.frames)
        return frame

    def report(self, path: str | Path) -> Path:
        """Write the self-contained HTML report; see `evalkit.write_report` for one of several runs.

        Raises:
            InfrastructureError: the file cannot be written.
        """
        report_on([self.folder], Path(path))
        return Path(path)

    def changed_files(self) -> list[str]:
        """Files that are no longer as they were when the run was closed; none for a sound run."""
        return changed_files(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        try:
            head = f"{self.name}: {self.status}, {', '.join(self.suites)}, created {self.manifest.created_at}"
            return html_lines([head]) + html_table(_FIGURES, *comparison_rows(self._exported.summary))
        except EvalkitError as error:
            return html_lines([f"{self.folder}", str(error)])


class Comparison:
    """Endpoints side by side: `summary` has every figure, `differences` every test with the reference."""

    def __init__(self, summary: Summary, differences: Comparisons) -> None:
        self.summary = summary
        self.differences = differences

    @property
    def reference(self) -> str | None:
        """What the others are compared with."""
        return self.differences.reference

    @cached_property
    def _differences(self) -> pd.DataFrame:
        rows: list[dict[str, Any]] = []
        for test in self.differences.tests:
            row = msgspec.structs.asdict(test) | msgspec.structs.asdict(test.estimate)
            rows.append({name: row[name] for name in columns.DIFFERENCES})
        return as_frame(rows, columns.DIFFERENCES)

    def frame(self) -> pd.DataFrame:
        """One row for each test of the family; columns `DIFFERENCES`."""
        return self._differences

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.summary.subjects)}; {len(self.differences.tests)} tests)"

    def _repr_html_(self) -> str:
        parts = [html_table(_FIGURES, *comparison_rows(self.summary))]
        found = self.differences
        if found.tests:
            title = (
                f"Differences to {found.reference}; {found.family} tests, Holm-corrected at {found.alpha:g}"
            )
            parts.append(html_table(f"{title}. * is significant.", *difference_rows(found)))
        return "".join(parts)


class Verdict:
    """What a gate says. `record` has every rule with its estimate, bound and further samples."""

    def __init__(self, judged: Judged) -> None:
        self._judged = judged

    @property
    def record(self) -> GateVerdict:
        """The verdict with all its rules."""
        return self._judged.verdict

    @property
    def decision(self) -> str:
        """`pass`, `fail` or `inconclusive`."""
        return self.record.decision

    @property
    def sentence(self) -> str:
        """Why, in one sentence."""
        return self.record.sentence

    @property
    def exit_code(self) -> ExitCode:
        """What `evalkit gate` exits with."""
        return exit_code(self.record)

    def write(
        self,
        *,
        report: str | Path | None = None,
        markdown: str | Path | None = None,
        json: str | Path | None = None,
    ) -> None:
        """Write the verdict to files: an HTML report of its runs, Markdown, JSON.

        Raises:
            InfrastructureError: a file cannot be written.
        """
        paths = {"report": report, "markdown": markdown, "json": json}
        write_verdict(self._judged, **{name: Path(path) for name, path in paths.items() if path is not None})

    def __repr__(self) -> str:
        return f"Verdict({self.decision}: {self.sentence})"

    def _repr_html_(self) -> str:
        rows = [[rule.decision, rule.title, rule.reason] for rule in self.record.rules]
        notes = [f"note: {text}" for text in (*self.record.warnings, *self.record.notes)]
        head = html_lines([f"{self.decision.upper()}: {self.sentence}"])
        return head + html_table("", ["decision", "rule", "reason"], rows) + html_lines(notes)


class Planned:
    """What a run would take and can show. `forecast` has every amount with its bounds."""

    def __init__(self, forecast: Forecast) -> None:
        self.forecast = forecast

    @property
    def decidable(self) -> bool:
        """False if a rule of the gate cannot be decided at this size."""
        return not self.forecast.hopeless

    def __str__(self) -> str:
        rows = ["\t".join(row) for row in [COLUMNS, *forecast_rows(self.forecast)]]
        return "\n".join([*rows, *forecast_lines(self.forecast)])

    def _repr_html_(self) -> str:
        rows = forecast_rows(self.forecast)
        return html_table("Plan", COLUMNS, rows) + html_lines(forecast_lines(self.forecast))
