"""In sentences: hosts that break tool calls, told apart from models that choose badly.

The format of calls is the host's part (or one that a host can guarantee); which call is made is the model's.
Both are proven or not by the comparisons of the report; here they are only put side by side.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.frames import latest_scores
from evalkit.analysis.measures import SCORE
from evalkit.report.numbers import count
from evalkit.report.words import tidy
from evalkit.toolcalls.defects import OF_THE_MODEL, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.report.basis import Basis, Column

METRIC = "tool_format"
_SHOWN = 4


class Formats(msgspec.Struct):
    """Turns of one endpoint in one suite, those with a defect, and defects by kind."""

    turns: int = 0
    broken: int = 0
    kinds: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def share(self) -> str:
        """`3 of 40 turns`."""
        return f"{count(self.broken)} of {count(self.turns)} turns"


def broken_formats(basis: Basis, column: Column) -> tuple[str, ...]:
    """Suites in which this endpoint breaks more tool calls than the reference, each in a sentence."""
    return tuple(
        _broken(suite, own, other)
        for suite, own, other in _both(basis, column)
        if _proven_worse(basis, column, f"{SCORE}{METRIC}", suite)
    )


def chosen_badly(basis: Basis, column: Column) -> tuple[str, ...]:
    """Suites in which it is worse although its calls are as whole as those of the reference."""
    return tuple(
        f"on {tidy(suite)} the format of its tool calls is not to blame: broken in {own.share}, at the "
        f"reference in {other.share}. It is worse by what the model chose to do"
        for suite, own, other in _both(basis, column)
        if _proven_worse(basis, column, "quality", suite)
        and not _proven_worse(basis, column, f"{SCORE}{METRIC}", suite)
    )


def _both(basis: Basis, column: Column) -> Iterator[tuple[str, Formats, Formats]]:
    """Suites with tools, with this endpoint's turns and those of the reference."""
    reference = basis.reference
    for suite, record in basis.records.items():
        if reference is not None and any(metric.name == METRIC for metric in record.metrics):
            own, other = _formats(basis, column, record.suite.id), _formats(basis, reference, record.suite.id)
            if own.turns and other.turns:
                yield suite, own, other


def _formats(basis: Basis, column: Column, suite: str) -> Formats:
    found = Formats()
    for (trial, metric), row in latest_scores(basis.runs[column.run].scores).items():
        if metric == METRIC and row.score and (trial.suite, trial.endpoint) == (suite, column.endpoint.id):
            found.turns += int(row.score.data.get("turns", 0))
            found.broken += int(row.score.data.get("broken", 0))
            found.kinds.update(row.score.data.get("kinds", {}))
    return found


def _proven_worse(basis: Basis, column: Column, measure: str, suite: str) -> bool:
    test = basis.comparisons.find(column.key, measure, suite)
    return test is not None and test.significant and test.favours_subject is False


def _broken(suite: str, own: Formats, other: Formats) -> str:
    kinds = [f"{WORDS.get(kind, tidy(kind))}: {n}" for kind, n in own.kinds.most_common(_SHOWN)]
    # What the reference shows as often is not this host's; most of what is left decides whose doing it is.
    more = own.kinds - other.kinds
    preventable = sum(n for kind, n in more.items() if kind in OF_THE_MODEL)
    if preventable > more.total() / 2:
        whose = (
            "The model's own tokens can cause this, but the weights are the same where they are declared so: "
            "the reference's host prevents it"
        )
    else:
        whose = "That is the host's parser or server, not what the model chose"
    return (
        f"breaks tool calls on {tidy(suite)}: in {own.share}, the reference in {other.share} "
        f"({'; '.join(kinds)}). {whose}"
    )
