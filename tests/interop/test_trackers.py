"""Every Eval Ever's own validator, and an MLflow server on this machine's loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from evalkit.app.export import export_runs
from evalkit.app.look import load_run
from evalkit.exporters.record import Exported
from tests.recorded import record
from tests.synthetic import make_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def test_every_eval_ever_validates_its_files(tmp_path: Path, run_theirs: Callable[..., str]) -> None:
    folder = record(make_run({"coding": 20, "agentic": 20, "probes": 20}), tmp_path)
    out = tmp_path / "out"
    written = export_runs([folder], "every-eval-ever", str(out))
    names = [str(path) for path in sorted(p.relative_to(out) for p in out.rglob("*.json*"))]
    assert len(names) == len(written) == 6
    said = json.loads(run_theirs("every_eval_ever", "validate", "--format", "json", *names, cwd=out))
    assert [(r["file"], r["errors"], r["warnings"]) for r in said] == [(r["file"], [], []) for r in said]
    assert len(said) == 6
    assert all(r["valid"] for r in said)
    run = load_run(folder)
    out.rglob("*_samples.jsonl")
    rows = [
        json.loads(line)
        for path in out.rglob("*_samples.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    primaries = {record.suite.primary for record in run.manifest.suites}
    scored = [r for r in run.scores if r.score and r.score.metric in primaries]
    assert len(rows) == len(scored)  # one row for each score, none for what has none


@pytest.fixture
def server(theirs: Path, tmp_path: Path) -> Iterator[str]:
    """A tracking server with an SQLite store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    places = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path / 'ml.db'}",
        "--artifacts-destination",
        str(tmp_path / "kept"),
    ]
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(theirs), "-m", "mlflow", *words, *places], env=clean, cwd=tmp_path, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url, tmp_path / "server.log")
            yield url
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)


def wait_for(url: str, log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server does not answer: {log.read_text()[-2000:]}")


@pytest.mark.timeout(300)
def test_an_mlflow_server_holds_the_figures(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    folder = record(make_run({"coding": 20}), tmp_path)
    assert len(export_runs([folder], "mlflow", server)) == 3
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("evalkit")
    assert experiment is not None
    held = {r.data.params["endpoint"]: r.data for r in client.search_runs([experiment.experiment_id])}
    exported = Exported([load_run(folder)])
    for subject in ("lab:chat", "cutrate:chat", "filtered:chat"):
        quality = exported.summary.find(subject, "quality", "coding")
        assert quality is not None
        assert held[subject].metrics["coding/quality"] == pytest.approx(quality.value)
        assert held[subject].metrics["coding/quality.n"] == quality.n
    assert "coding/cost_per_1k" not in held["filtered:chat"].metrics  # unpriced is not 0
