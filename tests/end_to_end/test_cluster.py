"""Trials on a real cluster of two nodes, one of which is killed half-way."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.app.look import load_run
from evalkit.testing import Behaviour, FakeProvider
from evalkit.types.provider import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.importorskip("ray", reason="Ray is not installed: pip install 'evalkit[ray]'")
from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.timeout(600),
    # Ray's own node keeps log files open.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SAMPLES = 60
CLIENT_PORT = 21117
SUITE = """\
id: adding
version: "1"
title: Adding
description: One function each.
licence: Apache-2.0
source: this test
samples: samples.jsonl
generation: {max_tokens: 100}
primary: code
scorers: [{name: code}]
"""


def evalkit(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture
def adding(workdir: Path) -> None:
    """A suite whose scorer runs code, so that workers have executions too."""
    folder = workdir / "suites" / "adding"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(SUITE, encoding="utf-8")
    rows = [
        {
            "id": f"s{n:03}",
            "input": f"Write add{n}",
            "data": {
                "kind": "function",
                "entry": f"add{n}",
                "tests": [
                    {
                        "run": f"result = [add{n}(k) for k in range(9)]",
                        "expect": str([k + n for k in range(9)]),
                    }
                ],
            },
        }
        for n in range(SAMPLES)
    ]
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def answer(body: dict[str, Any]) -> Behaviour:
    name = body["messages"][-1]["content"].split()[-1]
    wrong = int(name[3:]) % 5 == 0
    code = f"def {name}(k):\n    return k + {0 if wrong else name[3:]}\n"
    return Behaviour(text=f"```python\n{code}```", delay_s=0.3)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head and a second node. Ray would take 127.0.0.1 for another name of the machine's own address."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    node = {"num_cpus": 1, "node_ip_address": "127.0.0.2"}
    made = Cluster(
        initialize_head=True,
        head_node_args={**node, "include_dashboard": False, "ray_client_server_port": CLIENT_PORT},
    )
    try:
        made.add_node(**node)
        made.wait_for_nodes(60)
        yield made
    finally:
        made.shutdown()
        del made
        gc.collect()


def wait_for(server: FakeProvider, count: int, run: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while len(server.requests) < count:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_lost_workers_trials_run_again_elsewhere_and_nothing_is_asked_twice(
    adding: None, declare: Callable[..., None], cluster: Cluster
) -> None:
    with FakeProvider(answer) as server:
        declare(server, limits=Limits(concurrency=4))
        words = (
            "run",
            "adding",
            "--on",
            "fake:model",
            "--executor",
            "ray",
            "--run",
            "r",
            "--progress",
            "lines",
        )
        run = evalkit(*words, RAY_ADDRESS=cluster.address)
        wait_for(server, SAMPLES // 3, run)
        second = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
        cluster.remove_node(second, allow_graceful=False)
        out, error = run.communicate(timeout=300)
        client = f"ray://127.0.0.2:{CLIENT_PORT}"
        again = evalkit(
            "run", "adding", "--on", "fake:model", "--limit", "8", "--executor", client, "--run", "c"
        )
        told = again.communicate(timeout=240)
    assert again.returncode == 0, told
    assert "8 trials worked" in told[0]
    assert run.returncode == 0, error
    assert "a worker was lost" in error
    assert out.count("trials worked") == 1
    asked = Counter(body["messages"][-1]["content"] for body in server.requests[:SAMPLES])
    assert asked == {f"Write add{n}": 1 for n in range(SAMPLES)}
    # The limit is that of the whole cluster: no moment had more requests under way than the host allows.
    assert server.most_at_once <= 4
    recorded = load_run(Path("results/r"))
    assert Counter(g.trial.sample for g in recorded.generations) == {f"s{n:03}": 1 for n in range(SAMPLES)}
    code = {r.trial.sample: r.score for r in recorded.scores if r.score and r.score.metric == "code"}
    assert len([r for r in recorded.scores if r.score and r.score.metric == "code"]) == SAMPLES
    assert {n: s.value for n, s in code.items()} == {
        f"s{n:03}": float(n == 0 or n % 5 != 0) for n in range(SAMPLES)
    }
    assert recorded.manifest.options["executor"] == "ray"
    assert recorded.manifest.status == "finished"


def test_a_worker_that_cannot_work_and_a_cluster_that_is_not_there_are_said_before_a_request(
    adding: None, declare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeProvider(answer) as server:
        declare(server)
        for executor, code, sentence in (
            ("ray://127.0.0.1:9", 5, "the cluster cannot be reached"),
            ("dask", 2, "Unknown executor 'dask'; expected here, ray or ray://host:port."),
        ):
            run = evalkit("run", "adding", "--on", "fake:model", "--executor", executor, "--run", "r")
            _, error = run.communicate(timeout=240)
            assert run.returncode == code, error
            assert sentence in error
            assert "Traceback" not in error
        assert not server.requests
