"""Which backend is taken, and what is said where none can be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from evalkit.cli.root import app
from evalkit.errors import UsageError
from evalkit.sandbox import choose
from evalkit.sandbox.containers import ENGINES, Containers, usable
from evalkit.sandbox.unisolated import Unisolated
from evalkit.scorers.code.job import Problem, Test, execution_of, judge
from evalkit.types.execution import Execution, Limits
from evalkit.types.workspace import pack, unpack
from tests.sandbox.fake_engine import install_engine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    install_engine(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return "docker"


def test_nothing_runs_unisolated_unless_it_is_understood() -> None:
    with pytest.raises(UsageError, match="--i-understand"):
        choose("none")
    assert isinstance(choose("none", understood=True), Unisolated)


@pytest.mark.parametrize("name", ["gvisor", "auto:x", "none:x", ""])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="Unknown sandbox"):
        choose(name, understood=True)


def test_an_engine_without_the_image_says_how_to_get_it(engine: str) -> None:
    assert usable(engine, "fake:1") is None
    assert "docker pull other:2" in (usable(engine, "other:2") or "")
    with pytest.raises(UsageError, match="cannot pull other:2"):
        choose("docker:other:2")


def test_an_engine_that_is_not_there_is_no_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="docker is not installed"):
        choose("docker")


def test_a_container_is_told_every_limit(engine: str) -> None:
    limits = Limits(memory_mb=300, disk_mb=20, pids=30)
    command = Containers(engine, "fake:1").command(Execution(argv=("true",), files={}, limits=limits), "name")
    text = " ".join(command)
    for part in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--pids-limit 38",
        "--memory 424m --memory-swap 424m",
        "--user 65534:65534",
        "--tmpfs /work:rw,exec,nosuid,nodev,size=20m",
        "--shm-size 16m",
        "--rm",
    ):
        assert part in text, part
    assert not [part for part in command if part.startswith(("-v", "--volume", "--mount", "--privileged"))]


@pytest.mark.parametrize("name", ENGINES)
def test_a_real_engine_holds(name: str) -> None:
    reason = usable(name)
    if reason is not None:
        pytest.skip(f"{reason}; with an engine that runs, the escape suite is run in it as well")
    assert choose(name).name == name


def test_a_program_and_its_workspace_go_through_an_engine(engine: str) -> None:
    sandbox = choose("docker:fake:1")
    done = sandbox.run_blocking(
        Execution(
            argv=("/bin/sh", "-c", "cat; cat /job/a/b; echo x >> f; exit 4"),
            files={"a/b": b"file"},
            stdin=b"in ",
            limits=Limits(),
            workspace=pack({"f": b"w"}),
        )
    )
    assert (done.exit_code, done.stdout, done.backend) == (4, b"in file", "docker"), done
    assert unpack(done.workspace or b"")["f"].data == b"wx\n"
    late = sandbox.run_blocking(
        Execution(argv=("sleep", "60"), files={}, limits=Limits(wall_s=1), workspace=b"")
    )
    assert late.ended == "wall_limit"


def test_code_is_judged_through_an_engine(engine: str) -> None:
    problem = Problem(kind="function", entry="f", tests=[Test(run="result = f(2)", expect="4")])
    sandbox = choose("docker:fake:1")
    right = judge(problem, sandbox.run_blocking(execution_of(problem, "def f(x):\n    return x * x\n")))
    wrong = judge(problem, sandbox.run_blocking(execution_of(problem, "import os\nos._exit(0)\n")))
    assert (right.verdict, wrong.verdict) == ("pass", "crash")


def test_an_engine_that_fails_is_no_wrong_answer(engine: str) -> None:
    problem = Problem(kind="function", entry="f", tests=[Test(run="result = f(2)", expect="4")])
    done = Containers(engine, "gone:1").run_blocking(execution_of(problem, "def f(x):\n    return x * x\n"))
    assert judge(problem, done).verdict == "sandbox_error"


def test_a_container_sees_no_key(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-canary")
    done = Containers(engine, "fake:1").run_blocking(
        Execution(argv=("/bin/sh", "-c", "env; cat /proc/*/environ"), files={}, limits=Limits())
    )
    assert b"PATH=" in done.stdout
    assert b"canary" not in done.stdout


def test_a_virtual_environment_lends_its_packages(tmp_path: Path) -> None:
    import venv

    place = tmp_path / "venv"
    venv.create(place, symlinks=True)
    packages = next(place.glob("lib/python3*/site-packages"))
    (packages / "only_here.py").write_text("VALUE = 7\n", encoding="utf-8")
    try:
        sandbox = choose(f"bubblewrap:{place}")
    except UsageError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    code = "import site; site.main(); import only_here; print(only_here.VALUE)"
    done = sandbox.run_blocking(
        Execution(argv=("{python}", "-I", "-S", "-c", code), files={}, limits=Limits())
    )
    assert done.stdout == b"7\n", done.stderr
    with pytest.raises(UsageError, match="no bin/python"):
        choose(f"bubblewrap:{tmp_path}")


def test_a_run_without_consent_ends_before_a_request(workdir: Path) -> None:
    done = CliRunner().invoke(app, ["run", "coding", "--on", "nobody:nothing", "--sandbox", "none"])
    assert done.exit_code != 0
