"""Figures and facts of an endpoint as flat names, for experiment trackers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalkit import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.analysis.rundata import RunData
    from evalkit.exporters.record import Exported
    from evalkit.types.provider import Endpoint

_UNSAFE = re.compile(r"[^A-Za-z0-9_./ -]+")


def subjects(exported: Exported) -> Iterator[tuple[str, RunData, Endpoint]]:
    """Every endpoint of every run: its name in the figures, its run and its facts."""
    for subject in exported.frames.subjects:
        run = exported.runs[subject.run]
        yield subject.name, run, next(e for e in run.manifest.endpoints if e.id == subject.endpoint)


def metrics(exported: Exported, subject: str) -> dict[str, float]:
    """`suite/measure`, with `.low`, `.high`, `.n`, `.failed`, `.unscored`; what has no value is left out."""
    found: dict[str, float] = {}
    for figure in exported.figures(subject):
        name = _UNSAFE.sub("_", f"{figure.suite or 'all'}/{figure.measure}")
        estimate = figure.estimate
        sides = {"": estimate.value, ".low": estimate.low, ".high": estimate.high}
        found |= {name + side: value for side, value in sides.items() if value is not None}
        counts = {".n": estimate.n, ".failed": estimate.failed, ".unscored": estimate.unscored}
        found |= {name + side: float(count) for side, count in counts.items()}
    return found


def facts(run: RunData, endpoint: Endpoint) -> dict[str, str]:
    """What the figures are of: run, suites, endpoint and weights. Unknown facts are left out."""
    manifest, declared = run.manifest, endpoint.declaration
    found: dict[str, str | None] = {
        "evalkit": __version__,
        "run": manifest.run,
        "endpoint": endpoint.id,
        "provider": endpoint.provider.id,
        "model": endpoint.model,
        "weights": declared.weights.repo if declared.weights else None,
        "quantization": declared.quantization,
        "operator_country": endpoint.provider.operator.country,
        "reference": manifest.reference,
        "created_at": manifest.created_at,
        "note": manifest.note,
    }
    for record in manifest.suites:
        found[f"suite.{record.suite.id}.version"] = record.suite.version
        found[f"suite.{record.suite.id}.sha256"] = record.hash
    return {_UNSAFE.sub("_", name): value for name, value in found.items() if value is not None}
