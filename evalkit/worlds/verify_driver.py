"""Runs a task's `verify` inside the sandbox, after the agent is gone, and reports what is broken.

Given as text on the command line, the job on the standard input: neither is a file that a program of the
agent could read. This process can be opened by no other of the same user, and programs that it starts do not
inherit the channel.
"""

import ctypes
import json
import os
import pathlib
import sys
from typing import Any

DUMPABLE = 4


def main() -> None:
    """Read the job, call `verify`, write the list of what is broken."""
    channel = int(sys.argv[1])
    ctypes.CDLL(None).prctl(DUMPABLE, 0, 0, 0, 0)
    os.set_inheritable(channel, False)
    job = json.load(sys.stdin)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    names: dict[str, Any] = {"__name__": "verify", "HIDDEN": job["hidden"]}
    work = pathlib.Path.cwd()
    try:
        exec(compile(job["source"], "verify", "exec"), names)
        broken = [str(item) for item in names["verify"](work)]
    except Exception as error:
        broken = [f"verify raised {type(error).__name__}: {error}"]
    data = json.dumps(broken).encode()
    while data:
        data = data[os.write(channel, data) :]


main()
os._exit(0)
