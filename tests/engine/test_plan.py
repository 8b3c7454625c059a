from __future__ import annotations

from collections import Counter

from evalkit.engine.plan import Plan, Shard
from evalkit.types.chat import Settings
from evalkit.types.provider import Endpoint, EndpointDeclaration, Operator, Provider
from evalkit.types.suite import LoadedSuite, Plugin, Sample, Suite


def suite(name: str, count: int) -> LoadedSuite:
    about = Suite(
        id=name,
        version="1",
        title=name,
        description=name,
        licence="MIT",
        source="test",
        sensitivity="public",
        samples="s.jsonl",
        generation=Settings(max_tokens=5),
        solver=Plugin(name="answer"),
        scorers=(Plugin(name="match"),),
        primary="match",
        epochs=2,
    )
    samples = tuple(Sample(id=f"{name}{n}", input="?") for n in range(count))
    return LoadedSuite(suite=about, samples=samples, folder=".", hash=name)


def endpoints(count: int) -> tuple[Endpoint, ...]:
    provider = Provider(
        id="fake",
        name="Fake",
        kind="host",
        adapter="openai_chat",
        base_url="http://127.0.0.1:1/v1",
        key_env=None,
        auth="none",
        operator=Operator(name="Fake"),
    )
    return tuple(
        Endpoint(
            id=f"fake:{n}",
            provider=provider,
            declaration=EndpointDeclaration(model=str(n)),
            base_url=provider.base_url,
            quirks=provider.quirks,
        )
        for n in range(count)
    )


def test_every_endpoint_of_a_provider_gets_every_sample_and_epoch() -> None:
    plan = Plan(suites=(suite("a", 5), suite("b", 3)), endpoints=endpoints(3), seed=1)
    trials = list(plan.trials(plan.endpoints))
    assert len(trials) == plan.size() == 8 * 2 * 3
    assert len({trial.key for trial in trials}) == len(trials)
    assert set(Counter(trial.endpoint.id for trial in trials).values()) == {16}


def test_endpoints_alternate_and_the_order_is_that_of_the_seed() -> None:
    plan = Plan(suites=(suite("a", 20),), endpoints=endpoints(2), seed=7)
    trials = list(plan.trials(plan.endpoints))
    assert [t.endpoint.id for t in trials[:4]] == ["fake:0", "fake:1", "fake:0", "fake:1"]
    assert [t.sample.id for t in trials[::2]] == [t.sample.id for t in trials[1::2]]
    again = Plan(suites=(suite("a", 20),), endpoints=endpoints(2), seed=7)
    assert [t.key for t in again.trials(again.endpoints)] == [t.key for t in trials]
    other = Plan(suites=(suite("a", 20),), endpoints=endpoints(2), seed=8)
    assert [t.key for t in other.trials(other.endpoints)] != [t.key for t in trials]


def test_shards_are_disjoint_and_complete() -> None:
    whole = {
        t.key for t in Plan(suites=(suite("a", 11),), endpoints=endpoints(2), seed=1).trials(endpoints(2))
    }
    parts = [
        {
            t.key
            for t in Plan(suites=(suite("a", 11),), endpoints=endpoints(2), seed=1, shard=Shard(n, 3)).trials(
                endpoints(2)
            )
        }
        for n in (1, 2, 3)
    ]
    assert set.union(*parts) == whole
    assert sum(map(len, parts)) == len(whole)
