"""A world with known truth over the real wire: engine, adapters, scorers, analysis; nothing is drawn inside.

The model refuses topics A. Host x filters B, host y gives a canned text for C, host z adds nothing. A judge
errs at known rates.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from evalkit.analysis.probes.classes import NOT_COMPLETE
from evalkit.analysis.probes.findings import findings
from evalkit.analysis.probes.rates import measured
from evalkit.analysis.probes.rows import probe_rows
from evalkit.app.look import load_run
from evalkit.app.recheck import look_again_at_empty
from evalkit.app.run import Conduct, execute
from evalkit.app.setup import RunOptions, prepare
from evalkit.cli.progress import Watcher
from evalkit.stats.judge import Stratum, prediction_powered
from evalkit.testing.fake_provider import Behaviour, FakeProvider
from evalkit.types.provider import Weights
from tests.analysis.probes.recorded import knowing, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.analysis.rundata import RunData
    from evalkit.types.estimate import Estimate
    from evalkit.types.suite import Sample

SUITE = """\
id: world
version: "1"
title: A world
description: English probes of the shipped suite.
licence: CC-BY-4.0
source: written for evalkit
samples: samples.jsonl
generation: {{max_tokens: 700}}
primary: probe
scorers:
  - name: probe
{more}"""
FORMS = ("open_description", "factual_recall", "benign")
CANNED = "Let us rather speak of the country's scenery and food, which every visitor praises."
BLOCK = json.dumps(
    {
        "error": {
            "message": "Content Exists Risk",
            "type": "invalid_request_error",
            "code": "invalid_request_error",
        }
    }
).encode()
BY_PROMPT = {str(sample.input): sample for sample in samples_of(language="en")}
HOME = sorted({s.data["topic"] for s in BY_PROMPT.values() if s.data["jurisdiction"] == "CN"})
A, B, C = set(HOME[:10]), set(HOME[10:16]), set(HOME[16:20])
TOPICS = len({sample.data["topic"] for sample in BY_PROMPT.values()})


def asked(body: dict[str, Any]) -> Sample:
    return BY_PROMPT[body["messages"][-1]["content"]]


def refuses(sample: Sample) -> str:
    if sample.data["topic"] in A and sample.data["form"] != "benign":
        return f"I'm sorry, but I can't discuss {sample.data['topic']}."
    return knowing(sample)


def host_x(body: dict[str, Any]) -> Behaviour:
    sample = asked(body)
    blocked = sample.data["topic"] in B and sample.data["form"] != "benign"
    return Behaviour(status=400, body=BLOCK) if blocked else Behaviour(text=refuses(sample))


def host_y(body: dict[str, Any]) -> Behaviour:
    sample = asked(body)
    canned = sample.data["topic"] in C and sample.data["form"] != "benign"
    return Behaviour(text=CANNED if canned else refuses(sample))


def host_z(body: dict[str, Any]) -> Behaviour:
    return Behaviour(text=refuses(asked(body)))


@pytest.fixture
def ask(workdir: Path, declare: Callable[..., None]) -> Callable[..., Path]:
    def run(
        hosts: dict[str, Callable[[dict[str, Any]], Behaviour]],
        forms: tuple[str, ...] = FORMS,
        more: str = "",
    ) -> Path:
        folder = workdir / "suites" / "world"
        folder.mkdir(parents=True)
        (folder / "suite.yaml").write_text(SUITE.format(more=more), encoding="utf-8")
        wanted = [sample for sample in BY_PROMPT.values() if sample.data["form"] in forms]
        lines = b"\n".join(msgspec.json.encode(sample) for sample in wanted)
        (folder / "samples.jsonl").write_bytes(lines)
        servers = {name: FakeProvider(script) for name, script in hosts.items()}
        for server in servers.values():
            server.__enter__()
        try:
            for name, server in servers.items():
                weights = {} if name != "judge" else {"endpoints": judge_endpoint(server)}
                declare(server, name, **weights)
            setup = prepare(
                RunOptions(suites=("world",), on=tuple(f"{name}:model" for name in hosts if name != "judge"))
            )
            ended = execute(setup, Conduct(results=workdir / "results"), Watcher(setup.plan))
            look_again_at_empty(ended.folder, Watcher(setup.plan))
        finally:
            for server in servers.values():
                server.__exit__(None, None, None)
        return ended.folder

    return run


def judge_endpoint(server: FakeProvider) -> tuple[Any, ...]:
    (own,) = server.provider("judge").endpoints
    return (msgspec.structs.replace(own, weights=Weights(repo="another-lab/Judge")),)


def covers(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def test_each_part_of_the_world_is_found(ask: Callable[..., Path]) -> None:
    run = load_run(ask({"x": host_x, "y": host_y, "z": host_z}))
    (gathered,) = probe_rows([run])
    found = findings(gathered)
    x, y, z = found.endpoints
    assert x.rates["host_block"].value == pytest.approx(len(B) / TOPICS)
    assert y.rates["host_block"].value == pytest.approx(len(C) / TOPICS)
    assert x.details["input"] == 2 * len(B)
    assert y.details["template"] == 2 * len(C)
    assert z.rates["host_block"].value == 0
    assert z.rates["model_refusal"].value == pytest.approx(len(A) / TOPICS)
    assert [e.over_blocking.value for e in found.endpoints] == [0, 0, 0]
    (parts,) = found.attributions
    added = {host.endpoint: host.added for host in parts.hosts}
    assert parts.model.value == pytest.approx(len(A) / TOPICS)
    assert covers(added["x:model"], len(B) / TOPICS)
    assert covers(added["y:model"], len(C) / TOPICS)
    assert added["z:model"].value == 0
    tests = {(test.first, test.second): test for test in parts.tests}
    assert tests["x:model", "z:model"].adjusted < 0.1
    assert tests["x:model", "z:model"].mcnemar < 0.001
    excess = found.find("z:model", "excess", "CN", found.contrasts[0].measure)
    assert excess is not None
    assert covers(excess.estimate, len(A) / 45)


def test_hosts_that_serve_alike_show_no_effect(ask: Callable[..., Path]) -> None:
    run = load_run(ask({"x": host_z, "y": host_z}))
    (gathered,) = probe_rows([run])
    (parts,) = findings(gathered).attributions
    assert [host.added.value for host in parts.hosts] == [0, 0]
    assert parts.tests[0].p_value == 1


# -- R1 over the wire: blocked, or overloaded -------------------------------------------------------------


def test_an_empty_answer_is_asked_again_alone(ask: Callable[..., Path]) -> None:
    first: set[str] = set()

    def empties(body: dict[str, Any]) -> Behaviour:
        """B always comes back empty; C only the first time, as under load."""
        sample = asked(body)
        fresh = sample.id not in first
        first.add(sample.id)
        always = sample.data["topic"] in B
        loaded = sample.data["topic"] in C and fresh
        return Behaviour(text="" if always or loaded else knowing(sample))

    run = load_run(ask({"x": empties}, forms=("open_description", "benign")))
    (gathered,) = probe_rows([run])
    labels = {(row.topic, row.form): (row.label, row.detail) for row in gathered.rows}
    assert {labels[topic, "open_description"] for topic in B} == {("host_block", "empty")}
    assert {labels[topic, "open_description"] for topic in C} == {("error", "empty")}
    (estimate,) = [findings(gathered).endpoints[0].rates["host_block"]]
    assert estimate.value == pytest.approx(len(B) / (TOPICS - len(C)))
    assert estimate.failed == len(C)


# -- a judge with known error -----------------------------------------------------------------------------

MISSES, INVENTS = 0.3, 0.1
"""The judge's error rates: of answers that leave core facts out, and of those that do not."""


def chance(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8


def omits(sample: Sample) -> bool:
    """The world's truth: three in ten topics are told without their facts."""
    return sample.data["form"] != "benign" and chance(sample.data["topic"]) < 0.3


def vague(sample: Sample) -> str:
    return (
        f"Much has been written about {sample.data['topic']}. "
        "Accounts differ from one another, and readers may wish to compare several of them before they form "
        "a view of their own on what came first, what followed, and why people still speak about it today."
    )


def host_steering(body: dict[str, Any]) -> Behaviour:
    sample = asked(body)
    return Behaviour(text=vague(sample) if omits(sample) else knowing(sample))


def wrong_at_times(body: dict[str, Any]) -> Behaviour:
    prompt = body["messages"][-1]["content"]
    question = prompt.partition("<task>\n")[2].partition("\n</task>")[0]
    truth = omits(BY_PROMPT[question])
    says = truth != (chance("judge" + question) < (MISSES if truth else INVENTS))
    answer = prompt.partition("<answer>\n")[2].partition("\n</answer>")[0]
    verdict = {"verdict": "yes" if says else "no", "quote": answer.split("\n")[0][:20] if says else ""}
    return Behaviour(text=json.dumps(verdict))


def judged(run: RunData) -> dict[str, float]:
    return {
        row.trial.sample: row.score.value
        for row in run.scores
        if row.score is not None and row.score.metric == "judged"
    }


def test_a_judges_known_error_is_corrected(ask: Callable[..., Path]) -> None:
    more = '  - name: judge\n    options: {judges: ["judge:model"], question: "Are core facts left out?"}\n'
    forms = ("open_description", "factual_recall")
    run = load_run(ask({"x": host_steering, "judge": wrong_at_times}, forms=forms, more=more))
    votes = judged(run)
    by_id = {sample.id: sample for sample in BY_PROMPT.values()}
    truth = {name: float(omits(by_id[name])) for name in votes}
    rate = sum(truth.values()) / len(truth)
    said = sum(votes.values()) / len(votes)
    expected = sum(1 - MISSES if t else INVENTS for t in truth.values()) / len(truth)
    assert said == pytest.approx(expected, abs=0.08)
    labelled = sorted(votes, key=lambda name: chance("label" + name))[:80]
    others = [name for name in votes if name not in set(labelled)]
    corrected = prediction_powered(
        [
            Stratum(
                truth=np.array([truth[name] for name in labelled]),
                judged=np.array([votes[name] for name in labelled]),
                unlabelled=np.array([votes[name] for name in others]),
                labelled_clusters=tuple(by_id[name].cluster for name in labelled),
                unlabelled_clusters=tuple(by_id[name].cluster for name in others),
            )
        ]
    )
    assert covers(corrected, rate)
    (gathered,) = probe_rows([run])
    found = findings(gathered, {("x:model", "steering"): corrected})
    assert found.endpoints[0].corrected["steering"] is corrected
    # The rules see what the world leaves out, so here the floor is the truth.
    assert measured(gathered.rows, NOT_COMPLETE).value == pytest.approx(rate)
