"""A folder in the sandbox: shell, Python, and files to read and edit.

The folder is an archive in memory. A command gets it in a fresh sandbox instance and gives back another; no
process outlives its command. Files are read and edited in the archive, without a sandbox. Times of change are
counted in commands instead of seconds, so that a resumed trial sees what the interrupted one saw.

The task's `verify` runs after the agent is gone, in a fresh instance over a copy of the folder. Its source
and the hidden files are in the memory of a process that no other can open; it answers on a pipe that programs
which it starts do not have.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from evalkit.errors import DefinitionError
from evalkit.types.effects import Execute
from evalkit.types.execution import Execution, ExecutionResult, Limits
from evalkit.types.workspace import ArchiveError, Entry, pack, unpack
from evalkit.worlds.base import SandboxError, Toolbox, ToolError, tool
from evalkit.worlds.task import Checked, Common

if TYPE_CHECKING:
    from collections.abc import Generator

    from evalkit.types.suite import Sample
    from evalkit.worlds.base import Acting
    from evalkit.worlds.task import Checking

BEGUN = 1_767_225_600
"""Time of change of a workspace's first files: 2026-01-01 in UTC. Each command is a minute later."""

COMMAND = Limits(cpu_s=30, wall_s=120, memory_mb=1024, disk_mb=256, pids=128, output_kb=256)
VERIFY = Limits(cpu_s=60, wall_s=240, memory_mb=1024, disk_mb=256, pids=128)
_DRIVER = Path(__file__).with_name("verify_driver.py")
_SHELL = 'exec 2>&1; export TZ=UTC LC_ALL=C.UTF-8 TIME_STYLE=+%Y; exec "$0" "$@"'
"""A listing shows years only: whoever resumes a trial lists the same files minutes or days later."""
_STOPPED = {
    "cpu_limit": "it used more than {cpu_s:g} s of CPU time",
    "wall_limit": "it ran for more than {wall_s:g} s",
    "memory_limit": "it used more than {memory_mb} MB or {pids} processes",
    "output_limit": "it wrote more than {output_kb} KB",
}


class WorkspaceTask(Common, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task in a workspace.

    `files` are the first files by path below the folder. What matches a pattern of `keep` (`*` matches
    slashes too) must be unchanged in the end; a change is a side effect. `verify` is Python that defines
    `verify(work: pathlib.Path) -> list[str]`: what is broken, in words, empty when the task is solved. It
    finds the texts of `hidden` by path in the global `HIDDEN`. It may run programs of the agent as processes
    of their own, but must not import them.
    """

    files: dict[str, str]
    verify: str
    keep: tuple[str, ...] = ()
    hidden: dict[str, str] = msgspec.field(default_factory=dict)
    rules: str = ""


class Workspace(Toolbox):
    """See the module."""

    rules: ClassVar[str] = (
        "You work in the folder /work of a Linux machine without a network. Use the tools to do what is "
        "asked, then say in one sentence what you did. Every command starts in /work in a new shell: files "
        "stay, variables and background processes do not."
    )
    needs_sandbox: ClassVar[bool] = True

    def __init__(self, task: WorkspaceTask, limits: Limits = COMMAND) -> None:
        if task.rules:
            self.rules = task.rules  # type: ignore[misc]
        self._limits = limits
        self._entries = _first(task)
        self._step = 0

    @classmethod
    def begin(cls, sample: Sample) -> Workspace:
        """See `evalkit.worlds.task.WorldKind`."""
        return cls(workspace_task_of(sample))

    @tool
    def bash(self, command: str) -> Acting:
        """Run a command in bash and show what it prints and its exit code.

        command: Any bash code.
        """
        return self._run(("/bin/bash", "-c", command))

    @tool
    def python(self, code: str) -> Acting:
        """Run Python code in a new process and show what it prints.

        code: A whole program; the standard library is there.
        """
        return self._run(("{python}", "-B", "-"), code)

    @tool
    def read_file(self, path: str, first_line: int = 1, lines: int = 400) -> str:
        """Show a text file.

        path: Below /work.
        first_line: The first line to show, counted from 1.
        lines: How many lines to show.
        """
        text = self._text(_below(path)).splitlines(keepends=True)
        begin = max(0, first_line - 1)
        shown = "".join(text[begin : begin + max(0, lines)])
        left = len(text) - begin - max(0, lines)
        return f"{shown}[{left} more lines]" if left > 0 else shown

    @tool
    def write_file(self, path: str, text: str) -> str:
        """Write a text file, in place of the one that is there if there is one.

        path: Below /work.
        text: All that the file shall hold.
        """
        name = _below(path)
        self._write(name, text)
        return f"{name}: {len(text.encode('utf-8', 'replace'))} bytes written."

    @tool
    def str_replace(self, path: str, old: str, new: str) -> str:
        """Replace one piece of a text file. It must occur exactly once.

        path: Below /work.
        old: The piece as it stands in the file, whitespace included.
        new: What shall stand there.
        """
        name = _below(path)
        text = self._text(name)
        found = text.count(old) if old else 0
        if found != 1:
            raise ToolError(f"{name}: the piece occurs {found} times; it must occur exactly once.")
        self._write(name, text.replace(old, new))
        return f"{name}: replaced."

    def holds(self, condition: dict[str, Any]) -> bool:
        """Whether `{file, has}` is true now: the file exists, and holds the text if one is given.

        Raises:
            DefinitionError: it is no condition.
        """
        if not isinstance(condition.get("file"), str) or set(condition) - {"file", "has"}:
            raise DefinitionError(f"a condition in a workspace: {condition}; expected file and has.")
        entry = self._entries.get(condition["file"])
        has = str(condition.get("has", ""))
        return entry is not None and has in entry.data.decode("utf-8", "replace")

    def state(self) -> dict[str, Any]:
        """What the check of the end state reads."""
        return {"workspace": pack(self._entries)}

    @classmethod
    def check(cls, sample: Sample, state: dict[str, Any]) -> Checking:
        """See `evalkit.worlds.task.WorldKind`."""
        task = workspace_task_of(sample)
        side = tuple(_changed(_first(task), unpack(state["workspace"]), task.keep))
        execution = verification(task, state["workspace"])
        result: ExecutionResult = yield Execute(execution=execution)
        if result.ended in {"cpu_limit", "wall_limit"}:
            result = yield Execute(execution=execution)  # once more: the machine may have been busy
        return Checked(broken=verdict(result), side_effects=side)

    def _run(self, argv: tuple[str, ...], stdin: str = "") -> Acting:
        result: ExecutionResult = yield Execute(
            execution=Execution(
                argv=("/bin/bash", "-c", _SHELL, *argv),
                files={},
                limits=self._limits,
                stdin=stdin.encode("utf-8", "replace"),
                workspace=pack(self._entries),
            )
        )
        _require_sandbox(result)
        self._take_back(result)
        printed = result.stdout.decode("utf-8", "replace")
        if result.ended in _STOPPED:
            why = _STOPPED[result.ended].format(**msgspec.structs.asdict(self._limits))
            raise ToolError(f"{printed}\n[stopped: {why}]", "stopped")
        code = f"[exit code {result.exit_code}]"
        return printed if result.exit_code == 0 and printed else f"{printed}\n{code}".lstrip("\n")

    def _take_back(self, result: ExecutionResult) -> None:
        """Keep what the command left; what it changed is a minute newer than all before."""
        if result.workspace is None:
            return  # it was stopped before it could be packed: the folder is as it was
        self._step += 1
        now = BEGUN + 60 * self._step
        before, after = self._entries, unpack(result.workspace)
        self._entries = {
            name: entry._replace(mtime=before[name].mtime if _same(before.get(name), entry) else now)
            for name, entry in after.items()
        }

    def _text(self, name: str) -> str:
        entry = self._entries.get(name)
        if entry is None or entry.folder or entry.link is not None:
            near = sorted(n for n in self._entries if n.rpartition("/")[0] == name.rpartition("/")[0])[:20]
            raise ToolError(f"There is no file {name!r}; in its folder: {', '.join(near) or 'nothing'}.")
        try:
            return entry.data.decode()
        except UnicodeDecodeError:
            raise ToolError(f"{name} is not text.") from None

    def _write(self, name: str, text: str) -> None:
        before = self._entries.get(name)
        parents = [name[:at] for at, char in enumerate(name) if char == "/"]
        blocked = [p for p in parents if p in self._entries and not self._entries[p].folder]
        if blocked or (before is not None and (before.folder or before.link is not None)):
            raise ToolError(f"{(blocked or [name])[0]} is not a file or folder that can be written to.")
        self._step += 1
        mode = before.mode if before is not None else 0o644
        data = text.encode("utf-8", "replace")
        self._entries[name] = Entry(data=data, mode=mode, mtime=BEGUN + 60 * self._step)


def workspace_task_of(sample: Sample) -> WorkspaceTask:
    """The task in a workspace that a sample declares.

    Raises:
        DefinitionError: its `data` is not one.
    """
    try:
        return msgspec.convert(sample.data, WorkspaceTask)
    except msgspec.ValidationError as error:
        raise DefinitionError(
            f"sample {sample.id!r} $.data: {error}; see `evalkit.worlds.workspace.WorkspaceTask`."
        ) from None


def verification(task: WorkspaceTask, workspace: bytes) -> Execution:
    """The run of a task's `verify` over a copy of the folder."""
    job = {"source": task.verify, "hidden": task.hidden}
    return Execution(
        argv=("{python}", "-I", "-S", "-B", "-c", _DRIVER.read_text(encoding="utf-8"), "{channel}"),
        files={},
        limits=VERIFY,
        stdin=msgspec.json.encode(job),
        workspace=workspace,
    )


def verdict(result: ExecutionResult) -> tuple[str, ...]:
    """What `verify` said is broken.

    Raises:
        SandboxError: the sandbox failed.
    """
    _require_sandbox(result)
    try:
        said = msgspec.json.decode(result.channel, type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        end = result.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        return (f"the check did not end: {result.ended} {end}".strip(),)
    return tuple(text[:500] for text in said[:50])


def _require_sandbox(result: ExecutionResult) -> None:
    if result.stderr.startswith(b"bwrap:"):
        raise SandboxError(result.stderr.decode("utf-8", "replace").strip()[:300])


def _first(task: WorkspaceTask) -> dict[str, Entry]:
    try:
        entries = {name: Entry(data=text.encode(), mtime=BEGUN) for name, text in task.files.items()}
        pack(entries)
    except (ArchiveError, UnicodeEncodeError) as error:
        raise DefinitionError(f"a workspace's files: {error}.") from None
    return entries


def _below(path: str) -> str:
    """A path below /work as the archive names it."""
    parts = path.removeprefix("/work/").split("/")
    plain = [part for part in parts if part not in {"", "."}]
    if not plain or ".." in plain or "\0" in path or (path.startswith("/") and not path.startswith("/work/")):
        raise ToolError(f"{path!r}: expected the path of a file below /work.")
    return "/".join(plain)


def _same(before: Entry | None, after: Entry) -> bool:
    return before is not None and (before.data, before.mode, before.link, before.folder) == (
        after.data,
        after.mode,
        after.link,
        after.folder,
    )


def _changed(before: dict[str, Entry], after: dict[str, Entry], keep: tuple[str, ...]) -> Generator[str]:
    """Files that match a pattern and are not as they were, in words."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in keep) or (new and new.folder):
            continue
        if old is None:
            yield f"{name} was added"
        elif new is None:
            yield f"{name} was deleted"
        elif (old.data, old.link) != (new.data, new.link):
            yield f"{name} was changed"
