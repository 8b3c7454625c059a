"""The tool-call suites: fresh, without faults, and right and wrong answers are told apart over the wire."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from evalkit.app.look import load_run
from evalkit.catalog.suites import load_suite
from evalkit.testing import Behaviour, FakeProvider
from evalkit.types.tool_case import tool_case_of
from tests.suites import tool_answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.types.suite import Sample

build: Any = importlib.import_module("suites.tool-calls.build")
lint: Any = importlib.import_module("suites.tool-calls.lint")
SAMPLES = {name: load_suite(name).samples for name in ("tool-calls", "tool-choice")}
ARMS: dict[str, Callable[[Sample], Behaviour]] = {
    name.replace("_", "-"): getattr(tool_answers, name)
    for name in (
        "right", "terse", "wrong_value", "wrong_tool", "missing_call", "extra_call", "broken", "leaked",
        "without_ids",
    )
}  # fmt: skip
COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]


def test_committed_samples_are_what_the_cases_give() -> None:
    samples = build.build(build.load_bank())
    assert (build.HERE / "samples.jsonl").read_text(encoding="utf-8") == build.render(samples)
    assert build.size_table(samples) in (build.HERE / "README.md").read_text(encoding="utf-8")


def test_the_linter_finds_nothing() -> None:
    assert list(lint.problems(build.load_bank(), build)) == []


def test_the_linter_finds_faults() -> None:
    bank = build.load_bank()
    file = next(f for f in bank.files if f.kind == "single")
    case = file.cases[0]

    def found(changed: Any) -> str:
        sample = build.build(msgspec.structs.replace(bank, files=(build.CaseFile(kind="single", cases=(changed,)),)))
        return "; ".join(lint.case_problems(changed, "single", bank.tools, sample[0]))

    replace = msgspec.structs.replace
    assert "not in the prompt" in found(replace(case, said={"city": "Porto"}))
    assert "is in the prompt" in found(replace(case, calls=({"get_weather": {"city": "Porto"}},)))
    assert "has no parameter" in found(replace(case, calls=({"get_weather": {"city": "Lisbon", "x": 1}},)))
    assert "does not fit" in found(replace(case, calls=({"get_weather": {"city": "Lisbon", "unit": "kelvin"}},)))
    assert "no wanted value" in found(replace(case, calls=({"get_weather": {"unit": "celsius"}},)))
    assert "not offered" in found(replace(case, tools=("get_tides",)))
    assert "no calls are given" in found(replace(case, calls=()))


def test_the_two_suites_divide_the_samples() -> None:
    ids = [s.id for samples in SAMPLES.values() for s in samples]
    assert sorted(ids) == sorted(s["id"] for s in build.build(build.load_bank()))
    assert all(tool_case_of(s).tool_choice for s in SAMPLES["tool-choice"])
    assert not any(tool_case_of(s).tool_choice for s in SAMPLES["tool-calls"])


def test_the_demo_subset_is_small_and_mixed() -> None:
    demo = [s for s in SAMPLES["tool-calls"] if "demo" in s.tags]
    assert 8 <= len(demo) <= 16
    assert {s.tags[0] for s in demo} == {"single", "multiple", "parallel", "complex", "irrelevance"}
    assert 3 <= len([s for s in demo if "tiny" in s.tags]) <= 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with one run of both suites, on one host for each arm."""
    folder = tmp_path_factory.mktemp("arms")
    (folder / "providers").mkdir()
    by_prompt = {
        prompt_key(s.input if isinstance(s.input, str) else s.input[-1].content, tool_case_of(s)): s
        for samples in SAMPLES.values()
        for s in samples
    }
    with ExitStack() as stack:
        for arm, answer in ARMS.items():
            server = stack.enter_context(FakeProvider(lambda body, a=answer: a(by_prompt[key_of(body)])))
            declared = msgspec.to_builtins(server.provider(arm))
            (folder / "providers" / f"{arm}.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
        on = [part for arm in ARMS for part in ("--on", f"{arm}:model")]
        done = subprocess.run(
            [*COMMAND, "run", *SAMPLES, *on, "-q", "--run", "r"],
            cwd=folder, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def scores(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Score or Unscored by arm, sample and metric."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for row in load_run(folder / "results" / "r").scores:
        said = row.score or row.unscored
        assert said is not None
        found[row.trial.endpoint.split(":")[0]][row.trial.sample][said.metric] = said
    return found


def prompt_key(text: str | None, case: Any) -> str:
    return json.dumps([text, sorted(t.name for t in case.tools), case.tool_choice])


def key_of(body: dict[str, Any]) -> str:
    choice = body.get("tool_choice")
    named = choice["function"]["name"] if isinstance(choice, dict) else choice
    return json.dumps(
        [body["messages"][-1]["content"], sorted(t["function"]["name"] for t in body["tools"]), named]
    )


def values(scores: Any, arm: str, metric: str) -> list[float]:
    return [row[metric].value for row in scores[arm].values() if hasattr(row[metric], "value")]


@pytest.mark.parametrize("arm", ["right", "terse"])
def test_accepted_answers_are_right(scores: Any, arm: str) -> None:
    bad = {s: row["tool_calls"].explanation for s, row in scores[arm].items() if row["tool_calls"].value != 1}
    assert bad == {}
    assert len(scores[arm]) == sum(map(len, SAMPLES.values()))
    assert set(values(scores, arm, "schema_valid")) == {1.0}
    assert set(values(scores, arm, "tool_format")) == {1.0}
    assert set(values(scores, arm, "host_defect")) == {0.0}
    assert not any(values(scores, arm, "spurious_call") + values(scores, arm, "missed_call"))


@pytest.mark.parametrize("arm", ["wrong-value", "wrong-tool", "missing-call", "extra-call"])
def test_wrong_answers_are_wrong(scores: Any, arm: str) -> None:
    assert [s for s, row in scores[arm].items() if row["tool_calls"].value != 0] == []
    wanted = sum(tool_case_of(s).wants != "no_call" for group in SAMPLES.values() for s in group)
    assert len(values(scores, arm, "missed_call")) == wanted
    assert set(values(scores, arm, "spurious_call")) == {1.0}


def test_each_fault_has_its_label(scores: Any) -> None:
    """The label says what was wrong; a changed value that breaks the schema is named as that."""
    calling = {s.id for g in SAMPLES.values() for s in g if tool_case_of(s).wants == "calls"}

    def labels(arm: str) -> set[str]:
        return {row["tool_calls"].label for s, row in scores[arm].items() if s in calling}

    assert labels("wrong-value") <= {"wrong_value", "does_not_fit_schema"}
    assert sum(scores["wrong-value"][s]["tool_calls"].label == "wrong_value" for s in calling) > 0.9 * len(calling)
    assert labels("missing-call") == {"missing_call", "missed_call"}
    assert labels("extra-call") == {"extra_call"}
    assert labels("wrong-tool") <= {"wrong_tool", "does_not_fit_schema"}
    assert labels("broken") == {"does_not_fit_schema"}
    assert labels("leaked") == {"missed_call"}


def test_a_host_that_breaks_calls_is_told_apart_from_a_model_that_chooses_badly(scores: Any) -> None:
    """The same calls, cut or leaked by the host, against sound calls with wrong values."""
    calling = [s.id for g in SAMPLES.values() for s in g if tool_case_of(s).wants == "calls"]
    for arm in ("wrong-value", "broken", "leaked"):
        assert all(scores[arm][s]["tool_calls"].value == 0 for s in calling), arm
    assert sum(scores["wrong-value"][s]["tool_format"].value for s in calling) > 0.9 * len(calling)
    assert not any(scores["wrong-value"][s]["host_defect"].value for s in calling)
    assert not any(scores["broken"][s]["tool_format"].value for s in calling)
    assert all(scores["broken"][s]["schema_valid"].value == 0 for s in calling)
    assert all("leaked_tool_tokens" in scores["leaked"][s]["host_defect"].explanation for s in calling)
    assert all(scores["leaked"][s]["schema_valid"].reason == "no_call" for s in calling)
    assert all(scores["without-ids"][s]["tool_calls"].value == 1 for s in calling)
    assert all("missing_id" in scores["without-ids"][s]["host_defect"].explanation for s in calling)


@pytest.mark.parametrize(
    ("arm", "metric", "code"),
    [
        ("terse", "tool_calls", 0),
        ("terse", "host_defect", 0),
        ("wrong-value", "tool_calls", 1),
        ("wrong-value", "host_defect", 0),
        ("leaked", "tool_calls", 1),
        ("leaked", "host_defect", 1),
        ("without-ids", "tool_calls", 0),
        ("without-ids", "host_defect", 1),
    ],
)
def test_the_gate_tells_them_apart(folder: Path, tmp_path: Path, arm: str, metric: str, code: int) -> None:
    bound = "max_drop: 0.05" if metric == "tool_calls" else "max: 0.05"
    rule = f"  - metric: score:{metric}\n    suite: tool-calls\n    {bound}\n"
    (tmp_path / "gate.yaml").write_text(f"version: 1\nrules:\n{rule}", encoding="utf-8")
    done = subprocess.run(
        [*COMMAND, "gate", "r", "-g", str(tmp_path / "gate.yaml"), "--candidate", arm, "--baseline", "right"],
        cwd=folder, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr


def test_an_endpoint_that_cannot_force_a_call_is_refused_before_the_first_request(workdir: Path) -> None:
    """The first sample of `tool-choice` may be carried, a later one not; `tool-calls` asks for none."""
    (workdir / "providers").mkdir()
    with FakeProvider() as server:
        quirks = msgspec.structs.replace(server.provider().quirks, tool_choice=("auto", "none", "required"))
        declared = msgspec.to_builtins(server.provider("fake", quirks=quirks))
        (workdir / "providers" / "fake.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
        for suite, code in (("tool-choice", 2), ("tool-calls", 0)):
            done = subprocess.run(
                [*COMMAND, "run", suite, "--on", "fake:model", "-q", "--limit", "9"],
                capture_output=True, text=True, timeout=100, check=False,
            )  # fmt: skip
            assert done.returncode == code, done.stderr
            assert len(server.requests) == (0 if code else 9)
    assert "Traceback" not in done.stderr
