"""An imported run through the command line: report, compare, score again, gate, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.cli import main
from evalkit.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

GATE = """\
version: 1
rules:
  - {metric: quality, suite: tiny, max_drop: 0.2}
"""


@pytest.fixture
def cli(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["evalkit", *arguments])
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        else:
            code = 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


def write(path: Path, *, good: str, bad: str, samples: int = 120) -> None:
    """Two endpoints; the first is right on nearly everything, the second on nearly nothing."""
    rows: list[dict[str, Any]] = [
        {
            "sample": f"s{n:04}",
            "prompt": f"question {n}",
            "response": "four" if (n % 10 == 0) == (endpoint == bad) else "five",
            "endpoint": endpoint,
            "target": "four",
        }
        for n in range(samples)
        for endpoint in (good, bad)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_an_imported_run_goes_every_way(
    workdir: Path, cli: Callable[..., tuple[int, str, str]], make_suite: Callable[..., None]
) -> None:
    make_suite(120)
    write(Path("answers.jsonl"), good="one:m", bad="two:m")
    Path("gate.yaml").write_text(GATE, encoding="utf-8")
    code, out, _ = cli("import", "answers.jsonl", "--suite", "tiny", "--run", "theirs", "--json")
    said = json.loads(out)
    assert (code, said["trials"], said["scores"], said["outcomes"]) == (0, 240, 0, {"ok": 240})
    assert "latency" in said["missing"]

    code, _, err = cli("gate", "theirs", "--gate", "gate.yaml")
    assert code == ExitCode.INCONCLUSIVE, err  # nothing is scored yet: missing is not 0

    assert cli("score", "theirs", "--with", "tiny", "-q")[0] == 0
    code, out, _ = cli("gate", "theirs", "--gate", "gate.yaml")
    assert code == ExitCode.GATE_FAILED
    assert out.startswith("FAIL")

    code, out, _ = cli("compare", "theirs", "--json")
    figures = {
        (f["subject"], f["measure"]): f["estimate"].get("value")
        for f in json.loads(out)["summary"]["figures"]
        if f["suite"] == "tiny"
    }
    assert figures["one:m", "quality"] == pytest.approx(0.9)
    assert figures["two:m", "quality"] == pytest.approx(0.1)
    assert figures["one:m", "cost_per_1k"] is None
    assert figures["one:m", "total_p50"] is None

    assert cli("report", "theirs", "-o", "r.html")[0] == 0
    assert "imported (jsonl) from answers.jsonl" in Path("r.html").read_text(encoding="utf-8")
    assert cli("runs", "verify", "theirs")[0] == 0
    assert cli("export", "theirs", "-o", "out", "--format", "every-eval-ever")[0] == 0
    assert len(list(Path("out").rglob("*_samples.jsonl"))) == 2


def test_a_broken_file_is_one_sentence(workdir: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    Path("bad.jsonl").write_text('{"sample": "a", "response": "b", "endpoint": "h:m"}\n{"sample"\n')
    code, out, err = cli("import", "bad.jsonl")
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith("evalkit: bad.jsonl:2: not valid JSON")
    assert len(err.strip().splitlines()) == 1
    assert not Path("results").exists() or list(Path("results").iterdir()) == []
