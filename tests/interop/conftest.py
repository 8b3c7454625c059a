"""The other tools' own readers, in an environment of their own: their pins and ours do not go together."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("INTEROP_PYTHON", ROOT / ".venv-interop" / "bin" / "python"))
SCRIPTS = Path(__file__).with_name("scripts")


@pytest.fixture(scope="session")
def theirs() -> Path:
    """The interpreter of the other environment."""
    if not PYTHON.exists():
        pytest.skip("needs .venv-interop with inspect-ai, every-eval-ever and mlflow (`make test` makes it)")
    return PYTHON


@pytest.fixture
def run_theirs(theirs: Path) -> Callable[..., str]:
    """Run a script of `tests/interop/scripts`, or a module, with their interpreter."""

    def run(*words: str | Path, cwd: Path | None = None, check: bool = True) -> str:
        first = [str(SCRIPTS / words[0])] if str(words[0]).endswith(".py") else ["-m", str(words[0])]
        clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [str(theirs), *first, *(str(word) for word in words[1:])],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**clean, "HF_HUB_OFFLINE": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
            timeout=110,
        )
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    return run
