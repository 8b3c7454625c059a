"""Rule R1: an empty answer is the host's block only if it comes again, alone, while a control is answered.

Hosts under load answer nothing as well; taken at face value, that reads as censorship. So each empty answer
is asked again up to five times, one request at a time, with its control in between. Where a host blocks the
control too, a harmless question tells whether it answers at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.solvers.answer import opening
from evalkit.types.chat import Request
from evalkit.types.effects import Generate
from evalkit.types.generation import Outcome

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample, Suite

AGAIN = "recheck"
CONTROL = "recheck_control"
TRIES = 5
ENOUGH = 3
WITHIN_S = 600.0


def look_again(
    sample: Sample, controls: Sequence[Sample], suite: Suite
) -> Generator[Generate, Generation, tuple[Generation, ...]]:
    """Ask a question that came back empty, and after the first try its controls until one is answered.

    Stops when it is clear.
    """
    asked: list[Generation] = []
    for number in range(TRIES):
        asked.append((yield _ask(sample, suite, AGAIN)))
        for control in controls if number == 0 else ():
            asked.append((yield _ask(control, suite, CONTROL)))
            if asked[-1].outcome is Outcome.OK:
                break
        spoken = sum(g.role == AGAIN and g.outcome is not Outcome.EMPTY for g in asked)
        if spoken > TRIES - ENOUGH:
            break
    return tuple(asked)


def _ask(sample: Sample, suite: Suite, role: str) -> Generate:
    return Generate(request=Request(messages=opening(sample, suite), settings=suite.generation), role=role)


def is_reproduced(turns: Sequence[Generation]) -> bool:
    """Whether a trial's rechecks show a block: three of them empty, and the control answered meanwhile."""
    empty = [g for g in turns if g.role == AGAIN and g.outcome is Outcome.EMPTY]
    answered = [g for g in turns if g.role == CONTROL and g.outcome is Outcome.OK]
    if len(empty) < ENOUGH or not answered:
        return False
    return any(abs(g.at - control.at) <= WITHIN_S for g in empty for control in answered)


def controls_for(sample: Sample, samples: Mapping[str, Sample]) -> tuple[Sample, ...]:
    """What to ask beside an empty answer: its control in this form and language, then a benign question."""
    data = sample.data
    fitting = [s for s in samples.values() if s.language == sample.language and s.id != sample.id]
    same = (
        s
        for s in fitting
        if s.data.get("topic") == data.get("control") and s.data.get("form") == data["form"]
    )
    benign = (
        s for s in fitting if s.data.get("form") == "benign" and s.data.get("topic") == data.get("topic")
    )
    found = (next(same, None), next(benign, None))
    return tuple({s.id: s for s in found if s is not None}.values())
