"""JUnit XML, as CI servers read it: a suite at an endpoint is a test suite, a trial is a test case.

A trial fails when its primary metric is binary and 0; it is an error when the host failed or withheld the
answer, and skipped when it was not run or not scored. Metrics that are no yes or no never fail.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from evalkit.analysis.frames import is_delivered
from evalkit.exporters.record import metric_of, write_file

if TYPE_CHECKING:
    from evalkit.exporters.record import Exported, Exporter, Part, Trial
    from evalkit.types.score import Metric

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST = 20_000


def build() -> Exporter:
    """The format `junit`."""
    return JUnit()


class JUnit:
    """See `evalkit.exporters.record.Exporter`."""

    name = "junit"
    remote = False

    def export(self, exported: Exported, target: str) -> list[str]:
        """See `evalkit.exporters.record.Exporter`."""
        root = ET.Element("testsuites", name="evalkit")
        for part in exported.parts():
            root.append(_suite(part))
        for kind in ("tests", "failures", "errors", "skipped"):
            root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
        data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
        return [write_file(Path(target) / "junit.xml", data)]


def _suite(part: Part) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(f"{part.suite} at {part.subject}"))
    primary = next((m for m in part.record.metrics if m.name == part.record.suite.primary), None)
    for trial in part.trials:
        suite.append(_case(part, trial, primary))
    suite.set("timestamp", part.run.manifest.created_at[:19])
    suite.set("tests", str(len(suite)))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(sum(case.find(tag) is not None for case in suite)))
    return suite


def _case(part: Part, trial: Trial, primary: Metric | None) -> ET.Element:
    epoch = f" (epoch {trial.key.epoch})" if part.record.epochs > 1 else ""
    case = ET.Element(
        "testcase", classname=_clean(f"{part.suite}.{part.subject}"), name=_clean(trial.key.sample + epoch)
    )
    times = [g.timing.total_s if g.timing else None for g in trial.turns]
    if times and None not in times:
        case.set("time", f"{sum(t for t in times if t is not None):.3f}")
    kind, message = _verdict(trial, primary)
    if kind is not None:
        ET.SubElement(case, kind, message=_clean(message)[:1000])
    last = trial.turns[-1].response if trial.turns else None
    if last is not None and last.text:
        ET.SubElement(case, "system-out").text = _clean(last.text[:_MOST])
    return case


def _verdict(trial: Trial, primary: Metric | None) -> tuple[str | None, str]:
    if not trial.turns:
        return "skipped", "not run"
    last = trial.turns[-1]
    if not is_delivered(last):
        return "error", f"{last.outcome.value}: {last.failure.message if last.failure else 'no answer'}"
    rows = [row for row in trial.scores if primary is not None and metric_of(row) == primary.name]
    if not rows or rows[-1].score is None:
        missing = rows[-1].unscored if rows else None
        return "skipped", f"not scored: {missing.reason if missing else 'no scorer said anything'}"
    score = rows[-1].score
    assert primary is not None  # there are rows of it
    bad = 0.0 if primary.higher_is_better else 1.0
    if primary.kind in {"binary", "label"} and score.value == bad:
        return (
            "failure",
            f"{primary.name} is {score.label or f'{score.value:g}'}. {score.explanation or ''}".strip(),
        )
    return None, ""


def _clean(text: str) -> str:
    """Text without characters that XML cannot hold."""
    return _ILLEGAL.sub("\ufffd", text)
