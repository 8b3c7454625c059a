"""The whole path on real weights: servers, run, scores, report and verdict."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from evalkit.app.demo import CANDIDATE
from evalkit.app.gate import DEMO_GATE, judge_runs, note_of
from evalkit.app.look import load_run
from evalkit.app.report import report_on
from evalkit.app.run import Conduct, execute
from evalkit.app.setup import RunOptions, prepare
from evalkit.cli.progress import Watcher
from evalkit.embedded.hosts import HOSTS, MODEL, EmbeddedHosts
from evalkit.embedded.weights import available
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(
        not available(), reason="the embedded weights are not installed; `make test` does that"
    ),
]


def test_three_hosts_of_the_same_weights(workdir: Path) -> None:
    with EmbeddedHosts() as hosts:
        setup = prepare(
            RunOptions(
                suites=("coding@easy", "agentic@easy", "probes@tiny"),
                on=tuple(f"{host.provider}:{MODEL}" for host in HOSTS),
                limit=3,
                epochs=1,
                settings={"max_tokens": 64},
            )
        )
        ended = execute(setup, Conduct(results=workdir / "results"), Watcher(setup.plan))
        assert len(hosts.ports) == 3
    assert ended.tally.worked == 27
    assert ended.tally.failed == 0
    run = load_run(ended.folder)
    assert all(g.response and g.response.usage and g.cost for g in run.generations)
    assert all(g.timing and g.timing.first_token_s for g in run.generations if g.outcome == "ok")
    prompts = {
        (g.endpoint, g.trial.sample): g.response.usage.input
        for g in run.generations
        if g.response and g.response.usage
    }
    reference, misset = (f"{HOSTS[i].provider}:{MODEL}" for i in (0, 2))
    # Another template is other tokens: the cheapest sign that a host is misconfigured.
    assert all(prompts[misset, s] != n for (e, s), n in prompts.items() if e == reference)
    verdict = judge_runs([ended.folder], DEMO_GATE, candidate=CANDIDATE)
    assert verdict.decision in {"fail", "inconclusive"}
    page = workdir / "report.html"
    report_on([ended.folder], page, note_of(verdict))
    assert "SmolLM2" in page.read_text(encoding="utf-8")


def test_a_port_in_use_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} on 127.0.0.1 cannot be used"), EmbeddedHosts(port):
            pass
