"""Tries, in about a second, what a sandbox must stop. A backend that is installed and fails is no backend."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.types.execution import Execution, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.ports.sandbox import Sandbox

_SECRET = "evalkit-selftest-secret"  # noqa: S105  # a canary, not a secret

_PROBE = """
import os, socket, sys
found = []

def attempt(name, action):
    try:
        if action():
            found.append(name)
    except BaseException:
        pass

def leaks(path):
    with open(path, "rb") as file:
        return b"SECRET" in file.read()

def connects():
    socket.create_connection(("127.0.0.1", PORT), 1).close()
    return True

def writes(path):
    with open(path, "wb") as file:
        file.write(b"x")
    return True

attempt("it reaches the network", connects)
attempt("it sees the harness's environment", lambda: b"SECRET" in repr(os.environ).encode())
for pid in os.listdir("/proc"):
    if pid.isdigit():
        attempt("it reads a key from /proc", lambda: leaks(f"/proc/{pid}/environ"))
attempt("it reads the harness's files", lambda: leaks("CANARY"))
attempt("it writes outside of its scratch space", lambda: writes("/usr/evalkit-selftest"))
attempt("it writes into its root", lambda: writes("/evalkit-selftest"))
attempt("it sees the home folder", lambda: bool(set(os.listdir("HOME")) & set(NAMES)))
os.write(int(sys.argv[1]), ("|".join(sorted(set(found))) or "held").encode())
"""


def failures(sandbox: Sandbox, lent: Sequence[str] = ()) -> list[str]:
    """What the sandbox did not stop, in words; empty when it holds.

    Args:
        sandbox: The backend to try.
        lent: Folders that it shows inside on purpose, so that those above them are there, too.
    """
    with socket.socket() as listener, tempfile.NamedTemporaryFile(prefix="evalkit-") as canary:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        canary.write(_SECRET.encode())
        canary.flush()
        Path(canary.name).chmod(0o644)
        code = (
            _PROBE.replace("SECRET", _SECRET)
            .replace("PORT", str(listener.getsockname()[1]))
            .replace("CANARY", canary.name)
            .replace("HOME", str(Path.home()))
            .replace("NAMES", repr(_private(lent)))
        )
        before = os.environ.get("EVALKIT_SELFTEST")
        os.environ["EVALKIT_SELFTEST"] = _SECRET
        try:
            result = sandbox.run_blocking(
                Execution(
                    argv=("{python}", "-I", "-S", "-B", "probe.py", "{channel}"),
                    files={"probe.py": code.encode()},
                    limits=Limits(cpu_s=5, wall_s=20),
                )
            )
        finally:
            if before is None:
                del os.environ["EVALKIT_SELFTEST"]
            else:
                os.environ["EVALKIT_SELFTEST"] = before
    said = result.channel.decode("utf-8", "replace")
    if said == "held":
        return []
    if not said:
        error = result.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        return [f"it does not start ({error[:200] or result.ended})"]
    return said.split("|")


def _private(lent: Sequence[str]) -> list[str]:
    """Names in the home folder that lead to nothing that is lent."""
    home = Path.home()
    shown = {part for folder in lent if Path(folder).is_relative_to(home) for part in Path(folder).parts}
    try:
        return sorted({entry.name for entry in home.iterdir()} - shown)
    except OSError:
        return []
