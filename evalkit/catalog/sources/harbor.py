"""`samples: harbor:<folder>`: tasks as folders in the format of Harbor (Terminal-Bench 2 and others)."""

from __future__ import annotations

import base64
import hashlib
import tomllib
from typing import TYPE_CHECKING, Any

from evalkit.errors import DefinitionError
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "task.toml"


def read(what: str, folder: Path) -> list[Sample]:
    """A sample for each task below a folder, which is relative to the suite's own.

    Raises:
        DefinitionError: there is no task, or one uses what is not supported.
    """
    return read_tasks(folder / what)


def read_tasks(folder: Path) -> list[Sample]:
    """A sample for each task below a folder, in the order of their names.

    Raises:
        DefinitionError: there is no task, or one uses what is not supported.
    """
    found = sorted(folder.glob(f"**/{_FILE}"))
    if not found:
        raise DefinitionError(f"{folder}: holds no {_FILE}; expected a folder of tasks in Harbor's format.")
    return [_sample(file) for file in found]


def _sample(file: Path) -> Sample:
    folder = file.parent
    try:
        task = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{file}: is not TOML: {error}.") from None
    _require_supported(file, task)
    environment, metadata = task.get("environment", {}), task.get("metadata", {})
    data: dict[str, Any] = {
        "world": "harbor",
        **_image(folder, environment),
        "tests": {
            str(path.relative_to(folder / "tests")): base64.b64encode(path.read_bytes()).decode()
            for path in sorted((folder / "tests").rglob("*"))
            if path.is_file()
        },
        "network": environment.get("allow_internet", environment.get("network_mode") != "none"),
        "memory_mb": int(environment.get("memory_mb", 2048)),
        "verify_s": float(task.get("verifier", {}).get("timeout_sec", 900.0)),
    }
    solution = folder / "solution" / "solve.sh"
    if solution.is_file():
        data["oracle"] = [["bash", {"command": solution.read_text(encoding="utf-8")}]]
    tags = (metadata.get("difficulty"), metadata.get("category"), *metadata.get("tags", ()))
    return Sample(
        id=folder.name,
        input=(folder / "instruction.md").read_text(encoding="utf-8"),
        tags=tuple(str(tag) for tag in tags if tag),
        data=data,
    )


def _image(folder: Path, environment: dict[str, Any]) -> dict[str, Any]:
    """The image to pull, or the folder to build one from under a name that is made of its contents."""
    if environment.get("docker_image"):
        return {"image": str(environment["docker_image"])}
    build = (folder / "environment").resolve()
    digest = hashlib.sha256()
    for path in sorted(build.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(build)).encode() + b"\0" + path.read_bytes() + b"\0")
    return {"image": f"localhost/evalkit-harbor:{digest.hexdigest()[:16]}", "build": str(build)}


def _require_supported(file: Path, task: dict[str, Any]) -> None:
    folder, environment = file.parent, task.get("environment", {})
    for name in ("instruction.md", "tests/test.sh"):
        if not (folder / name).is_file():
            raise DefinitionError(f"{file}: there is no {name} beside it; a task needs one.")
    if task.get("steps"):
        raise DefinitionError(f"{file} $.steps: tasks of several steps are not supported; leave it out.")
    if any((folder / "environment").glob("docker-compose.y*ml")):
        raise DefinitionError(f"{folder}/environment: docker-compose is not supported; leave the task out.")
    if not environment.get("docker_image") and not (folder / "environment" / "Dockerfile").is_file():
        raise DefinitionError(f"{file}: names no docker_image, and there is no environment/Dockerfile.")
    for part in (environment, task.get("verifier", {})):
        if part.get("env"):
            raise DefinitionError(f"{file}: env is not supported; put what is not secret into the image.")
