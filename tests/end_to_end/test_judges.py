"""Judges are asked by the engine: under policy, priced, recorded, and never of the subject's vendor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.app.look import load_run
from evalkit.testing import Behaviour, FakeProvider
from evalkit.types.provider import EndpointDeclaration, Operator, Price, Weights

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]
OTHERS = (
    EndpointDeclaration(
        model="model", weights=Weights(repo="other/Judge"), prices=(Price(input=1, output=2),)
    ),
)


def evalkit(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def judged_by(*judges: str) -> None:
    suite = Path("suites/tiny/suite.yaml")
    names = ", ".join(f'"{judge}"' for judge in judges)
    suite.write_text(
        suite.read_text(encoding="utf-8")
        + f"  - name: judge\n    options: {{judges: [{names}], question: Does it name a number?}}\n",
        encoding="utf-8",
    )


def verdicts(body: dict[str, Any]) -> Behaviour:
    prompt = body["messages"][-1]["content"]
    said = {"verdict": "yes", "quote": "four"}
    if "question 1" in prompt:
        said = {"verdict": "yes", "quote": "seventeen"}
    if "question 2" in prompt:
        return Behaviour(text="I would say yes.")
    return Behaviour(text=f"Here: {json.dumps(said)}")


def test_votes_rest_on_words_of_the_answer(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(4)
    judged_by("jury:model")
    with FakeProvider(Behaviour(text="It is four.")) as subject, FakeProvider(verdicts) as jury:
        declare(subject)
        declare(jury, name="jury", endpoints=OTHERS)
        done = evalkit("run", "tiny", "--on", "fake:model", "--run", "r")
        assert done.returncode == 0, done.stderr
        assert len(subject.requests) == len(jury.requests) == 4
        assert evalkit("score", "r").returncode == 0
        assert len(jury.requests) == 4
        asked = jury.requests[0]["messages"][-1]["content"]
    assert "fake" not in asked
    run = load_run(Path("results/r"))
    rows = {r.trial.sample: r for r in run.scores if r.scorer == "judge"}
    assert {s for s, r in rows.items() if r.score and r.score.value == 1.0} == {"s0000", "s0003"}
    details = [r.unscored.detail for r in rows.values() if r.unscored]
    assert sorted(details) == [
        "jury:model: no JSON verdict",
        "jury:model: the quotation is not in the answer",
    ]
    judges = [g for g in run.generations if g.role != "subject"]
    assert len(judges) == 4
    assert all(g.cost and g.cost.usd > 0 for g in judges)


def test_a_judge_that_the_policy_forbids_stops_the_run(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(2, sensitivity="regulated")
    judged_by("jury:model")
    with FakeProvider() as subject, FakeProvider() as jury:
        declare(subject, kind="self_hosted")
        declare(
            jury,
            name="jury",
            endpoints=OTHERS,
            operator=Operator(name="Elsewhere", country="CN", parent_country="CN"),
        )
        done = evalkit("run", "tiny", "--on", "fake:model")
        assert done.returncode == 3
        assert "judge jury:model" in done.stderr
        assert subject.requests == []
        assert jury.requests == []


def test_no_vendor_judges_its_own(make_suite: Callable[..., None], declare: Callable[..., None]) -> None:
    make_suite(2)
    judged_by("jury:model")
    with FakeProvider() as subject, FakeProvider() as jury:
        declare(subject)
        declare(jury, name="jury")
        done = evalkit("run", "tiny", "--on", "fake:model")
        assert done.returncode == 2
        assert "a model of the same maker (org)" in done.stderr
        assert subject.requests == []
