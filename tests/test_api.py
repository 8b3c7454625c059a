"""evalkit as a library: each function beside its command, frames, display, and a loop that runs already."""

from __future__ import annotations

import asyncio
import json
import os
import pkgutil
import signal
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import evalkit
from evalkit.analysis import columns
from evalkit.errors import ExitCode, InfrastructureError, UnknownNameError, UsageError
from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = """\
id: {suite}
version: "1"
title: Small
description: Questions with a fixed answer.
licence: Apache-2.0
source: this test
sensitivity: public
samples: samples.jsonl
generation: {{max_tokens: 50, temperature: 0}}
primary: match
scorers: [{{name: match}}]
"""
GATE = """\
version: 1
rules:
  - {metric: quality, max_drop: 0.02, min_pairs: 8}
"""


def make_suite(count: int = 12, suite: str = "small", prefix: str = "s") -> None:
    folder = Path("suites") / suite
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(SUITE.format(suite=suite), encoding="utf-8")
    rows = [{"id": f"{prefix}{n:03}", "input": f"question {n}", "target": "four"} for n in range(count)]
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def declare(server: FakeProvider, name: str, **changes: Any) -> str:
    import msgspec

    Path("providers").mkdir(exist_ok=True)
    provider = server.provider(name, **changes)
    Path("providers", f"{name}.yaml").write_text(yaml.safe_dump(msgspec.to_builtins(provider)), "utf-8")
    return f"{name}:{provider.endpoints[0].model}"


def half_right(body: dict[str, Any]) -> Behaviour:
    number = int(body["messages"][-1]["content"].split()[-1])
    return Behaviour(text="It is four." if number % 2 else "It is five.")


@pytest.fixture
def hosts(workdir: Path) -> Iterator[tuple[str, str]]:
    make_suite()
    with FakeProvider(Behaviour(text="It is four.")) as lab, FakeProvider(half_right) as cut:
        yield declare(lab, "lab"), declare(cut, "cut")


@pytest.fixture
def recorded(hosts: tuple[str, str]) -> evalkit.Run:
    return evalkit.run("small", on=hosts, name="both")


def test_a_run_gives_frames_with_the_documented_columns(recorded: evalkit.Run) -> None:
    assert (recorded.name, recorded.status, recorded.suites) == ("both", "finished", ("small",))
    assert recorded.tally is not None
    assert recorded.tally.worked == 24
    for name in ("generations", "trials", "scores", "estimates", "outcomes"):
        frame, schema = getattr(recorded, name), getattr(columns, name.upper())
        assert list(frame) == list(schema)
        kinds = {"str": "object"}
        assert [str(t) for t in frame.dtypes] == [kinds.get(c.kind, c.kind) for c in schema.values()]
    whole = recorded.frame()
    assert len(whole) == 24
    means = whole.groupby("subject")["score:match"].mean()
    assert means.to_dict() == {recorded.endpoints[0]: 1.0, recorded.endpoints[1]: 0.5}
    assert recorded.records.generations[0].response is not None
    assert recorded.changed_files() == []


def test_a_call_again_asks_nothing(recorded: evalkit.Run, hosts: tuple[str, str]) -> None:
    again = evalkit.run("small", on=hosts, name="both")
    assert again.tally is not None
    assert (again.tally.worked, again.tally.skipped) == (0, 24)
    assert again.folder == recorded.folder == evalkit.load("latest").folder == evalkit.runs()[0].folder


def test_what_is_missing_stays_missing(workdir: Path) -> None:
    make_suite(4)
    with FakeProvider(Behaviour(status=400, body=b"{}")) as broken:
        name = declare(broken, "broken")
        with pytest.raises(InfrastructureError, match="4 of 4 trials failed"):
            evalkit.run("small", on=name)
        run = evalkit.run("small", on=name, max_failed=1.0)
    assert run.frame()["score:match"].isna().all()
    assert run.outcomes["count"].sum() >= 4


def test_a_comparison_is_that_of_the_command(recorded: evalkit.Run, hosts: tuple[str, str]) -> None:
    found = evalkit.compare(recorded)
    frame = found.frame().set_index("measure")
    assert list(found.frame()) == list(columns.DIFFERENCES)
    quality = frame.loc["quality"]
    assert (quality["value"], quality["better"], quality["worse"], quality["n"]) == (-0.5, 0, 6, 12)
    assert found.reference == hosts[0]
    turned = evalkit.compare("both", "cut", "lab")
    assert turned.reference == hosts[1]
    with pytest.raises(UnknownNameError, match="nobody"):
        evalkit.compare(recorded, "nobody")


def test_a_gate_fails_where_the_command_exits_with_1(recorded: evalkit.Run) -> None:
    Path("move.gate.yaml").write_text(GATE, encoding="utf-8")
    verdict = evalkit.gate("move.gate.yaml", recorded, candidate="cut")
    assert (verdict.decision, verdict.exit_code) == ("fail", ExitCode.GATE_FAILED)
    verdict.write(report="gate.html", markdown="gate.md", json="gate.json")
    assert json.loads(Path("gate.json").read_text("utf-8"))["decision"] == verdict.decision
    assert evalkit.gate("move.gate.yaml", "both", candidate="lab", baseline="cut").decision == "pass"


def test_a_gate_is_drawn_batch_by_batch(hosts: tuple[str, str]) -> None:
    Path("move.gate.yaml").write_text(GATE, encoding="utf-8")
    lines: list[str] = []
    verdict = evalkit.gate_sequentially(
        "small", "move.gate.yaml", candidate=hosts[1], baseline=hosts[0], told=lines.append
    )
    assert verdict.record.candidate == hosts[1]
    assert lines


def test_plan_score_export_import_merge_and_report(recorded: evalkit.Run, hosts: tuple[str, str]) -> None:
    planned = evalkit.plan("small", on=hosts)
    assert planned.decidable
    assert "12 samples" in str(planned)
    scored = evalkit.score(recorded, scorers="refusal")
    assert scored.tally is not None
    assert scored.tally.worked == 24
    assert {Path(p).suffix for p in evalkit.export(recorded, "csv", "tables")} == {".csv"}
    assert recorded.report("r.html").is_file()
    assert evalkit.write_report([recorded], "s.html").read_text("utf-8").startswith("<!")
    rows = [{"sample": f"s{n:03}", "prompt": f"question {n}", "response": "It is four."} for n in range(12)]
    Path("answers.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    taken = evalkit.import_files("answers.jsonl", suite="small", endpoints="lab:m", name="taken")
    assert len(taken.trials) == 12
    parts = [evalkit.run("small", on=hosts[0], shard=(i, 2), name=f"part{i}") for i in (1, 2)]
    assert len(evalkit.merge(parts, "whole").trials) == 12
    assert evalkit.resume("whole").tally is not None
    assert evalkit.recheck(recorded) == ()


def test_what_there_is(hosts: tuple[str, str]) -> None:
    assert {"small", "coding"} <= {suite.id for suite in evalkit.suites()}
    sound, missing = evalkit.check_suites("small")
    assert [(s.suite, s.samples) for s in sound] == [("small", 12)]
    assert missing == {}
    assert {"lab", "cut", "openrouter"} <= set(evalkit.providers())
    assert [c.verdict for c in evalkit.check_provider("lab")] == ["ok"]
    assert evalkit.schema("gate")["$schema"].startswith("https://json-schema.org")


def test_a_misspelt_keyword_is_refused(hosts: tuple[str, str]) -> None:
    wrong: Any = {"epoch": 2}
    with pytest.raises(TypeError, match=r"'epoch'.*epochs"):
        evalkit.run("small", on=hosts, **wrong)
    senseless: Any = {"weights": "org/Model"}
    with pytest.raises(TypeError, match="weights"):
        evalkit.gate_sequentially("small", "g.yaml", candidate=hosts[1], **senseless)
    with pytest.raises(TypeError, match="weights"):
        evalkit.resume("latest", **senseless)
    with pytest.raises(UsageError, match="shard"):
        evalkit.run("small", on=hosts, shard=(3, 2))


def test_everything_works_inside_a_running_loop(hosts: tuple[str, str]) -> None:
    async def cell() -> evalkit.Run:
        checked = evalkit.check_provider("lab")
        assert [c.verdict for c in checked] == ["ok"]
        run = evalkit.run("small", on=hosts)
        assert len(evalkit.compare(run).frame()) > 0
        return run

    run = asyncio.run(cell())
    assert run.status == "finished"
    assert (run.trials["outcome"] == "ok").all()


def test_code_runs_in_its_sandbox_inside_a_running_loop(workdir: Path) -> None:
    with FakeProvider(Behaviour(text="```python\ndef nothing():\n    return 1\n```")) as host:
        name = declare(host, "lab")

        async def cell() -> evalkit.Run:
            return evalkit.run("coding@demo", on=name, limit=2)

        run = asyncio.run(cell())
    assert run.status == "finished"
    assert run.frame()["delivered"].all()
    assert run.scores["value"].notna().any()


def test_an_interrupt_in_a_notebook_lets_requests_in_flight_end(workdir: Path) -> None:
    make_suite(40)

    async def cell() -> evalkit.Run:
        # As IPython does while a cell is running: Ctrl-C raises in the thread of the cell.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            return evalkit.run("small", on=name, concurrency=2)
        finally:
            timer.join()
            signal.signal(signal.SIGINT, before)

    with FakeProvider(Behaviour(text="It is four.", delay_s=0.4)) as host:
        name = declare(host, "slow")
        run = asyncio.run(cell())
        assert run.status == "interrupted"
        assert 0 < len(run.generations) < 40
        assert set(run.generations["outcome"]) == {"ok"}
        asked = len(host.requests)
    assert asked == len(run.generations)


class Tags(HTMLParser):
    """The names of every element and attribute in a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs)}

    def handle_data(self, data: str) -> None:
        self.text += data


PLAIN = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}


def test_display_escapes_hostile_names(workdir: Path) -> None:
    make_suite()
    Path("move.gate.yaml").write_text(
        'version: 1\nrules:\n  - {metric: quality, max_drop: 0.2, id: "<img src=x onerror=alert(1)>"}\n',
        "utf-8",
    )
    bad = "m<script>alert(1)</script>\u202eevil"
    with FakeProvider(Behaviour(text="It is four.")) as one, FakeProvider(half_right) as two:
        declare(one, "lab")
        declare(two, "cut")
        run = evalkit.run("small", on=[f"lab:{bad}", f"cut:{bad}"], name="hostile")
        planned = evalkit.plan("small", on=[f"lab:{bad}"])
    shown: list[Any] = [run, evalkit.compare(run), planned]
    shown.append(evalkit.gate("move.gate.yaml", run, candidate=f"cut:{bad}"))
    for each in shown:
        tags = Tags(each._repr_html_())
        assert tags.found <= PLAIN, each
        assert "\u202e" not in tags.text
    assert "<script>" in Tags(run._repr_html_()).text
    assert "<img src=x" in Tags(shown[-1]._repr_html_()).text


def test_display_of_a_broken_run_says_so_instead_of_raising(recorded: evalkit.Run) -> None:
    (recorded.folder / "manifest.json").write_text("{", encoding="utf-8")
    assert "is damaged" in Tags(evalkit.Run(recorded.folder)._repr_html_()).text


def test_the_names_are_those_of_the_api_and_none_is_a_package() -> None:
    from evalkit import api

    assert evalkit.__all__ == api.__all__
    assert set(evalkit.__all__) <= set(dir(evalkit))
    packages = {module.name for module in pkgutil.iter_modules(evalkit.__path__)}
    assert packages & set(evalkit.__all__) == set()
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = evalkit.nothing_like_this
    for name in set(evalkit.__all__) - {"Conduct", "Selection"}:
        assert getattr(evalkit, name).__doc__, name


def test_each_command_has_a_function() -> None:
    import typer

    from evalkit.cli import app

    root: Any = typer.main.get_command(app)
    own = {"report": "write_report", "import": "import_files"}
    assert {own.get(name, name) for name in root.commands} <= set(evalkit.__all__)
