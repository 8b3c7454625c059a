"""Loads tasks of lm-eval and has them build their requests, without leaving a trace in the process."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.errors import DefinitionError, MissingDataError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.types.suite import LmEvalSource

OLDEST = (0, 4, 13)
INSTALL = "pip install 'evalkit[lm-eval]'"
_PYTHON_SEED = 0
_NUMPY_SEED = 1234
"""What the `lm_eval` command seeds the global generators with, so that tasks that draw from them agree."""

_LOADED: dict[tuple[bytes, str], Loaded] = {}


class Loaded(msgspec.Struct, frozen=True):
    """Tasks by name, and the groups that each of them belongs to."""

    tasks: dict[str, Any]
    groups: dict[str, tuple[str, ...]]


def version() -> str:
    """The version of lm-eval that is installed.

    Raises:
        MissingDataError: it is not installed.
        UsageError: it is older than what evalkit was tested with.
    """
    try:
        found = importlib.metadata.version("lm_eval")
    except importlib.metadata.PackageNotFoundError:
        raise MissingDataError(
            f"This suite names tasks of lm-eval, which is not installed: {INSTALL}."
        ) from None
    numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UsageError(f"lm-eval {found} is installed, but {oldest} or newer is needed: {INSTALL}.")
    return found


def load(source: LmEvalSource, folder: Path) -> Loaded:
    """The tasks that a suite names; groups and tags are taken apart. Read once in a process.

    Raises:
        MissingDataError: lm-eval is not installed.
        UnknownNameError: there is no such task.
        UsageError: a task cannot be loaded, for instance because its data is not on this machine.
        DefinitionError: a task asks for what evalkit does not do.
    """
    key = (msgspec.json.encode(source), str(folder.resolve()))
    if key not in _LOADED:
        version()
        with (
            undisturbed(),
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            _LOADED[key] = _load(source, folder)
    return _LOADED[key]


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Code of tasks may draw from the global generators: seed them for it, and put them back afterwards."""
    import numpy

    before = random.getstate()
    numbers = numpy.random.get_state()
    names = set(os.environ)
    random.seed(_PYTHON_SEED)
    numpy.random.seed(_NUMPY_SEED)
    try:
        yield
    finally:
        random.setstate(before)
        numpy.random.set_state(numbers)
        for name in set(os.environ) - names:
            del os.environ[name]


def _load(source: LmEvalSource, folder: Path) -> Loaded:
    manager = _manager(source, folder)
    tasks: dict[str, Any] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for name in source.tasks:
        _refuse_code(manager, name)
        loaded = _loaded(manager, name)
        for task_name, task in loaded["tasks"].items():
            if task_name in tasks:
                raise DefinitionError(
                    f"lm_eval.tasks: {task_name!r} is named twice, last by {name!r}; name it once."
                )
            tasks[task_name] = task
            groups[task_name] = ()
        for group_name, group in loaded.get("groups", {}).items():
            for task in group.get_all_tasks():
                groups[task.task_name] += (group_name,)
    for name, task in tasks.items():
        _require_doable(name, task, source)
        _configure(task, source)
    return Loaded(tasks, groups)


def _manager(source: LmEvalSource, folder: Path) -> Any:
    """An index of task files. That of all of lm-eval takes ten seconds, so it is made only if it must be."""
    from lm_eval import tasks
    from lm_eval.tasks import TaskManager

    own: list[str] = []
    if source.include_path is not None:
        place = folder / source.include_path
        if not place.is_dir():
            raise DefinitionError(f"lm_eval.include_path: there is no folder {place}.")
        own.append(str(place))
    shipped = Path(str(tasks.__file__)).parent
    near = [str(p) for p in map(shipped.joinpath, _folders_of(source.tasks)) if p.is_dir()]
    for paths in ([own] if own else []) + [near + own]:
        manager = TaskManager(include_path=list(paths), include_defaults=False)
        if _complete(manager, source.tasks):
            return manager
    manager = TaskManager(include_path=list(own) or None)
    for name in source.tasks:
        if name not in manager.all_tasks:
            raise UnknownNameError(
                "task of lm-eval", name, manager.all_tasks, "`lm_eval ls tasks` lists them."
            )
    return manager


def _folders_of(names: Sequence[str]) -> list[str]:
    """Where tasks are by custom: `mmlu_pro_law` in `mmlu_pro`."""
    parts = [name.split("_") for name in names]
    return sorted({"_".join(part[:end]) for part in parts for end in range(1, len(part) + 1)})


def _complete(manager: Any, names: Sequence[str]) -> bool:
    """Whether an index holds these names and everything that they are made of."""
    index = manager.task_index
    found = [index.get(name) for name in names]
    if not all(found):
        return False
    for entry in found:
        children = (entry.cfg or {}).get("task")
        if isinstance(children, list) and not _complete(
            manager, [child for child in children if isinstance(child, str)]
        ):
            return False
    return True


def _loaded(manager: Any, name: str) -> Any:
    try:
        return manager.load([name])
    except Exception as error:  # noqa: BLE001  # task files run code of others, which may raise anything
        if isinstance(error, ImportError) and error.name:
            raise MissingDataError(
                f"Task {name!r} of lm-eval needs the Python package {error.name!r}, which is not installed; "
                "install it (lm-eval has extras for some tasks)."
            ) from None
        offline = " ($HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise UsageError(
            f"Task {name!r} of lm-eval cannot be loaded{offline}: {_reason(error)}; check its files, or give "
            "it local data (dataset_path: json)."
        ) from None


def _reason(error: BaseException) -> str:
    lines = str(error).strip().split("\n")
    return f"{type(error).__name__}: {lines[0][:300]}" if lines[0] else type(error).__name__


def _refuse_code(manager: Any, name: str) -> None:
    """Before a task's own code is imported: some load what would run answers as soon as they are."""
    config = manager.task_index[name].cfg or {}
    if config.get("unsafe_code"):
        raise _unsafe(name)


def _unsafe(name: str) -> DefinitionError:
    return DefinitionError(
        f"lm_eval.tasks: {name!r} runs the model's code in this process; use evalkit's coding suites "
        "(humaneval, mbpp, ...), which run it in a sandbox."
    )


def _require_doable(name: str, task: Any, source: LmEvalSource) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise _unsafe(name)
    if getattr(task, "MULTIMODAL", False):
        raise DefinitionError(f"lm_eval.tasks: {name!r} shows images or sound; evalkit asks in text only.")
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        raise DefinitionError(
            f"lm_eval.tasks: {name!r} asks for the probability of whole documents (loglikelihood_rolling), "
            "which no host's API gives from the first token on; leave it out."
        )
    begun = task.get_config("gen_prefix")
    if begun and task.OUTPUT_TYPE == "generate_until" and source.gen_prefix == "refuse":
        raise DefinitionError(
            f"lm_eval.tasks: {name!r} begins the model's answer (gen_prefix {begun!r}), which most chat "
            "hosts do not continue; set `gen_prefix: send` if all that you ask do."
        )


def _configure(task: Any, source: LmEvalSource) -> None:
    """As `lm_eval.simple_evaluate` does before it evaluates."""
    if source.gen_kwargs and task.OUTPUT_TYPE == "generate_until":
        task.set_config(key="generation_kwargs", value=dict(source.gen_kwargs), update=True)
    own = task.get_config("num_fewshot")
    if source.num_fewshot is not None and own != 0:  # a task that says 0 means it
        task.set_config(key="num_fewshot", value=source.num_fewshot)
    elif own is None:
        task.set_config(key="num_fewshot", value=0)
