"""OpenRouter and Anthropic, end to end against local stand-ins."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiohttp import web

from evalkit.analysis.frames import build_frames
from evalkit.analysis.summary import summarize
from evalkit.app.look import load_run
from evalkit.catalog.providers import endpoints_of_weights, load_provider
from tests import fakes

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]
HOSTS = (
    ("DeepInfra", "deepinfra/fp8", "fp8"),
    ("Moonshot AI", "moonshotai", None),
    ("Google", "google-vertex/us-east5", "unknown"),
)


def evalkit(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def at(url: str, name: str) -> None:
    """The shipped declaration with the stand-in's address."""
    shipped = yaml.safe_load(Path(load_provider(name).file).read_text(encoding="utf-8"))
    Path("providers").mkdir(exist_ok=True)
    Path(f"providers/{name}.yaml").write_text(yaml.safe_dump({**shipped, "base_url": url}), encoding="utf-8")


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    return "secret"


@pytest.mark.usefixtures("key")
def test_discovery_declares_endpoints_that_can_be_pinned_and_asked(make_suite: Callable[..., None]) -> None:
    make_suite(2)
    with fakes.OpenRouter(hosts=HOSTS) as router:
        at(router.url, "openrouter")
        done = evalkit("providers", "discover", "openrouter", "org/model")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("+ org/model@") == 3
        again = evalkit("providers", "discover", "openrouter", "org/model")
        assert "+" not in again.stdout
        endpoints = endpoints_of_weights("org/Model")
        assert [e.id for e in endpoints] == [f"openrouter:org/model@{tag}" for _, tag, _ in HOSTS]
        base, long, peak = endpoints[0].declaration.prices
        assert (base.input, base.output, base.cached_input) == (1.3, 2.6, 0.1)
        assert (long.min_input_tokens, long.input) == (200000, 2.0)
        assert peak.hours_utc == ((1.0, 4.5),)
        assert [e.declaration.quantization for e in endpoints] == ["fp8", None, None]
        assert endpoints[0].provider.processing_countries is None
        told, silent = endpoints[0].declaration.host, endpoints[1].declaration.host
        assert told is not None
        assert silent is not None
        assert (told.operator.country, told.processing_countries) == ("US", ("US",))
        assert (silent.operator.country, silent.processing_countries) == (None, None)
        assert told.operator.source is not None
        assert told.operator.source.url.endswith("/providers")
        ran = evalkit("run", "tiny", "--weights", "org/Model", "--run", "r")
        assert ran.returncode == 0, ran.stderr
        body = router.requests[0]
        assert body["model"] == "org/model"
        assert body["provider"]["allow_fallbacks"] is False
        assert body["provider"]["require_parameters"] is True
        assert {b["provider"]["only"][0] for b in router.requests} == {tag for _, tag, _ in HOSTS}
        assert all(p["enabled"] is False for p in body["plugins"])
        assert router.headers[0]["x-openrouter-cache"] == "false"
    run = load_run(Path("results/r"))
    assert {g.outcome.value for g in run.generations} == {"ok"}
    assert {g.response.served_by for g in run.generations if g.response} == {name for name, _, _ in HOSTS}
    assert all(g.cost and g.cost.price == "billed" and g.cost.usd == 0.00005 for g in run.generations)


@pytest.mark.usefixtures("key")
def test_an_answer_of_another_host_is_excluded_and_listed(make_suite: Callable[..., None]) -> None:
    make_suite(3)
    with fakes.OpenRouter(hosts=HOSTS, liar="Fireworks") as router:
        at(router.url, "openrouter")
        done = evalkit("run", "tiny", "--on", "openrouter:org/model@deepinfra/fp8", "--run", "r")
        assert done.returncode == 5
        assert len(router.requests) == 3
    run = load_run(Path("results/r"))
    assert all(g.failure and g.failure.code == "not_pinned" for g in run.generations)
    assert all(g.response and g.response.text == "four" for g in run.generations)
    assert not [row for row in run.scores if row.score is not None]
    assert evalkit("report", "r", "-o", "r.html").returncode == 0
    page = Path("r.html").read_text(encoding="utf-8")
    assert "served by Fireworks, not by the pinned deepinfra" in page
    assert "3 of 3 planned trials are excluded from every figure" in page
    summary = summarize([run], build_frames([run]))
    assert [layers.counts for layers in summary.layers if layers.suite] == [{"excluded": 3}]
    assert {f.estimate.value for f in summary.figures} == {None}  # unknown, and never 0


@pytest.mark.usefixtures("key")
def test_what_a_router_says_in_the_place_of_an_answer(make_suite: Callable[..., None]) -> None:
    """Moderation, guardrail, a replay, and a stream that ends in an error, over the shipped transport."""

    def refused(code: int, **metadata: object) -> web.Response:
        return web.json_response(
            {"error": {"code": code, "message": "no", "metadata": metadata}}, status=code
        )

    def streamed(*parts: dict[str, Any], **headers: str) -> web.Response:
        text = ": OPENROUTER PROCESSING\n\n" + "".join(f"data: {json.dumps(part)}\n\n" for part in parts)
        kind = {"content-type": "text/event-stream"}
        return web.Response(body=text.encode(), headers={**kind, **headers})

    def script(body: dict[str, Any]) -> web.Response | None:
        begun = {"provider": "DeepInfra", "choices": [{"delta": {"content": "fo"}}]}
        ended = {"choices": [{"delta": {"content": "ur"}, "finish_reason": "stop"}]}
        gone = {"code": 400, "message": "cut", "metadata": {"error_type": "content_policy_violation"}}
        return {
            "question 0": refused(
                403, reasons=["violence"], flagged_input="question", provider_name="DeepInfra"
            ),
            "question 1": refused(403, patterns=["secret"]),
            "question 2": streamed(begun, ended, **{"x-openrouter-cache-status": "HIT"}),
            "question 3": streamed(begun, {**begun, "error": gone}),
        }.get(body["messages"][-1]["content"])

    make_suite(5)
    with fakes.OpenRouter(script, hosts=HOSTS) as router:
        at(router.url, "openrouter")
        evalkit("run", "tiny", "--on", "openrouter:org/model@deepinfra/fp8", "--run", "r")
        assert len(router.requests) == 5  # none of these is asked again
    run = load_run(Path("results/r"))
    outcomes = {g.trial.sample: g.outcome.value for g in run.generations}
    assert outcomes == {
        "s0000": "host_input_filter",
        "s0001": "router_block",
        "s0002": "infra_error",
        "s0003": "host_output_filter",
        "s0004": "ok",
    }
    cut = next(g.response for g in run.generations if g.trial.sample == "s0003")
    assert cut is not None
    assert cut.streamed_then_cut
    assert [g.trial.sample for g in run.generations if g.excluded] == ["s0002"]


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("sensitivity", ["internal", "regulated"])
def test_an_unpinned_router_sees_nothing_that_is_not_public(
    make_suite: Callable[..., None], sensitivity: str
) -> None:
    make_suite(2, sensitivity=sensitivity)
    with fakes.OpenRouter(hosts=HOSTS) as router:
        at(router.url, "openrouter")
        done = evalkit("run", "tiny", "--on", "openrouter:org/model")
        assert done.returncode == 3, done.stderr
        assert router.requests == []


@pytest.mark.usefixtures("key")
def test_a_pinned_host_must_prove_its_country_too(make_suite: Callable[..., None]) -> None:
    """That the router sits in an allowed country says nothing of the host that it hands the prompt to."""
    make_suite(1, sensitivity="internal")
    Path("policy.yaml").write_text(
        "version: 1\ntitle: ours\nsensitivities:\n  internal: {operator_countries: [US]}\n", encoding="utf-8"
    )
    with fakes.OpenRouter(hosts=HOSTS) as router:
        at(router.url, "openrouter")
        assert evalkit("providers", "discover", "openrouter", "org/model").returncode == 0
        silent = evalkit("run", "tiny", "--on", "openrouter:org/model@moonshotai", "--run", "a")
        assert silent.returncode == 3
        assert "operator country of the host behind the router is not published" in silent.stderr
        undeclared = evalkit("run", "tiny", "--on", "openrouter:org/model@novita/fp8", "--run", "b")
        assert undeclared.returncode == 3
        assert router.requests == []
        proven = evalkit("run", "tiny", "--on", "openrouter:org/model@deepinfra/fp8", "--run", "c")
        assert proven.returncode == 0, proven.stderr
        assert len(router.requests) == 1


@pytest.mark.usefixtures("key")
def test_a_public_suite_may_go_unpinned(make_suite: Callable[..., None]) -> None:
    make_suite(1)
    with fakes.OpenRouter(hosts=HOSTS) as router:
        at(router.url, "openrouter")
        done = evalkit("run", "tiny", "--on", "openrouter:org/model")
        assert done.returncode == 0, done.stderr
        assert "only" not in router.requests[0]["provider"]


@pytest.mark.usefixtures("key")
def test_unknown_models_and_providers_are_named(make_suite: Callable[..., None]) -> None:
    make_suite(1)
    with fakes.OpenRouter() as router:
        at(router.url, "openrouter")
        unknown = evalkit("providers", "discover", "openrouter", "org/other")
        assert unknown.returncode == 2
        assert "does not know 'org/other'" in unknown.stderr
        other = evalkit("providers", "discover", "together", "org/model")
        assert other.returncode == 2
        assert "OpenRouter's listing" in other.stderr


def test_a_regulated_suite_never_reaches_a_host_under_chinese_law(
    make_suite: Callable[..., None], declare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalkit.testing import FakeProvider

    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-deepseek")
    make_suite(2, sensitivity="regulated")
    with FakeProvider() as server:
        at(server.url, "deepseek")
        done = evalkit("run", "tiny", "--on", "deepseek:deepseek-v4-pro")
        assert done.returncode == 3
        assert server.requests == []
    make = Path("suites/tiny/suite.yaml")
    make.write_text(make.read_text(encoding="utf-8").replace("regulated", "confidential"), encoding="utf-8")
    Path("policy.yaml").write_text(
        "version: 1\ntitle: ours\nsensitivities:\n  confidential: {parent_countries: [US, FR]}\n",
        encoding="utf-8",
    )
    with FakeProvider() as server:
        at(server.url, "deepseek")
        done = evalkit("run", "tiny", "--on", "deepseek:deepseek-v4-pro")
        assert done.returncode == 3
        assert "country CN is not among" in done.stderr
        assert server.requests == []


@pytest.mark.usefixtures("key")
def test_anthropic_is_asked_through_its_package(make_suite: Callable[..., None]) -> None:
    make_suite(3)
    with fakes.Anthropic() as server:
        at(server.url, "anthropic")
        done = evalkit("run", "tiny", "--on", "anthropic:claude-opus-5-5", "--run", "r")
        assert done.returncode == 0, done.stderr
        body, headers = server.requests[0], server.headers[0]
    assert body["max_tokens"] == 50
    assert body["stream"] is True
    assert headers["anthropic-version"] == "2023-06-01"
    assert "sk-ant-secret" in {
        headers.get("x-api-key"),
        headers.get("authorization", "").removeprefix("Bearer "),
    }
    assert "anthropic" in headers["user-agent"].lower()
    run = load_run(Path("results/r"))
    assert [g.response.text for g in run.generations if g.response] == ["four"] * 3
    assert all(g.timing and g.timing.first_token_s is not None for g in run.generations)
    assert all(g.response and g.response.usage and g.response.usage.output == 3 for g in run.generations)


@pytest.mark.usefixtures("key")
def test_eight_replies_in_anthropics_shape(make_suite: Callable[..., None]) -> None:
    """The same eight replies as at an OpenAI-compatible host, and the same outcomes."""
    limited: list[int] = []

    def script(body: dict[str, Any]) -> web.Response | str:
        number = int(body["messages"][-1]["content"].split()[-1])
        if number == 6 and len(limited) < 2:
            limited.append(number)
            error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
            return web.Response(status=429, body=json.dumps(error).encode(), headers={"retry-after": "0.05"})
        blocked = {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "Content Exists Risk"},
        }
        return (
            "four",
            fakes.events(*fakes.answer("", thinking="two and two", stop="max_tokens")),
            fakes.events(*fakes.answer("", stop="refusal")),
            fakes.events(*fakes.answer("four", thinking="two and two")),
            "<think>two and two</think>four",
            "I'm sorry, but I can't help with that.",
            "four",
            web.Response(status=400, body=json.dumps(blocked).encode()),
        )[number]

    make_suite(8)
    with fakes.Anthropic(script) as server:
        at(server.url, "anthropic")
        done = evalkit("run", "tiny", "--on", "anthropic:claude-opus-5-5", "--run", "r")
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 10
    run = load_run(Path("results/r"))
    outcomes = sorted(g.outcome.value for g in run.generations)
    assert outcomes == ["host_input_filter", "host_output_filter", "ok", "ok", "ok", "ok", "ok", "truncated"]
    refused = {
        r.trial.sample for r in run.scores if r.score and r.score.metric == "refusal" and r.score.value
    }
    assert refused == {"s0005"}
    answered = [
        r.score.value
        for r in run.scores
        if r.score and r.score.metric == "match" and r.trial.sample not in refused
    ]
    assert answered == [1.0] * 4
