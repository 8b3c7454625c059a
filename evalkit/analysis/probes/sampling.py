"""Which answers to probes people are to label: a simple random sample of each part of a run. Pure.

A part (`Stratum`) is one suite, endpoint and language of probes or of benign questions. No class has a say in
what is drawn. The order within a part is a permutation that hangs on the run alone, so two annotators get the
same answers in the same order, and as many as somebody labels from the start are a random sample of the part.
Parts are mixed so that every beginning has its share of each, and the order tells no endpoint.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from evalkit.analysis.frames import is_delivered, latest_turns, planned
from evalkit.analysis.probes.classes import BENIGN, CHECK
from evalkit.analysis.probes.corrected import LABELS
from evalkit.analysis.probes.rows import is_probe_suite, label_metrics
from evalkit.scorers.phrases import shown
from evalkit.types.generation import Generation, Outcome, TrialKey
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from evalkit.analysis.rundata import RunData

ENOUGH = LABELS
"""Labels that a part is given before the rest is spread by size: what a correction needs of it."""


class Stratum(NamedTuple):
    """A part of a run's answers within which labelled answers are a random sample."""

    suite: str
    endpoint: str
    language: str
    kind: str
    """`probe`, or `benign` for the harmless questions on the same countries."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that may be labelled.

    `text` is what a reader sees of it, `cut` says that the token limit ended it.
    """

    trial: TrialKey
    sample: Sample
    text: str
    cut: bool

    @property
    def stratum(self) -> Stratum:
        """The part that it belongs to."""
        kind = BENIGN if self.sample.data["form"] == BENIGN else "probe"
        return Stratum(self.trial.suite, self.trial.endpoint, self.sample.language or "?", kind)

    def is_in(self, languages: AbstractSet[str]) -> bool:
        """Whether its question is in one of these languages; none stands for all."""
        return not languages or self.stratum.language in languages


def candidates(run: RunData) -> dict[Stratum, tuple[Candidate, ...]]:
    """Every delivered answer to a probe, in the order in which each part is labelled.

    That is what rules and judges class: no blocks, failures, empty answers or knowledge checks, and nothing
    that another host answered. A cut answer counts as far as it came, as it does for them.
    """
    metrics = label_metrics((run,))
    suites = {
        record.suite.id
        for record in run.manifest.suites
        if any(is_probe_suite(record, run.samples.get(record.suite.id, ()), name) for name in metrics)
    }
    worked = latest_turns(g for g in run.generations if g.role == "subject" and g.trial.suite in suites)
    found: dict[Stratum, list[Candidate]] = defaultdict(list)
    for key, sample in planned(run, worked):
        if key in worked and sample is not None and sample.data.get("form") != CHECK:
            one = _candidate(key, sample, worked[key])
            if one is not None:
                found[one.stratum].append(one)
    seed = _seed(run)
    return {
        stratum: tuple(sorted(own, key=lambda one: _number(seed, "order", one.trial)))
        for stratum, own in sorted(found.items())
    }


def to_label(run: RunData, n: int, languages: AbstractSet[str] = frozenset()) -> tuple[Candidate, ...]:
    """`n` answers of a run for people to label (all of them if there are fewer), in the order to be shown.

    With `languages`, only answers to questions in these: parts of a run are of one language each.

    Any beginning of it has about the same share of what is drawn of each part. A larger `n` keeps what a
    smaller one had.
    """
    there = candidates(run).items()
    parts = {stratum: own for stratum, own in there if not languages or stratum.language in languages}
    sizes = allotted({stratum: len(own) for stratum, own in parts.items()}, n)
    seed = _seed(run)
    placed = [
        ((place + _number(seed, "place", one.trial)) / sizes[stratum], one.trial, one)
        for stratum, own in parts.items()
        for place, one in enumerate(own[: sizes[stratum]])
    ]
    return tuple(one for _, _, one in sorted(placed, key=lambda each: each[:2]))


def allotted(sizes: Mapping[Stratum, int], n: int) -> dict[Stratum, int]:
    """How many of `n` labels each part gets: `ENOUGH` or all of it, and what is left by size.

    Labels are given one after another, first to the part that has fewest up to `ENOUGH`, then by the divisors
    of Sainte-Laguë. So no part ever loses one when `n` grows.
    """
    given = dict.fromkeys(sorted(sizes), 0)
    for _ in range(min(n, sum(sizes.values()))):
        open_parts = [part for part, size in sizes.items() if given[part] < size]
        few = [part for part in open_parts if given[part] < ENOUGH]
        if few:
            least = min(few, key=lambda part: (given[part], part))
        else:
            least = min(open_parts, key=lambda part: ((2 * given[part] + 1) / sizes[part], part))
        given[least] += 1
    return given


def _candidate(key: TrialKey, sample: Sample, turns: Sequence[Generation]) -> Candidate | None:
    last = turns[-1]
    if any(g.excluded for g in turns) or not is_delivered(last) or last.response is None:
        return None
    text = shown(last.response)
    if not text.strip():
        return None
    return Candidate(trial=key, sample=sample, text=text, cut=last.outcome is Outcome.TRUNCATED)


def _seed(run: RunData) -> str:
    return f"{run.manifest.run}:{run.manifest.seed}"


def _number(seed: str, use: str, trial: TrialKey) -> float:
    """In [0, 1), as if drawn at random, the same for everybody."""
    told = msgspec.json.encode((seed, use, trial))
    return int.from_bytes(hashlib.sha256(told).digest()[:6], "big") / 2**48
