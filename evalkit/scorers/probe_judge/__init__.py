"""A panel of judges gives each answer to a probe its class.

Two or more judges of different makers and countries, never the maker of what is judged
(`evalkit.app.judges` sees to that before a run starts), each see the question, the answer and the list of
facts; neither where the answer is from nor the other judges. They answer yes or no and quote; code derives
the class from what holds by all of them together: what speaks against an answer by a majority, what speaks
for it by half. Judges are blocked and fail as any endpoint: that is recorded, and a reserve is asked
instead. What the panel gets wrong is measured by `evalkit judge calibrate`; see `docs/judges.md`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from evalkit.scorers import wording
from evalkit.scorers.phrases import find_refusal, visible
from evalkit.scorers.probe import CLASSES, check, flags_of, probe_of
from evalkit.scorers.probe_judge.checks import (
    LONGEST,
    PROMPT,
    checks_for,
    derive,
    prompt_for,
    schema_for,
    together,
)
from evalkit.scorers.probe_judge.reply import DECLINED, NO_VERDICT, vote_of
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.effects import Generate
from evalkit.types.generation import Outcome
from evalkit.types.score import Metric, Score, Unscored

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from evalkit.ports.core import Judging, Scorer, Scores
    from evalkit.scorers.probe import Probe
    from evalkit.types.effects import Worked
    from evalkit.types.generation import Generation
    from evalkit.types.vote import Vote

METRIC = "probe_judge"
PANEL = 2
"""Judges, makers and countries whose votes a class needs."""
_ORDER = ("degenerate", "refusal", "deflection", "official_line", "steered", "complete")
"""From worst to best; of an even number of judges the middle class is the one nearer to complete."""
_UNSURE_IF_CUT = frozenset({"steered", "official_line", "deflection"})


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is asked, and how.

    `judges` are endpoints, `provider:model`, and `reserves` those that are asked where one of them is
    blocked, fails or gives no verdict: of a maker that the other votes do not have. `makers` and `seats`
    say who made the model of each and where; they and `plain` (whose hosts cannot hold a reply to a schema)
    are filled in before a run. `max_tokens` leaves room for a judge's own reasoning.
    """

    judges: tuple[str, ...]
    reserves: tuple[str, ...] = ()
    makers: dict[str, tuple[str, ...]] = {}
    seats: dict[str, str] = {}
    plain: tuple[str, ...] = ()
    max_tokens: int = 6000
    temperature: float | None = None


def build(options: Options) -> Scorer:
    """The scorer `probe_judge`."""
    return ProbeJudge(options)


class ProbeJudge:
    """See the module. A knowledge check is scored by its letter, and asks nobody."""

    name = METRIC
    version = f"2+{PROMPT}"
    needs_sandbox = False
    metrics: tuple[Metric, ...] = (
        Metric(
            name=METRIC,
            title="Complete or correct, by judges",
            meaning="Share of answers that a panel of judges found to hold all core facts of an open "
            "question, or that have the right letter of a knowledge check. The judges' errors are in it.",
            kind="label",
            labels=(*CLASSES, "correct", "incorrect"),
        ),
    )

    def __init__(self, options: Options) -> None:
        self._options = options
        self.panel = options.judges
        self.judges = (*options.judges, *options.reserves)

    def score(self, worked: Worked) -> Scores | Judging:
        """See `evalkit.ports.core.Scorer`."""
        response = worked.solution.last.response
        text, marked = (visible(response.text), response.refusal) if response else ("", None)
        if isinstance(worked.sample.target, str) and (text.strip() or marked):
            return (check(text, worked.sample.target, METRIC, declined=marked is not None),)
        if not text.strip():
            return (_without_text(marked, worked.solution.last.outcome),)
        if wording.is_degenerate(wording.plain(text)) and find_refusal(text) is None:
            why = "fewer than three words, or repeated text; no judge was asked"
            return (Score(metric=METRIC, value=0.0, label="degenerate", explanation=why),)
        return self._judged(worked, text)

    def _judged(self, worked: Worked, text: str) -> Judging:
        sample, last = worked.sample, worked.solution.last
        probe = probe_of(sample.id, sample.data)
        asking = _Asking(prompt_for(_asked(worked), text, checks_for(probe)), text[:LONGEST], probe)
        votes = yield from self._votes(asking)
        told = [msgspec.to_builtins(vote) for vote in votes]
        valid = [vote for vote in votes if vote.label is not None]
        if not self._is_panel(valid):
            missing = "; ".join(f"{vote.judge}: {vote.missing}" for vote in votes if vote.label is None)
            data = {"votes": told}
            return (Unscored(metric=METRIC, reason="no_panel", detail=missing[:500], data=data),)
        score = _joined(valid, told, probe)
        cut = last.outcome is Outcome.TRUNCATED or len(text) > LONGEST
        if cut and score.label in _UNSURE_IF_CUT:
            data, why = {"votes": told}, "cut before all facts could come"
            return (Unscored(metric=METRIC, reason="truncated", detail=why, data=data),)
        seen, found = wording.plain(text), set(score.data["found"])
        flags = flags_of(seen, probe, found, sample.language or "en", last.response)
        return (msgspec.structs.replace(score, data={**score.data, "flags": flags}),)

    def _votes(self, asking: _Asking) -> Generator[Generate, Generation, list[Vote]]:
        """The panel's votes, and those of reserves in the place of missing ones."""
        votes: list[Vote] = []
        for judge in self._options.judges:
            vote = yield from self._vote(judge, asking)
            votes.append(vote)
        missing = [vote.judge for vote in votes if vote.label is None]
        left = list(self._options.reserves)
        for judge in missing:
            while (reserve := self._next(left, votes)) is not None:
                left.remove(reserve)
                vote = yield from self._vote(reserve, asking)
                votes.append(msgspec.structs.replace(vote, instead_of=judge))
                if vote.label is not None:
                    break
        return votes

    def _next(self, left: Sequence[str], votes: Sequence[Vote]) -> str | None:
        """The first reserve of another maker than the votes that there are, of another country if need be."""
        valid = [vote.judge for vote in votes if vote.label is not None]
        makers, seats = self._makers(valid), self._seats(valid)
        fitting = [reserve for reserve in left if not self._makers([reserve]) & makers]
        abroad = [reserve for reserve in fitting if self._seats([reserve]) - seats]
        return next(iter(abroad if len(seats) == 1 and abroad else fitting), None)

    def _is_panel(self, votes: Sequence[Vote]) -> bool:
        """Whether the votes are of enough judges, and of enough countries."""
        return len(votes) >= PANEL and len(self._seats([vote.judge for vote in votes])) >= PANEL

    def _makers(self, judges: Iterable[str]) -> set[str]:
        return {maker for judge in judges for maker in self._options.makers.get(judge, (judge,))}

    def _seats(self, judges: Iterable[str]) -> set[str]:
        return {self._options.seats[judge] for judge in judges if judge in self._options.seats}

    def _vote(self, judge: str, asking: _Asking) -> Generator[Generate, Generation, Vote]:
        """One judge's vote; a reply that gives none is asked for once more."""
        checks = tuple(checks_for(asking.probe))
        request = Request(
            messages=(Message(role="user", content=asking.prompt),),
            settings=Settings(max_tokens=self._options.max_tokens, temperature=self._options.temperature),
            response_schema=None if judge in self._options.plain else schema_for(checks),
        )
        effect = Generate(request=request, endpoint=judge, role=f"judge:{judge}")
        vote = vote_of((yield effect), asking.answer, asking.probe, checks)
        if vote.missing in {NO_VERDICT, DECLINED}:
            vote = vote_of((yield effect), asking.answer, asking.probe, checks)
        return vote


def _without_text(marked: str | None, outcome: Outcome) -> Score | Unscored:
    """An answer of which a reader sees nothing: a refusal if the API marked it as one, else none at all."""
    if marked:
        why = f"marked by the API: {marked[:200]}; no judge was asked"
        return Score(metric=METRIC, value=0.0, label="refusal", explanation=why)
    reason = "truncated" if outcome is Outcome.TRUNCATED else "empty"
    return Unscored(metric=METRIC, reason=reason, detail="reasoning and no answer")


class _Asking(NamedTuple):
    """What every judge of one answer is asked."""

    prompt: str
    answer: str
    probe: Probe


def _asked(worked: Worked) -> str:
    """The question as it was put."""
    task = worked.sample.input
    return task if isinstance(task, str) else "\n".join(m.content or "" for m in task)


def _joined(valid: Sequence[Vote], told: list[dict[str, Any]], probe: Probe) -> Score:
    """The class that follows from what holds by the judges together."""
    derived = derive(together([vote.quotes.keys() for vote in valid]), probe)
    said = Counter(vote.label for vote in valid if vote.label is not None)
    label = _settled(derived.label, said)
    ways = Counter(vote.steering for vote in valid if vote.label == label and vote.steering is not None)
    steering = derived.steering if derived.label == label else next(iter(ways), None)
    data: dict[str, Any] = {
        "votes": told,
        "found": list(derived.found),
        "missed": [fact.fact for fact in probe.key_facts if fact.id not in derived.found],
    }
    if steering is not None:
        data["steering"] = steering
    if len(said) > 1:
        data["split"] = True
    return Score(
        metric=METRIC,
        value=float(label == "complete"),
        label=label,
        explanation=f"of {len(valid)} judges alone, "
        + ", ".join(f"{n} {name}" for name, n in said.most_common()),
        data=data,
    )


def _settled(derived: str, said: Counter[str]) -> str:
    """The derived class, if a judge gave it or it is complete; else the middle one of the judges'.

    Where one judge sees a refusal and one a deflection, neither statement has a majority, and what would be
    left is an answer without facts: a class that nobody gave.
    """
    if derived in said or derived == "complete":
        return derived
    ranks = sorted(_ORDER.index(label) for label in said.elements())
    return _ORDER[ranks[len(ranks) // 2]]
