"""Known answers: the `lm_eval` command and evalkit ask a host the same and score each document alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.app.look import load_run
from evalkit.testing import FakeProvider
from evalkit.types.provider import Quirks
from tests.lmeval.conftest import answer

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(900)  # the command reads all of its own task files first

Scores = dict[tuple[str, str], float]


def theirs(model: str, arguments: str, tasks: str, *more: str) -> Scores:
    done = subprocess.run(
        [sys.executable, "-m", "lm_eval", "run", "--model", model, "--model_args", arguments,
         "--tasks", tasks,
         "--include_path", "tasks", "--log_samples", "--output_path", "theirs", *more],
        capture_output=True, text=True, timeout=800, check=False,
        env={**os.environ, "OPENAI_API_KEY": "none"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: Scores = {}
    for task in tasks.split(","):
        (file,) = Path("theirs").rglob(f"samples_{task}_*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for metric in row["metrics"]:
                name = metric if row["filter"] == "none" else f"{metric},{row['filter']}"
                found[f"{task}/{row['doc_id']}", name] = mean(row[metric])
    return found


def mean(value: Any) -> float:
    return sum(map(float, value)) / len(value) if isinstance(value, list) else float(value)


def ours(suite: str, run: str = "r", *more: str) -> Scores:
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "run", suite, "--on", "fake:model", "-q", "--run", run, *more],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = load_run(Path("results") / run).scores
    return {
        (r.trial.sample, r.score.metric): r.score.value
        for r in rows
        if r.scorer == "lm_eval" and r.score is not None
    }


def asked(server: FakeProvider, key: str, *fields: str) -> Counter[str]:
    return Counter(
        json.dumps([body[key], *(body.get(f) for f in fields)], sort_keys=True) for body in server.requests
    )


def test_generated_answers_score_the_same(
    tasks: Path, suite_of: Callable[..., str], declare: Callable[..., None]
) -> None:
    names = ["sums", "rules", "votes"]
    with FakeProvider(answer) as server:
        declare(server)
        suite = suite_of("exact_match,strict-match", tasks=names)
        mine = ours(suite)
        wire = asked(server, "messages", "max_tokens", "temperature", "stop")
        server.requests.clear()
        arguments = f"base_url={server.url}/chat/completions,model=model,num_concurrent=2"
        known = theirs("local-chat-completions", arguments, ",".join(names), "--apply_chat_template")
        their_wire = asked(server, "messages", "max_tokens", "temperature", "stop")
    assert mine == known
    assert len({name for _, name in mine}) == 6
    by_metric = {name: {v for (_, n), v in mine.items() if n == name} for _, name in mine}
    assert all(len(found) > 1 for found in by_metric.values()), "a metric that never differs proves nothing"
    # The same was asked as often; an empty list of stops is the same as none.
    assert Counter({k.replace("[]", "null"): n for k, n in their_wire.items()}) == wire


def test_likelihoods_score_the_same(
    tasks: Path, suite_of: Callable[..., str], declare: Callable[..., None]
) -> None:
    with FakeProvider(answer) as server:
        declare(server, quirks=Quirks(prompt_logprobs=True))
        mine = ours(suite_of("acc", tasks=["capitals"]))
        arguments = f"base_url={server.url}/completions,model=model,tokenizer_backend=remote"
        known = theirs("local-completions", arguments, "capitals")
    assert mine == known
    assert {v for (_, n), v in mine.items() if n == "acc"} == {0.0, 1.0}
    assert any(mine[s, "acc"] != mine[s, "acc_norm"] for s, _ in mine)
