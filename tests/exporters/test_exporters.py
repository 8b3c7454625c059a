"""What is written, read back by the libraries that others read it with."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from evalkit import plugins
from evalkit.analysis import columns
from evalkit.app.export import export_runs
from evalkit.app.look import load_run
from evalkit.errors import UnknownNameError, UsageError
from evalkit.types.generation import Outcome
from tests.recorded import record
from tests.synthetic import make_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run({"coding": 30, "probes": 30})
    hostile = "\x00 ]]> <b> | `x` \ud800".encode("utf-8", "replace").decode() + "\x07"
    first = next(g for g in run.generations if g.response is not None)
    assert first.response is not None
    changed = msgspec.structs.replace(first, response=msgspec.structs.replace(first.response, text=hostile))
    rows = tuple(changed if g is first else g for g in run.generations)
    return record(msgspec.structs.replace(run, generations=rows), tmp_path_factory.mktemp("results"))


def test_every_format_is_found_by_its_file() -> None:
    assert plugins.formats("exporter") == [
        "csv", "every_eval_ever", "inspect", "junit", "markdown", "mlflow", "parquet", "wandb",
    ]  # fmt: skip
    assert plugins.formats("importer") == ["inspect", "jsonl", "lm_eval", "openai_batch", "promptfoo"]


def test_parquet_has_the_documented_columns(folder: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    export_runs([folder], "parquet", str(tmp_path))
    run = load_run(folder)
    schemas = {
        "generations": columns.GENERATIONS,
        "trials": columns.TRIALS,
        "scores": columns.SCORES,
        "estimates": columns.ESTIMATES,
    }
    for name, schema in schemas.items():
        table = pq.read_table(tmp_path / f"{name}.parquet")
        assert table.column_names == list(schema)
        said = {field.name: field.metadata[b"meaning"].decode() for field in table.schema}
        assert said == {key: column.meaning for key, column in schema.items()}
        assert table.num_rows > 0
    rows = pq.read_table(tmp_path / "generations.parquet").to_pylist()
    assert len(rows) == len(run.generations)
    unpriced = [row for row in rows if row["subject"] == "filtered:chat"]
    assert unpriced
    assert {row["usd"] for row in unpriced} == {None}  # missing, neither 0 nor NaN


def test_datasets_reads_the_parquet(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import datasets

    export_runs([folder], "parquet", str(tmp_path / "out"))
    path = str(tmp_path / "out" / "trials.parquet")
    data = datasets.load_dataset("parquet", data_files=path, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(data) == 2 * 30 * 3


def test_csv_holds_the_same_figures(folder: Path, tmp_path: Path) -> None:
    export_runs([folder], "csv", str(tmp_path))
    with (tmp_path / "estimates.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(columns.ESTIMATES)
    costs = {row["subject"]: row["value"] for row in rows if row["measure"] == "cost_per_1k"}
    assert costs["filtered:chat"] == ""
    assert float(costs["lab:chat"]) > 0


def test_junit_counts_and_survives_hostile_text(folder: Path, tmp_path: Path) -> None:
    export_runs([folder], "junit", str(tmp_path))
    root = ET.parse(tmp_path / "junit.xml").getroot()
    run = load_run(folder)
    cases = root.findall(".//testcase")
    assert int(root.attrib["tests"]) == len(cases) == 2 * 30 * 3
    last = {g.trial: g for g in run.generations}
    undelivered = [g for g in last.values() if g.outcome.is_failure or g.outcome.is_blocked]
    assert len(root.findall(".//error")) >= len(undelivered) > 0
    wrong = [
        row
        for row in run.scores
        if row.score and row.score.metric in {"passed", "probe_class"} and row.score.value == 0
    ]
    assert len(root.findall(".//failure")) == len(wrong)
    kinds = [len(case.findall("failure")) + len(case.findall("error")) for case in cases]
    assert max(kinds) == 1
    assert Outcome.OK.value not in {e.attrib["message"].split(":")[0] for e in root.findall(".//error")}


def test_markdown_cannot_be_broken_by_names(tmp_path: Path) -> None:
    run = make_run({"coding": 10}, note="a | <script>alert(1)</script> [x](javascript:1)\n# head")
    folder = record(run, tmp_path / "results")
    export_runs([folder], "markdown", str(tmp_path))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script" not in text.replace("\\<", "")
    assert "\n# head" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table[:5]}) == 1


def test_mlflow_has_the_figures(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    from mlflow import MlflowClient

    uri = f"file:{tmp_path / 'store'}"
    written = export_runs([folder], "mlflow", uri)
    assert len(written) == 3
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("evalkit")
    assert experiment is not None
    runs = {r.data.params["endpoint"]: r for r in client.search_runs([experiment.experiment_id])}
    check_logged(folder, {name: dict(r.data.metrics) for name, r in runs.items()})


def check_logged(folder: Path, logged: dict[str, dict[str, Any]]) -> None:
    """What a tracker holds is what the summary says; what is missing is not there."""
    from evalkit.exporters.record import Exported

    exported = Exported([load_run(folder)])
    assert set(logged) == {s.name for s in exported.frames.subjects}
    for subject, metrics in logged.items():
        for figure in exported.summary.figures:
            if figure.subject != subject:
                continue
            name = f"{figure.suite or 'all'}/{figure.measure}"
            if figure.estimate.value is None:
                assert name not in metrics
            else:
                assert math.isclose(metrics[name], figure.estimate.value)
                assert metrics[f"{name}.n"] == figure.estimate.n
    assert "coding/cost_per_1k" not in logged["filtered:chat"]


def test_wandb_offline_has_the_figures(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    written = export_runs([folder], "wandb", "team/project")
    assert len(written) == 3
    logs = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(logs) == 3
    found = {}
    for path in logs:
        config, summary = read_wandb(path)
        found[config["endpoint"]] = summary
    check_logged(folder, found)


def read_wandb(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and summary out of W&B's own record of an offline run, a LevelDB log of its protobufs."""
    from wandb.proto import wandb_internal_pb2

    data, position, parts = path.read_bytes(), 7, []
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    while position + 7 <= len(data):
        room = 32768 - position % 32768
        if room < 7:
            position += room
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        parts.append(data[position + 7 : position + 7 + length])
        position += 7 + length
        if kind not in {1, 4}:  # a part of a record that goes on in the next block
            continue
        row = wandb_internal_pb2.Record()
        row.ParseFromString(b"".join(parts))
        parts = []
        for item in (*row.run.config.update, *row.config.update):
            config[item.key or item.nested_key[0]] = msgspec.json.decode(item.value_json)
        for item in (*row.summary.update, *row.run.summary.update):
            summary[item.key or item.nested_key[0]] = msgspec.json.decode(item.value_json)
    return config, summary


def test_wrong_calls_end_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown format 'parqet'\. Did you mean 'parquet'"):
        export_runs([folder], "parqet", str(tmp_path))
    with pytest.raises(UsageError, match="junit is written to files; name their folder"):
        export_runs([folder], "junit", None)
