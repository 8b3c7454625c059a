"""Tasks in Harbor's folder format: read strictly, refused without an engine, and run where there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evalkit.app.look import load_run
from evalkit.catalog.sources.harbor import read_tasks
from evalkit.errors import DefinitionError, UsageError
from evalkit.sandbox.whole import find_engine
from evalkit.testing import FakeProvider, plays
from evalkit.worlds.harbor import reward_of
from tests.end_to_end.test_agents import evalkit

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "localhost/evalkit-test:1"
TOML = f"""
version = "1.0"
[metadata]
difficulty = "easy"
tags = ["files"]
[verifier]
timeout_sec = 120.0
[environment]
docker_image = "{IMAGE}"
allow_internet = false
memory_mb = 256
"""
SUITE = """\
id: harbor
version: "1"
title: Harbor
description: Tasks in containers.
licence: Apache-2.0
source: this test
samples: harbor:tasks
generation:
  max_tokens: 200
primary: solved
solver: {name: agent}
scorers:
  - name: end_state
"""
TEST = 'if [ "$(cat /made/by/agent)" = yes ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n'


@pytest.fixture
def task(workdir: Path) -> Path:
    folder = workdir / "suites" / "harbor" / "tasks" / "write-yes"
    for name, text in {
        "task.toml": TOML,
        "instruction.md": "Write yes to /made/by/agent.",
        "tests/test.sh": TEST,
        "solution/solve.sh": "mkdir -p /made/by\necho yes > /made/by/agent\n",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (workdir / "suites" / "harbor" / "suite.yaml").write_text(SUITE)
    return folder


def test_a_folder_becomes_a_sample(task: Path) -> None:
    (sample,) = read_tasks(task.parent)
    assert (sample.id, sample.input) == ("write-yes", "Write yes to /made/by/agent.")
    assert sample.tags == ("easy", "files")
    assert sample.data["image"] == IMAGE
    assert sample.data["network"] is False
    assert list(sample.data["tests"]) == ["test.sh"]
    assert sample.data["oracle"][0][1]["command"].startswith("mkdir")


def test_an_image_that_is_built_is_named_by_what_it_is_built_from(task: Path) -> None:
    (task / "task.toml").write_text("[environment]\n")
    (task / "environment").mkdir()
    (task / "environment" / "Dockerfile").write_text("FROM scratch\n")
    (before,) = read_tasks(task.parent)
    (task / "environment" / "Dockerfile").write_text("FROM debian\n")
    (after,) = read_tasks(task.parent)
    assert before.data["build"] == after.data["build"]
    assert before.data["image"] != after.data["image"]


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[[steps]]\nname = 'x'\n", "several steps"),
        ("[environment]\n", "names no docker_image"),
        ("[environment]\ndocker_image = 'x'\n[environment.env]\nA = '1'\n", "env is not supported"),
        ("[environment", "not TOML"),
    ],
)
def test_what_is_not_supported_is_refused(task: Path, toml: str, message: str) -> None:
    (task / "task.toml").write_text(toml)
    with pytest.raises(DefinitionError, match=message):
        read_tasks(task.parent)


@pytest.mark.parametrize(
    ("text", "reward"),
    [(b"1\n", 1.0), (b"0.5", 0.5), (b'{"a": 1, "b": 0}', 0.0), (b"", None), (b"yes", None), (b"{}", None)],
)
def test_rewards(text: bytes, reward: float | None) -> None:
    assert reward_of(text) == reward


def test_without_an_engine_the_message_says_so_before_the_first_request(
    task: Path, declare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with FakeProvider() as server:
        declare(server)
        done = evalkit("run", "harbor", "--on", "fake:model")
        assert server.requests == []
    assert done.returncode == 2
    assert "docker is not installed and podman is not installed" in " ".join(done.stderr.split())


@pytest.fixture
def engine() -> str:
    """A container engine with a small image that has bash, made of this machine's own."""
    try:
        found = find_engine()
    except UsageError as error:
        pytest.skip(f"no container engine on this machine: {error}")
    if subprocess.run([found, "image", "inspect", IMAGE], capture_output=True, check=False).returncode:
        pytest.skip(f"the engine has no image {IMAGE} with bash, cat, mkdir and echo")
    return found


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("engine")
def test_a_task_is_solved_and_not_solved_in_real_containers(task: Path, declare: Callable[..., None]) -> None:
    (sample,) = read_tasks(task.parent)
    told = str(sample.input)
    look = ("bash", {"command": "cat /made/by/agent; ls /tests"})
    for name, steps, value in (
        ("right", [*sample.data["oracle"], look], 1.0),
        ("wrong", [("bash", {"command": "echo no"})], 0.0),
    ):
        with FakeProvider(plays({told: steps})) as server:
            declare(server, name)
            done = evalkit("run", "harbor", "--on", f"{name}:model", "--run", name)
            assert done.returncode == 0, done.stderr
        run = load_run(Path("results") / name)
        solved = [r.score for r in run.scores if r.score and r.score.metric == "solved"]
        assert [s.value for s in solved] == [value], solved
        if name == "right":
            seen = str(run.generations[-1].prompt[-1].content)
            assert seen.startswith("yes\n")
            assert "test.sh" not in seen
