"""Parts of a run, made apart and joined again."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from evalkit.app.look import load_run
from evalkit.app.report import measure
from evalkit.store.journal import read_label_steps
from evalkit.testing.fake_provider import Behaviour, FakeProvider
from evalkit.types.label import LabelRow
from evalkit.types.provider import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.analysis.summary import Summary


def evalkit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *words], capture_output=True, text=True, timeout=120, check=False
    )


def summary(run: str) -> Summary:
    return measure([run], Path("results"))[0]


def by_sample(body: dict[str, object]) -> Behaviour:
    messages = body["messages"]
    assert isinstance(messages, list)
    number = int(messages[-1]["content"].split()[-1])
    return Behaviour(text="four" if number % 3 else "five")


@pytest.fixture
def parts(make_suite: Callable[..., None], declare: Callable[..., None]) -> FakeProvider:  # type: ignore[misc]
    """Three parts of eleven samples, and the same plan worked whole."""
    make_suite(11)
    with FakeProvider(by_sample) as server:
        declare(server)
        for index in (1, 2, 3):
            done = evalkit(
                "run",
                "tiny",
                "--on",
                "fake:model",
                "--epochs",
                "2",
                "--shard",
                f"{index}/3",
                "--run",
                f"p{index}",
            )
            assert done.returncode == 0, done.stderr
        yield server


def test_the_joined_run_is_the_run_of_one_process(parts: FakeProvider) -> None:
    said = load_run(Path("results/p2")).generations[0]
    label = LabelRow(trial=said.trial, annotator="anna", label="complete", answer="0", at=1.0)
    put_off = msgspec.structs.replace(label, annotator="ben", label="later")
    Path("results/p2/labels.jsonl").write_bytes(
        msgspec.json.encode(label) + b"\n" + msgspec.json.encode(put_off) + b"\n"
    )
    done = evalkit("merge", "p3", "p1", "p2", "--run", "whole")
    assert done.returncode == 0, done.stderr
    assert load_run(Path("results/whole")).labels == (label,)
    assert list(read_label_steps(Path("results/whole"))) == [label, put_off]
    assert evalkit("run", "tiny", "--on", "fake:model", "--epochs", "2", "--run", "once").returncode == 0
    own = summary("p1").find("fake:model", "delivered", "tiny")
    assert own is not None
    assert (own.n, own.unscored, own.value) == (8, 0, 1.0)
    joined, once = load_run(Path("results/whole")), load_run(Path("results/once"))
    assert {g.fingerprint for g in joined.generations} == {g.fingerprint for g in once.generations}
    assert Counter((r.trial, r.scorer) for r in joined.scores) == Counter(
        (r.trial, r.scorer) for r in once.scores
    )
    assert joined.manifest.status == "finished"
    assert joined.manifest.options["identity"] == once.manifest.options["identity"]
    for measure_name in ("quality", "delivered"):
        values = [summary(n).find("fake:model", measure_name, "tiny") for n in ("whole", "once")]
        assert values[0] == values[1]
    assert evalkit("runs", "verify", "whole").returncode == 0
    before = len(parts.requests)
    assert evalkit("resume", "whole").returncode == 0
    assert len(parts.requests) == before


def test_what_is_missing_is_asked_when_a_partial_run_is_resumed(parts: FakeProvider) -> None:
    done = evalkit("merge", "p1", "p3", "--run", "most", "--partial")
    assert done.returncode == 0, done.stderr
    assert load_run(Path("results/most")).manifest.status == "stopped"
    before = len(parts.requests)
    assert evalkit("resume", "most").returncode == 0
    assert len(parts.requests) - before == 8
    assert len(load_run(Path("results/most")).generations) == 22


def test_what_cannot_be_joined_is_said_and_nothing_is_written(parts: FakeProvider) -> None:
    evalkit("run", "tiny", "--on", "fake:model", "--shard", "3/3", "--run", "other")
    before = Path("results/p1/generations.jsonl").read_bytes()
    assert evalkit("score", "p3", "--scorer", "refusal").returncode == 0
    for words, sentence in (
        (("p1", "p2", "--run", "whole"), "3/3 of the run is missing"),
        (("p1", "p2", "p2", "p3", "--run", "whole"), "Part 2/3 is given twice"),
        (("p1", "p2", "other", "--run", "whole"), "is no part of the same run"),
        (("p1", "p2", "p3", "--run", "whole"), "were scored or judged differently"),
        (("p1", "nowhere", "--run", "whole"), "Unknown run 'nowhere'"),
        (("p1", "p2", "--partial", "--run", "p1"), "holds a run already"),
    ):
        done = evalkit("merge", *words)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    assert not Path("results/whole").exists()
    assert Path("results/p1/generations.jsonl").read_bytes() == before


def test_parts_share_a_providers_limits() -> None:
    limits = Limits(concurrency=8, requests_per_minute=60)
    assert limits.shared(4) == Limits(concurrency=2, requests_per_minute=15)
    assert limits.shared(100) == Limits(concurrency=1, requests_per_minute=1)
    assert limits.shared(1) == limits
