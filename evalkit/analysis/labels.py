"""Names under which endpoints and suites of several runs stand side by side in one report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.rundata import RunData


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint in one run: what is compared. `run` counts the report's runs from 0."""

    name: str
    endpoint: str
    run: int


def subjects_of(runs: Sequence[RunData]) -> tuple[Subject, ...]:
    """Every endpoint of every run, named so that no two are alike.

    `host:model`, or `host:model @ run`; copies of one run, which have one name, are numbered.
    """
    pairs = [(number, e.id) for number, run in enumerate(runs) for e in run.manifest.endpoints]
    seen = [endpoint for _, endpoint in pairs]
    names = [e if seen.count(e) == 1 else f"{e} @ {runs[n].manifest.run}" for n, e in pairs]
    return tuple(
        Subject(
            name=name if names.count(name) == 1 else f"{name} ({names[: place + 1].count(name)})",
            endpoint=e,
            run=n,
        )
        for place, (name, (n, e)) in enumerate(zip(names, pairs, strict=True))
    )


def suite_names(runs: Sequence[RunData]) -> dict[tuple[int, str], str]:
    """Name of each run's suite: its id, with version or hash where runs used different contents.

    Only suites of one name are compared, so two versions never meet in one figure.
    """
    kinds: dict[str, dict[str, str]] = {}
    for run in runs:
        for record in run.manifest.suites:
            kinds.setdefault(record.suite.id, {})[record.hash] = record.suite.version
    names: dict[tuple[int, str], str] = {}
    for number, run in enumerate(runs):
        for record in run.manifest.suites:
            versions = kinds[record.suite.id]
            name = record.suite.id
            if len(versions) > 1:
                apart = len(set(versions.values())) == len(versions)
                name += f" {record.suite.version}" if apart else f" {record.hash[:8]}"
            names[number, record.suite.id] = name
    return names


def reference_of(runs: Sequence[RunData], subjects: Sequence[Subject]) -> Subject | None:
    """The subject that others are compared with: the first run's reference, else its first endpoint."""
    if not subjects:
        return None
    for number, run in enumerate(runs):
        for subject in subjects:
            if subject.run == number and subject.endpoint == run.manifest.reference:
                return subject
    return subjects[0]


def named(name: str, subjects: Sequence[Subject]) -> list[Subject]:
    """Subjects that a name fits: their own, their endpoint's or their provider's."""
    return [s for s in subjects if name in {s.name, s.endpoint, s.endpoint.split(":")[0]}]
