"""Plain JSON lines: what is kept, what is missing, and what is refused."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.app.importing import Done, ImportOptions, import_files
from evalkit.app.look import load_run
from evalkit.errors import StoreError, UsageError
from evalkit.types.generation import Outcome

if TYPE_CHECKING:
    from pathlib import Path

ROW: dict[str, Any] = {
    "sample": "q1",
    "prompt": "2 + 2?",
    "response": "4",
    "endpoint": "host:m",
    "suite": "sums",
    "target": "4",
}
META = {
    "raw": '{"code": "data_inspection_failed", "message": "Input data may contain inappropriate content"}'
}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def take(folder: Path, *rows: dict[str, Any], **options: Any) -> Done:
    path = write(folder / "answers.jsonl", *rows)
    return import_files(ImportOptions(files=(path,), results=folder / "results", **options))


def test_everything_a_row_says_is_kept(tmp_path: Path) -> None:
    done = take(
        tmp_path,
        {
            **ROW,
            "usage": {"input": 12, "output": 3, "reasoning": 1},
            "latency_s": 1.5,
            "first_token_s": 0.5,
            "cost_usd": 0.002,
            "at": 1.7e9,
            "finish_reason": "stop",
            "tags": ["easy"],
            "cluster": "c",
            "language": "en",
            "data": {"k": 1},
            "served_by": "Upstream",
            "scores": {"exact": 1, "similar": 0.25, "length": 17},
            "labels": {"class": "complete"},
        },
    )
    run = load_run(done.folder)
    (row,) = run.generations
    assert row.outcome is Outcome.OK
    assert row.response is not None
    assert row.timing is not None
    assert row.cost is not None
    assert row.response.usage is not None
    assert (row.response.text, row.response.finish, row.response.served_by) == ("4", "stop", "Upstream")
    assert (row.response.usage.input, row.response.usage.output, row.response.usage.reasoning) == (12, 3, 1)
    assert (row.timing.total_s, row.timing.first_token_s, row.cost.usd, row.at) == (1.5, 0.5, 0.002, 1.7e9)
    (sample,) = run.samples["sums"]
    assert (sample.input, sample.target, sample.tags, sample.cluster) == ("2 + 2?", "4", ("easy",), "c")
    assert (sample.language, sample.data) == ("en", {"k": 1})
    kinds = {metric.name: metric.kind for metric in run.manifest.suites[0].metrics}
    assert kinds == {"exact": "binary", "similar": "fraction", "length": "number", "class": "label"}
    assert run.manifest.suites[0].suite.primary == "exact"
    assert {r.scorer for r in run.scores} == {"jsonl"}
    assert done.missing == ()


def test_what_a_file_does_not_say_is_missing_and_not_zero(tmp_path: Path) -> None:
    done = take(tmp_path, ROW, {**ROW, "sample": "q2", "latency_s": 0})
    for row in load_run(done.folder).generations:
        assert row.response is not None
        assert (row.response.usage, row.response.finish, row.timing, row.cost) == (None, None, None, None)
    assert done.missing == ("usage", "latency", "first token", "cost", "finish reason")
    settings = done.manifest.suites[0].suite.generation
    assert (settings.max_tokens, settings.temperature) == (None, None)


def test_the_manifest_says_where_it_is_from(tmp_path: Path) -> None:
    done = take(tmp_path, ROW)
    said = done.manifest.options["imported"]
    import hashlib

    digest = hashlib.sha256((tmp_path / "answers.jsonl").read_bytes()).hexdigest()
    assert (said["format"], said["files"][0]["sha256"]) == ("jsonl", digest)
    assert "imported (jsonl) from answers.jsonl" in (done.manifest.note or "")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"response": None}, Outcome.INFRA_ERROR),
        ({"response": ""}, Outcome.EMPTY),
        ({"response": "half", "finish_reason": "length"}, Outcome.TRUNCATED),
        ({"response": "half", "finish_reason": "content_filter"}, Outcome.HOST_OUTPUT_FILTER),
        ({"response": None, "finish_reason": "content_filter"}, Outcome.HOST_OUTPUT_FILTER),
        ({"response": None, "error": "HTTP 429: Too Many Requests"}, Outcome.RATE_LIMITED),
        ({"response": None, "error": "Content Exists Risk"}, Outcome.HOST_INPUT_FILTER),
        (
            {"response": None, "error": {"status": 400, "code": "data_inspection_failed", "message": "no"}},
            Outcome.HOST_INPUT_FILTER,
        ),
        (
            {"error": 'Error code: 400 - {"error": {"message": "bad", "code": "content_filter"}}'},
            Outcome.HOST_INPUT_FILTER,
        ),
        (
            {"error": json.dumps({"message": "Provider returned error", "code": 400, "metadata": META})},
            Outcome.HOST_INPUT_FILTER,
        ),
        ({"error": '{"message": "Internal Server Error", "code": 500}'}, Outcome.INFRA_ERROR),
        ({"error": "HTTP 401 unauthorized"}, Outcome.CONFIG_ERROR),
        ({"error": "the socket hung up"}, Outcome.INFRA_ERROR),
    ],
)  # fmt: skip
def test_what_a_host_did_is_told_by_the_rules_of_the_wire(
    tmp_path: Path, said: dict[str, Any], outcome: Outcome
) -> None:
    row = {key: value for key, value in ROW.items() if key != "response"}
    done = take(tmp_path, {**row, **said, "scores": {"exact": 0}})
    run = load_run(done.folder)
    assert run.generations[0].outcome is outcome
    (scored,) = run.scores
    if outcome is Outcome.TRUNCATED:
        assert scored.score is not None
    else:  # a failure is not a wrong answer, whatever the file says
        assert scored.unscored is not None
        assert (scored.unscored.reason, scored.unscored.detail) == (outcome.value, "the file scores it 0")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROW, {**ROW, "sample": "q2", "latncy_s": 1}], r"answers\.jsonl:2: .*unknown field `latncy_s`"),
        ([ROW, {**ROW, "response": 5}], r"answers\.jsonl:2: .*\$\.response"),
        ([ROW, ROW], r"answers\.jsonl:2: sample 'q1' at host:m, epoch 1, is at .*answers\.jsonl:1 already"),
        ([ROW, {**ROW, "epoch": 2, "target": "5"}], r"answers\.jsonl:2: sample 'q1' of sums differs"),
        ([{**ROW, "endpoint": "nobody"}], r":1: 'nobody' is not an endpoint; expected provider:model"),
        ([{**ROW, "endpoint": "a b:c"}], r":1: 'a b:c' is not an endpoint"),
        ([{**ROW, "scores": {"x": "1"}}], r":1: .*\$\.scores"),
        ([{**ROW, "latency_s": -1}], r":1: `latency_s` is -1"),
        ([{**ROW, "epoch": 0}], r":1: epoch is 0; expected 1 to 1000"),
        ([{**ROW, "epoch": 10**9}], r":1: epoch is 1000000000; expected 1 to 1000"),
        ([{**ROW, "sample": "x" * 300}], r":1: sample 'x+'… has 300 characters"),
        ([{"sample": "a", "endpoint": "h:m", "error": None}], r":1: has neither `response` nor `error`"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        take(tmp_path, *rows, form="jsonl")
    assert list((tmp_path / "results").glob("*")) == []


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 200_000,
        b'{"sample": ',
        b"\xff\xfe\x00",
        b'{"sample": "a", "response": "b", "scores": {"x": 1e999}}',
    ],
    ids=["deep", "torn", "binary", "infinite"],
)
def test_hostile_bytes_end_in_one_sentence(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(json.dumps(ROW).encode() + b"\n" + line + b"\n")
    with pytest.raises(UsageError, match=r"answers\.jsonl:2: "):
        import_files(ImportOptions(files=(path,), results=tmp_path / "results"))
    assert list((tmp_path / "results").glob("*")) == []


def test_a_suite_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    done = take(tmp_path, {**ROW, "suite": "../../../etc/x"})
    (record,) = done.manifest.suites
    assert record.suite.id == "etc-x"
    assert [path.name for path in (done.folder / "samples").iterdir()] == ["etc-x.jsonl"]


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(64):
            file.write(b" " * (1 << 20) + b"\n")
    with pytest.raises(UsageError, match="refused as a zip bomb"):
        import_files(ImportOptions(files=(path,), results=tmp_path / "results", form="jsonl"))


def test_a_packed_file_is_read_and_an_unknown_one_refused(tmp_path: Path) -> None:
    packed = tmp_path / "answers.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(ROW).encode() + b"\n"))
    assert import_files(ImportOptions(files=(packed,), results=tmp_path / "results")).trials == 1
    other = write(tmp_path / "other.jsonl", {"hello": 1})
    with pytest.raises(UsageError, match="its format was not recognized"):
        import_files(ImportOptions(files=(other,), results=tmp_path / "results"))


def test_a_run_is_never_written_over(tmp_path: Path) -> None:
    done = take(tmp_path, ROW)
    before = (done.folder / "manifest.json").read_bytes()
    with pytest.raises(StoreError, match="exists already"):
        take(tmp_path, ROW)
    assert (done.folder / "manifest.json").read_bytes() == before
    with pytest.raises(UsageError, match="is no name of a run"):
        take(tmp_path, ROW, run="../out")


def test_gaps_of_the_grid_are_told(tmp_path: Path) -> None:
    done = take(tmp_path, ROW, {**ROW, "sample": "q2", "endpoint": "other:m"})
    assert (done.trials, done.planned) == (2, 4)
    assert "2 of 4 pairs of sample and endpoint are not in it" in (done.manifest.note or "")


def test_a_declared_provider_keeps_its_facts(tmp_path: Path) -> None:
    done = take(
        tmp_path, {**ROW, "endpoint": "deepseek:deepseek-chat"}, {**ROW, "endpoint": "nobody-knows:m"}
    )
    known, unknown = done.manifest.endpoints
    assert known.provider.operator.country is not None
    assert (unknown.provider.operator.country, unknown.provider.terms.training) == (None, None)


def test_an_endpoint_is_named_by_the_user(tmp_path: Path) -> None:
    row = {key: value for key, value in ROW.items() if key != "endpoint"}
    done = take(tmp_path, row, endpoints=("lab:m",))
    assert [e.id for e in done.manifest.endpoints] == ["lab:m"]
    done = take(tmp_path, {**ROW, "endpoint": "odd name"}, run="two", endpoints=("odd name=lab:m",))
    assert [e.id for e in done.manifest.endpoints] == ["lab:m"]


def test_a_file_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(b"\n" * 20_000)
    with pytest.raises(UsageError, match="more than 10000 empty lines"):
        import_files(ImportOptions(files=(path,), results=tmp_path / "results", form="jsonl"))
