"""Who may be asked for a trial: its subject, and those that its own suite names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from evalkit.engine.drive import Turns
from evalkit.engine.plan import Trial
from evalkit.errors import UsageError
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.effects import Generate
from tests.engine.test_plan import endpoints, suite

if TYPE_CHECKING:
    from evalkit.engine.ask import Question

ASKING = Request(messages=(Message(role="user", content="?"),), settings=Settings(max_tokens=5))


class Heard:
    """An asker that only listens."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    async def ask(self, question: Question) -> None:
        self.questions.append(question)


def test_a_judge_that_the_suite_does_not_name_is_not_asked() -> None:
    subject, named, other = endpoints(3)
    loaded, heard = suite("a", 1), Heard()
    turns = Turns(Trial(loaded, loaded.samples[0], subject, 1), heard, {named.id: named})
    asyncio.run(turns.ask(Generate(request=ASKING)))
    asyncio.run(turns.ask(Generate(request=ASKING, endpoint=named.id, role="judge:1")))
    with pytest.raises(UsageError, match="Suite 'a' asks fake:2, which none of its parts names"):
        asyncio.run(turns.ask(Generate(request=ASKING, endpoint=other.id, role="judge:2")))
    assert [q.endpoint.id for q in heard.questions] == [subject.id, named.id]
