"""Stands for `docker` in tests: keeps the flags that it is given by way of bubblewrap, and really runs.

It knows one image, `fake:1`, whose root is this machine's /usr. An unknown flag is an error, so that the
command line under test has no flag that nobody reads.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from evalkit.sandbox.bubblewrap import find_bwrap, find_interpreter

TOP = Path(__file__).resolve().parents[2]
VALUED = {
    *("--name", "--pull", "--network", "--cap-drop", "--security-opt", "--user", "--hostname"),
    *("--pids-limit", "--memory", "--memory-swap", "--ulimit", "--shm-size", "--tmpfs", "--workdir"),
    "--entrypoint",
}
SWITCHES = {"--rm", "--interactive", "--read-only"}


def install_engine(folder: Path, name: str = "docker") -> None:
    """Put the engine of tests first on PATH, readable by any user."""
    script = folder / name
    paths = [str(TOP), *sys.path]
    script.write_text(
        f"#!{sys.executable} -IB\nimport sys\nsys.path[:0] = {paths!r}\n"
        "from tests.sandbox.fake_engine import main\nsys.exit(main(sys.argv[1:]))\n",
        encoding="utf-8",
    )
    script.chmod(0o755)


def main(arguments: list[str]) -> int:
    if arguments[0] == "info":
        print("Server Version: fake")
        return 0
    if arguments[:2] == ["image", "inspect"]:
        return 0 if arguments[2] == "fake:1" else 1
    if arguments[0] in {"pull", "rm"}:
        print("no such image or container", file=sys.stderr)
        return 1
    assert arguments.pop(0) == "run"
    options: dict[str, list[str]] = {}
    while arguments[0].startswith("--"):
        flag = arguments.pop(0)
        assert flag in VALUED | SWITCHES, f"unknown flag: {flag}"
        options.setdefault(flag, []).append(arguments.pop(0) if flag in VALUED else "")
    assert arguments.pop(0) == "fake:1"
    python = find_interpreter().path if options["--entrypoint"] == ["python3"] else ""
    own = [find_bwrap() or "bwrap", "--unshare-all", "--unshare-user", "--as-pid-1", "--die-with-parent"]
    own += ["--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--ro-bind", "/usr", "/usr"]
    own += [
        "--symlink",
        "usr/bin",
        "/bin",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
    ]
    own += ["--proc", "/proc", "--dev", "/dev"]
    if options["--network"] != ["none"]:
        own.append("--share-net")
    if options["--cap-drop"] == ["ALL"]:
        own += ["--cap-drop", "ALL"]
    own += ["--size", str(int(options["--shm-size"][0].rstrip("m")) << 20), "--tmpfs", "/dev/shm"]
    for mount in options["--tmpfs"]:
        folder, _, said = mount.partition(":")
        size = next(part for part in said.split(",") if part.startswith("size="))
        own += ["--size", str(int(size[5:-1]) << 20), "--perms", "1777", "--tmpfs", folder]
    if "--read-only" in options:
        own += ["--remount-ro", "/dev", "--remount-ro", "/"]
    user = int(options["--user"][0].partition(":")[0])
    if os.getuid() == 0 and find_interpreter().open_to_all:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    os.execv(own[0], [*own, "--chdir", options["--workdir"][0], "--", python, *arguments])
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
