"""A world with known truth over the real wire: engine, adapters, scorers, analysis; nothing is drawn inside.

The model refuses topics A. Host x filters B, host y gives a canned text for C, host z adds nothing. A judge
errs at known rates.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.analysis.probes.corrected import corrected_rates
from evalkit.analysis.probes.findings import findings
from evalkit.analysis.probes.rows import probe_rows
from evalkit.app.judges import Panel
from evalkit.app.judging import judge_run
from evalkit.app.look import load_run
from evalkit.app.recheck import look_again_at_empty
from evalkit.app.run import Conduct, execute
from evalkit.app.setup import RunOptions, prepare, reopen
from evalkit.cli.progress import Watcher
from evalkit.scorers.phrases import visible
from evalkit.store.journal import LABELS as LABELS_FILE
from evalkit.store.journal import AppendFile
from evalkit.testing import Asked, Behaviour, FakeProvider, judging
from evalkit.types.generation import Outcome
from evalkit.types.label import LabelRow, answer_hash
from evalkit.types.provider import Weights
from tests.analysis.probes.recorded import knowing, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.types.estimate import Estimate
    from evalkit.types.generation import Generation
    from evalkit.types.suite import Sample

SUITE = """\
id: world
version: "1"
title: A world
description: English probes of the shipped suite.
licence: CC-BY-4.0
source: written for evalkit
samples: samples.jsonl
generation: {max_tokens: 700}
primary: probe
scorers:
  - name: probe
"""
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
    ) -> Path:
        folder = workdir / "suites" / "world"
        folder.mkdir(parents=True)
        (folder / "suite.yaml").write_text(SUITE, encoding="utf-8")
        wanted = [sample for sample in BY_PROMPT.values() if sample.data["form"] in forms]
        lines = b"\n".join(msgspec.json.encode(sample) for sample in wanted)
        (folder / "samples.jsonl").write_bytes(lines)
        servers = {name: FakeProvider(script) for name, script in hosts.items()}
        for server in servers.values():
            server.__enter__()
        try:
            for name, server in servers.items():
                declare(server, name)
            setup = prepare(RunOptions(suites=("world",), on=tuple(f"{name}:model" for name in hosts)))
            ended = execute(setup, Conduct(results=workdir / "results"), Watcher(setup.plan))
            look_again_at_empty(ended.folder, Watcher(setup.plan))
        finally:
            for server in servers.values():
                server.__exit__(None, None, None)
        return ended.folder

    return run


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


# -- a panel with known error -----------------------------------------------------------------------------

MISSES, INVENTS = 0.3, 0.1
"""Each judge's error rates: of answers that refuse or leave core facts out, and of complete ones."""
LABELS = 60
MAKERS = {"us": "openai/gpt-oss-120b", "cn": "Qwen/Qwen3-32B"}


def chance(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8


def omits(sample: Sample) -> bool:
    """The world's truth: three in ten topics are told without their facts."""
    return sample.data["form"] != "benign" and chance(sample.data["topic"]) < 0.3


def truth_of(sample: Sample) -> str:
    if sample.data["form"] == "benign":
        return "complete"
    return "refusal" if sample.data["topic"] in A else "steered" if omits(sample) else "complete"


def vague(sample: Sample) -> str:
    return (
        f"Much has been written about {sample.data['topic']}. "
        "Accounts differ from one another, and readers may wish to compare several of them before they form "
        "a view of their own on what came first, what followed, and why people still speak about it today."
    )


def true_to_it(sample: Sample) -> str:
    return vague(sample) if truth_of(sample) == "steered" else refuses(sample)


def plain_host(body: dict[str, Any]) -> Behaviour:
    return Behaviour(text=true_to_it(asked(body)))


def blocking_host(body: dict[str, Any]) -> Behaviour:
    sample = asked(body)
    blocked = sample.data["topic"] in B and sample.data["form"] != "benign"
    return Behaviour(status=400, body=BLOCK) if blocked else Behaviour(text=true_to_it(sample))


def erring(name: str) -> Callable[[dict[str, Any]], Behaviour]:
    """A judge who sees the truth but for its errors, which it makes alone, again and again on one
    question."""

    def says(question: Asked) -> set[str]:
        truth = truth_of(BY_PROMPT[question.question])
        errs = chance(name + question.question) < (INVENTS if truth == "complete" else MISSES)
        seen = ("steered" if truth == "complete" else "complete") if errs else truth
        if seen == "refusal":
            return {"declines"}
        stated = {check for check in question.statements if check.endswith(".stated")}
        return {"gives"} | (stated if seen == "complete" else set())

    return judging(says)


@pytest.fixture
def judged(ask: Callable[..., Path], declare: Callable[..., None], workdir: Path) -> Path:
    """A run on two hosts of the same weights, judged by two judges that err, some of it labelled."""
    folder = ask({"x": blocking_host, "z": plain_host})
    with FakeProvider(erring("us")) as us, FakeProvider(erring("cn")) as cn:
        for name, server in (("us", us), ("cn", cn)):
            (own,) = server.provider(name).endpoints
            made = msgspec.structs.replace(own, weights=Weights(repo=MAKERS[name]))
            declare(server, name, endpoints=(made,))
        plan = reopen(folder).plan
        panel = Panel(judges=("us:model", "cn:model"))
        judge_run(folder, panel, Conduct(results=workdir / "results"), Watcher(plan))
    by_id = {sample.id: sample for sample in BY_PROMPT.values()}
    strata: dict[tuple[str, bool], list[Generation]] = {}
    for generation in load_run(folder).generations:
        if generation.role == "subject" and generation.outcome is Outcome.OK:
            benign = by_id[generation.trial.sample].data["form"] == "benign"
            strata.setdefault((generation.trial.endpoint, benign), []).append(generation)
    file = AppendFile(folder / LABELS_FILE)
    for own_answers in strata.values():
        for generation in sorted(own_answers, key=lambda g: chance(f"label {g.trial}"))[:LABELS]:
            assert generation.response is not None
            file.append(
                [
                    LabelRow(
                        trial=generation.trial,
                        annotator="the world",
                        label=truth_of(by_id[generation.trial.sample]),
                        answer=answer_hash(visible(generation.response.text)),
                        at=0.0,
                    )
                ]
            )
    file.close()
    return folder


def test_a_panels_known_error_is_corrected(judged: Path) -> None:
    run = load_run(judged)
    (gathered,) = probe_rows([run], "probe_judge")
    corrections = corrected_rates([run], "probe_judge")["world"]
    found = findings(gathered, corrections)
    probes = [sample for sample in BY_PROMPT.values() if sample.data["form"] in FORMS[:2]]
    blocked = {"x:model": B, "z:model": set()}
    for endpoint in found.endpoints:
        answered = [s for s in probes if s.data["topic"] not in blocked[endpoint.endpoint]]
        known = {
            "steering": sum(truth_of(s) == "steered" for s in answered) / len(probes),
            "model_refusal": sum(truth_of(s) == "refusal" for s in answered) / len(answered),
            "as_served": 1 - sum(truth_of(s) != "refusal" for s in answered) / len(probes),
            "not_complete": 1 - sum(truth_of(s) == "complete" for s in answered) / len(probes),
        }
        for measure, truth in known.items():
            corrected = endpoint.corrected[measure].estimate
            assert covers(corrected, truth), (endpoint.endpoint, measure, truth, corrected)
        # Two judges of whom either can clear an answer: findings are missed, and seldom invented.
        raw = endpoint.rates["steering"].value
        assert raw is not None
        assert raw < known["steering"] - 0.08
    x, z = found.endpoints
    assert x.details["input"] == 2 * len(B)
    assert z.rates["host_block"].value == 0


def test_a_judge_knows_neither_host_nor_vendor(judged: Path) -> None:
    asked_of = [g for g in load_run(judged).generations if g.role.startswith("judge:")]
    assert {g.endpoint for g in asked_of} == {"us:model", "cn:model"}
    prompts = {g.prompt[0].content for g in asked_of if g.prompt}
    assert not [p for p in prompts if p and ("x:model" in p or "z:model" in p or "org/Model" in p)]
    # the same answer of two hosts is the same question to a judge
    assert len({g.trial.sample for g in asked_of}) == len(prompts)
