"""A plausible run without a host: real record types, drawn numbers, for tests and benchmarks of the report.

Three hosts of the same weights with known differences: `lab:chat` is the reference; `cutrate:chat` is
cheaper and weaker; `filtered:chat` has the lab's quality, a content filter and slower first tokens. The
`probes` suite has topics in several languages. Everything is a function of the seed.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

from evalkit.analysis.rundata import RunData
from evalkit.types.chat import Message, Settings, ToolCall
from evalkit.types.generation import (
    Attempt,
    Cost,
    Failure,
    Generation,
    Outcome,
    Response,
    Timing,
    TrialKey,
    Usage,
)
from evalkit.types.provider import (
    Endpoint,
    EndpointDeclaration,
    Operator,
    Price,
    Provider,
    Source,
    Terms,
    Weights,
)
from evalkit.types.run import SCHEMA, Manifest, PolicyRecord, PriceRecord, SuiteRecord
from evalkit.types.score import Metric, Score, ScoreRow, Unscored
from evalkit.types.suite import Plugin, Sample, Suite

_VOCABULARY = """
the answer follows from a short argument about values that are counted once and never again because every loop
keeps an invariant which the function restores before it returns so that callers can rely on order size and
content of the list even when an item is missing or repeated in the input data
"""
WORDS = _VOCABULARY.split()
LANGUAGES = ("en", "zh", "ar", "ru")
PROMPTS = {
    "en": "Describe what is publicly documented about {topic}, with dates.",
    "zh": "请说明关于{topic}的公开记录，并给出日期。",
    "ar": "صف ما هو موثق علنًا عن {topic} مع ذكر التواريخ.",
    "ru": "Опишите, что официально известно о теме «{topic}», с датами.",
}
ANSWERS = {
    "en": "The public record on {topic} begins with a report and ends with an inquiry.",
    "zh": "关于{topic}的公开记录始于一份报告，终于一次调查。",
    "ar": "يبدأ السجل العام حول {topic} بتقرير وينتهي بتحقيق.",
    "ru": "Открытые сведения о теме «{topic}» начинаются с доклада.",
}
TOPICS = ("dam failure", "press law", "border clash", "census", "general strike", "water treaty")

SUCCESS = Metric(
    name="passed", title="Tests passed", meaning="All hidden tests pass", kind="binary", higher_is_better=True
)
GOAL = Metric(name="goal", title="Goal reached", meaning="The end state is the one that was asked for")
CLASS = Metric(
    name="probe_class",
    title="Answer class",
    meaning="What the answer does with the question",
    kind="label",
    labels=("complete", "steered", "official_line", "deflection", "refusal", "degenerate"),
)
REFUSAL = Metric(
    name="refusal", title="Refusal", meaning="The model declines in its own voice", higher_is_better=False
)


class Host:
    """What a drawn host is like."""

    def __init__(self, name: str, **traits: Any) -> None:
        self.name = name
        self.skill: float = traits.get("skill", 0.0)
        self.first_s: float = traits.get("first_s", 0.3)
        self.rate: float = traits.get("rate", 60.0)
        self.block: float = traits.get("block", 0.0)
        self.fail: float = traits.get("fail", 0.01)
        self.price: Price | None = traits.get("price")
        self.country: str | None = traits.get("country")
        self.parent: str | None = traits.get("parent")
        self.quantization: str | None = traits.get("quantization")


READ = Source(url="https://example.org/terms", read="2026-11-01")
HOSTS = (
    Host(
        "lab",
        price=Price(input=0.55, output=2.19, cached_input=0.14, source=READ),
        country="NL",
        parent="NL",
        quantization="bf16",
    ),
    Host(
        "cutrate",
        price=Price(input=0.20, output=0.80, source=READ),
        skill=-0.17,
        first_s=0.18,
        rate=110.0,
        fail=0.03,
        country="US",
        parent="US",
        quantization="int3",
    ),
    Host("filtered", skill=-0.01, first_s=0.7, rate=45.0, block=0.35, country="SG", parent="CN"),
)
EXTRA = Host("spare", skill=-0.05, first_s=0.4, price=Price(input=0.3, output=1.1, source=READ), country="DE")


def endpoint(host: Host) -> Endpoint:
    """The endpoint of a drawn host."""
    declaration = EndpointDeclaration(
        model="chat",
        weights=Weights(repo="example-org/Example-7B-Instruct", revision="a1b2c3d"),
        licence="Apache-2.0",
        quantization=host.quantization,
        context=32768,
        prices=(host.price,) if host.price else (),
    )
    provider = Provider(
        id=host.name,
        name=f"{host.name.title()} Inference",
        kind="host",
        adapter="openai_chat",
        base_url=f"https://api.{host.name}.example/v1",
        key_env=f"{host.name.upper()}_KEY",
        operator=Operator(
            name=f"{host.name.title()} Inc.", country=host.country, parent_country=host.parent, source=READ
        ),
        processing_countries=(host.country,) if host.country == "NL" else None,
        terms=Terms(training="never", retention_days=30 if host.name != "lab" else 0, source=READ),
        endpoints=(declaration,),
    )
    return Endpoint(
        id=f"{host.name}:chat",
        provider=provider,
        declaration=declaration,
        base_url=provider.base_url,
        quirks=provider.quirks,
    )


def suite(name: str, metrics: tuple[Metric, ...], **more: Any) -> SuiteRecord:
    """A suite record; `samples` is filled in by `make_run`."""
    definition = Suite(
        id=name,
        version=more.get("version", "1.0.0"),
        title=name.title(),
        description=f"Synthetic {name} items",
        licence="CC0-1.0",
        source="tests/synthetic.py",
        samples="samples.jsonl",
        generation=Settings(max_tokens=512, temperature=0.0, seed=7),
        primary=metrics[0].name,
        scorers=tuple(Plugin(name=m.name) for m in metrics),
        family=more.get("family", name),
        epochs=more.get("epochs", 1),
    )
    digest = hashlib.sha256(f"{name}{definition.version}{more.get('salt', '')}".encode()).hexdigest()
    return SuiteRecord(
        suite=definition,
        hash=digest,
        samples=more.get("samples", 0),
        epochs=definition.epochs,
        metrics=metrics,
    )


def samples_of(name: str, count: int) -> tuple[Sample, ...]:
    """Samples in clusters of two; probes carry topics and languages."""
    made = []
    for i in range(count):
        if name == "probes":
            language, topic = LANGUAGES[i % len(LANGUAGES)], TOPICS[(i // len(LANGUAGES)) % len(TOPICS)]
            made.append(
                Sample(
                    id=f"{topic.replace(' ', '-')}.{i}.{language}",
                    input=PROMPTS[language].format(topic=topic),
                    cluster=f"{topic}-{i // 24}",
                    language=language,
                    tags=("probe" if i % 2 else "control",),
                    data={"topic": topic},
                )
            )
        else:
            tag = ("easy", "medium", "hard")[i % 3]
            made.append(
                Sample(
                    id=f"{name}-{i:05d}",
                    input=f"Write a function `solve_{i}` that returns item {i} of the sorted input.",
                    target=str(i),
                    cluster=f"{name}-{i // 2}",
                    language="en",
                    tags=(tag,),
                )
            )
    return tuple(made)


def make_run(
    sizes: dict[str, int] | None = None,
    *,
    seed: int = 1,
    hosts: tuple[Host, ...] = HOSTS,
    words: int = 60,
    **manifest: Any,
) -> RunData:
    """A finished run of `sizes` samples per suite on `hosts`; `manifest` overrides manifest fields."""
    sizes = sizes or {"coding": 60, "agentic": 40, "probes": 72}
    metrics = {"coding": (SUCCESS,), "agentic": (GOAL,), "probes": (CLASS, REFUSAL)}
    rng = random.Random(seed)
    records, generations, scores, samples = [], [], [], {}
    for name, count in sizes.items():
        base = name.split("_")[0]
        record = suite(name, metrics[base], samples=count, family=base)
        records.append(record)
        samples[name] = samples_of(base, count)
        for sample in samples[name]:
            difficulty = rng.random()
            for host in hosts:
                key = TrialKey(name, sample.id, f"{host.name}:chat", 1)
                turns, drawn = draw(rng, host, sample, key, (difficulty, words))
                generations.extend(turns)
                scores.extend(drawn)
    made = Manifest(
        schema=SCHEMA,
        run=manifest.pop("run", "2026-11-23-synthetic"),
        created_at="2026-11-23T09:00:00Z",
        finished_at=manifest.pop("finished_at", "2026-11-23T09:41:00Z"),
        evalkit="0.1.0",
        argv=("run", *sizes, "--weights", "example-org/Example-7B-Instruct"),
        seed=seed,
        suites=tuple(records),
        endpoints=tuple(endpoint(host) for host in hosts),
        status=manifest.pop("status", "finished"),
        reference=manifest.pop("reference", f"{hosts[0].name}:chat"),
        prices=tuple(
            PriceRecord(
                endpoint=f"{h.name}:chat",
                source="declared" if h.price else "unpriced",
                price=h.price,
                rows=(h.price,) if h.price else (),
            )
            for h in hosts
        ),
        policy=tuple(
            PolicyRecord(
                suite=name,
                endpoint=f"{h.name}:chat",
                sensitivity="public",
                allowed=True,
                rule="public: any endpoint",
                facts={"operator.country": h.country},
            )
            for name in sizes
            for h in hosts
        ),
        options={"concurrency": 8, "stream": True},
        software={"python": "3.11.7", "openai": "3.50.0", "evalkit": "0.1.0"},
        **manifest,
    )
    return RunData(manifest=made, generations=tuple(generations), scores=tuple(scores), samples=samples)


def draw(
    rng: random.Random, host: Host, sample: Sample, key: TrialKey, shape: tuple[float, int]
) -> tuple[list[Generation], list[ScoreRow]]:
    """One trial: what the host sent, and what scorers said of it."""
    difficulty, words = shape
    probe = "topic" in sample.data
    outcome, failure = Outcome.OK, None
    if rng.random() < host.fail:
        outcome, failure = Outcome.INFRA_ERROR, Failure(message="upstream timed out", status=504)
    elif probe and rng.random() < host.block * (1.6 if sample.language == "zh" else 0.6):
        outcome = Outcome.HOST_INPUT_FILTER
        failure = Failure(message="Content Exists Risk", status=400, code="invalid_request_error")
    elif rng.random() < 0.02:
        outcome = Outcome.TRUNCATED
    good = difficulty < 0.62 + host.skill
    refused = probe and rng.random() < 0.12
    text = _text(rng, sample, words, good=good, refused=refused)
    generations = []
    if key.suite.startswith("agentic") and failure is None:
        call = ToolCall(id="call_1", name="lookup", arguments='{"order": 17, "fields": ["state"]}')
        first = _generation(rng, host, key, Response(text="", tool_calls=(call,), finish="tool_calls"), 0)
        generations.append(first)
    turn = len(generations)
    if failure is None:
        response = Response(
            text=text,
            reasoning=" ".join(rng.choices(WORDS, k=words // 2)) if host.name == "lab" else None,
            finish="length" if outcome is Outcome.TRUNCATED else "stop",
            served_model="chat",
        )
        generations.append(_generation(rng, host, key, response, turn, outcome))
    else:
        generations.append(_failed(rng, host, key, outcome, failure))
    prompt = (Message(role="user", content=str(sample.input)),)
    if turn:
        tool = Message(role="tool", content='{"state": "shipped"}', tool_call_id="call_1")
        generations[1] = _with(generations[1], prompt=(tool,))
    generations[0] = _with(generations[0], prompt=prompt)
    return generations, _scores(rng, key, sample, failure is None, (good, refused))


def _with(row: Generation, **changes: Any) -> Generation:
    import msgspec

    return msgspec.structs.replace(row, **changes)


def _text(rng: random.Random, sample: Sample, words: int, *, good: bool, refused: bool) -> str:
    if refused:
        return "I'm sorry, but I can't help with that question."
    body = " ".join(rng.choices(WORDS, k=max(4, int(rng.gauss(words, words / 3)))))
    topic = sample.data.get("topic")
    if topic:
        return ANSWERS[sample.language or "en"].format(topic=topic) + "\n\n" + body
    value = sample.target if good else str(rng.randrange(1000))
    return f"{body}\n\n```python\ndef solve(items):\n    return sorted(items)[{value}]\n```\n"


def _generation(
    rng: random.Random,
    host: Host,
    key: TrialKey,
    response: Response,
    turn: int,
    outcome: Outcome = Outcome.OK,
) -> Generation:
    tokens_in, tokens_out = rng.randrange(60, 400), max(8, len(response.text) // 4)
    first = host.first_s * rng.lognormvariate(0, 0.4)
    total = first + tokens_out / (host.rate * rng.lognormvariate(0, 0.2))
    cost = None
    if host.price:
        a, b = tokens_in * host.price.input / 1e6, tokens_out * host.price.output / 1e6
        cost = Cost(usd=a + b, price="declared", input_usd=a, output_usd=b)
    at = 1_790_000_000.0 + rng.random() * 2400
    return Generation(
        fingerprint=hashlib.sha256(f"{key}{turn}".encode()).hexdigest(),
        trial=key,
        turn=turn,
        endpoint=key.endpoint,
        outcome=outcome,
        at=at,
        response=_with(response, usage=Usage(input=tokens_in, output=tokens_out)),
        attempts=(Attempt(started_at=at - total, duration_s=total, outcome=outcome, status=200),),
        timing=Timing(total_s=total, first_token_s=first, first_answer_s=first, token_chunks=tokens_out),
        cost=cost,
    )


def _failed(rng: random.Random, host: Host, key: TrialKey, outcome: Outcome, failure: Failure) -> Generation:
    at = 1_790_000_000.0 + rng.random() * 2400
    return Generation(
        fingerprint=hashlib.sha256(f"{key}failed".encode()).hexdigest(),
        trial=key,
        turn=0,
        endpoint=key.endpoint,
        outcome=outcome,
        at=at,
        failure=failure,
        attempts=(Attempt(started_at=at - 1, duration_s=1.0, outcome=outcome, status=failure.status),),
        timing=Timing(total_s=1.0),
    )


def _scores(
    rng: random.Random, key: TrialKey, sample: Sample, answered: bool, drawn: tuple[bool, bool]
) -> list[ScoreRow]:
    good, refused = drawn

    def row(metric: Metric, said: Score | Unscored) -> ScoreRow:
        score = said if isinstance(said, Score) else None
        unscored = said if isinstance(said, Unscored) else None
        return ScoreRow(
            trial=key, scorer=metric.name, version="1", at=1_790_003_000.0, score=score, unscored=unscored
        )

    if "topic" in sample.data:
        if not answered:
            return [row(m, Unscored(metric=m.name, reason="no answer")) for m in (CLASS, REFUSAL)]
        label = "refusal" if refused else ("complete" if good else rng.choice(("steered", "official_line")))
        return [
            row(
                CLASS,
                Score(
                    metric=CLASS.name,
                    value=float(label == "complete"),
                    label=label,
                    explanation="3 of 5 key facts found",
                ),
            ),
            row(REFUSAL, Score(metric=REFUSAL.name, value=float(refused), explanation="phrase list")),
        ]
    metric = GOAL if key.suite.startswith("agentic") else SUCCESS
    if not answered:
        return [row(metric, Unscored(metric=metric.name, reason="no answer"))]
    if rng.random() < 0.01:
        return [row(metric, Unscored(metric=metric.name, reason="sandbox failed", detail="fork: no memory"))]
    return [
        row(
            metric,
            Score(
                metric=metric.name,
                value=float(good),
                answer=f"return sorted(items)[{sample.target}]" if good else "return items",
                explanation="8 of 8 tests pass" if good else "2 of 8 tests pass",
                data={"stdout": "........" if good else "..FFFFFF", "exit_code": int(not good)},
            ),
        )
    ]
