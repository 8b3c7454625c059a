"""Programs run in a sandbox: what is run, under which limits, and how it ended."""

from __future__ import annotations

from typing import Literal

import msgspec

Ended = Literal["exited", "cpu_limit", "wall_limit", "memory_limit", "output_limit", "crashed"]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one execution.

    CPU time is what counts; `wall_s` is a looser net, so that a loaded machine does not fail right answers.
    Memory is that of the whole process tree.
    """

    cpu_s: float = 10.0
    wall_s: float = 60.0
    memory_mb: int = 512
    disk_mb: int = 64
    pids: int = 64
    output_kb: int = 1024


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A container of docker or podman in place of the sandbox, for tasks that bring an image.

    `image` is where it starts. The execution's files are laid out below `/`. What is left is an image again,
    unless `read` names files: then the first of them that there is becomes the result's `channel`.
    """

    image: str
    network: bool = False
    read: tuple[str, ...] = ()


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """A program to run once.

    `files` are laid out read-only in the working folder. With a `workspace` (see `evalkit.types.workspace`;
    `b""` is an empty one) the working folder is /work instead, writable and laid out from that archive, and
    the files are in /job. In `argv`, `{python}` stands for an interpreter and `{channel}` for the number of
    a pipe that ends in the result's `channel`. `alone` waits until no other program of this sandbox runs.
    """

    argv: tuple[str, ...]
    files: dict[str, bytes]
    limits: Limits
    stdin: bytes = b""
    workspace: bytes | None = None
    alone: bool = False
    container: Container | None = None


class ExecutionResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an execution ended.

    `channel` is what the program's driver wrote to the private result pipe. Times are seconds, memory is
    the peak of the tree in MiB where the backend can tell. `workspace` is the folder that the program left,
    after everything it had started was stopped: hostile, so read it with `evalkit.types.workspace.unpack`
    only; None if there was none or it could not be kept. `dropped` are the first names in it that a
    workspace cannot hold.
    """

    ended: Ended
    exit_code: int | None
    stdout: bytes
    stderr: bytes
    channel: bytes
    cpu_s: float
    wall_s: float
    memory_mb: float | None = None
    backend: str = ""
    workspace: bytes | None = None
    dropped: tuple[str, ...] = ()
    image: str | None = None
