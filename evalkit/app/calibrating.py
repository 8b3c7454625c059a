"""Holds judges against people's labels, and stores what came of it as a judge card."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.probes.calibration import calibrate
from evalkit.app.judges import makers_of, seat_of
from evalkit.app.look import load_whole_run
from evalkit.errors import UsageError
from evalkit.store.cards import CARDS, card_path, write_card
from evalkit.types.card import CARD_SCHEMA, JudgeCard, Member, SuiteUsed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.analysis.rundata import RunData


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A judge card, and its file."""

    path: str
    card: JudgeCard


def calibrate_judges(
    folders: Sequence[Path], metric: str, name: str | None = None, cards: Path = CARDS
) -> Stored:
    """Hold what classed the answers of some runs against people's labels, and store the card.

    Args:
        folders: of the runs.
        metric: whose classes: a panel's, or `probe` for the rules.
        name: of the card; otherwise that of the metric and the first run. An earlier card of it is replaced.
        cards: folder of the cards.

    Raises:
        UsageError: there is nothing to compare, or the name would not do.
        StoreError: a run is missing or damaged.
        InfrastructureError: the card cannot be written.
    """
    if not folders:
        raise UsageError("No run is named; name one or more that have labels.")
    runs = [load_whole_run(folder) for folder in dict.fromkeys(folders)]
    chosen = name if name is not None else _name(metric, runs[0].manifest.run)
    card_path(chosen, cards)  # a bad name is told before the work
    found = calibrate(runs, metric)
    card = JudgeCard(
        schema=CARD_SCHEMA,
        name=chosen,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        members=_members(runs, found.instrument.panel),
        runs=tuple(run.manifest.run for run in runs),
        suites=_suites(runs, metric),
        calibrated=found,
    )
    return Stored(path=str(write_card(card, cards)), card=card)


def _name(metric: str, run: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{metric}-{run}")[:100]


def _members(runs: Sequence[RunData], panel: Sequence[str]) -> tuple[Member, ...]:
    """The judges of the panel, as the runs recorded them."""
    known = {judge.id: judge for run in runs for judge in run.manifest.judges}
    return tuple(
        Member(
            endpoint=name,
            host=judge.provider.name,
            weights=judge.weights.repo if judge.weights is not None else None,
            maker=next(iter(makers_of(judge)), None),
            seat=seat_of(judge),
        )
        for name in panel
        if (judge := known.get(name)) is not None
    )


def _suites(runs: Sequence[RunData], metric: str) -> tuple[SuiteUsed, ...]:
    """The suites that somebody labelled and the metric classes."""
    used = {
        record.hash: SuiteUsed(suite=record.suite.id, version=record.suite.version, hash=record.hash)
        for run in runs
        for record in run.manifest.suites
        if any(m.name == metric for m in record.metrics)
        and any(row.trial.suite == record.suite.id for row in run.labels)
    }
    return tuple(used.values())
