"""Nothing recorded is lost, whatever happens to the process or the disk."""

from __future__ import annotations

import resource
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from evalkit.errors import InfrastructureError, StoreError
from evalkit.store.folder import RunWriter
from evalkit.store.journal import RunJournal, read_generations
from evalkit.types.generation import Generation, Outcome, Response, TrialKey


def row(number: int, outcome: Outcome = Outcome.OK) -> Generation:
    return Generation(
        fingerprint=f"f{number}",
        trial=TrialKey("suite", f"s{number}", "host:model", 1),
        turn=1,
        endpoint="host:model",
        outcome=outcome,
        at=1.0,
        response=Response(text=f"Antwort {number} — «ü»"),
    )


def test_what_is_appended_is_found_again(tmp_path: Path) -> None:
    with closing(RunJournal(tmp_path)) as journal:
        for number in range(5):
            journal.append(row(number))
        assert journal.find("f3") == row(3)
        assert journal.find("f9") is None
    with closing(RunJournal(tmp_path)) as journal:
        assert journal.find("f4") == row(4)


def test_failures_are_recalled_but_asked_again(tmp_path: Path) -> None:
    with closing(RunJournal(tmp_path)) as journal:
        journal.append(row(1, Outcome.INFRA_ERROR))
        assert journal.find("f1") is None
        assert journal.recall("f1") == row(1, Outcome.INFRA_ERROR)


def test_a_file_cut_at_any_byte_keeps_every_whole_row(tmp_path: Path) -> None:
    with closing(RunJournal(tmp_path)) as journal:
        for number in range(3):
            journal.append(row(number))
    whole = (tmp_path / "generations.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for size in range(ends[0], len(whole) + 1):
        (tmp_path / "generations.jsonl").write_bytes(whole[:size])
        complete = sum(end - 1 <= size for end in ends)  # a row that lacks only its newline is whole
        with closing(RunJournal(tmp_path)) as reopened:
            assert len(reopened) == complete
            reopened.append(row(9))
        assert [g.fingerprint for g in read_generations(tmp_path)] == [f"f{n}" for n in range(complete)] + [
            "f9"
        ]


def test_damage_in_the_middle_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "generations.jsonl").write_bytes(b'{"half\n{}\n')
    with pytest.raises(StoreError, match=r"generations.jsonl:1 is damaged"):
        RunJournal(tmp_path)


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_journal import row
from evalkit.errors import InfrastructureError
from evalkit.store.journal import RunJournal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = RunJournal(Path(sys.argv[1]))
journal.append(row(0))
resource.setrlimit(resource.RLIMIT_FSIZE, (journal._generations.size + 50,) * 2)
try:
    journal.append(row(1))
except InfrastructureError as error:
    print(error)
"""


def test_a_full_disk_is_said_and_corrupts_nothing(tmp_path: Path) -> None:
    assert resource.RLIMIT_FSIZE  # stands in for a disk that takes 50 bytes more
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "all answers before this one are kept" in done.stdout
    assert [g.fingerprint for g in read_generations(tmp_path)] == ["f0"]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run"), pytest.raises(StoreError, match="another process writes"):
        RunWriter(tmp_path / "run").__enter__()


def test_a_folder_that_cannot_be_written_is_said() -> None:
    with pytest.raises(InfrastructureError, match="cannot be written"):
        RunWriter(Path("/proc/nothing")).__enter__()
