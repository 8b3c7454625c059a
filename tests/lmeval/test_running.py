"""Tasks of lm-eval in the ordinary engine: failures, resuming, re-use, scoring again, the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.analysis.frames import build_frames
from evalkit.analysis.summary import summarize
from evalkit.app.look import load_run
from evalkit.testing import Behaviour, FakeProvider
from evalkit.types.provider import Quirks
from tests.lmeval.conftest import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.types.score import ScoreRow

STRICT = "exact_match,strict-match"


def evalkit(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", *words], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def run(suite: str, *words: str, name: str = "r", code: int = 0) -> str:
    return evalkit(
        "run", suite, "--on", "fake:model", "-q", "--run", name, "--max-failed", "1", *words, code=code
    )


def told(sample: str, name: str = "r", scorer: str = "lm_eval") -> dict[str, float | str]:
    rows: dict[str, ScoreRow] = {}
    for row in load_run(Path("results") / name).scores:
        if row.trial.sample == sample and row.scorer == scorer:
            rows[(row.score or row.unscored).metric] = row  # type: ignore[union-attr]
    return {
        metric: row.score.value if row.score else row.unscored.reason  # type: ignore[union-attr]
        for metric, row in rows.items()
    }


def test_what_the_host_did_not_give_is_unscored_and_asked_again(
    suite_of: Callable[..., str], declare: Callable[..., None]
) -> None:
    broken = True

    def host(body: dict[str, Any]) -> Behaviour:
        said = str(body["messages"][-1]["content"])
        if broken and "10 plus 7" in said:
            return Behaviour(status=400)
        if "41 plus 1" in said:
            return Behaviour(text="")
        if "8 plus 13" in said:
            return Behaviour(text="#### 21", finish="content_filter")
        return answer(body)

    with FakeProvider(host) as server:
        declare(server)
        suite = suite_of(STRICT, tasks=["sums", "rules"])
        run(suite)
        names = {STRICT, "exact_match,flexible-extract"}
        assert told("sums/1") == dict.fromkeys(names, "config_error")
        assert told("sums/2") == dict.fromkeys(names, "empty")
        assert told("sums/5") == dict.fromkeys(names, "host_output_filter")
        assert set(told("rules/0")) == {"all_kept", "kept", "words"}
        broken = False
        before = len(server.requests)
        evalkit("resume", "results/r", "-q")
        assert len(server.requests) == before + 1, "only what failed is asked again"
        assert set(told("sums/1")) == names
        assert "config_error" not in told("sums/1").values()


def test_equal_questions_are_answered_from_an_earlier_run(
    suite_of: Callable[..., str], declare: Callable[..., None]
) -> None:
    with FakeProvider(answer) as server:
        declare(server)
        suite = suite_of(STRICT, tasks=["sums", "votes"])
        run(suite)
        asked = len(server.requests)
        assert asked == 8 + 3 * 8, "three draws for each document of the task that votes"
        run(suite, "--reuse", "results/r", name="again")
        assert len(server.requests) == asked
    rows = [load_run(Path("results") / name).scores for name in ("r", "again")]
    first, second = ({(r.trial.sample, s.metric): s.value for r in n if (s := r.score)} for n in rows)
    assert first == second
    answers = {(r.trial.sample, s.metric): s.answer for r in rows[0] if (s := r.score)}
    assert answers["sums/0", STRICT] == "[invalid]", "the filter found no number after ####"
    assert answers["sums/0", "exact_match,flexible-extract"] == "5."


def test_a_run_is_scored_again_without_a_request(
    suite_of: Callable[..., str], declare: Callable[..., None], tasks: Path
) -> None:
    with FakeProvider(answer) as server:
        declare(server, quirks=Quirks(prompt_logprobs=True))
        run(suite_of("acc", tasks=["capitals", "sums"]))
        before = {sample: told(sample) for sample in ("capitals/0", "sums/0")}
    evalkit("score", "results/r", "-q")
    assert {sample: told(sample) for sample in before} == before
    file = tasks / "tasks" / "sums.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("version: 3.0", "version: 4.0"), encoding="utf-8"
    )
    said = evalkit("score", "results/r", "-q", code=2)
    assert "it was 3.0" in said
    assert "Traceback" not in said


def test_each_metric_has_the_trials_of_its_own_tasks(
    suite_of: Callable[..., str], declare: Callable[..., None]
) -> None:
    def host(body: dict[str, Any]) -> Behaviour:
        # Everything of `rules` fails: that says nothing of the metric of `sums`.
        return Behaviour(status=400) if "Say something" in str(body["messages"][-1]) else answer(body)

    with FakeProvider(host) as server:
        declare(server)
        run(suite_of(STRICT, tasks=["sums", "rules"]))
    whole = load_run(Path("results/r"))
    summary = summarize([whole], build_frames([whole]))
    quality, planned = (summary.find("fake:model", key, "own") for key in ("quality", "quality_planned"))
    assert quality is not None
    assert planned is not None
    assert (quality.n, planned.n) == (8, 8), "six failures of another task are not wrong sums"
    assert quality.value == planned.value


def test_a_host_without_probabilities_gives_failures_and_no_score(
    suite_of: Callable[..., str], declare: Callable[..., None]
) -> None:
    """llama.cpp's server ignores `echo` and answers with the generated token only."""
    ignored = {
        "choices": [{"text": ".", "index": 0, "finish_reason": "length", "logprobs": {"content": [
            {"id": 30, "token": ".", "bytes": [46], "logprob": -0.39, "top_logprobs": []},
        ]}}],
        "model": "m", "object": "text_completion",
    }  # fmt: skip
    with FakeProvider(Behaviour(body=json.dumps(ignored).encode())) as server:
        declare(server, quirks=Quirks(prompt_logprobs=True))
        run(suite_of("acc", tasks=["capitals"]))
        assert len(server.requests) == 12, "one request for each document: the rest would say the same"
    assert set(told("capitals/0").values()) == {"config_error"}
    failure = load_run(Path("results/r")).generations[0].failure
    assert failure is not None
    assert "no probabilities of the prompt" in failure.message
