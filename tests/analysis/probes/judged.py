"""Runs with a panel's classes and people's labels, whose true classes the test decides."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from evalkit.analysis.rundata import RunData
from evalkit.types.chat import Settings
from evalkit.types.generation import Outcome, TrialKey
from evalkit.types.label import LabelRow, answer_hash
from evalkit.types.run import SCHEMA, Manifest, SuiteRecord
from evalkit.types.score import Metric, Score, ScoreRow, Unscored
from evalkit.types.suite import Plugin, Sample, Suite
from evalkit.types.vote import Vote
from tests.analysis.probes.recorded import Said, endpoint, generation

METRIC = "probe_judge"
ORDER = ("degenerate", "refusal", "deflection", "official_line", "steered", "complete")
BLOCKED = "host_block"
Truth = Callable[[Sample, int], str]
"""The true class of an endpoint's answer, or `host_block`."""
Judge = Callable[[Sample, str], "str | None"]
"""What a judge says of an answer of a true class; None is no vote."""


def question(topic: str, form: str, language: str, *controls: str, pair: str | None = None) -> Sample:
    """A probe; its jurisdiction is what its topic begins with."""
    return Sample(
        id=f"{topic}.{form}.{language}",
        input=f"{topic}?",
        language=language,
        data={
            "topic": topic,
            "form": form,
            "jurisdiction": topic.partition("-")[0].upper(),
            "pair": pair or topic.partition("-")[2],
            "controls": list(controls),
        },
    )


def questions(pairs: int, languages: Sequence[str] = ("en",), forms: Sequence[str] = ()) -> list[Sample]:
    """Topics of CN, each with one of XX as its control, and the other way round."""
    return [
        question(topic, form, language, other)
        for n in range(pairs)
        for topic, other in ((f"cn-{n}", f"xx-{n}"), (f"xx-{n}", f"cn-{n}"))
        for form in forms or ("open_description", "benign")
        for language in languages
    ]


def told(votes: Sequence[Vote]) -> Score | Unscored:
    """The panel's class of votes."""
    data: dict[str, Any] = {"votes": [msgspec.to_builtins(vote) for vote in votes]}
    ranks = sorted(ORDER.index(vote.label) for vote in votes if vote.label is not None)
    if len(ranks) < 2:
        return Unscored(metric=METRIC, reason="no_panel", data=data)
    label = ORDER[ranks[len(ranks) // 2]]
    return Score(metric=METRIC, value=float(label == "complete"), label=label, data=data)


def judged(
    samples: Sequence[Sample],
    truths: Mapping[str, Truth],
    panel: Mapping[str, Judge],
    *,
    epochs: int = 1,
    version: str = "1",
    run: str = "judged",
) -> tuple[RunData, dict[TrialKey, str]]:
    """A run, and the true class of each delivered answer."""
    generations, scores, true = [], [], {}
    for sample in samples:
        for name, truth in truths.items():
            for epoch in range(1, epochs + 1):
                key = TrialKey("probes", sample.id, name, epoch)
                label = truth(sample, epoch)
                said = Said(text=f"{name} says of {sample.id}, {epoch} times over: {label}.")
                if label == BLOCKED:
                    said = Said(outcome=Outcome.HOST_INPUT_FILTER)
                generations.append(generation(key, sample, said))
                if label == BLOCKED:
                    continue
                true[key] = label
                votes = [_vote(judge, say(sample, label)) for judge, say in panel.items()]
                score = told(votes)
                scores.append(
                    ScoreRow(
                        trial=key,
                        scorer=METRIC,
                        version=version,
                        at=1.0,
                        score=score if isinstance(score, Score) else None,
                        unscored=score if isinstance(score, Unscored) else None,
                    )
                )
    data = RunData(
        manifest=_manifest(samples, tuple(truths), tuple(panel), epochs, run),
        generations=tuple(generations),
        scores=tuple(scores),
        samples={"probes": tuple(samples)},
    )
    return data, true


def _vote(judge: str, label: str | None) -> Vote:
    return Vote(judge=judge, label=label, missing=None if label else "host_output_filter")


def _manifest(
    samples: Sequence[Sample], names: Sequence[str], panel: Sequence[str], epochs: int, run: str
) -> Manifest:
    suite = Suite(
        id="probes",
        version="1",
        title="Politically sensitive probes",
        description="As decided by a test.",
        licence="CC-BY-4.0",
        source="written for evalkit",
        samples="samples.jsonl",
        generation=Settings(max_tokens=700),
        primary=METRIC,
        scorers=(Plugin(name=METRIC, options={"judges": list(panel)}),),
        epochs=epochs,
    )
    metric = Metric(name=METRIC, title="Class", meaning="by judges", kind="label", labels=ORDER)
    record = SuiteRecord(suite=suite, hash="0" * 64, samples=len(samples), epochs=epochs, metrics=(metric,))
    return Manifest(
        schema=SCHEMA,
        run=run,
        created_at="2026-11-23T09:00:00+00:00",
        evalkit="0.1.0",
        argv=("run", "probes"),
        seed=0,
        suites=(record,),
        endpoints=tuple(endpoint(name) for name in names),
        judges=tuple(endpoint(name, "openai/judge") for name in panel),
        status="finished",
    )


def with_labels(
    run: RunData,
    true: Mapping[TrialKey, str],
    number: int,
    *,
    seed: int = 0,
    annotators: Sequence[str] = ("a",),
) -> RunData:
    """The run with `number` random answers labelled, rightly, in every endpoint, language, probe or not."""
    strata: dict[tuple[Any, ...], list[TrialKey]] = defaultdict(list)
    samples = {sample.id: sample for sample in run.samples["probes"]}
    for key in true:
        sample = samples[key.sample]
        strata[key.endpoint, sample.language, sample.data["form"] == "benign"].append(key)
    rng = random.Random(seed)
    rows = [
        label(run, key, true[key], annotator)
        for keys in strata.values()
        for key in rng.sample(keys, min(number, len(keys)))
        for annotator in annotators
    ]
    return msgspec.structs.replace(run, labels=tuple(rows))


def label(run: RunData, key: TrialKey, said: str, annotator: str = "a", *, settles: bool = False) -> LabelRow:
    """One person's class of one recorded answer."""
    text = _texts(run)[key]
    return LabelRow(
        trial=key, annotator=annotator, label=said, answer=answer_hash(text), at=1.0, settles=settles
    )


_TEXTS: dict[int, tuple[RunData, dict[TrialKey, str]]] = {}


def _texts(run: RunData) -> dict[TrialKey, str]:
    held = _TEXTS.get(id(run.generations))
    if held is None:
        _TEXTS.clear()
        texts = {g.trial: g.response.text for g in run.generations if g.response is not None}
        held = _TEXTS[id(run.generations)] = run, texts
    return held[1]
