"""All agentic tasks through suite, engine, adapter, solver, sandbox and scorer, on scripted hosts.

One host plays each task's reference trajectory, one does nothing, and one its wrong trajectory. They are told
what to play by the first message of the user, and where they are by the turns that were taken.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.app.look import load_run
from evalkit.app.run import Conduct, execute
from evalkit.app.setup import RunOptions, prepare
from evalkit.catalog.suites import load_suite
from evalkit.cli.progress import Watcher
from evalkit.testing import Behaviour, FakeProvider
from suites.agentic.source import SAY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.analysis.rundata import RunData

SAMPLES = load_suite("agentic").samples
DONE = Behaviour(text="Done.")


def player(way: str | None) -> Callable[[dict[str, Any]], Behaviour]:
    """A host that plays one kind of trajectory, a call in each turn."""
    ways = {str(s.input): s.data[way] if way else [] for s in SAMPLES}

    def play(body: dict[str, Any]) -> Behaviour:
        messages = body["messages"]
        asked = next(m["content"] for m in messages if m["role"] == "user")
        turn = sum(m["role"] == "assistant" for m in messages)
        if turn >= len(ways[asked]):
            return DONE
        name, arguments = ways[asked][turn]
        if name == SAY:
            return Behaviour(text=arguments["text"])
        call = {
            "id": f"call_{turn}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        return Behaviour(text="", tool_calls=(call,), finish="tool_calls")

    return play


@pytest.fixture
def run_all(workdir: Path, declare: Callable[..., None]) -> RunData:
    ways = {"oracle": "oracle", "idle": None, "wrong": "wrong"}
    servers = {name: FakeProvider(player(way)) for name, way in ways.items()}
    for name, server in servers.items():
        server.__enter__()
        declare(server, name)
    try:
        setup = prepare(RunOptions(suites=("agentic",), on=tuple(f"{name}:model" for name in servers)))
        ended = execute(setup, Conduct(results=workdir / "results"), Watcher(setup.plan))
    finally:
        for server in servers.values():
            server.__exit__(None, None, None)
    return load_run(ended.folder)


@pytest.mark.timeout(900)
def test_references_solve_every_task_and_nothing_else_does(run_all: RunData) -> None:
    def values(metric: str, host: str) -> dict[str, float]:
        found = (r for r in run_all.scores if r.trial.endpoint == f"{host}:model")
        return {
            r.trial.sample: r.score.value for r in found if r.score is not None and r.score.metric == metric
        }

    ids = {s.id for s in SAMPLES}
    assert {name for name, value in values("solved", "oracle").items() if value == 1} == ids
    assert {name for name, value in values("solved", "wrong").items() if value == 0} == ids
    assert {name for name, value in values("solved", "idle").items() if value == 0} == ids
    # The references make no mistake on their way, and the scripted users say all they have to say.
    assert not any(values("tool_errors", "oracle").values())
    assert not any(values("side_effects", "oracle").values())
    assert not any(values("side_effects", "idle").values())
    assert any(values("side_effects", "wrong").values())
    turns = values("turns", "oracle")
    assert turns == {s.id: len(s.data["oracle"]) + 1 for s in SAMPLES}
