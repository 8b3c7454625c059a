"""Inspect's own reader reads what we write, and we read what it writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.analysis.frames import build_frames
from evalkit.analysis.summary import summarize
from evalkit.app.export import export_runs
from evalkit.app.importing import ImportOptions, import_files
from evalkit.app.look import load_run
from evalkit.types.generation import Outcome
from tests.recorded import record
from tests.synthetic import make_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.analysis.rundata import RunData


def figures(run: RunData) -> dict[tuple[str, str | None, str], float | None]:
    wanted = ("delivered", "blocked", "quality", "total_p50", "cost_per_1k", "tokens_in", "tokens_out")
    summary = summarize([run], build_frames([run]))
    return {
        (f.subject, f.suite, f.measure): f.estimate.value
        for f in summary.figures
        if f.measure in wanted and f.suite is not None
    }


def test_inspect_reads_what_we_export(tmp_path: Path, run_theirs: Callable[..., str]) -> None:
    folder = record(make_run({"coding": 40, "probes": 40}), tmp_path)
    written = export_runs([folder], "inspect", str(tmp_path / "logs"))
    found: dict[str, Any] = json.loads(run_theirs("read_inspect.py", tmp_path / "logs"))
    assert len(found) == len(written) == 6
    run = load_run(folder)
    ours = figures(run)
    for name, said in found.items():
        task, model = name.split(" at ")
        subject = model.replace("/", ":", 1)
        assert said["mean"] == pytest.approx(said["said"])
        assert said["mean"] == pytest.approx(ours[subject, task, "quality"])
        rows = [g for g in run.generations if (g.trial.endpoint, g.trial.suite) == (subject, task)]
        assert said["samples"] == len({g.trial for g in rows})
        assert said["errors"] == sum(g.outcome.is_failure for g in rows)
        assert said["blocked"] == sum(g.outcome.is_blocked for g in rows)


def test_a_run_survives_the_way_through_inspect(tmp_path: Path) -> None:
    """Export, import: the figures that the format has a place for are the same."""
    before = load_run(record(make_run({"coding": 40, "probes": 40}), tmp_path / "a"))
    export_runs([tmp_path / "a" / before.manifest.run], "inspect", str(tmp_path / "logs"))
    done = import_files(ImportOptions(files=(tmp_path / "logs",), results=tmp_path / "b", run="back"))
    after = load_run(done.folder)
    ours, theirs = figures(before), figures(after)
    for key, value in ours.items():
        if value is not None and key[2] != "quality":
            assert theirs[key] == pytest.approx(value), key
    assert {e.id for e in after.manifest.endpoints} == {e.id for e in before.manifest.endpoints}


@pytest.mark.parametrize("form", ["eval", "json"])
def test_we_read_what_inspect_writes(tmp_path: Path, run_theirs: Callable[..., str], form: str) -> None:
    run_theirs("write_inspect.py", tmp_path)
    done = import_files(ImportOptions(files=(tmp_path / f"log.{form}",), results=tmp_path / "results"))
    run = load_run(done.folder)
    assert (done.form, [e.id for e in run.manifest.endpoints]) == ("inspect", ["hosty:org/m"])
    suite = run.manifest.suites[0].suite
    assert (suite.id, suite.version) == ("shapes", "3")
    assert (suite.generation.temperature, suite.generation.max_tokens) == (0.5, 99)
    last = {g.trial.sample: g for g in run.generations}
    assert {name: g.outcome for name, g in last.items()} == {
        "right": Outcome.OK,
        "wrong": Outcome.OK,
        "cut": Outcome.TRUNCATED,
        "blocked": Outcome.HOST_OUTPUT_FILTER,
        "unscored": Outcome.OK,
        "broken": Outcome.RATE_LIMITED,
        "agent": Outcome.OK,
    }
    right = last["right"].response
    assert right is not None
    assert right.usage is not None
    assert (right.text, right.reasoning) == ("right", "because")
    assert (right.usage.input, right.usage.cached_input, right.usage.output) == (14, 4, 5)
    assert last["right"].cost is not None
    assert last["right"].timing is not None
    assert (last["right"].cost.usd, last["right"].timing.total_s) == (0.01, 1.5)
    wrong = last["wrong"]
    assert wrong.response is not None
    assert (wrong.response.usage, wrong.cost) == (None, None)
    turns = [g for g in run.generations if g.trial.sample == "agent"]
    assert [g.turn for g in turns] == [1, 2]
    assert turns[0].response is not None
    assert [c.arguments for c in turns[0].response.tool_calls] == ['{"at":"x"}']
    assert [m.role for m in turns[1].prompt] == ["tool"]
    said = {(r.trial.sample, (r.score or r.unscored).metric): r for r in run.scores}  # type: ignore[union-attr]
    values = {key: r.score.value for key, r in said.items() if r.score}
    assert values == {
        ("right", "match"): 1.0,
        ("right", "rated"): 0.7,
        ("wrong", "match"): 0.0,
        ("wrong", "rated"): 0.1,
        ("cut", "match"): 0.0,
        ("agent", "match"): 0.5,
    }
    reasons = {key[0]: r.unscored.reason for key, r in said.items() if r.unscored}
    assert reasons == {"blocked": "host_output_filter", "unscored": "grader_failed"}
