"""Tasks become samples; what evalkit does not do is refused before a request; nothing is left behind."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from evalkit.app.setup import RunOptions, prepare
from evalkit.catalog.suites import load_suite
from evalkit.errors import DefinitionError, EvalkitError, MissingDataError, UnknownNameError, UsageError
from evalkit.lmeval.samples import document_of
from evalkit.testing import FakeProvider
from evalkit.types.chat import Message
from tests.lmeval.conftest import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    Suite = Callable[..., str]


def task(tasks: Path, name: str, text: str) -> None:
    (tasks / "tasks" / f"{name}.yaml").write_text(
        f"include: sums.yaml\ntask: {name}\n{text}\n", encoding="utf-8"
    )


def test_documents_become_chats_with_the_tasks_own_settings(suite_of: Suite) -> None:
    loaded = load_suite(suite_of("exact_match,strict-match", tasks=["sums"], limit=3))
    assert [s.id for s in loaded.samples] == ["sums/0", "sums/1", "sums/2"]
    first = loaded.samples[0]
    assert isinstance(first.input, tuple)
    assert [m.role for m in first.input] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert first.input[0] == Message(role="system", content="Work it out.")
    assert first.input[-1] == Message(role="user", content="Question: What is 2 plus 3?\nAnswer:")
    assert document_of(first).settings == {
        "max_tokens": 200, "temperature": 0.0, "stop": ["Question:", "</s>"],
    }  # fmt: skip
    assert (first.target, first.tags) == ("5", ("sums",))
    (scorer,) = loaded.suite.scorers
    assert scorer.options["tasks"]["sums"]["version"] == "3.0"
    assert scorer.options["version"] >= "0.4.13"


def test_reading_twice_gives_the_same(suite_of: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    name = suite_of("exact_match,strict-match", tasks=["sums"])
    first = load_suite(name).hash
    assert load_suite(name).hash == first, "the task's generator goes on between readings"
    monkeypatch.setattr("evalkit.lmeval.tasks._LOADED", {})
    assert load_suite(name).hash == first, "and is new in another process"
    other = suite_of("exact_match,strict-match", tasks=["sums"], fewshot_seed=5)
    assert load_suite(other).hash != first


GSM8K = """\
include: {shipped}
task: own_gsm8k
dataset_path: json
dataset_name: null
dataset_kwargs: {{data_files: {{test: gsm.jsonl, train: gsm.jsonl}}}}
"""


def test_the_real_gsm8k_reads_data_of_yours(suite_of: Suite, tasks: Path) -> None:
    import lm_eval.tasks

    shipped = Path(str(lm_eval.tasks.__file__)).parent / "gsm8k" / "gsm8k.yaml"
    rows = [{"question": f"What is {n} and 1?", "answer": f"It is {n + 1}.\n#### {n + 1}"} for n in range(9)]
    (tasks / "gsm.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tasks / "tasks" / "gsm.yaml").write_text(GSM8K.format(shipped=shipped), encoding="utf-8")
    loaded = load_suite(
        suite_of("exact_match,strict-match", generation={"max_tokens": 300}, tasks=["own_gsm8k"])
    )
    facts = loaded.suite.scorers[0].options["tasks"]["own_gsm8k"]
    assert list(facts["filters"]) == ["strict-match", "flexible-extract"]
    assert [m.role for m in loaded.samples[0].input] == ["user", "assistant"] * 5 + ["user"]  # type: ignore[union-attr]
    assert document_of(loaded.samples[0]).settings["stop"] == ["Question:", "</s>", "<|im_end|>"]


def test_few_shot_and_generation_can_be_overridden(suite_of: Suite) -> None:
    loaded = load_suite(
        suite_of(
            "exact_match,strict-match", tasks=["sums"], num_fewshot=0, gen_kwargs={"until": [], "top_k": 5}
        )
    )
    assert [m.role for m in loaded.samples[0].input] == ["system", "user"]  # type: ignore[union-attr]
    settings = document_of(loaded.samples[0]).settings
    assert (settings["stop"], settings["top_k"]) == ([], 5)


def test_what_the_user_sets_is_what_is_sent(
    suite_of: Suite, declare: Callable[..., None], tasks: Path
) -> None:
    with FakeProvider(answer) as server:
        declare(server)
        setup = prepare(
            RunOptions(
                suites=(suite_of("exact_match,strict-match", tasks=["sums"]),),
                on=("fake:model",),
                settings={"max_tokens": 9000, "temperature": 0.5},
            )
        )
    (loaded,) = setup.plan.suites
    request = next(setup.solvers["own"].solve(loaded.samples[0], loaded.suite)).request  # type: ignore[union-attr]
    assert (request.settings.max_tokens, request.settings.temperature) == (9000, 0.5)
    assert request.settings.stop == ("Question:", "</s>")


def test_groups_are_taken_apart_and_their_metrics_kept_apart(suite_of: Suite) -> None:
    loaded = load_suite(suite_of("exact_match,strict-match", tasks=["everything"]))
    assert {s.tags for s in loaded.samples} == {("sums", "everything"), ("rules", "everything")}
    (scorer,) = loaded.suite.scorers
    kinds = {m["name"]: (m["kind"], m["higher_is_better"]) for m in scorer.options["metrics"]}
    assert kinds == {
        "exact_match,strict-match": ("binary", True),
        "exact_match,flexible-extract": ("binary", True),
        "all_kept": ("number", True),
        "kept": ("number", True),
        "words": ("number", False),
    }
    named = load_suite(
        suite_of("all_kept", tasks=["rules"], kinds={"all_kept": "binary", "kept": "fraction"})
    )
    assert {m["kind"] for m in named.suite.scorers[0].options["metrics"]} == {"binary", "fraction", "number"}


def test_the_hash_follows_data_and_not_the_place(suite_of: Suite, tasks: Path) -> None:
    name = suite_of("exact_match,strict-match", tasks=["sums"], limit=4)
    before = load_suite(name)
    assert str(tasks) in before.suite.scorers[0].options["folder"]
    other = tasks / "elsewhere"
    (other / "suites").mkdir(parents=True)
    (tasks / "suites" / "own").rename(other / "suites" / "own")
    (tasks / "tasks").rename(other / "tasks")
    assert load_suite(name, [other / "suites"]).hash == before.hash
    file = tasks / "sums.jsonl"
    file.write_text(file.read_text(encoding="utf-8").replace("2 plus 3", "2 plus 4"), encoding="utf-8")
    changed = suite_of(
        "exact_match,strict-match", tasks=["sums"], limit=4, include_path="../../elsewhere/tasks"
    )
    assert load_suite(changed).samples != before.samples


DRAWS = """\
import random
import numpy


def docs(data):
    random.seed(7)
    numpy.random.seed(7)
    return data
"""


def test_nothing_is_left_changed(suite_of: Suite, tasks: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tasks / "tasks" / "draws.py").write_text(DRAWS, encoding="utf-8")
    task(tasks, "drawing", "process_docs: !function draws.docs")
    random.seed(3)
    np.random.seed(3)
    expected = (random.random(), np.random.random())
    random.seed(3)
    np.random.seed(3)
    environment, folder = dict(os.environ), Path.cwd()
    load_suite(suite_of("exact_match,strict-match", tasks=["drawing"]))
    assert (random.random(), np.random.random()) == expected
    assert dict(os.environ) == environment
    assert Path.cwd() == folder
    assert capfd.readouterr() == ("", ""), "no bars, no warnings of others"


REFUSED: list[tuple[str, str, type[EvalkitError], str]] = [
    ("unsafe_code: true", "coding", DefinitionError, "runs the model's code in this process"),
    ("gen_prefix: 'The sum is'", "begins", DefinitionError, "begins the model's answer"),
    ("output_type: loglikelihood_rolling", "rolling", DefinitionError, "whole documents"),
    ("doc_to_image: question", "seeing", DefinitionError, "images or sound"),
    ("doc_to_text: '{{nothing.at.all}}'", "broken", UsageError, "cannot be loaded"),
    (
        "dataset_kwargs: {data_files: {test: gone.jsonl, train: gone.jsonl}}",
        "dataless",
        UsageError,
        "gone.jsonl",
    ),
    ("dataset_path: org/not-here\ndataset_kwargs: null", "hub", UsageError, r"\$HF_HUB_OFFLINE is set"),
    ("process_docs: !function importing.docs", "needy", MissingDataError, "Python package 'not_a_package'"),
    ("generation_kwargs: {until: ['x']}", "endless", DefinitionError, "sets no max_gen_toks"),
]


@pytest.mark.parametrize(("text", "name", "kind", "words"), REFUSED, ids=[row[1] for row in REFUSED])
def test_what_cannot_be_done_is_refused_in_one_sentence(
    suite_of: Suite, tasks: Path, text: str, name: str, kind: type[EvalkitError], words: str
) -> None:
    (tasks / "tasks" / "importing.py").write_text("import not_a_package\n", encoding="utf-8")
    task(tasks, name, text)
    with pytest.raises(kind, match=words) as caught:
        load_suite(suite_of("exact_match,strict-match", tasks=[name]))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_begun_answer_is_sent_when_asked_for(suite_of: Suite, tasks: Path) -> None:
    task(tasks, "begins", "gen_prefix: 'The sum is'")
    loaded = load_suite(suite_of("exact_match,strict-match", tasks=["begins"], gen_prefix="send"))
    assert loaded.samples[0].input[-1] == Message(role="assistant", content="The sum is")


def test_unknown_tasks_get_the_nearest_names(suite_of: Suite) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean .*'sums'") as caught:
        load_suite(suite_of("exact_match", tasks=["sumz"]))
    assert len(str(caught.value)) < 300


def test_solver_and_scorer_must_be_named(suite_of: Suite, tasks: Path) -> None:
    name = suite_of("exact_match,strict-match", tasks=["sums"])
    file = tasks / "suites" / name / "suite.yaml"
    text = re.sub(r"solver:\n  name: lm_eval\n", "", file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"solver: \{name: lm_eval\}"):
        load_suite(name)


def test_samples_and_tasks_exclude_each_other(suite_of: Suite, tasks: Path) -> None:
    name = suite_of("exact_match,strict-match", tasks=["sums"])
    file = tasks / "suites" / name / "suite.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "samples: a.jsonl\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match="either `samples` or `lm_eval`"):
        load_suite(name)


def test_likelihoods_are_refused_where_the_host_gives_none(
    suite_of: Suite, declare: Callable[..., None], tasks: Path
) -> None:
    with FakeProvider(answer) as server:
        declare(server)
        suite = suite_of("exact_match,strict-match", tasks=["sums", "capitals"])
        with pytest.raises(UsageError, match=r"'capitals/0'.*fake:model is not declared to give the prob"):
            prepare(RunOptions(suites=(suite,), on=("fake:model",)))
        assert not server.requests


BLANK = """\
output_type: multiple_choice
description: ''
doc_to_text: ''
doc_to_choice: ['a', 'b']
doc_to_target: 0
num_fewshot: 0
filter_list: null
metric_list: [{metric: acc}]
"""


def test_likelihoods_without_a_context_are_refused(suite_of: Suite, tasks: Path) -> None:
    task(tasks, "blank", BLANK)
    with pytest.raises(DefinitionError, match="'blank' asks for probabilities without a context"):
        load_suite(suite_of("acc", tasks=["blank"]))
