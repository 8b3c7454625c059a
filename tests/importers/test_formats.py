"""lm-eval, promptfoo and OpenAI-style batches, from files in their published forms; and hostile archives.

promptfoo needs a newer Node than this project asks for, so its files are written by hand after its schema.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.app.importing import Done, ImportOptions, import_files
from evalkit.app.look import load_run
from evalkit.errors import UsageError
from evalkit.types.generation import Outcome

if TYPE_CHECKING:
    from evalkit.analysis.rundata import RunData


def take(folder: Path, *files: Path, **options: Any) -> tuple[Done, RunData]:
    done = import_files(ImportOptions(files=files, results=folder / "results", **options))
    return done, load_run(done.folder)


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def values(run: RunData) -> dict[tuple[str, str], float]:
    return {(r.trial.sample, r.score.metric): r.score.value for r in run.scores if r.score}


# --- promptfoo


def promptfoo_row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"row-{number}",
        "testIdx": number,
        "promptIdx": 0,
        "promptId": "p",
        "provider": {"id": "openai:chat:gpt-x", "label": ""},
        "prompt": {"raw": f"Say {number}", "label": "Say {{n}}"},
        "vars": {"n": str(number)},
        "testCase": {"assert": [{"type": "equals", "value": str(number)}], "vars": {"n": str(number)}},
        "success": True,
        "score": 1,
        "namedScores": {"tone": 0.5},
        "failureReason": 0,
        "latencyMs": 1500,
        "cost": 0.002,
        "tokenUsage": {"prompt": 11, "completion": 3, "total": 14, "completionDetails": {"reasoning": 1}},
        "response": {"output": str(number), "cached": False, "finishReason": "stop"},
        "gradingResult": {"pass": True, "score": 1, "reason": "All assertions passed"},
        **changes,
    }


def promptfoo_file(path: Path, *rows: dict[str, Any]) -> Path:
    results = {"version": 3, "timestamp": "2026-11-01T10:00:00Z", "prompts": [], "results": rows, "stats": {}}
    document = {
        "evalId": "eval-abc",
        "results": results,
        "config": {"description": "talk"},
        "metadata": {"promptfooVersion": "0.123.1"},
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_promptfoo_rows_are_read(tmp_path: Path) -> None:
    path = promptfoo_file(
        tmp_path / "out.json",
        promptfoo_row(0),
        promptfoo_row(1, success=False, score=0, failureReason=1, error="Expected 1, got 7", latencyMs=3,
                     cost=0, response={"output": "7", "cached": True}, tokenUsage={"total": 14, "cached": 9}),
        promptfoo_row(2, success=False, score=0, failureReason=2, error="API error: 429 Too", response={}),
        promptfoo_row(3, success=False, score=0, failureReason=1,
                     response={"output": "", "guardrails": {"flagged": True}}),
        promptfoo_row(4, response={"output": {"a": 1}}),
        promptfoo_row(5, response={"output": "I will not.", "isRefusal": True}),
        promptfoo_row(0),
    )  # fmt: skip
    done, run = take(tmp_path, path)
    assert (done.form, [e.id for e in run.manifest.endpoints]) == ("promptfoo", ["openai:gpt-x"])
    assert run.manifest.suites[0].suite.id == "talk"
    assert run.manifest.software["promptfoo"] == "0.123.1"
    rows = {(g.trial.sample, g.trial.epoch): g for g in run.generations}
    assert {key[0]: g.outcome for key, g in rows.items()} == {
        "0": Outcome.OK,
        "1": Outcome.OK,
        "2": Outcome.RATE_LIMITED,
        "3": Outcome.HOST_OUTPUT_FILTER,
        "4": Outcome.OK,
        "5": Outcome.OK,
    }
    first = rows["0", 1]
    assert first.response is not None
    assert first.response.usage is not None
    assert first.timing is not None
    assert first.cost is not None
    assert (first.response.usage.input, first.response.usage.output, first.response.usage.reasoning) == (
        11,
        3,
        1,
    )
    assert (first.timing.total_s, first.cost.usd) == (1.5, 0.002)
    cached = rows["1", 1]  # answered by promptfoo's cache: its time, price and tokens are nobody's
    assert cached.response is not None
    assert (cached.timing, cached.cost, cached.response.usage) == (None, None, None)
    structured = rows["4", 1].response
    assert structured is not None
    assert structured.text == '{"a":1}'
    refused = rows["5", 1].response
    assert refused is not None
    assert refused.refusal == "I will not."
    assert ("0", 2) in rows  # a repetition
    said = values(run)
    assert (said["0", "pass"], said["1", "pass"], said["0", "tone"]) == (1.0, 0.0, 0.5)
    assert ("2", "pass") not in said
    assert ("3", "pass") not in said
    targets = {sample.id: sample.target for sample in run.samples["talk"]}
    assert targets["1"] == "1"


# --- OpenAI-style batches


def asked(name: str, content: str) -> dict[str, Any]:
    body = {"model": "org/m", "messages": [{"role": "user", "content": content}], "max_tokens": 77}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def answered(name: str, body: Any, status: int = 200) -> dict[str, Any]:
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": f"b-{name}", "custom_id": name, "response": response, "error": None}


def completion(text: str, finish: str = "stop") -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "org/m-0901",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }


def test_a_batch_is_read_with_its_questions(tmp_path: Path) -> None:
    names = ("ok", "long", "limit", "filter", "expired", "responses")
    questions = lines(tmp_path / "in.jsonl", *(asked(name, f"ask {name}") for name in names))
    output = lines(
        tmp_path / "out.jsonl",
        answered("ok", completion("fine")),
        answered("long", completion("half", "length")),
        answered("limit", {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429),
        answered("filter", {"error": {"message": "no", "code": "content_filter"}}, 400),
        {"id": "b", "custom_id": "expired", "response": None,
         "error": {"code": "batch_expired", "message": "It could not be executed in time."}},
        answered("responses", {"object": "response", "model": "org/m", "status": "completed", "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "content": [{"type": "output_text", "text": "from responses"}]},
        ], "usage": {"input_tokens": 5, "output_tokens": 4}}),
    )  # fmt: skip
    done, run = take(tmp_path, output, questions, endpoints=("host:org/m",), suite="b")
    rows = {g.trial.sample: g for g in run.generations}
    assert done.form == "openai_batch"
    assert {name: g.outcome for name, g in rows.items()} == {
        "ok": Outcome.OK,
        "long": Outcome.TRUNCATED,
        "limit": Outcome.RATE_LIMITED,
        "filter": Outcome.HOST_INPUT_FILTER,
        "expired": Outcome.INFRA_ERROR,
        "responses": Outcome.OK,
    }
    ok = rows["ok"]
    assert ok.response is not None
    assert ok.response.usage is not None
    assert (ok.response.served_model, ok.response.usage.input, ok.at) == ("org/m-0901", 9, 1_760_000_000)
    assert ok.prompt[0].content == "ask ok"
    last = rows["responses"].response
    assert last is not None
    assert last.usage is not None
    assert (last.text, last.usage.output) == ("from responses", 4)
    assert run.manifest.suites[0].suite.generation.max_tokens == 77
    assert {s.id: s.input for s in run.samples["b"]}["ok"] == "ask ok"
    assert done.missing == ("latency", "first token", "cost")
    with pytest.raises(UsageError, match="'org/m' is not an endpoint; expected provider:model"):
        take(tmp_path, output, questions, run="other")
    with pytest.raises(UsageError, match="questions only; give the batch's output file too"):
        take(tmp_path, questions, run="other")


# --- lm-evaluation-harness: what version 0.4.13 wrote for a task of six sums, then the cases that are rare


def test_what_lm_eval_wrote_is_read(tmp_path: Path) -> None:
    folder = Path(__file__).resolve().parent.parent / "data" / "interop" / "lm_eval"
    done, run = take(tmp_path, folder, endpoints=("org/m=host:org/m",))
    assert (done.form, done.trials, run.manifest.software) == ("lm_eval", 6, {"lm_eval": "0.4.13"})
    said = json.loads(next(folder.glob("results*")).read_text(encoding="utf-8"))["results"]["sums"]
    values_ = values(run)
    found = [values_[str(n), "exact_match,num"] for n in range(6) if (str(n), "exact_match,num") in values_]
    # One answer is empty: lm-eval counts it as wrong, here it has no score. The others agree.
    assert (len(found), sum(found)) == (5, 6 * said["exact_match,num"])
    assert {g.trial.sample: g.outcome.value for g in run.generations}["3"] == "empty"
    assert run.generations[0].prompt[0].content == "What is 2 + 0?\nAnswer:"


def doc(number: int, answer: str, **changes: Any) -> dict[str, Any]:
    return {
        "doc_id": number,
        "doc": {"question": f"q{number}"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": f"Q{number}", "arg_1": {"until": ["\n"]}}},
        "resps": [[answer]],
        "filtered_resps": [answer],
        "filter": "strict",
        "metrics": ["exact_match"],
        "exact_match": float(answer == "4"),
        **changes,
    }


def lm_eval_files(folder: Path, *rows: dict[str, Any]) -> tuple[Path, Path]:
    results = {
        "results": {"sums": {"alias": "sums", "exact_match,strict": 0.5}},
        "configs": {"sums": {"generation_kwargs": {"temperature": 0.0, "max_gen_toks": 64}}},
        "versions": {"sums": 3.0},
        "higher_is_better": {"sums": {"exact_match": True, "errors": False}},
        "config": {"model": "local-chat-completions", "model_args": "model=org/m,base_url=http://x"},
    }
    summary = folder / "results_2026-11-01T10-00-00.000000.json"
    summary.write_text(json.dumps(results, indent=2), encoding="utf-8")
    return summary, lines(folder / "samples_sums_2026-11-01T10-00-00.000000.jsonl", *rows)


def test_lm_eval_filters_join_and_an_empty_answer_is_not_wrong(tmp_path: Path) -> None:
    rows = [doc(0, "4"), doc(1, ""), doc(2, "5", metrics=["exact_match", "errors"], errors=3)]
    again = [{**row, "filter": "flexible", "exact_match": 1.0} for row in rows]
    files = lm_eval_files(tmp_path, *rows, *again)
    done, run = take(tmp_path, *files, endpoints=("org/m=host:org/m",))
    assert (done.form, done.trials, len(run.generations)) == ("lm_eval", 3, 3)
    suite = run.manifest.suites[0]
    assert (suite.suite.id, suite.suite.version, suite.suite.generation.max_tokens) == ("sums", "3.0", 64)
    assert suite.suite.primary == "exact_match,strict"
    assert {m.name: m.higher_is_better for m in suite.metrics}["errors,strict"] is False
    said = values(run)
    assert said["0", "exact_match,strict"] == 1.0
    assert said["2", "exact_match,flexible"] == 1.0
    missing = {(r.trial.sample, r.unscored.metric): r.unscored.reason for r in run.scores if r.unscored}
    assert missing["1", "exact_match,strict"] == missing["1", "exact_match,flexible"] == "empty"


def test_lm_eval_repeats_are_epochs_and_log_likelihoods_no_answers(tmp_path: Path) -> None:
    chat = json.dumps([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}])
    files = lm_eval_files(
        tmp_path,
        doc(0, "4", resps=[["4", "5", "4"]], arguments={"gen_args_0": {"arg_0": chat, "arg_1": {}}}),
        doc(1, "x", resps=[[[-1.5, True]], [[-2.5, False]]]),
    )
    _, run = take(tmp_path, *files)
    assert [e.id for e in run.manifest.endpoints] == ["local-chat-completions:org/m"]
    rows = {(g.trial.sample, g.trial.epoch): g for g in run.generations}
    assert set(rows) == {("0", 1), ("0", 2), ("0", 3), ("1", 1)}
    assert [m.role for m in rows["0", 2].prompt] == ["system", "user"]
    likelihoods = rows["1", 1].response
    assert likelihoods is not None
    assert likelihoods.text == "[[[-1.5,true]],[[-2.5,false]]]"
    with pytest.raises(UsageError, match=r"aggregates only; give samples_\*\.jsonl too"):
        take(tmp_path, files[0], run="other")


# --- hostile archives


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


HEADER = json.dumps({"version": 2, "eval": {"task": "t", "model": "host/m"}}).encode()
SAMPLE = json.dumps(
    {
        "id": 1,
        "epoch": 1,
        "input": "q",
        "output": {"choices": [{"message": {"role": "assistant", "content": "a"}}]},
    }
).encode()


def test_an_archive_of_the_plain_kind_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.eval", {"header.json": HEADER, "samples/1_epoch_1.json": SAMPLE})
    _, run = take(tmp_path, path)
    assert [g.response.text for g in run.generations if g.response] == ["a"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"header.json": HEADER, "samples/a.json": b"0" * (64 << 20)}, "would unpack to"),
        ({"header.json": HEADER, "samples/a.json": b'{"id": 1'}, r"x\.eval!samples/a\.json: not valid JSON"),
        (
            {"header.json": HEADER, "samples/a.json": b'{"metadata": {"x": ' + b"[" * 100_000},
            "nested too deeply",
        ),
        ({"header.json": b"{}", "samples/a.json": SAMPLE}, r"x\.eval!header\.json: .*missing required field"),
        ({"header.json": HEADER}, "holds no answers"),
    ],
    ids=["bomb", "torn", "deep", "no header", "empty"],
)
def test_hostile_archives_are_refused(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    path = archive(tmp_path / "x.eval", members)
    with pytest.raises(UsageError, match=message):
        take(tmp_path, path, form="inspect")
    assert list((tmp_path / "results").glob("*")) == []


def test_an_archive_that_lies_about_its_size_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound holds while reading, whatever the directory claims."""
    import zstandard

    from evalkit.importers import opened

    monkeypatch.setattr(opened, "MAX_MEMBER", 1 << 20)
    path = archive(tmp_path / "x.eval", {"header.json": HEADER, "samples/a.json": SAMPLE}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    packed = zstandard.compress(b" " * (8 << 20))
    bomb = archive(tmp_path / "y.eval", {"header.json": HEADER, "samples/a.json": packed}, zipfile.ZIP_STORED)
    data = bytearray(bomb.read_bytes())
    at = data.rindex(b"PK\x01\x02")  # the directory's last entry: say that it is packed with Zstandard
    data[at + 10 : at + 12] = (93).to_bytes(2, "little")
    bomb.write_bytes(bytes(data))
    with pytest.raises(UsageError, match="is larger than 1 MiB; it was not read"):
        take(tmp_path, bomb)
