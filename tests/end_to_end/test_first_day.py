"""What somebody meets who uses the command line for the first time, slips included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]
FOUR = Behaviour(text="It is four.")


def evalkit(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _edit(old: str, new: str) -> None:
    file = Path("suites/tiny/suite.yaml")
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("primary: match", "primary: matc", "suite.yaml: Suite 'tiny' names 'matc' as primary"),
        ("name: match", "name: mtach", "suite.yaml: Unknown scorer 'mtach'. Did you mean 'match'?"),
        ("name: match", "name: zzz", "Unknown scorer 'zzz'. It is one of "),
        (
            "  - name: match",
            "  - {name: match, options: {hwo: exact}}",
            "$.options.hwo: unknown key 'hwo'; did you",
        ),
    ],
)
def test_check_finds_what_a_run_would_refuse(
    make_suite: Callable[..., None], old: str, new: str, said: str
) -> None:
    make_suite(2)
    _edit(old, new)
    done = evalkit("suites", "check", "tiny")
    assert done.returncode == 2
    assert said in done.stderr


def test_a_file_or_an_empty_folder_is_no_suite(make_suite: Callable[..., None]) -> None:
    make_suite(2)
    Path("empty").mkdir()
    file = evalkit("suites", "check", "suites/tiny/samples.jsonl")
    assert (file.returncode, "is a file; name the folder of a suite" in file.stderr) == (2, True)
    folder = evalkit("suites", "check", "./empty")
    assert (folder.returncode, "is a folder without suite.yaml" in folder.stderr) == (2, True)


def test_a_setting_with_a_slip_is_named(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(2)
    with FakeProvider(FOUR) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--set", "max_token=5")
        assert done.returncode == 2
        assert "--set max_token: unknown key 'max_token'; did you mean 'max_tokens'?" in done.stderr
        assert not server.requests


def test_a_margin_in_points_is_no_rule_that_always_passes(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(40)
    Path("g.yaml").write_text("version: 1\nrules:\n  - {metric: quality, max_drop: 35}\n", encoding="utf-8")
    with FakeProvider(FOUR) as good, FakeProvider(Behaviour(text="five")) as bad:
        declare(good)
        declare(bad, name="bad")
        assert evalkit("run", "tiny", "--on", "fake:model", "--on", "bad:model", "--run", "r").returncode == 0
    done = evalkit("gate", "r", "--gate", "g.yaml")
    assert done.returncode == 2
    assert "`max_drop: 35`, but 'quality' is a share from 0 to 1; write 0.35 for 35 %" in done.stderr


def test_an_unfinished_run_says_so_wherever_it_is_read(
    make_suite: Callable[..., None], declare: Callable[..., None]
) -> None:
    make_suite(6)
    with FakeProvider(FOUR) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--run", "r", "--max-requests", "2")
        assert "Stopped by --max-requests; `evalkit resume r` goes on from here." in done.stderr
        part = evalkit("compare")
        assert "run r is not finished: figures are over those of its 6 planned trials" in part.stderr
        assert evalkit("resume").returncode == 0
        again = evalkit("resume")
        assert "unpriced" not in again.stderr  # nothing was asked
    whole = evalkit("compare")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert evalkit("report").returncode == 0
    assert Path("reports/r.html").is_file()
    assert evalkit("export", "--format", "csv", "-o", "out").returncode == 0


PLUGIN = """
import msgspec
from evalkit.types.score import Metric, Score

class Options(msgspec.Struct):
    pass

class Touchy:
    name, version, needs_sandbox = "touchy", "1", False
    metrics = (Metric(name="touchy", title="Touchy", meaning="Whether it was touched."),)

    def score(self, worked):
        return (Score(metric="touchy", value={}["missing"]),)

def build(options: Options):
    return Touchy()
"""


def test_a_fault_of_a_plugin_is_no_verdict_and_loses_nothing(
    make_suite: Callable[..., None], declare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_suite(4)
    _edit("name: match", "name: touchy")
    _edit("primary: match", "primary: touchy")
    plugin = Path("plugin/touchy-1.dist-info")
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: touchy\nVersion: 1\n", encoding="utf-8")
    (plugin / "entry_points.txt").write_text("[evalkit.scorers]\ntouchy = touchy_plugin\n", encoding="utf-8")
    module = Path("plugin/touchy_plugin.py")
    module.write_text(PLUGIN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(Path("plugin").resolve()), prepend=":")
    with FakeProvider(FOUR) as server:
        declare(server)
        done = evalkit("run", "tiny", "--on", "fake:model", "--run", "r", "--concurrency", "1")
        assert done.returncode == 70
        assert "evalkit: KeyError: 'missing' (" in done.stderr
        assert f"{module.name}:13; in scorer 'touchy' at sample 's000" in done.stderr
        module.write_text(PLUGIN.replace('{}["missing"]', "1.0"), encoding="utf-8")
        asked = len(server.requests)
        assert evalkit("resume", "r").returncode == 0
        assert asked > 0
        assert len(server.requests) == 4


def test_the_whole_trace_of_a_fault_is_there_for_the_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_TRACEBACK", "1")
    broken = "import evalkit.cli as c; c.app = lambda: 1 / 0; c.main()"
    done = subprocess.run(
        [sys.executable, "-c", broken], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 70
    assert "Traceback" in done.stderr
