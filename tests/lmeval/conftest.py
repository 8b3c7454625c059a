"""A working folder with small tasks of lm-eval, a suite that names some of them, and a host that answers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).resolve().parents[1] / "data" / "lm_eval"


@pytest.fixture
def tasks(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tasks in `tasks/`; their data where lm-eval looks for it, in the working folder."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(workdir / ".cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (workdir / "tasks").mkdir()
    for file in DATA.iterdir():
        if file.is_file():
            shutil.copy(file, workdir / ("" if file.suffix == ".jsonl" else "tasks"))
    return workdir


@pytest.fixture
def suite_of(tasks: Path) -> Callable[..., str]:
    def write(
        primary: str, name: str = "own", generation: dict[str, Any] | None = None, **source: Any
    ) -> str:
        folder = tasks / "suites" / name
        folder.mkdir(parents=True, exist_ok=True)
        suite = {
            "id": name, "version": "1", "title": "t", "description": "d", "licence": "Apache-2.0",
            "source": "this test", "lm_eval": {"include_path": "../../tasks", **source},
            "generation": generation or {"max_tokens": None}, "primary": primary,
            "solver": {"name": "lm_eval"}, "scorers": [{"name": "lm_eval"}],
        }  # fmt: skip
        (folder / "suite.yaml").write_text(yaml.safe_dump(suite), encoding="utf-8")
        return name

    return write


@pytest.fixture
def declare(tasks: Path) -> Callable[..., None]:
    def write(server: FakeProvider, name: str = "fake", **changes: Any) -> None:
        (tasks / "providers").mkdir(exist_ok=True)
        text = yaml.safe_dump(msgspec.to_builtins(server.provider(name, **changes)))
        (tasks / "providers" / f"{name}.yaml").write_text(text, encoding="utf-8")

    return write


def answer(body: dict[str, Any]) -> Behaviour:
    """An answer that depends on the question only: some right in one form, some in another, some wrong."""
    if "messages" not in body:
        return Behaviour()
    said = str(body["messages"][-1]["content"])
    numbers = [int(n) for n in re.findall(r"\d+", said)]
    if len(numbers) != 2:
        return Behaviour(
            text=f"about {len(said)} things, or so" if len(said) % 2 else "Plain words that go on and on"
        )
    total = sum(numbers)
    forms = [f"It is so. #### {total}", f"The sum is {total}.", f"#### {total + 1}", "no idea"]
    return Behaviour(text=forms[total % 4])
