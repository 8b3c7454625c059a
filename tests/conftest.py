"""Every test runs without the user's keys, files and folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if name.endswith(("_KEY", "_TOKEN")) or name.startswith(("EVALKIT_", "OPENAI_", "XDG_CONFIG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def rooms_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package of others that adds the world `rooms`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "worlds" / "plugin"))


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder that the test runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
