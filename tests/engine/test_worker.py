"""A worker's part of a cluster, without the cluster."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from evalkit import plugins
from evalkit.engine.cluster import Raised, Ready, Worker, _withheld
from evalkit.engine.drive import Bench
from evalkit.errors import ExitCode
from evalkit.types.effects import Generate
from evalkit.types.generation import Generation, Outcome, Response, TrialKey
from evalkit.types.suite import Plugin, Sample
from tests.engine.test_plan import suite

if TYPE_CHECKING:
    import pytest

KEY = TrialKey("s", "one", "fake:model", 1)


def worker(scorer: str) -> Worker:
    bench = Bench(
        suite=suite("s", 1).suite,
        solver=plugins.solver(Plugin(name="answer")),
        scorers=(plugins.scorer(Plugin(name=scorer)),),
    )
    return Worker({"s": bench}, sandbox=None)


def answered(text: str) -> Generation:
    return Generation(
        fingerprint="0" * 64,
        trial=KEY,
        turn=1,
        endpoint="fake:model",
        outcome=Outcome.OK,
        at=0.0,
        response=Response(text=text),
    )


def test_a_worker_hands_questions_out_and_forgets_what_has_ended() -> None:
    async def work() -> None:
        here = worker("match")
        assert isinstance(await here.prepare(), Ready)
        first = await here.begin(1, KEY, Sample(id="one", input="2 + 2?", target="4"))
        assert isinstance(first, Generate)
        assert first.request.messages[-1].content == "2 + 2?"
        result = await here.answer(1, "s", answered("4"))
        assert [row.score.value for row in result.rows if row.score] == [1.0]
        assert not here._open

    asyncio.run(work())


def test_an_error_for_the_user_keeps_its_sentence_and_exit_code_on_the_way() -> None:
    async def work() -> None:
        here = worker("probe")
        await here.begin(1, KEY, Sample(id="one", input="?", data={"form": 3}))
        raised = await here.answer(1, "s", answered("yes"))
        assert isinstance(raised, Raised)
        assert raised.exit_code == ExitCode.USAGE
        assert raised.message.startswith("sample 'one' $.data:")
        assert not here._open

    asyncio.run(work())


def test_processes_that_are_started_do_not_inherit_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-abcdef")
    with _withheld(("sk-abcdef",)):
        assert "SOME_API_KEY" not in os.environ
    assert os.environ["SOME_API_KEY"] == "sk-abcdef"
