"""`evalkit judge calibrate`: a table, a judge card, and one clear sentence where there is nothing to hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import evalkit
from evalkit.errors import StoreError, UsageError
from evalkit.store.cards import read_card, read_cards, write_card
from evalkit.store.folder import RunWriter
from evalkit.store.journal import LABELS, AppendFile
from evalkit.types.suite import LoadedSuite
from tests.analysis.probes.judged import Judge, judged, questions, with_labels

if TYPE_CHECKING:
    from evalkit.analysis.rundata import RunData
    from evalkit.types.suite import Sample

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]


def truth(sample: Sample, epoch: int) -> str:
    del epoch
    return (
        "refusal" if sample.data["jurisdiction"] == "CN" and sample.data["form"] != "benign" else "complete"
    )


def misses(sample: Sample, true: str) -> str:
    return "complete" if sample.language == "zh" and sample.data["pair"] in "02468" else true


PANEL: dict[str, Judge] = {"us:j": misses, "cn:k": misses}


def stored(name: str, *annotators: str, version: str = "1") -> RunData:
    """A run on disk as recorded and labelled."""
    run, true = judged(questions(12, ("en", "zh")), {"a:m": truth}, PANEL, run=name, version=version)
    run = with_labels(run, true, 1000, annotators=annotators)
    folder = Path("results") / name
    with RunWriter(folder) as writer:
        suite = run.manifest.suites[0]
        writer.write_samples(
            LoadedSuite(suite=suite.suite, folder=folder, samples=run.samples["probes"], hash=suite.hash)
        )
        for generation in run.generations:
            writer.journal.append(generation)
        writer.journal.append_scores(run.scores)
        manifest = msgspec.structs.replace(run.manifest, checksums=writer.checksums())
        writer.write_manifest(manifest)
    if run.labels:
        file = AppendFile(folder / LABELS)
        file.append(run.labels)
        file.close()
    return run


def calibrate(*arguments: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, "judge", "calibrate", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == exit_code, done.stderr
    return done


def test_a_card_is_printed_and_stored(workdir: Path) -> None:
    stored("r", "ann", "bo")
    said = calibrate("r").stdout
    lines = [line.split("\t") for line in said.splitlines()]
    assert ["zh", "refusal", "7 of 12"] in [line[:3] for line in lines]
    assert ["en", "refusal", "12 of 12"] in [line[:3] for line in lines]
    assert "against 2 people on 96 answers" in said
    assert "refusal in zh: the judge agrees less with people" in said
    assert "Stored as judges/probe_judge-r.json." in said
    card = read_card(workdir / "judges" / "probe_judge-r.json")
    assert (card.runs, card.calibrated.annotators) == (("r",), 2)
    assert [(m.endpoint, m.maker, m.seat) for m in card.members] == [
        ("cn:k", "openai", "US"),
        ("us:j", "openai", "US"),
    ]
    assert card.suites[0].hash == "0" * 64
    assert b"ann" not in Path("judges/probe_judge-r.json").read_bytes().replace(b"annotators", b"")
    told = json.loads(calibrate("r", "--name", "other", "--json").stdout)
    assert told["path"] == "judges/other.json"
    assert msgspec.convert(told["card"]["calibrated"], type(card.calibrated)) == card.calibrated
    assert [c.name for c in read_cards()] == ["other", "probe_judge-r"]


def test_two_runs_of_one_panel_make_one_card(workdir: Path) -> None:
    del workdir
    stored("first", "ann")
    stored("second", "ann")
    card = evalkit.calibrate(["first", "second"], name="both")
    assert card.runs == ("first", "second")
    assert card.calibrated.labels == 2 * 96
    assert read_card(Path("judges/both.json")) == card


def test_one_person_is_said_to_be_one(workdir: Path) -> None:
    del workdir
    stored("r", "ann")
    assert "One person labelled: nobody knows how far people agree." in calibrate("r").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bare"], "Nobody labelled answers of these runs; `evalkit label RUN --annotator NAME`"),
        (["r", "--metric", "probe"], "Nothing in these runs has a class of 'probe'"),
        (["r", "newer"], "not all classed in the same way"),
        (["r", "--name", "../r"], "is no name for a judge card"),
        (["nothing"], "Unknown run 'nothing'"),
    ],
)
def test_what_cannot_be_is_one_sentence(workdir: Path, arguments: list[str], words: str) -> None:
    del workdir
    stored("r", "ann")
    stored("bare")
    stored("newer", "ann", version="2")
    done = calibrate(*arguments, exit_code=2)
    assert words in done.stderr
    assert not Path("judges").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is no judge card"),
        (b'{"schema": 2}', "schema 2, this evalkit reads 1"),
        (b'{"schema": 1, "name": "x"}', "missing required field"),
        (b"[" * 100_000, "is no judge card"),
    ],
)
def test_a_broken_card_is_refused(workdir: Path, content: bytes, words: str) -> None:
    path = workdir / "judges" / "x.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=words):
        read_cards()


def test_a_card_with_a_field_of_somebody_else_is_refused(workdir: Path) -> None:
    del workdir
    stored("r", "ann")
    card = evalkit.calibrate("r")
    path = Path("judges/probe_judge-r.json")
    path.write_bytes(path.read_bytes().replace(b'"name"', b'"nome": 1, "name"', 1))
    with pytest.raises(StoreError, match="nome"):
        read_card(path)
    with pytest.raises(UsageError, match="is no name"):
        write_card(msgspec.structs.replace(card, name="a/b"))


def test_no_folder_of_cards_is_no_cards(workdir: Path) -> None:
    assert read_cards(workdir / "judges") == ()
