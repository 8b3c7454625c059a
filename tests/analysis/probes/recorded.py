"""Runs whose answers are written here and whose classes come from the real scorers: no label is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from evalkit import plugins
from evalkit.analysis.rundata import RunData
from evalkit.catalog.suites import load_suite
from evalkit.engine.drive import why_unscorable
from evalkit.types.chat import Message, Settings
from evalkit.types.effects import Solution, Worked
from evalkit.types.generation import Failure, Generation, Outcome, Response, TrialKey
from evalkit.types.provider import Endpoint, EndpointDeclaration, Operator, Provider, Weights
from evalkit.types.run import SCHEMA, Manifest, SuiteRecord
from evalkit.types.score import Score, ScoreRow, Unscored
from evalkit.types.suite import Plugin, Sample, Suite
from tests.analysis.probes.examples import example

SUITES = Path(__file__).resolve().parents[3] / "suites"
NOT_CUT = frozenset({Outcome.OK, Outcome.TRUNCATED, Outcome.EMPTY, Outcome.TOOL_FORMAT_FAILURE})


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What came back of one question."""

    text: str = ""
    outcome: Outcome = Outcome.OK
    cut: bool = False
    reasoning: str | None = None
    refusal: str | None = None


Answer = Callable[[Sample, int], "Said | str"]


def samples_of(suite: str = "probes", tag: str | None = None, **wanted: str) -> tuple[Sample, ...]:
    """The shipped samples with a tag and these values in `data` (or `language`)."""
    loaded = load_suite(suite, [SUITES])
    return tuple(
        sample
        for sample in loaded.samples
        if (tag is None or tag in sample.tags)
        and all((sample.language if k == "language" else sample.data.get(k)) == v for k, v in wanted.items())
    )


def endpoint(name: str, weights: str | None = "deepseek-ai/DeepSeek-V3.1") -> Endpoint:
    """`host:model` that serves these weights."""
    host, _, model = name.partition(":")
    declaration = EndpointDeclaration(model=model, weights=Weights(repo=weights) if weights else None)
    provider = Provider(
        id=host,
        name=host.title(),
        kind="host",
        adapter="openai_chat",
        base_url="http://127.0.0.1:1/v1",
        key_env=None,
        auth="none",
        operator=Operator(name=host.title(), country="US", parent_country="US"),
        endpoints=(declaration,),
    )
    return Endpoint(
        id=name,
        provider=provider,
        declaration=declaration,
        base_url=provider.base_url,
        quirks=provider.quirks,
    )


def record(
    answers: dict[str, Answer],
    samples: Sequence[Sample],
    *,
    epochs: int = 1,
    weights: dict[str, str | None] | None = None,
    suite: str = "probes",
) -> RunData:
    """A finished run in which each endpoint answers as told; `weights` where they are not all the same."""
    scorer = plugins.scorer(Plugin(name="probe"))
    generations, scores = [], []
    for sample in samples:
        for name, answer in answers.items():
            for epoch in range(1, epochs + 1):
                said = answer(sample, epoch)
                key = TrialKey(suite, sample.id, name, epoch)
                made = generation(key, sample, Said(text=said) if isinstance(said, str) else said)
                generations.append(made)
                scores += score(scorer, sample, made)
    definition = Suite(
        id=suite,
        version="1",
        title="Politically sensitive probes",
        description="As recorded by a test.",
        licence="CC-BY-4.0",
        source="written for evalkit",
        samples="samples.jsonl",
        generation=Settings(max_tokens=700),
        primary="probe",
        scorers=(Plugin(name="probe"),),
        epochs=epochs,
    )
    metrics = tuple(scorer.metrics)
    manifest = Manifest(
        schema=SCHEMA,
        run="recorded",
        created_at="2026-11-23T09:00:00+00:00",
        finished_at="2026-11-23T09:41:00+00:00",
        evalkit="0.1.0",
        argv=("run", suite),
        seed=0,
        suites=(
            SuiteRecord(
                suite=definition, hash="0" * 64, samples=len(samples), epochs=epochs, metrics=metrics
            ),
        ),
        endpoints=tuple(
            endpoint(name, (weights or {}).get(name, "deepseek-ai/DeepSeek-V3.1")) for name in answers
        ),
        status="finished",
        reference=next(iter(answers)),
    )
    return RunData(
        manifest=manifest,
        generations=tuple(generations),
        scores=tuple(scores),
        samples={suite: tuple(samples)},
    )


def generation(key: TrialKey, sample: Sample, said: Said, role: str = "subject", turn: int = 1) -> Generation:
    """One recorded answer."""
    response = None
    if said.text or said.outcome in NOT_CUT:
        response = Response(
            text=said.text,
            finish="stop",
            streamed_then_cut=said.cut,
            reasoning=said.reasoning,
            refusal=said.refusal,
        )
    failure = None if said.outcome in NOT_CUT else Failure(message="as told", status=400)
    return Generation(
        fingerprint=hashlib.sha256(f"{key}{role}{turn}".encode()).hexdigest(),
        trial=key,
        turn=turn,
        endpoint=key.endpoint,
        outcome=said.outcome,
        at=1_790_000_000.0 + turn,
        role=role,
        prompt=(Message(role="user", content=str(sample.input)),),
        response=response,
        failure=failure,
    )


_SCORED: dict[Any, list[Score | Unscored]] = {}
"""What the scorer said of a text before: simulations repeat themselves."""


def score(scorer: object, sample: Sample, made: Generation) -> list[ScoreRow]:
    """What the scorer says of it, as the engine would record it."""
    known = sample.id, made.outcome, made.response.text if made.response else None
    if known not in _SCORED or (made.response and (made.response.reasoning or made.response.refusal)):
        solution = Solution(generations=(made,), transcript=())
        missing = why_unscorable(solution)
        _SCORED[known] = (
            [Unscored(metric="probe", reason=missing)]
            if missing is not None
            else list(scorer.score(Worked(sample=sample, solution=solution)))  # type: ignore[attr-defined]
        )
    said = _SCORED[known]
    return [
        ScoreRow(
            trial=made.trial,
            scorer="probe",
            version="3",
            at=made.at,
            score=one if isinstance(one, Score) else None,
            unscored=one if isinstance(one, Unscored) else None,
        )
        for one in said
    ]


def knowing(sample: Sample, epoch: int = 1) -> str:
    """An answer with every key fact in the suite's own words, the right letter, or an argument."""
    del epoch
    if isinstance(sample.target, str):
        return sample.target
    if sample.data["form"].startswith("argument"):
        return "First, the record shows it. Second, the law says it. Third, the people want it. " * 3
    said = [_in_words(fact) for fact in sample.data["key_facts"]]
    return "Here is what is documented. " + " ".join(said)


def _in_words(fact: dict[str, Any]) -> str:
    """The fact, with words that its anchors find in the sample's language."""
    return " ".join([fact["fact"], *(example(anchor) for anchor in fact["anchors"])]) + "."
