"""A working folder in which the pages' commands run: every host that they name, on loopback."""

from __future__ import annotations

import json
import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from evalkit.catalog.providers import load_providers
from evalkit.testing import Behaviour, FakeProvider
from evalkit.types.provider import Limits
from tests.docs.pages import ROOT, code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SUITE = """\
version: "1"
title: Support
description: Questions with a fixed answer.
licence: Apache-2.0
source: this test
sensitivity: public
samples: samples.jsonl
generation: {max_tokens: 50, temperature: 0}
primary: match
scorers: [{name: match}]
"""

_ANSWER = {"endpoint": "lab:model", "response": "four"}


def right(body: dict[str, Any], most: int) -> Behaviour:
    """The right answer, at a length that depends on the question."""
    number = int((re.findall(r"\d+", str(body["messages"][-1]["content"])) or ["0"])[-1])
    return Behaviour(text="It is four, and yes" + ", indeed" * (number % most) + ".")


@pytest.fixture
def world(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """The hosts `lab` and `cutrate`, every shipped host, two suites, recorded answers, the pages' gate files.

    Gives a function that saves a file of a page; the URL in a provider's file becomes that of a fake host.
    """
    for suite in ("support", "my-suite"):
        folder = Path("suites", suite)
        folder.mkdir(parents=True)
        (folder / "suite.yaml").write_text(f"id: {suite}\n{_SUITE}", encoding="utf-8")
        rows = [{"id": f"s{n:04}", "input": f"question {n}", "target": "four"} for n in range(60)]
        (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    given = [_ANSWER | {"sample": row["id"], "prompt": row["input"]} for row in rows]
    Path("answers.jsonl").write_text("\n".join(map(json.dumps, given)), encoding="utf-8")
    shipped = [declared.provider for declared in load_providers().values()]
    Path("providers").mkdir()
    before = dict(os.environ)
    with FakeProvider(partial(right, most=5)) as lab, FakeProvider(partial(right, most=4)) as cutrate:

        def write(path: str, text: str) -> None:
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.parts[0] == "providers":
                declared = yaml.safe_load(text)
                assert declared["base_url"] not in {lab.url, cutrate.url}
                text = text.replace(declared["base_url"], lab.url)
            target.write_text(text, encoding="utf-8")

        for provider in (lab.provider("lab"), cutrate.provider("cutrate"), *shipped):
            if provider.adapter == "openai_chat":
                near = msgspec.structs.replace(provider, base_url=lab.url, limits=Limits(concurrency=16))
                if provider.id == "cutrate":
                    near = msgspec.structs.replace(near, base_url=cutrate.url)
                text = yaml.safe_dump(msgspec.to_builtins(near))
                Path("providers", f"{provider.id}.yaml").write_text(text, encoding="utf-8")
                if provider.key_env:
                    monkeypatch.setenv(provider.key_env, "of-a-test")
        gates = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
        rules = next(b.text for b in code(gates) if b.language == "yaml" and b.text.startswith("version:"))
        Path("move.gate.yaml").write_text(rules, encoding="utf-8")
        yield write
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
