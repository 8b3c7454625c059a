"""A small suite and a fake host in an empty working folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.testing import FakeProvider

SUITE = """\
id: tiny
version: "1"
title: Tiny
description: Questions with a fixed answer.
licence: Apache-2.0
source: this test
sensitivity: {sensitivity}
samples: samples.jsonl
generation:
  max_tokens: 50
  temperature: 0
primary: match
scorers:
  - name: match
"""


@pytest.fixture
def make_suite(workdir: Path) -> Callable[..., None]:
    def make(count: int = 8, sensitivity: str = "public") -> None:
        folder = workdir / "suites" / "tiny"
        folder.mkdir(parents=True)
        (folder / "suite.yaml").write_text(SUITE.format(sensitivity=sensitivity), encoding="utf-8")
        rows = [{"id": f"s{n:04}", "input": f"question {n}", "target": "four"} for n in range(count)]
        (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    return make


@pytest.fixture
def declare(workdir: Path) -> Callable[..., None]:
    def write(server: FakeProvider, name: str = "fake", **changes: object) -> None:
        folder = workdir / "providers"
        folder.mkdir(exist_ok=True)
        text = yaml.safe_dump(msgspec.to_builtins(server.provider(name, **changes)))
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    return write
