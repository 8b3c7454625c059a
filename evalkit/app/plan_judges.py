"""What judges would be asked, before there is an answer to judge: bounds."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from evalkit.types.chat import Message
from evalkit.types.effects import Generate, Solution, Worked
from evalkit.types.generation import Generation, Outcome, Response, TrialKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.app.setup import Setup
    from evalkit.ports.core import Scorer
    from evalkit.types.provider import Endpoint
    from evalkit.types.suite import LoadedSuite, Sample

AGAIN = 2
"""A reply in no known form is asked for once more."""


def questions(setup: Setup, loaded: LoadedSuite, judge: Endpoint) -> Iterator[tuple[int, int]]:
    """For each sample that a judge may be asked about: bytes of the request, and most tokens of its reply.

    The sample's own question stands in for the answer that is not there yet.
    """
    adapter = setup.adapters[judge.provider.adapter]
    for scorer in setup.scorers[loaded.suite.id]:
        if judge.id not in getattr(scorer, "judges", ()):
            continue
        for sample in setup.plan.samples_of(loaded):
            effect = _first(scorer, sample, loaded)
            if effect is not None:
                body = adapter.encode(effect.request, judge, stream=True).body
                yield len(body), effect.request.settings.max_tokens or 0


def is_reserve(setup: Setup, loaded: LoadedSuite, judge: Endpoint) -> bool:
    """Whether a judge is asked only where another cannot judge."""
    return all(
        judge.id not in getattr(scorer, "panel", getattr(scorer, "judges", ()))
        for scorer in setup.scorers[loaded.suite.id]
    )


def _first(scorer: Scorer, sample: Sample, loaded: LoadedSuite) -> Generate | None:
    """The first question that a scorer asks about a sample; None if it asks nobody."""
    asked = sample.input if isinstance(sample.input, str) else ""
    stand_in = Generation(
        fingerprint="",
        trial=TrialKey(loaded.suite.id, sample.id, "", 1),
        turn=1,
        endpoint="",
        outcome=Outcome.OK,
        at=0.0,
        response=Response(text=asked),
    )
    transcript = (Message(role="user", content=asked), Message(role="assistant", content=asked))
    scoring = scorer.score(
        Worked(sample=sample, solution=Solution(generations=(stand_in,), transcript=transcript))
    )
    if not isinstance(scoring, Generator):
        return None
    effect = next(scoring, None)
    scoring.close()
    return effect if isinstance(effect, Generate) else None
