"""A task in Harbor's folder format (Terminal-Bench 2 and others): a container, and tests that give a reward.

Each command runs in a fresh container of the image that the one before left; so files everywhere stay, and no
process outlives its command. The tests run in a container of the last image, with their files put in only
then. As the format has it, they run on the agent's own root: an agent that replaced programs there could
forge the reward, unlike in a workspace.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from evalkit.errors import DefinitionError
from evalkit.types.effects import Execute
from evalkit.types.execution import Container, Execution, ExecutionResult, Limits
from evalkit.worlds.base import SandboxError, Toolbox, ToolError, tool
from evalkit.worlds.task import Checked, Common

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalkit.types.suite import Sample
    from evalkit.worlds.base import Acting
    from evalkit.worlds.task import Checking

REWARDS = ("/logs/verifier/reward.txt", "/logs/verifier/reward.json")


class HarborTask(Common, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `evalkit.catalog.sources.harbor` reads of a folder.

    `image` is pulled, or built from the folder `build`. `tests` are files in base64, by path below /tests.
    Times are seconds. The format's limit on the agent's time is left out: a slow host must not lose by it.
    """

    image: str
    build: str | None = None
    tests: dict[str, str]
    network: bool = True
    memory_mb: int = 2048
    command_s: float = 600.0
    verify_s: float = 900.0


class Harbor(Toolbox):
    """See the module."""

    rules: ClassVar[str] = (
        "You work in a Linux container. Use the tool to do what is asked, then say in one sentence what you "
        "did. Every command runs in a new shell: files stay, variables and background processes do not."
    )

    def __init__(self, task: HarborTask) -> None:
        self._task = task
        self._image = task.image

    @classmethod
    def begin(cls, sample: Sample) -> Harbor:
        """See `evalkit.worlds.task.WorldKind`."""
        return cls(harbor_task_of(sample))

    @tool
    def bash(self, command: str) -> Acting:
        """Run a command in bash and show what it prints and its exit code.

        command: Any bash code.
        """
        result: ExecutionResult = yield Execute(
            execution=Execution(
                argv=("bash", "-c", f"exec 2>&1\n{command}"),
                files={},
                limits=_limits(self._task, self._task.command_s),
                container=Container(image=self._image, network=self._task.network),
            )
        )
        _require_engine(result)
        self._image = result.image or self._image
        printed = result.stdout.decode("utf-8", "replace")
        if result.ended == "wall_limit":
            raise ToolError(
                f"{printed}\n[stopped: it ran for more than {self._task.command_s:g} s]", "stopped"
            )
        return printed if result.exit_code == 0 and printed else f"{printed}\n[exit code {result.exit_code}]"

    def holds(self, condition: dict[str, Any]) -> bool:
        """Harbor's tasks have no user who waits for something."""
        raise DefinitionError(f"a condition in a Harbor task: {condition}; expected none.")

    def state(self) -> dict[str, Any]:
        """What the check of the end state reads."""
        return {"image": self._image}

    @classmethod
    def check(cls, sample: Sample, state: dict[str, Any]) -> Checking:
        """See `evalkit.worlds.task.WorldKind`."""
        task = harbor_task_of(sample)
        files = {f"tests/{name}": base64.b64decode(text) for name, text in task.tests.items()}
        result: ExecutionResult = yield Execute(
            execution=Execution(
                argv=("bash", "/tests/test.sh"),
                files={**files, "logs/verifier/.evalkit": b""},
                limits=_limits(task, task.verify_s),
                container=Container(image=state["image"], network=task.network, read=REWARDS),
            )
        )
        _require_engine(result)
        reward = reward_of(result.channel)
        if reward is None:
            end = result.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
            return Checked(broken=(f"the tests gave no reward: {result.ended} {end}".strip(),))
        return Checked(broken=() if reward >= 1 else (f"the tests gave the reward {reward:g}",))


def harbor_task_of(sample: Sample) -> HarborTask:
    """The task that a sample declares.

    Raises:
        DefinitionError: its `data` is not one.
    """
    try:
        return msgspec.convert(sample.data, HarborTask)
    except msgspec.ValidationError as error:
        raise DefinitionError(
            f"sample {sample.id!r} $.data: {error}; see `evalkit.worlds.harbor.HarborTask`."
        ) from None


def images_of(samples: Iterable[Sample]) -> dict[str, str | None]:
    """Images that the samples of this world need, with the folder to build one from if it is not pulled."""
    tasks = [harbor_task_of(sample) for sample in samples if sample.data.get("world") == "harbor"]
    return {task.image: task.build for task in tasks}


def reward_of(text: bytes) -> float | None:
    """The reward that tests wrote: one number, or the smallest of named ones; None if they wrote none."""
    try:
        found = msgspec.json.decode(text.strip())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    values = list(found.values()) if isinstance(found, dict) else [found]
    numbers = [float(v) for v in values if isinstance(v, int | float)]
    return min(numbers) if numbers and len(numbers) == len(values) else None


def _limits(task: HarborTask, seconds: float) -> Limits:
    return Limits(cpu_s=seconds, wall_s=seconds, memory_mb=task.memory_mb, pids=512, output_kb=256)


def _require_engine(result: ExecutionResult) -> None:
    if result.ended == "crashed" and result.exit_code is None:
        raise SandboxError(result.stderr.decode("utf-8", "replace").strip()[:300])
