"""A key is in no file and no output, whatever a host sends back and whatever command is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]
CANARY = "sk-canary-4f2a9c71"
GATE = "version: 1\nrules:\n  - {name: q, metric: quality, at_least: 0.1}\n"


def commands() -> set[str]:
    """Every command that the command line has."""
    root = typer.main.get_command(__import__("evalkit.cli", fromlist=["app"]).app)
    found: set[str] = set()

    def walk(command: Any, path: tuple[str, ...]) -> None:
        children = getattr(command, "commands", {})
        for name, child in children.items():
            walk(child, (*path, name))
        if path and (not children or command.callback is not None):
            found.add(" ".join(path))

    walk(root, ())
    return found


TRIED: dict[str, list[str]] = {
    "run": ["run", "tiny", "--on", "fake:model", "--run", "r", "--progress", "json"],
    "plan": ["plan", "tiny", "--on", "fake:model", "--gate", "g.yaml"],
    "resume": ["resume", "r"],
    "recheck": ["recheck", "r"],
    "judge run": ["judge", "run", "r", "--judge", "fake:model", "--judge", "fake:model"],
    "judge calibrate": ["judge", "calibrate", "r"],
    "label": ["label", "r", "--status"],
    "import": ["import", "recorded.jsonl", "--run", "imported"],
    "merge": ["merge", "r", "--run", "merged"],
    "score": ["score", "r"],
    "report": ["report", "r", "-o", "reports/r.html"],
    "compare": ["compare", "r"],
    "gate": ["gate", "r", "--gate", "g.yaml"],
    "export": ["export", "r", "-o", "out"],
    "runs": ["runs", "--json"],
    "runs show": ["runs", "show", "r", "--json"],
    "runs verify": ["runs", "verify", "r"],
    "suites": ["suites", "--json"],
    "suites check": ["suites", "check", "tiny"],
    "suites schema": ["suites", "schema", "provider"],
    "providers": ["providers", "--json"],
    "providers show": ["providers", "show", "fake"],
    "providers check": ["providers", "check", "fake"],
    "providers discover": ["providers", "discover", "fake", "org/model"],
}
NEEDS_WEIGHTS = {"serve", "demo"}
"""They serve on this machine and take no key."""


def echoing(key: str) -> Callable[[dict[str, Any]], Behaviour]:
    """A host that sends the key back: in an answer, in errors, and in a body that is no JSON."""

    def script(body: dict[str, Any]) -> Behaviour:
        prompt = str(body["messages"][-1]["content"])
        number = int(prompt.split()[-1]) if prompt[-1].isdigit() else 0
        error = {"error": {"message": f"Incorrect key provided: {key}", "code": "invalid_api_key"}}
        return (
            Behaviour(text=f"four, and your key is {key}"),
            Behaviour(status=401, body=json.dumps(error).encode()),
            Behaviour(status=404, body=f"<html>Bearer {key}</html>".encode()),
        )[number % 3]

    return script


@pytest.mark.parametrize("place", ["environment", "dotenv"])
@pytest.mark.parametrize("transport", ["aiohttp", "openai"])
def test_no_command_lets_a_key_out(
    make_suite: Callable[..., None],
    declare: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    transport: str,
) -> None:
    make_suite(6)
    Path("g.yaml").write_text(GATE, encoding="utf-8")
    row = {"sample": "a", "prompt": "?", "response": "four", "endpoint": "fake:model"}
    Path("recorded.jsonl").write_text(json.dumps(row), encoding="utf-8")
    if place == "environment":
        monkeypatch.setenv("FAKE_API_KEY", CANARY)
    else:
        Path(".env").write_text(f"FAKE_API_KEY={CANARY}\n", encoding="utf-8")
    with FakeProvider(echoing(CANARY)) as server:
        declare(server, key_env="FAKE_API_KEY", auth="bearer")
        for arguments in TRIED.values():
            extra = ["--transport", transport, "--timeout", "5"] if arguments[0] == "run" else []
            done = subprocess.run(
                [*COMMAND, *arguments, *extra], capture_output=True, text=True, timeout=60, check=False
            )
            said = done.stdout + done.stderr
            assert "Traceback" not in said
            assert CANARY not in said, arguments
        assert len(server.requests) >= 6
    written = [p for p in Path().rglob("*") if p.is_file() and p.name != ".env"]
    assert len(written) > 10
    assert not [p for p in written if CANARY.encode() in p.read_bytes()]


def test_every_command_is_tried() -> None:
    assert commands() - NEEDS_WEIGHTS == set(TRIED)


def test_a_missing_key_is_named_and_the_environment_wins(
    make_suite: Callable[..., None], declare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_suite(1)
    with FakeProvider(Behaviour(text="four")) as server:
        declare(server, key_env="FAKE_API_KEY", auth="bearer")
        done = subprocess.run(
            [*COMMAND, "run", "tiny", "--on", "fake:model"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "set FAKE_API_KEY in the environment or in .env" in done.stderr
        assert server.requests == []
    monkeypatch.setenv("FAKE_API_KEY", "from-the-environment")
    Path(".env").write_text("FAKE_API_KEY=from-the-file\n", encoding="utf-8")
    from evalkit.cli.dotenv import load_dotenv

    load_dotenv(Path(".env"))
    assert os.environ["FAKE_API_KEY"] == "from-the-environment"
