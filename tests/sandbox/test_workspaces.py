"""A workspace goes in as an archive, is worked in, and comes back as one, whatever the program does."""

from __future__ import annotations

import pytest

from evalkit.errors import UsageError
from evalkit.sandbox import choose
from evalkit.types.execution import Execution, ExecutionResult, Limits
from evalkit.types.workspace import Entry, pack, unpack

START = {
    "src/app.py": b"print('old')\n",
    "run.sh": Entry(b"#!/bin/sh\necho ran\n", 0o755, 1_700_000_000),
    "to-app": Entry(link="src/app.py"),
    "empty": Entry(folder=True, mode=0o755),
}


HOARD = "x = bytearray(90 << 20); import time; time.sleep(60)"


@pytest.fixture(scope="module", params=["auto", "none"])
def sandbox(request):  # type: ignore[no-untyped-def]
    try:
        return choose(request.param, understood=True)
    except UsageError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


def shell(sandbox, script: str, workspace: bytes, **limits: float) -> ExecutionResult:  # type: ignore[no-untyped-def]
    return sandbox.run_blocking(  # type: ignore[no-any-return]
        Execution(
            argv=("/bin/sh", "-c", script),
            files={"hidden/check.txt": b"secret"},
            limits=Limits(**{"cpu_s": 10, "wall_s": 60, **limits}),  # type: ignore[arg-type]
            workspace=workspace,
        )
    )


def test_changes_come_back_and_everything_else_stays(sandbox) -> None:  # type: ignore[no-untyped-def]
    done = shell(
        sandbox,
        "cat src/app.py; ./run.sh >&2; echo new>to-app; mkdir -p a/b; echo deep > a/b/c; rmdir empty; exit 3",
        pack(START),
    )
    assert (done.ended, done.exit_code, done.stdout, done.stderr) == (
        "exited",
        3,
        b"print('old')\n",
        b"ran\n",
    )
    assert done.channel == b""
    after = unpack(done.workspace or b"")
    assert after["src/app.py"].data == b"new\n"
    assert after["a/b/c"].data == b"deep\n"
    assert after["run.sh"] == START["run.sh"]
    assert after["to-app"].link == "src/app.py"
    assert "empty" not in after


def test_a_workspace_that_comes_back_goes_in_again(sandbox) -> None:  # type: ignore[no-untyped-def]
    first = shell(sandbox, "echo 1 >> log", b"")
    second = shell(sandbox, "echo 2 >> log", first.workspace or b"")
    assert unpack(second.workspace or b"")["log"].data == b"1\n2\n"


def test_input_is_the_programs_and_the_hidden_files_are_outside(sandbox) -> None:  # type: ignore[no-untyped-def]
    done = sandbox.run_blocking(
        Execution(argv=("cat",), files={}, limits=Limits(), stdin=b"x" * 300_000, workspace=b"")
    )
    assert done.stdout == b"x" * 300_000
    assert unpack(done.workspace or b"") == {}


@pytest.mark.parametrize(
    ("script", "limits", "ended"),
    [
        ("echo kept > f; trap '' TERM INT; while :; do sleep 1; done", {"wall_s": 2}, "wall_limit"),
        ("echo kept > f; while :; do :; done", {"cpu_s": 1}, "cpu_limit"),
        ("echo kept > f; yes", {"output_kb": 64}, "output_limit"),
        (
            f"echo kept > f; python3 -c '{HOARD}' & python3 -c '{HOARD}'",
            {"memory_mb": 150},
            "memory_limit",
        ),
    ],
    ids=["wall", "cpu", "output", "memory of two processes"],
)
def test_what_was_done_before_a_limit_is_kept(sandbox, script, limits, ended) -> None:  # type: ignore[no-untyped-def]
    done = shell(sandbox, script, b"", **limits)
    assert done.ended == ended
    assert unpack(done.workspace or b"")["f"].data == b"kept\n"


def test_what_is_left_running_is_stopped_before_the_folder_is_read(sandbox) -> None:  # type: ignore[no-untyped-def]
    done = shell(
        sandbox,
        "setsid sh -c 'while :; do date +%N > beat; done' >/dev/null 2>&1 & sleep 0.3; echo end > f",
        b"",
    )
    after = unpack(done.workspace or b"")
    assert after["f"].data == b"end\n"
    assert done.wall_s < 30


def test_nothing_that_leads_out_comes_back(sandbox) -> None:  # type: ignore[no-untyped-def]
    done = shell(
        sandbox,
        "ln -s /etc abs; ln -s ../../etc up; mkfifo pipe; ln -s f in; echo x > f; ln f hard; chmod 000 f",
        b"",
    )
    after = unpack(done.workspace or b"")
    assert sorted(after) == ["f", "hard", "in"]
    assert after["f"] == Entry(b"x\n", 0, after["f"].mtime)
    assert sorted(done.dropped) == ["abs", "pipe", "up"]


def test_a_program_cannot_stop_or_read_its_keeper() -> None:
    sandbox = choose()
    done = shell(
        sandbox,
        "kill -9 -1 2>/dev/null; kill -9 1; kill -INT 1; cat /proc/1/environ /proc/1/maps; ls /proc/1/fd; "
        "cat /proc/1/mem; echo survived > f",
        b"",
    )
    assert done.ended in {"exited", "crashed"}
    assert done.stdout == b""
    assert done.workspace is not None
    assert shell(sandbox, "kill -9 1; kill -INT 1; echo on > f", b"").workspace != b""


def test_a_full_disk_is_the_programs_problem() -> None:
    sandbox = choose()
    done = shell(
        sandbox, "head -c 10000000 /dev/zero > a; head -c 10000000 /dev/zero > b; echo $?", b"", disk_mb=12
    )
    assert done.stdout == b"1\n"
    assert len(unpack(done.workspace or b"")["a"].data) == 10_000_000


def test_a_checker_reports_over_the_channel(sandbox) -> None:  # type: ignore[no-untyped-def]
    code = b"import os, sys\nos.write(int(sys.argv[1]), open('f', 'rb').read())\n"
    folder = "/job" if sandbox.name != "none" else "../job"
    done = sandbox.run_blocking(
        Execution(
            argv=("{python}", "-I", "-S", f"{folder}/check.py", "{channel}"),
            files={"check.py": code},
            limits=Limits(),
            workspace=pack({"f": b"state"}),
        )
    )
    assert done.channel == b"state"
