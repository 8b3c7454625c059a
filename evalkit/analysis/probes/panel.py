"""A panel's judges: how far they agree, who gave no vote, and what each alone would say. Pure.

Agreement says nothing of who is right; that takes people's labels (`analysis/probes/corrected.py`). Clusters
are topic pairs, as everywhere with probes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.frames import latest_scores, names_of
from evalkit.analysis.probes.classes import AS_SERVED, CONTRASTED, MODEL, NOT_COMPLETE, STEERING, Item, Row
from evalkit.analysis.probes.rates import ORIGIN_TOPICS, averages, excess, measured
from evalkit.scorers.probe_judge import METRIC
from evalkit.stats.agreement import Agreement, cohen_kappa, krippendorff_alpha
from evalkit.stats.intervals import rate
from evalkit.types.estimate import Estimate
from evalkit.types.generation import Outcome
from evalkit.types.vote import Vote, votes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.analysis.probes.rows import ProbeRows
    from evalkit.analysis.rundata import RunData

ALONE = (AS_SERVED, STEERING, NOT_COMPLETE)
"""Rates that are shown under each judge alone."""
NO_PANEL = "no_panel"
MOST_JUDGES = 12
"""Judges that are shown; their pairs grow with the square, and a recorded file may name any number."""
COMMON = 20
"""Answers that a reserve must share with another judge to be compared with it."""
_BLOCKS = frozenset(outcome.value for outcome in Outcome if outcome.is_blocked)
"""What a host or router does to a judge."""


class JudgeVotes(msgspec.Struct, frozen=True, kw_only=True):
    """What one judge did.

    `votes` counts its classes, `classes` which ones. `blocked` and `missing` count where it gave none:
    blocked by a host or router, and by any other reason, `declined` among them. `unproven` counts statements
    that it held to be true and for which it quoted words that are not in the answer; `stood_in` the answers
    on which it was asked as a reserve. `member` is a judge of the panel itself.
    """

    judge: str
    member: bool
    votes: int
    classes: dict[str, int]
    blocked: int
    missing: dict[str, int]
    unproven: int
    stood_in: int


class PairAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two judges on the answers that both gave a class, in one language (None: all)."""

    first: str
    second: str
    language: str | None
    agreement: Agreement


class LanguageAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """All judges, in one language (None: all).

    `answers` counts those with two votes or more. `alpha` is Krippendorff's over all classes,
    `alpha_complete` over complete or not; `differing` is the share of the answers on which votes differ.
    """

    language: str | None
    answers: int
    alpha: Estimate
    alpha_complete: Estimate
    differing: Estimate


class Alone(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint as one judge alone would have it.

    On answers to which the panel gave a class and this judge one too. `rates` are by the measure's key,
    `excess` by the measure's key and jurisdiction, for jurisdictions that make a headline.
    """

    judge: str
    endpoint: str
    rates: dict[str, Estimate]
    excess: dict[tuple[str, str], Estimate]


class PanelFindings(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a panel on one suite.

    `without` counts answers with too few votes for a panel. `alone` is by judge and endpoint,
    `contested` names excesses (endpoint, measure's key, jurisdiction) whose sign depends on the judge.
    """

    judges: tuple[JudgeVotes, ...]
    agreements: tuple[LanguageAgreement, ...]
    pairs: tuple[PairAgreement, ...]
    judged: int
    without: int
    alone: tuple[Alone, ...]
    contested: frozenset[tuple[str, str, str]]

    def excesses(self, endpoint: str, measure: str, place: str) -> dict[str, Estimate]:
        """An excess under each judge of the panel."""
        return {
            one.judge: one.excess[measure, place]
            for one in self.alone
            if one.endpoint == endpoint and (measure, place) in one.excess
        }


class Ballots(msgspec.Struct, frozen=True, kw_only=True):
    """Votes of one suite by answer; `without` are the answers with too few for a panel."""

    votes: dict[Item, tuple[Vote, ...]]
    without: frozenset[Item]


def ballots(runs: Sequence[RunData], metric: str = METRIC) -> dict[str, Ballots]:
    """All votes, by the suite's name in the report. Answers of which no judge was asked have none."""
    votes: dict[str, dict[Item, tuple[Vote, ...]]] = defaultdict(dict)
    without: dict[str, set[Item]] = defaultdict(set)
    for run, names in zip(runs, names_of(runs), strict=True):
        for (trial, said), row in latest_scores(run.scores).items():
            told = row.score or row.unscored
            if said != metric or told is None or not names.knows(trial):
                continue
            cast = tuple(_read(vote) for vote in votes_of(told))
            if cast:
                item = names.subjects[trial.endpoint], trial.sample, trial.epoch
                suite = names.suites[trial.suite]
                votes[suite][item] = cast
                if row.unscored is not None and row.unscored.reason == NO_PANEL:
                    without[suite].add(item)
    return {
        suite: Ballots(votes=own, without=frozenset(without.get(suite, ()))) for suite, own in votes.items()
    }


def _read(vote: Vote) -> Vote:
    """The vote; one with a class that there is not, from a damaged or hostile file, is none."""
    if vote.label is None or vote.label in MODEL:
        return vote
    return msgspec.structs.replace(vote, label=None, missing="no_verdict")


def panel_findings(gathered: ProbeRows, cast: Ballots) -> PanelFindings:
    """Everything on the panel that classed these rows."""
    members = _members(cast)
    rows = [row for row in gathered.rows if row.item in cast.votes]
    languages = sorted({row.language for row in rows}, key=lambda name: (name != "en", name))
    scopes: list[str | None] = [None, *(languages if len(languages) > 1 else ())]
    alone = tuple(_alone(gathered.rows, cast, members))
    return PanelFindings(
        judges=tuple(_counted(cast, members)),
        agreements=tuple(_agreement(_within(rows, scope), cast, scope) for scope in scopes),
        pairs=tuple(pair for scope in scopes for pair in _pairs(_within(rows, scope), cast, members, scope)),
        judged=len(cast.votes),
        without=len(cast.without),
        alone=alone,
        contested=frozenset(_contested(gathered.rows, alone)),
    )


def _within(rows: Sequence[Row], language: str | None) -> list[Row]:
    return [row for row in rows if language in {None, row.language}]


def _members(cast: Ballots) -> tuple[str, ...]:
    """Judges that were asked in their own right, in the order in which they were."""
    named = dict.fromkeys(
        vote.judge for own in cast.votes.values() for vote in own if vote.instead_of is None
    )
    return tuple(named)[:MOST_JUDGES]


def _counted(cast: Ballots, members: Sequence[str]) -> Iterator[JudgeVotes]:
    by_judge: dict[str, list[Vote]] = {name: [] for name in members}
    for own in cast.votes.values():
        for vote in own:
            by_judge.setdefault(vote.judge, []).append(vote)
    for judge, own_votes in list(by_judge.items())[:MOST_JUDGES]:
        missing = Counter(vote.missing or "no_verdict" for vote in own_votes if vote.label is None)
        yield JudgeVotes(
            judge=judge,
            member=judge in members,
            votes=sum(vote.label is not None for vote in own_votes),
            classes=dict(Counter(vote.label for vote in own_votes if vote.label is not None).most_common()),
            blocked=sum(n for why, n in missing.items() if why in _BLOCKS),
            missing={why: n for why, n in missing.most_common() if why not in _BLOCKS},
            unproven=sum(len(vote.unproven) for vote in own_votes),
            stood_in=sum(vote.instead_of is not None for vote in own_votes),
        )


def _labels(votes: Sequence[Vote]) -> dict[str, str]:
    """Each judge's class of one answer."""
    return {vote.judge: vote.label for vote in votes if vote.label is not None}


def _agreement(rows: Sequence[Row], cast: Ballots, language: str | None) -> LanguageAgreement:
    given = [(row, tuple(_labels(cast.votes[row.item]).values())) for row in rows]
    several = [(row, labels) for row, labels in given if len(labels) > 1]
    clusters = [row.pair for row, _ in several]
    classes = [labels for _, labels in several]
    complete = [tuple(str(label == "complete") for label in labels) for labels in classes]
    if not several:
        absent = Estimate.absent("no answer has two votes")
        return LanguageAgreement(
            language=language, answers=0, alpha=absent, alpha_complete=absent, differing=absent
        )
    return LanguageAgreement(
        language=language,
        answers=len(several),
        alpha=krippendorff_alpha(classes, clusters),
        alpha_complete=krippendorff_alpha(complete, clusters),
        differing=rate([float(len(set(labels)) > 1) for labels in classes], clusters),
    )


def _pairs(
    rows: Sequence[Row], cast: Ballots, members: Sequence[str], language: str | None
) -> Iterator[PairAgreement]:
    labels = [(row.pair, _labels(cast.votes[row.item])) for row in rows]
    judges = dict.fromkeys([*members, *(judge for _, own in labels for judge in own)])
    for first, second in combinations(list(judges)[:MOST_JUDGES], 2):
        both = [(pair, own[first], own[second]) for pair, own in labels if first in own and second in own]
        if len(both) >= (1 if {first, second} <= set(members) else COMMON):
            clusters, mine, yours = zip(*both, strict=True)
            yield PairAgreement(
                first=first, second=second, language=language, agreement=cohen_kappa(mine, yours, clusters)
            )


def _alone(rows: Sequence[Row], cast: Ballots, members: Sequence[str]) -> Iterator[Alone]:
    places = headline_places(rows)
    for judge in members:
        by_endpoint: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            told = relabelled(row, cast.votes.get(row.item, ()), judge)
            if told is not None:
                by_endpoint[row.endpoint].append(told)
        for endpoint, own in by_endpoint.items():
            yield Alone(
                judge=judge,
                endpoint=endpoint,
                rates={measure.key: measured(own, measure) for measure in ALONE},
                excess=_excesses(own, places),
            )


def relabelled(row: Row, votes: Sequence[Vote], judge: str) -> Row | None:
    """The row with one judge's class; None if that judge gave none. What nobody judged stays."""
    if not votes or row.label not in MODEL:
        return row
    label = _labels(votes).get(judge)
    if label not in MODEL:
        return None
    return msgspec.structs.replace(row, label=label)


def headline_places(rows: Sequence[Row]) -> tuple[str, ...]:
    """Jurisdictions with enough topics for a figure of their own; where none has, the largest."""
    topics = Counter(place for _, place in {(row.topic, row.jurisdiction) for row in rows})
    order = sorted(topics, key=lambda place: (-topics[place], place))
    return tuple(place for place in order if topics[place] >= ORIGIN_TOPICS) or tuple(order[:1])


def _excesses(rows: Sequence[Row], places: Sequence[str]) -> dict[tuple[str, str], Estimate]:
    found: dict[tuple[str, str], Estimate] = {}
    for measure in CONTRASTED:
        values = averages(rows, measure)
        for place in places:
            found[measure.key, place] = excess(rows, measure, place, values).estimate
    return found


def _contested(rows: Sequence[Row], alone: Sequence[Alone]) -> Iterator[tuple[str, str, str]]:
    """Excesses with a sign (an interval without 0) under somebody, and not that sign under a judge."""
    by_endpoint: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_endpoint[row.endpoint].append(row)
    places = headline_places(rows)
    under: dict[str, list[Alone]] = defaultdict(list)
    for one in alone:
        under[one.endpoint].append(one)
    for endpoint, own in by_endpoint.items():
        for (measure, place), whole in _excesses(own, places).items():
            each = [one.excess[measure, place] for one in under[endpoint]]
            signs = {sign for estimate in (whole, *each) if (sign := _sign(estimate))}
            values = [estimate.value for estimate in each if estimate.value is not None]
            if any(value * sign <= 0 for sign in signs for value in values):
                yield endpoint, measure, place


def _sign(estimate: Estimate) -> int:
    """1 or -1 where the interval leaves 0 out, else 0."""
    if estimate.low is None or estimate.high is None or estimate.low <= 0 <= estimate.high:
        return 0
    return 1 if estimate.low > 0 else -1
