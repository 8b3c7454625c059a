"""What one judge of a panel said of one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from evalkit.types.score import Score, Unscored


class Vote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One judge's vote; `label` None is no vote, and `missing` says why.

    `judge` is the endpoint that was asked, `instead_of` the member of the panel that it stands in for.
    `label` and `steering` are derived by code from yes-or-no checks; `found` are the ids of the facts that
    the judge saw stated. `quotes` holds, by check, the words of the answer that a yes rests on; `unproven`
    the checks whose yes rests on words that are not in the answer, which count as no. `missing` is the
    outcome of a judge that was blocked or failed, `truncated`, `declined` for one that refuses in words, or
    `no_verdict` for a reply in no known form.
    """

    judge: str
    instead_of: str | None = None
    label: str | None = None
    steering: str | None = None
    found: tuple[str, ...] = ()
    quotes: dict[str, str] = {}
    unproven: tuple[str, ...] = ()
    missing: str | None = None


def votes_of(score: Score | Unscored) -> tuple[Vote, ...]:
    """The votes behind what a panel said, or why it could not; none for anything else."""
    try:
        return msgspec.convert(score.data.get("votes", ()), tuple[Vote, ...])
    except msgspec.ValidationError:
        return ()
