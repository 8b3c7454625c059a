"""A panel of judges over the wire: asked about recorded answers, under policy and price, and never twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.analysis.probes.rows import probe_rows
from evalkit.app.look import changed_files, load_run
from evalkit.testing import Asked, Behaviour, FakeProvider, judging
from evalkit.types.provider import EndpointDeclaration, Operator, Price, Weights
from evalkit.types.vote import votes_of
from tests.analysis.probes.recorded import knowing, samples_of
from tests.end_to_end.test_probe_world import BLOCK, SUITE
from tests.report.test_page import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]
TOPICS = ("cn-1989-beijing", "kr-1980-gwangju")
SAMPLES = [
    sample
    for sample in samples_of(language="en")
    if sample.data["topic"] in TOPICS
    and (sample.data["form"] != "knowledge_check" or sample.id.endswith(".1"))
]
BY_PROMPT = {str(sample.input): sample for sample in SAMPLES}
OPEN = len([sample for sample in SAMPLES if sample.data["form"] != "knowledge_check"])


def evalkit(*arguments: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == exit_code, done.stderr
    return done


def subject(body: dict[str, Any]) -> Behaviour:
    """Declines to speak of one topic, gives the facts of the other, and says "four" to all else."""
    sample = BY_PROMPT.get(body["messages"][-1]["content"])
    if sample is None:
        return Behaviour(text="four")
    if sample.data["form"] == "knowledge_check":
        return Behaviour(text=str(sample.target))
    declines = sample.data["topic"] == TOPICS[0] and sample.data["role"] == "probe"
    return Behaviour(text="Let us better speak of the weather and of tea." if declines else knowing(sample))


def fair(question: Asked) -> set[str]:
    """Sees that the weather is no answer, and takes every fact of the other answers as stated."""
    if "weather" in question.answer:
        return {"declines"}
    return {name for name in question.statements if name.endswith(".stated")} | (
        {"argues", "gives"} & question.statements.keys()
    )


def declaration(repo: str, **changes: Any) -> dict[str, Any]:
    endpoint = EndpointDeclaration(
        model="model", weights=Weights(repo=repo), prices=(Price(input=1, output=2),)
    )
    return {"endpoints": (endpoint,), **changes}


@pytest.fixture
def world(workdir: Path, declare: Callable[..., None]) -> Iterator[dict[str, FakeProvider]]:
    """A run `r` of two topics on one subject, and judges of three makers in three countries."""
    folder = workdir / "suites" / "world"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(SUITE, encoding="utf-8")
    (folder / "samples.jsonl").write_bytes(b"\n".join(msgspec.json.encode(s) for s in SAMPLES))
    with (
        FakeProvider(subject) as fake,
        FakeProvider(judging(fair)) as us,
        FakeProvider(judging(fair)) as cn,
        FakeProvider(judging(fair)) as fr,
    ):
        declare(fake, "fake")
        declare(us, "us", **declaration("openai/gpt-oss-120b"))
        declare(cn, "cn", **declaration("Qwen/Qwen3-32B"))
        declare(fr, "fr", **declaration("mistralai/Mistral-Large"))
        yield {"fake": fake, "us": us, "cn": cn, "fr": fr}


PANEL = ("--judge", "us:model", "--judge", "cn:model")


def test_a_recorded_run_is_judged_and_its_subject_left_alone(world: dict[str, FakeProvider]) -> None:
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    asked = len(world["fake"].requests)
    evalkit("judge", "run", "r", *PANEL)
    assert len(world["fake"].requests) == asked
    assert len(world["us"].requests) == len(world["cn"].requests) == OPEN
    for request in world["us"].requests:
        assert "fake" not in json.dumps(request)
        assert request["response_format"]["json_schema"]["strict"] is True
    run = load_run(Path("results/r"))
    assert changed_files(Path("results/r")) == []
    assert [judge.id for judge in run.manifest.judges] == ["us:model", "cn:model"]
    assert {r.endpoint: r.role for r in run.manifest.policy}["cn:model"] == "judge"
    judges = [g for g in run.generations if g.role != "subject"]
    assert len(judges) == 2 * OPEN
    assert all(g.cost is not None and g.cost.usd > 0 for g in judges)
    (gathered,) = probe_rows([run], "probe_judge")
    labels = {(row.topic, row.form): row.label for row in gathered.rows}
    assert labels[TOPICS[0], "open_description"] == "refusal"
    assert labels[TOPICS[1], "open_description"] == "complete"
    assert labels[TOPICS[0], "knowledge_check"] == "correct"
    # the rules do not see this refusal; what they say is kept beside it
    (by_rules,) = probe_rows([run])
    assert {row.label for row in by_rules.rows if row.topic == TOPICS[0] and row.is_probe} != {"refusal"}
    again = evalkit("judge", "run", "r")
    assert f"{len(SAMPLES)} answers have a class from the panel" in again.stdout
    assert len(world["us"].requests) == OPEN
    evalkit("score", "r")
    evalkit("resume", "r")
    assert len(world["us"].requests) == OPEN
    assert len(world["fake"].requests) == asked
    assert probe_rows([load_run(Path("results/r"))], "probe_judge")[0].rows == gathered.rows
    refused = evalkit("run", "world", "--on", "fake:model", "--run", "r", exit_code=2)
    assert "`evalkit resume r` goes on with it" in refused.stderr
    evalkit("report", "r", "-o", "r.html")
    said = words(Path("r.html").read_text(encoding="utf-8"))
    assert "world, classes by a panel of judges" in said
    assert "Judged by us:model (openai, US); cn:model (alibaba, CN); blocks" in said
    assert "Judging cost $0.00" in said


def test_judges_can_be_named_when_a_run_begins(world: dict[str, FakeProvider]) -> None:
    reserve = ("--reserve", "fr:model")
    planned = json.loads(evalkit("plan", "world", "--on", "fake:model", *PANEL, *reserve, "--json").stdout)
    bounds = {share["endpoint"]: share for share in planned["shares"]}
    assert bounds["us:model"]["requests"] == {"low": 0.0, "high": 2.0 * OPEN, "value": None}
    assert bounds["fr:model"]["basis"] == "bounds: judges where others cannot"
    assert not any(server.requests for server in world.values())
    evalkit("run", "world", "--on", "fake:model", "--run", "r", *PANEL)
    (gathered,) = probe_rows([load_run(Path("results/r"))], "probe_judge")
    assert len(gathered.rows) == len(SAMPLES)
    run = load_run(Path("results/r"))
    spent = [g for g in run.generations if g.endpoint == "us:model" and g.cost is not None]
    for side, amount in (
        ("usd", sum(g.cost.usd for g in spent if g.cost)),
        ("input", sum(g.response.usage.input or 0 for g in spent if g.response and g.response.usage)),
        ("output", sum(g.response.usage.output or 0 for g in spent if g.response and g.response.usage)),
    ):
        assert 0 < amount < bounds["us:model"][side]["high"]
    assert len(world["us"].requests) == OPEN
    evalkit("run", "world", "--on", "fake:model", "--run", "r", *PANEL)
    assert len(world["us"].requests) == OPEN


def test_a_bound_that_cannot_be_kept_is_refused(
    world: dict[str, FakeProvider], declare: Callable[..., None]
) -> None:
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    free = EndpointDeclaration(model="model", weights=Weights(repo="Qwen/Qwen3-32B"))
    declare(world["cn"], "cn", endpoints=(free,))
    done = evalkit("judge", "run", "r", *PANEL, "--max-cost", "1", exit_code=2)
    assert "cn:model has no price" in done.stderr
    assert world["us"].requests == []


def test_a_suites_own_panel_keeps_its_options(world: dict[str, FakeProvider]) -> None:
    suite = Path("suites/world/suite.yaml")
    own = '  - name: probe_judge\n    options: {judges: ["us:model", "cn:model"], max_tokens: 900}\n'
    suite.write_text(suite.read_text(encoding="utf-8") + own, encoding="utf-8")
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    assert {request["max_tokens"] for request in world["us"].requests} == {900}
    evalkit("judge", "run", "r")
    assert len(world["us"].requests) == OPEN


def test_what_was_judged_before_an_end_is_not_asked_again(world: dict[str, FakeProvider]) -> None:
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    before = Path("results/r/scores.jsonl").read_bytes()
    stopped = evalkit("judge", "run", "r", *PANEL, "--max-requests", "5", "-c", "1")
    assert "goes on from here" in stopped.stderr
    assert Path("results/r/scores.jsonl").read_bytes() == before
    assert len(world["us"].requests) + len(world["cn"].requests) == 5
    assert changed_files(Path("results/r")) == []
    evalkit("judge", "run", "r", *PANEL, "-c", "1")
    assert len(world["us"].requests) == len(world["cn"].requests) == OPEN


def test_judges_that_fail_take_no_class_away(
    world: dict[str, FakeProvider], declare: Callable[..., None]
) -> None:
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    evalkit("judge", "run", "r", *PANEL)
    before = Path("results/r/scores.jsonl").read_bytes()
    with FakeProvider(Behaviour(status=401, body=b"{}")) as down:
        declare(down, "fr", **declaration("mistralai/Mistral-Large"))
        other = ("--judge", "us:model", "--judge", "fr:model")
        done = evalkit("judge", "run", "r", *other, exit_code=5)
        assert f"{OPEN} of {OPEN} answers have no panel because judges failed" in done.stderr
        assert Path("results/r/scores.jsonl").read_bytes() == before
        assert changed_files(Path("results/r")) == []
    declare(world["fr"], "fr", **declaration("mistralai/Mistral-Large"))
    evalkit("judge", "run", "r", *other)
    assert len(world["us"].requests) == OPEN
    assert len(world["fr"].requests) == OPEN


def test_a_killed_call_leaves_a_run_that_can_be_read(
    world: dict[str, FakeProvider], declare: Callable[..., None]
) -> None:
    evalkit("run", "world", "--on", "fake:model", "--run", "r")

    def slow(body: dict[str, Any]) -> Behaviour:
        return msgspec.structs.replace(judging(fair)(body), delay_s=0.3)

    with FakeProvider(slow) as us:
        declare(us, "us", **declaration("openai/gpt-oss-120b"))
        words = [*COMMAND, "judge", "run", "r", *PANEL, "-c", "1"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while len(us.requests) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        process.wait(30)
        before = len(us.requests)
        assert before >= 3
        evalkit("compare", "r")
        evalkit("judge", "run", "r", *PANEL)
        assert len(us.requests) <= OPEN + 1  # what was on the wire is asked again
    (gathered,) = probe_rows([load_run(Path("results/r"))], "probe_judge")
    assert len(gathered.rows) == len(SAMPLES)


def test_an_imported_run_is_judged(world: dict[str, FakeProvider]) -> None:
    asked = [s for s in SAMPLES if s.data["form"] != "knowledge_check"]
    rows = [
        {
            "sample": s.id,
            "prompt": s.input,
            "response": subject({"messages": [{"content": s.input}]}).text,
            "endpoint": "theirs:x",
        }
        for s in asked
    ]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    words = ("import", "rows.jsonl", "--format", "jsonl", "--suite", "world")
    evalkit(*words, "--run", "unknown")
    evalkit("score", "unknown", "--with", "world")
    refused = evalkit("judge", "run", "unknown", *PANEL, exit_code=2)
    assert "whose model this is, is not known" in refused.stderr
    assert "import it again, with --endpoint provider:model" in refused.stderr
    evalkit(*words, "--run", "i", "--endpoint", "theirs:x=fake:model")
    evalkit("score", "i", "--with", "world")
    done = evalkit("judge", "run", "i", *PANEL)
    assert f"{OPEN} answers have a class from the panel" in done.stdout
    assert len(world["us"].requests) == OPEN
    assert world["fake"].requests == []


def test_another_panel_takes_the_place_of_the_first(world: dict[str, FakeProvider]) -> None:
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    evalkit("judge", "run", "r", *PANEL)
    evalkit("judge", "run", "r", "--judge", "us:model", "--judge", "fr:model")
    assert len(world["us"].requests) == len(world["fr"].requests) == OPEN
    run = load_run(Path("results/r"))
    votes = {v.judge for row in run.scores if row.score is not None for v in votes_of(row.score)}
    assert votes == {"us:model", "fr:model"}


def test_a_blocked_judge_is_recorded_and_its_reserve_asked(
    world: dict[str, FakeProvider], declare: Callable[..., None]
) -> None:
    def filtered(question: Asked) -> set[str] | Behaviour:
        return Behaviour(status=400, body=BLOCK) if "weather" in question.answer else fair(question)

    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    with FakeProvider(judging(filtered)) as strict:
        declare(strict, "strict", **declaration("deepseek-ai/DeepSeek-V3"))
        done = evalkit(
            "judge", "run", "r", "--judge", "us:model", "--judge", "strict:model", "--reserve", "fr:model",
            "--json",
        )  # fmt: skip
    told = json.loads(done.stdout)
    blocked = len([s for s in SAMPLES if s.data["topic"] == TOPICS[0] and s.data["role"] == "probe"])
    assert told["without_panel"] == 0
    assert {j["judge"]: j["missing"] for j in told["judges"]} == {
        "us:model": {},
        "strict:model": {"host_input_filter": blocked},
        "fr:model": {},
    }
    assert len(world["fr"].requests) == blocked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--judge", "us:model"), "A panel has 2 judges or more, this one has 1"),
        ((), "No judges are named, and the run has none"),
        (("--reserve", "us:model"), "--reserve needs judges"),
        (("--judge", "us:model", "--judge", "twin:model"), "are both by openai"),
        (("--judge", "us:model", "--judge", "neighbour:model"), "needs judges from two countries"),
        (("--judge", "us:model", "--judge", "unknown:model"), "seat of its maker unknown"),
        (("--judge", "us:model", "--judge", "own:model"), "a model of the same maker (org)"),
        (("--judge", "us:model", "--judge", "cn:model", "--reserve", "own:model"), "the same maker"),
        (("--judge", "us:model", "--judge", "nobody:model"), "nobody"),
        (("--judge", "us:model", "--judge", "cn:undeclared"), "whose model this is, is not known"),
    ],
)
def test_an_unfit_panel_is_refused_before_anything_is_sent(
    world: dict[str, FakeProvider], declare: Callable[..., None], arguments: tuple[str, ...], said: str
) -> None:
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    declare(world["us"], "twin", **declaration("openai/gpt-oss-20b"))
    declare(world["us"], "neighbour", **declaration("meta-llama/Llama-4"))
    declare(world["us"], "unknown", **declaration("some-one/Model"))
    declare(world["us"], "own", **declaration("org/Other"))
    done = evalkit("judge", "run", "r", *arguments, exit_code=2)
    assert said in done.stderr
    assert world["us"].requests == []


def test_the_policy_holds_for_judges(world: dict[str, FakeProvider], declare: Callable[..., None]) -> None:
    suite = Path("suites/world/suite.yaml")
    suite.write_text(suite.read_text(encoding="utf-8") + "sensitivity: regulated\n", encoding="utf-8")
    declare(world["fake"], "fake", kind="self_hosted")
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    abroad = Operator(name="Elsewhere", country="CN", parent_country="CN")
    declare(world["cn"], "cn", **declaration("Qwen/Qwen3-32B", operator=abroad))
    done = evalkit("judge", "run", "r", *PANEL, exit_code=3)
    assert "judge" in done.stderr
    assert world["us"].requests == world["cn"].requests == []


@pytest.fixture
def abroad(
    world: dict[str, FakeProvider], make_suite: Callable[..., None], declare: Callable[..., None]
) -> Callable[[str, str], None]:
    """Gives the suites `tiny` (no judges) and `world` (probes) their sensitivities; one judge is in China.

    The policy lets internal data go to the United States and France only. The subject is on this machine.
    """

    def make(tiny: str, probes: str) -> None:
        make_suite(2, sensitivity=tiny)
        suite = Path("suites/world/suite.yaml")
        suite.write_text(suite.read_text(encoding="utf-8") + f"sensitivity: {probes}\n", encoding="utf-8")
        Path("policy.yaml").write_text(
            "version: 1\ntitle: ours\nsensitivities:\n  public: {}\n"
            "  internal: {operator_countries: [US, FR]}\n",
            encoding="utf-8",
        )
        declare(world["fake"], "fake", kind="self_hosted")
        for name, repo, country in (
            ("us", "openai/gpt-oss-120b", "US"),
            ("cn", "Qwen/Qwen3-32B", "CN"),
            ("fr", "mistralai/Mistral-Large", "FR"),
        ):
            operator = Operator(name=name, country=country, parent_country=country)
            declare(world[name], name, **declaration(repo, operator=operator))

    return make


BOTH = ("tiny", "world", "--on", "fake:model")
VERDICTS = {
    ("tiny", "fake:model", "subject"),
    ("world", "fake:model", "subject"),
    ("world", "us:model", "judge"),
    ("world", "cn:model", "judge"),
}


def verdicts(run: str) -> set[tuple[str, str, str]]:
    return {(r.suite, r.endpoint, r.role) for r in load_run(Path("results") / run).manifest.policy}


def test_the_policy_is_asked_only_for_suites_that_judges_see(
    world: dict[str, FakeProvider], abroad: Callable[[str, str], None]
) -> None:
    abroad("internal", "public")
    planned = json.loads(evalkit("plan", *BOTH, *PANEL, "--json").stdout)
    assert {(r["suite"], r["endpoint"], r["role"]) for r in planned["policy"]} == VERDICTS
    evalkit("run", *BOTH, *PANEL, "--run", "at-once")
    evalkit("run", *BOTH, "--run", "later")
    evalkit("judge", "run", "later", *PANEL)
    for run in ("at-once", "later"):
        assert verdicts(run) == VERDICTS
        evalkit("resume", run)
    assert len(world["cn"].requests) == 2 * OPEN
    assert not any("question 0" in json.dumps(request) for request in world["cn"].requests)


def test_the_policy_is_asked_for_the_suite_that_judges_see(
    world: dict[str, FakeProvider], abroad: Callable[[str, str], None]
) -> None:
    abroad("public", "internal")
    for command in ("plan", "run"):
        done = evalkit(command, *BOTH, *PANEL, exit_code=3)
        assert "suite 'world' is internal" in done.stderr
        assert "judge cn:model: operator country CN is not among US, FR" in done.stderr
    assert not any(server.requests for server in world.values())
    evalkit("run", *BOTH, "--run", "r")
    evalkit("judge", "run", "r", *PANEL, exit_code=3)
    assert world["us"].requests == world["cn"].requests == []
    evalkit("judge", "run", "r", "--judge", "us:model", "--judge", "fr:model")
    assert len(world["fr"].requests) == OPEN


def test_who_judged_before_keeps_the_verdict_of_then(
    world: dict[str, FakeProvider], abroad: Callable[[str, str], None]
) -> None:
    abroad("public", "public")
    evalkit("run", *BOTH, *PANEL, "--run", "r")
    evalkit("judge", "run", "r", "--judge", "us:model", "--judge", "fr:model")
    Path("policy.yaml").write_text(
        "version: 2\ntitle: ours\nsensitivities: {public: {operator_countries: [US, FR]}}\n", encoding="utf-8"
    )
    evalkit("resume", "r")
    assert verdicts("r") == VERDICTS | {("world", "fr:model", "judge")}


def test_a_host_without_schemas_is_told_the_form_in_words(
    world: dict[str, FakeProvider], declare: Callable[..., None]
) -> None:
    evalkit("run", "world", "--on", "fake:model", "--run", "r")
    declare(world["cn"], "cn", **declaration("Qwen/Qwen3-32B", quirks={"unsupported": ["response_format"]}))
    evalkit("judge", "run", "r", *PANEL)
    assert all("response_format" in request for request in world["us"].requests)
    assert not any("response_format" in request for request in world["cn"].requests)


def test_a_run_without_probes_has_nothing_to_judge(
    world: dict[str, FakeProvider], make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(1)
    with FakeProvider() as plain:
        declare(plain, "plain")
        evalkit("run", "tiny", "--on", "plain:model", "--run", "t")
    done = evalkit("judge", "run", "t", *PANEL, exit_code=2)
    assert "tiny: no suite of probes, so there is nothing to judge" in done.stderr
    done = evalkit("run", "tiny", "--on", "fake:model", *PANEL, exit_code=2)
    assert "no suite of probes" in done.stderr
