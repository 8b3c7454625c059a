"""Runs by name, and files that are replaced whole."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from evalkit.errors import UnknownNameError, UsageError
from evalkit.store.folder import MANIFEST, RunWriter, find_run, new_run, replace_file, written_now

if TYPE_CHECKING:
    from pathlib import Path


def _runs(results: Path, *names: str) -> None:
    for age, name in enumerate(names):
        (results / name).mkdir(parents=True)
        (results / name / MANIFEST).write_bytes(b"{}")
        os.utime(results / name / MANIFEST, (age, age))


def test_a_name_that_is_written_out_wins_over_longer_ones(tmp_path: Path) -> None:
    _runs(tmp_path, "base-2", "base", "other")
    assert find_run("base", tmp_path).name == "base"
    assert find_run("o", tmp_path).name == "other"
    assert find_run("latest", tmp_path).name == "other"
    with pytest.raises(UsageError, match="may be base-2 or base;"):
        find_run("bas", tmp_path)


def test_without_any_run_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"There are no runs in .*`evalkit run` makes one"):
        find_run("latest", tmp_path)


@pytest.mark.parametrize("name", ["../up", "/abs", "a/b", ".hidden", "", "a\nb", "-q", "x" * 121])
def test_a_run_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a run"):
        new_run(name, tmp_path)


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    replace_file(pipe, b"verdict")
    reader.join(30)
    assert got == [b"verdict"]
    assert pipe.is_fifo()


def test_who_writes_is_seen(tmp_path: Path) -> None:
    assert not written_now(tmp_path / "run")
    with RunWriter(tmp_path / "run"):
        assert written_now(tmp_path / "run")
    assert not written_now(tmp_path / "run")
