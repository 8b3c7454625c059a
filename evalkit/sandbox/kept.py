"""Executions that need a keeper inside (`evalkit.sandbox.keeper`): what it is sent and what it reports.

A job is one line of JSON with the sizes of what follows: files, standard input, workspace. A report is one
line of JSON, then the program's output, error output, channel and workspace. The report comes out of a
sandbox, so its claims are bounded and a broken one is a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import evalkit.types.workspace
from evalkit.errors import DefinitionError
from evalkit.types.execution import Ended, ExecutionResult

if TYPE_CHECKING:
    from evalkit.types.execution import Execution, Limits

WORK = "/work"
GRACE_S = 15.0
"""How much longer than its program a keeper may take, to lay out and to pack."""

_HEADER_BYTES = 1 << 20
_KEEPER_MB = 64


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of what a keeper reports."""

    ended: Ended
    exit_code: int
    cpu_s: float
    wall_s: float
    memory_mb: float
    dropped: tuple[str, ...]
    sizes: tuple[int, int, int]
    workspace: bool


def keeper_files() -> dict[str, bytes]:
    """The keeper's own files, by name."""
    return {
        "keeper.py": Path(__file__).with_name("keeper.py").read_bytes(),
        "workspace.py": Path(evalkit.types.workspace.__file__).read_bytes(),
    }


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are inside, and whether the program has a user of its own, whose processes are counted."""

    folder: str
    scratch: str
    python: str
    own_user: bool
    environment: Mapping[str, str]


def safe(name: str) -> str:
    """A file's name, if it is a plain relative path.

    Raises:
        DefinitionError: it is not.
    """
    parts = Path(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise DefinitionError(f"execution file {name!r}: expected a plain relative path.")
    return "/".join(parts)


def job(execution: Execution, place: Place, files: Mapping[str, bytes]) -> bytes:
    """What a keeper is sent. `files` are those that it has to lay out itself."""
    limits = execution.limits
    header = {
        "argv": [part.replace("{python}", place.python) for part in execution.argv],
        "environment": place.environment,
        "folder": place.folder,
        "scratch": place.scratch,
        "files": [[safe(name), len(data)] for name, data in files.items()],
        "stdin": len(execution.stdin),
        "workspace": len(execution.workspace or b""),
        "limits": {**msgspec.to_builtins(limits), "own_user": place.own_user},
    }
    pieces = (*files.values(), execution.stdin, execution.workspace or b"")
    return msgspec.json.encode(header) + b"\n" + b"".join(pieces)


def backstop(limits: Limits) -> Limits:
    """Limits of the keeper and its program together, for when the keeper itself fails."""
    return msgspec.structs.replace(
        limits,
        wall_s=limits.wall_s + GRACE_S,
        memory_mb=limits.memory_mb + limits.memory_mb // 4 + _KEEPER_MB,
        pids=limits.pids + 8,
        cpu_s=limits.cpu_s + GRACE_S,
    )


def largest(limits: Limits) -> int:
    """The most bytes that a report may have."""
    room = evalkit.types.workspace.MAX_ENTRIES * 3 * evalkit.types.workspace.BLOCK
    return _HEADER_BYTES + 3 * limits.output_kb * 1024 + (limits.disk_mb << 20) + room


def result(execution: Execution, raw: bytes, outer: ExecutionResult) -> ExecutionResult:
    """How the program ended, from the keeper's report and how the keeper itself ended."""
    line, _, rest = raw.partition(b"\n")
    try:
        report = msgspec.json.decode(line, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.structs.replace(
            outer, ended=outer.ended if outer.ended != "exited" else "crashed", channel=b""
        )
    ends = [sum(report.sizes[:count]) for count in range(4)]
    stdout, stderr, channel = (rest[start:end] for start, end in pairwise(ends))
    archive = rest[ends[3] :]
    whole = report.workspace and execution.workspace is not None and outer.ended == "exited"
    return ExecutionResult(
        ended=report.ended,
        exit_code=report.exit_code,
        stdout=stdout,
        stderr=stderr,
        channel=channel,
        cpu_s=report.cpu_s,
        wall_s=report.wall_s,
        memory_mb=max(report.memory_mb, outer.memory_mb or 0.0),
        backend=outer.backend,
        workspace=archive if whole else None,
        dropped=report.dropped,
    )
