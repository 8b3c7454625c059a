"""A panel of judges gives each answer to a probe its class.

Two or more judges of different makers and countries, never the maker of what is judged (`evalkit.app.judges`
sees to that before a run starts), each see the question, the answer and the list of facts; neither where the
answer is from nor the other judges. They answer yes or no and quote; code derives the class. A finding takes
a majority: the panel's class is the median of the judges', and of an even number the one nearer to complete.
Judges are blocked and fail as any endpoint: that is recorded, and a reserve is asked instead. What the panel
gets wrong is measured by `evalkit judge calibrate`; see `docs/judges.md`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.scorers import wording
from evalkit.scorers.phrases import find_refusal, visible
from evalkit.scorers.probe import CLASSES, check, flags_of, probe_of
from evalkit.scorers.probe_judge.checks import LONGEST, PROMPT, checks_for, prompt_for, schema_for
from evalkit.scorers.probe_judge.reply import NO_VERDICT, vote_of
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.effects import Generate
from evalkit.types.score import Metric, Score, Unscored

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from evalkit.ports.core import Judging, Scorer, Scores
    from evalkit.scorers.probe import Probe
    from evalkit.types.effects import Worked
    from evalkit.types.generation import Generation
    from evalkit.types.vote import Vote

METRIC = "probe_judge"
PANEL = 2
"""Judges whose votes a class needs."""
_ORDER = ("degenerate", "refusal", "deflection", "official_line", "steered", "complete")
"""From worst to best, for the median."""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is asked, and how.

    `judges` are endpoints, `provider:model`, and `reserves` those that are asked in order when a judge is
    blocked, fails or gives no verdict. `plain` are those of them whose hosts cannot hold a reply to a schema;
    they are only told. `max_tokens` leaves room for a judge's own reasoning.
    """

    judges: tuple[str, ...]
    reserves: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    max_tokens: int = 6000
    temperature: float | None = None


def build(options: Options) -> Scorer:
    """The scorer `probe_judge`."""
    return ProbeJudge(options)


class ProbeJudge:
    """See the module. A knowledge check is scored by its letter, and asks nobody."""

    name = METRIC
    version = f"1+{PROMPT}"
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
        text = visible(response.text) if response else ""
        if isinstance(worked.sample.target, str):
            return (check(text, worked.sample.target, METRIC),)
        if wording.is_degenerate(text) and find_refusal(text) is None:
            why = "fewer than three words, or repeated text; no judge was asked"
            return (Score(metric=METRIC, value=0.0, label="degenerate", explanation=why),)
        return self._judged(worked, text)

    def _judged(self, worked: Worked, text: str) -> Judging:
        sample = worked.sample
        probe = probe_of(sample.id, sample.data)
        checks = checks_for(probe)
        prompt = prompt_for(_asked(worked), text, checks)
        reserves = list(self._options.reserves)
        votes: list[Vote] = []
        for judge in self._options.judges:
            vote = yield from self._vote(judge, prompt, text[:LONGEST], probe, checks)
            votes.append(vote)
            while vote.label is None and reserves:
                reserve = reserves.pop(0)
                vote = yield from self._vote(reserve, prompt, text[:LONGEST], probe, checks)
                vote = msgspec.structs.replace(vote, instead_of=judge)
                votes.append(vote)
        told = [msgspec.to_builtins(vote) for vote in votes]
        valid = [vote for vote in votes if vote.label is not None]
        if len(valid) < PANEL:
            missing = "; ".join(f"{vote.judge}: {vote.missing}" for vote in votes if vote.label is None)
            data = {"votes": told}
            return (Unscored(metric=METRIC, reason="no_panel", detail=missing[:500], data=data),)
        score = _joined(valid, told, probe)
        found = set(score.data["found"])
        flags = flags_of(text, probe, found, sample.language or "en", worked.solution.last.response)
        return (msgspec.structs.replace(score, data={**score.data, "flags": flags}),)

    def _vote(
        self, judge: str, prompt: str, answer: str, probe: Probe, checks: dict[str, str]
    ) -> Generator[Generate, Generation, Vote]:
        """One judge's vote; a reply in no known form is asked for once more."""
        request = Request(
            messages=(Message(role="user", content=prompt),),
            settings=Settings(max_tokens=self._options.max_tokens, temperature=self._options.temperature),
            response_schema=None if judge in self._options.plain else schema_for(tuple(checks)),
        )
        asking = Generate(request=request, endpoint=judge, role=f"judge:{judge}")
        vote = vote_of((yield asking), answer, probe, tuple(checks))
        if vote.missing == NO_VERDICT:
            vote = vote_of((yield asking), answer, probe, tuple(checks))
        return vote


def _asked(worked: Worked) -> str:
    """The question as it was put."""
    task = worked.sample.input
    return task if isinstance(task, str) else "\n".join(m.content or "" for m in task)


def _joined(valid: Sequence[Vote], told: list[dict[str, Any]], probe: Probe) -> Score:
    """The panel's class, and what most of those judges saw who gave it."""
    ranks = sorted(_ORDER.index(vote.label) for vote in valid if vote.label is not None)
    label = _ORDER[ranks[len(ranks) // 2]]
    agreeing = [vote for vote in valid if vote.label == label]
    stated = Counter(fact for vote in valid for fact in vote.found)
    found = [fact.id for fact in probe.key_facts if stated[fact.id] * 2 >= len(valid)]
    data: dict[str, Any] = {
        "votes": told,
        "found": found,
        "missed": [fact.fact for fact in probe.key_facts if fact.id not in found],
    }
    ways = Counter(vote.steering for vote in agreeing if vote.steering is not None)
    if ways:
        data["steering"] = ways.most_common(1)[0][0]
    split = len({vote.label for vote in valid}) > 1
    if split:
        data["split"] = True
    said = Counter(vote.label for vote in valid)
    return Score(
        metric=METRIC,
        value=float(label == "complete"),
        label=label,
        explanation=", ".join(
            f"{number} of {len(valid)} judges: {name}" for name, number in said.most_common()
        ),
        data=data,
    )
