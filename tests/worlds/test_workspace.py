"""A folder in a real sandbox: what tools do with it, and that its check cannot be cheated."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from evalkit.errors import DefinitionError
from evalkit.types.suite import Sample
from evalkit.types.workspace import unpack
from evalkit.worlds.base import ToolError
from evalkit.worlds.task import AgentWorld, check_sample, need_sandbox, open_sample
from tests.worlds.driving import act, drive, replay

VERIFY = """
import subprocess, sys

def verify(work):
    broken = []
    if not (work / "sum.py").exists():
        return ["there is no sum.py"]
    for numbers, total in ((HIDDEN["one"], "6"), ("", "0")):
        done = subprocess.run([sys.executable, "sum.py"], input=numbers, capture_output=True, text=True,
                              cwd=work, timeout=20)
        if done.stdout.strip() != total:
            broken.append(f"sum of {numbers!r} is {done.stdout!r}")
    return broken
"""


def sample(**changes: Any) -> Sample:
    data: dict[str, Any] = {
        "world": "workspace",
        "files": {"README.md": "Add numbers.\n", "data/in.txt": "1 2 3\n"},
        "keep": ["data/*", "README.md"],
        "verify": VERIFY,
        "hidden": {"one": "1 2 3"},
        **changes,
    }
    return Sample(id="sum", input="Write sum.py.", data=data)


SOLUTION = "import sys\nprint(sum(map(int, sys.stdin.read().split())))\n"


@pytest.fixture
def world() -> AgentWorld:
    return open_sample(sample())


def test_files_written_by_one_command_are_there_for_the_next_and_for_the_editing_tools(
    world: AgentWorld,
) -> None:
    assert act(world, "bash", command="echo two > a.txt; ls") == "README.md\na.txt\ndata\n"
    assert act(world, "str_replace", path="/work/a.txt", old="two", new="three") == "a.txt: replaced."
    assert act(world, "python", code="print(open('a.txt').read())") == "three\n\n"
    assert act(world, "write_file", path="new/b.txt", text="ä\n") == "new/b.txt: 3 bytes written."
    assert act(world, "bash", command="cat new/b.txt") == "ä\n"
    assert act(world, "read_file", path="./new/b.txt") == "ä\n"


def test_output_shows_errors_in_order_and_the_exit_code(world: AgentWorld) -> None:
    shown = act(world, "bash", command="echo one; echo two >&2; echo three; exit 3")
    assert shown == "one\ntwo\nthree\n\n[exit code 3]"
    assert act(world, "bash", command="true") == "[exit code 0]"
    assert "SyntaxError" in act(world, "python", code="def")


def test_what_a_resumed_trial_sees_is_the_same(world: AgentWorld) -> None:
    """Owner, times and order of a listing do not depend on when and where a command ran."""
    listing = (
        "mkdir -p out; echo 1 > out/now; ls -la; ls -l out; id; stat -c %Y README.md; env | sort; echo $$"
    )
    later = "stat -c '%n %Y %U' README.md out out/now; ls -laR"
    seen = []
    for _ in range(2):
        world = open_sample(sample())
        seen.append([act(world, "bash", command=command) for command in (listing, later)])
        time.sleep(1.1)
    assert seen[0] == seen[1]
    assert "uid=1000 gid=1000" in seen[0][0]


def test_a_later_command_finds_older_files_older_so_that_make_works(world: AgentWorld) -> None:
    act(world, "bash", command="printf 'b: a\\n\\tcp a b\\n' > Makefile; echo 1 > a")
    assert "cp a b" in act(world, "bash", command="make")
    assert "up to date" in act(world, "bash", command="make")
    act(world, "write_file", path="a", text="2\n")
    assert "cp a b" in act(world, "bash", command="make")
    assert act(world, "read_file", path="b") == "2\n"


def test_reading_shows_a_window_and_says_what_is_left(world: AgentWorld) -> None:
    act(world, "write_file", path="long", text="".join(f"{n}\n" for n in range(1, 11)))
    assert act(world, "read_file", path="long", first_line=3, lines=2) == "3\n4\n[6 more lines]"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("read_file", {"path": "nothing.txt"}, "in its folder: README.md"),
        ("read_file", {"path": "../etc/passwd"}, "below /work"),
        ("read_file", {"path": "/etc/passwd"}, "below /work"),
        ("write_file", {"path": "README.md/x", "text": ""}, "not a file or folder"),
        ("str_replace", {"path": "README.md", "old": "d", "new": ""}, "occurs 2 times"),
        ("str_replace", {"path": "README.md", "old": "", "new": ""}, "occurs 0 times"),
        ("read_file", {"path": "README.md", "line": 3}, "do not fit"),
        ("rm", {}, "no tool"),
    ],
)
def test_a_tool_says_what_it_cannot_do(
    world: AgentWorld, name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ToolError, match=message):
        act(world, name, **arguments)


def test_a_link_that_the_agent_made_leads_nowhere(world: AgentWorld) -> None:
    act(world, "bash", command="ln -s /etc/passwd secret; ln -s README.md inside")
    with pytest.raises(ToolError):
        act(world, "read_file", path="secret")
    with pytest.raises(ToolError):
        act(world, "write_file", path="inside", text="x")


def test_a_command_that_does_not_end_is_stopped_and_the_folder_lives_on(world: AgentWorld) -> None:
    from evalkit.types.execution import Limits
    from evalkit.worlds.workspace import Workspace, workspace_task_of

    quick = Workspace(workspace_task_of(sample()), Limits(cpu_s=4, wall_s=90))
    with pytest.raises(ToolError, match="more than 4 s of CPU time") as caught:
        act(quick, "bash", command="echo begun; while true; do :; done")
    assert caught.value.kind == "stopped"
    assert "begun" in str(caught.value)
    assert "README.md" in act(quick, "bash", command="ls")


def test_the_check_runs_the_agents_program_on_hidden_input() -> None:
    solved = replay(sample(), [("write_file", {"path": "sum.py", "text": SOLUTION})])
    assert (solved.broken, solved.side_effects) == ((), ())
    assert replay(sample(), []).broken == ("there is no sum.py",)
    constant = replay(sample(), [("write_file", {"path": "sum.py", "text": "print(6)\n"})])
    assert constant.broken == ("sum of '' is '6\\n'",)


def test_side_effects_are_counted_from_the_archives() -> None:
    checked = replay(
        sample(),
        [
            ("write_file", {"path": "sum.py", "text": SOLUTION}),
            (
                "bash",
                {"command": "rm README.md; echo 9 > data/in.txt; echo > data/new; touch sum.py"},
            ),
        ],
    )
    assert checked.broken == ()
    assert checked.side_effects == (
        "README.md was deleted",
        "data/in.txt was changed",
        "data/new was added",
    )


ATTACK = r"""
import glob, json, os, sys
found = []
for fd in range(3, 300):
    try:
        os.write(fd, b"[]")
        found.append(f"wrote to {fd}")
    except OSError:
        pass
for place in glob.glob("/proc/[0-9]*/"):
    if place == f"/proc/{os.getpid()}/":
        continue
    for name in ("mem", "environ", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7"):
        try:
            with open(place + name, "rb+") as file:
                found.append(place + name)
        except OSError:
            pass
for folder in ("/job", "/tmp", "/work"):
    for below, _, names in os.walk(folder):
        for name in names:
            try:
                text = open(os.path.join(below, name), errors="replace").read()
            except OSError:
                continue
            if "never to be seen" in text and "sum.py" not in name:
                found.append(os.path.join(below, name))
print(found)
"""


def test_a_program_of_the_agent_reaches_neither_the_verdict_nor_what_is_hidden() -> None:
    verify = """
import subprocess, sys
SECRET = "never to be seen"
def verify(work):
    done = subprocess.run([sys.executable, "sum.py"], capture_output=True, text=True, cwd=work, timeout=60)
    return [done.stdout + done.stderr]
"""
    task = sample(verify=verify, hidden={"x": "never to be seen"})
    checked = replay(task, [("write_file", {"path": "sum.py", "text": ATTACK})])
    assert checked.broken == ("[]\n",)


def test_what_the_agent_leaves_cannot_take_over_the_check() -> None:
    """Files that Python would import by itself, and a module of the standard library's name."""
    takeover = "import os\nos.write(3, b'[]')\nos._exit(0)\n"
    calls = [
        ("write_file", {"path": name, "text": takeover})
        for name in (
            "json.py",
            "ctypes.py",
            "pathlib.py",
            "subprocess.py",
            "sitecustomize.py",
            "usercustomize.py",
        )
    ]
    assert replay(sample(), calls).broken == ("there is no sum.py",)


def test_a_check_that_raises_or_hangs_is_no_success() -> None:
    assert (
        replay(sample(verify="def verify(work):\n    return open(work / 'no')"), [])
        .broken[0]
        .startswith("verify raised FileNotFoundError")
    )
    assert "did not end" in replay(sample(verify="import os\nos._exit(0)"), []).broken[0]
    assert replay(sample(verify="x = ("), []).broken[0].startswith("verify raised SyntaxError")


def test_a_conversation_can_wait_for_a_file(world: AgentWorld) -> None:
    assert not world.holds({"file": "done"})
    act(world, "bash", command="echo yes > done")
    assert world.holds({"file": "done"})
    assert world.holds({"file": "done", "has": "yes"})
    assert not world.holds({"file": "done", "has": "no"})
    with pytest.raises(DefinitionError):
        world.holds({"sql": "SELECT 1"})


def test_a_broken_task_is_told_with_its_sample() -> None:
    with pytest.raises(DefinitionError, match="'sum'"):
        open_sample(sample(verifi="x"))
    with pytest.raises(DefinitionError, match="plain relative path"):
        open_sample(sample(files={"../x": ""}))


def test_only_samples_of_a_workspace_need_a_sandbox() -> None:
    shop = msgspec.structs.replace(sample(), data={"world": "shop"})
    assert need_sandbox([sample()])
    assert not need_sandbox([shop])


def test_the_state_is_an_archive_that_a_checker_may_read(world: AgentWorld) -> None:
    act(world, "bash", command="mkfifo pipe; echo x > x; chmod 600 x")
    entries = unpack(world.state()["workspace"])
    assert "pipe" not in entries
    assert entries["x"].data == b"x\n"
    assert drive(check_sample(sample(), world.state())).broken == ("there is no sum.py",)
