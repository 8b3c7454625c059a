"""An imported run is scored again like any other, and keeps what the other tool said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.analysis.frames import build_frames
from evalkit.analysis.summary import summarize
from evalkit.app.importing import ImportOptions, import_files
from evalkit.app.look import changed_files, load_run
from evalkit.app.rescore import Rescoring, changed
from evalkit.app.run import Conduct, rescore
from evalkit.app.setup import reopen
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.types.generation import Generation, TrialKey


class Silent:
    """Nobody watches."""

    def started(self, key: TrialKey) -> None: ...

    def generated(self, generation: Generation, *, recorded: bool) -> None: ...

    def finished(self, key: TrialKey, outcome: str) -> None: ...

    def noticed(self, message: str) -> None: ...


def bring(workdir: Path, *changes: dict[str, Any]) -> Path:
    rows = [
        {
            "sample": f"s{n:04}",
            "prompt": f"question {n}",
            "response": "four" if n % 2 else "five",
            "endpoint": "host:m",
            "scores": {"refusal": 0, "their_match": 1},
        }
        for n in range(8)
    ]
    for number, change in enumerate(changes):
        rows[number] |= change
    path = workdir / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return import_files(ImportOptions(files=(path,), results=workdir / "results", suite="tiny")).folder


def again(folder: Path, **wanted: Any) -> None:
    setup = changed(reopen(folder), Rescoring(**wanted))
    rescore(folder, setup, Conduct(results=folder.parent), Silent())


def figures(folder: Path) -> dict[str, float | None]:
    run = load_run(folder)
    summary = summarize([run], build_frames([run]))
    return {f.measure: f.estimate.value for f in summary.figures if f.suite is not None}


def test_a_report_has_figures_before_anything_is_scored_again(workdir: Path) -> None:
    folder = bring(workdir, {"response": None})
    found = figures(folder)
    assert found["delivered"] == 7 / 8
    run = load_run(folder)
    assert [r.unscored.reason for r in run.scores if r.unscored] == ["infra_error", "infra_error"]


def test_the_floor_is_added_and_their_scores_are_kept(workdir: Path) -> None:
    folder = bring(workdir, {"response": "I'm sorry, but I can't help with that."})
    again(folder)
    run = load_run(folder)
    metrics = {m.name for m in run.manifest.suites[0].metrics}
    assert metrics == {"refusal", "refusal (jsonl)", "their_match"}
    assert figures(folder)["refused"] == 1 / 8
    assert sum(r.scorer == "jsonl" for r in run.scores) == 16
    assert changed_files(folder) == []
    again(folder)  # and once more: nothing is renamed twice
    assert {m.name for m in load_run(folder).manifest.suites[0].metrics} == metrics


def test_a_suite_scores_its_own_samples(workdir: Path, make_suite: Callable[..., None]) -> None:
    make_suite(8)
    folder = bring(workdir)
    again(folder, suite="tiny")
    run = load_run(folder)
    assert figures(folder)["quality"] == 0.5
    assert run.manifest.suites[0].suite.primary == "match"
    assert {s.target for s in run.samples["tiny"]} == {"four"}
    from evalkit.catalog.suites import load_suite

    assert run.manifest.suites[0].hash == load_suite("tiny").hash


def test_single_scorers_are_added(workdir: Path) -> None:
    folder = bring(workdir, *({"target": "five"} for _ in range(8)))
    again(folder, scorers=('match={"how": "exact"}',))
    assert figures(folder)["quality"] == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "another question"}, "1 of 8 samples of 'tiny' asked something else"),
        ({"sample": "unheard of"}, "1 of 8 samples of 'tiny' are not in suite 'tiny'"),
    ],
)
def test_other_questions_are_not_scored_by_a_suite(
    workdir: Path, make_suite: Callable[..., None], change: dict[str, Any], message: str
) -> None:
    make_suite(8)
    folder = bring(workdir, change)
    with pytest.raises(UsageError, match=message):
        again(folder, suite="tiny")
    with pytest.raises(UsageError, match="has none of the run's samples"):
        again(folder, suite="coding")


def test_resuming_an_imported_run_asks_nobody(workdir: Path) -> None:
    from evalkit.app.run import resume

    folder = bring(workdir, {"response": None})
    before = (folder / "generations.jsonl").read_bytes()
    resume(folder, Conduct(results=folder.parent, max_failed=1.0), Silent())
    assert (folder / "generations.jsonl").read_bytes() == before
