"""`evalkit providers check` names what is wrong, and bad input ends with one sentence and exit code 2."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from evalkit.cli import main
from evalkit.errors import ExitCode
from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def error(status: int, message: str, code: str | None = None) -> Behaviour:
    return Behaviour(status=status, body=json.dumps({"error": {"message": message, "code": code}}).encode())


@pytest.fixture
def evalkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["evalkit", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


@pytest.mark.parametrize(
    ("how", "verdict", "code"),
    [
        (Behaviour(), "ok", ExitCode.OK),
        (error(401, "Incorrect API key provided"), "key rejected", ExitCode.INFRASTRUCTURE),
        (
            error(404, "The model `model` does not exist", "model_not_found"),
            "model unknown",
            ExitCode.INFRASTRUCTURE,
        ),
        (error(400, "Invalid model: model"), "model unknown", ExitCode.INFRASTRUCTURE),
        (Behaviour(status=404, body=b"<html>nothing here</html>"), "wrong URL", ExitCode.INFRASTRUCTURE),
        (error(400, "Unsupported parameter: stream_options"), "parameter rejected", ExitCode.INFRASTRUCTURE),
        (error(429, "Rate limit reached"), "limited", ExitCode.INFRASTRUCTURE),
        (error(503, "overloaded"), "unexpected", ExitCode.INFRASTRUCTURE),
        (Behaviour(drop=True), "unreachable", ExitCode.INFRASTRUCTURE),
    ],
)
def test_one_call_says_what_is_wrong(
    declare: Callable[..., None],
    evalkit: Callable[..., tuple[int, str, str]],
    how: Behaviour,
    verdict: str,
    code: ExitCode,
) -> None:
    with FakeProvider(how) as server:
        declare(server)
        ended, out, _ = evalkit("providers", "check", "fake", "--json")
        assert len(server.requests) == 1
    (checked,) = json.loads(out)
    assert (checked["verdict"], ended) == (verdict, code)
    assert checked["endpoint"] == "fake:model"


def test_a_missing_key_is_named_before_any_request(
    declare: Callable[..., None],
    evalkit: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FAKE_API_KEY", raising=False)
    with FakeProvider() as server:
        declare(server, key_env="FAKE_API_KEY", auth="bearer")
        ended, out, _ = evalkit("providers", "check", "fake", "--json")
        assert server.requests == []
    (checked,) = json.loads(out)
    assert (checked["verdict"], ended) == ("key missing", ExitCode.USAGE)
    assert "FAKE_API_KEY" in checked["detail"]


BAD = """\
id: bad
name: Bad
kind: host
adapter: openai_chat
base_url: https://api.example.org/v1
key_env: BAD_API_KEY
operator: {name: Bad}
endpoints:
  - {model: a, prices: [{input: 1, output: 2}]}
  - {model: b}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("model: b", "model: a", "declared twice"),
        ("input: 1", "input: 0", "a price is above 0"),
        ("https://", "http://", "unencrypted"),
        ("name: Bad\nkind", "name: [Bad\nkind", "bad.yaml:"),
        ("kind: host", "kind: hots", "$.kind"),
        ("", "", "BAD_API_KEY"),
    ],
    ids=["duplicate", "price", "http", "malformed", "schema", "key"],
)
def test_a_bad_declaration_is_one_sentence(
    workdir: Path,
    make_suite: Callable[..., None],
    evalkit: Callable[..., tuple[int, str, str]],
    old: str,
    new: str,
    said: str,
) -> None:
    make_suite()
    (workdir / "providers").mkdir()
    (workdir / "providers" / "bad.yaml").write_text(BAD.replace(old, new), encoding="utf-8")
    ended, _, err = evalkit("run", "tiny", "--on", "bad:a", "--progress", "json")
    assert ended == ExitCode.USAGE
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--on", "deepsek:x"], "deepseek"),
        (["--weights", "deepseek-ai/DeepSeek-V3.11"], "deepseek-ai/DeepSeek-V3.1"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(
    make_suite: Callable[..., None],
    evalkit: Callable[..., tuple[int, str, str]],
    words: list[str],
    said: str,
) -> None:
    make_suite()
    ended, _, err = evalkit("run", "tiny", *words, "--progress", "json")
    assert ended == ExitCode.USAGE
    assert said in err
    assert "Traceback" not in err
