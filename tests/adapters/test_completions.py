"""A continuation's probability in what hosts send back, and everything else that they send."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.adapters import completions
from evalkit.adapters.anthropic_messages import AnthropicMessages
from evalkit.adapters.openai_chat import OpenAIChat
from evalkit.errors import UsageError
from evalkit.testing import FakeProvider
from evalkit.testing.fake_completions import FakeCompletions
from evalkit.types.chat import Message, Request, Settings
from evalkit.types.generation import Likelihood, Outcome
from evalkit.types.provider import Quirks
from evalkit.types.wire import Decoded, Reply

with FakeProvider() as _server:  # its declaration; nothing is sent
    PLAIN = _server.endpoint()
    ENDPOINT = _server.endpoint(quirks=Quirks(prompt_logprobs=True))


def asking(context: str = "The sky is", continuation: str = " blue") -> Request:
    return Request(
        messages=(Message(role="user", content=context), Message(role="assistant", content=continuation)),
        settings=Settings(max_tokens=1, temperature=0.0),
        likelihood=True,
    )


def read(body: bytes, status: int = 200, request: Request | None = None) -> Decoded:
    reply = Reply(
        status=status, headers={}, body=body, marks=((len(body), 0.1),), started_at=0.0, duration_s=0.1
    )
    adapter = OpenAIChat()
    asked = request or asking()
    return adapter.decode(adapter.encode(asked, ENDPOINT, stream=True), reply, ENDPOINT, asked)


def told(tokens: list[str], logprobs: list[float | None], best: list[float | None] | None = None) -> bytes:
    tops = [None if top is None else {"x": top} for top in (best or logprobs)]
    given = {"tokens": tokens, "token_logprobs": logprobs, "top_logprobs": tops}
    return msgspec.json.encode({"choices": [{"index": 0, "text": "", "logprobs": given}], "model": "m"})


def test_what_is_sent() -> None:
    call = OpenAIChat().encode(asking(), ENDPOINT, stream=True)
    assert call.path == "/completions"
    assert msgspec.json.decode(call.body) == {
        "model": "model", "prompt": "The sky is blue", "max_tokens": 1, "temperature": 0, "logprobs": 1,
        "echo": True,
    }  # fmt: skip


CASES: list[tuple[str, list[str], list[float | None], list[float | None], Likelihood]] = [
    ("plain", ["The", " sky", " is", " blue", "."], [None, -1, -2, -3, -9], [None, -1, -2, -3, -9],
     Likelihood(logprob=-3, greedy=True, tokens=1)),
    ("another was likelier", ["The", " sky", " is", " blue", "."], [None, -1, -2, -3, -9],
     [None, -1, -2, -2.5, -9], Likelihood(logprob=-3, greedy=False, tokens=1)),
    ("a mark before the text", ["<s>", "The", " sky is", " bl", "ue", "."], [None, -1, -2, -3, -4, -9],
     [None, -1, -2, -3, -3, -9], Likelihood(logprob=-7, greedy=False, tokens=2)),
    ("a token over the border", ["The sky", " is b", "lue", "."], [None, -1.5, -2, -9], [None, -1.5, -2, -9],
     Likelihood(logprob=-3.5, greedy=True, tokens=2)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tokens", "logprobs", "best", "found"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_the_continuation_is_found(
    tokens: list[str], logprobs: list[float | None], best: list[float | None], found: Likelihood
) -> None:
    decoded = read(told(tokens, logprobs, best))
    assert decoded.outcome is Outcome.OK
    assert decoded.response is not None
    assert decoded.response.likelihood == found


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (told(["The", " sky", " is", " \ufffd", "."], [None, -1, -2, -3, -9]), "not that of the prompt"),
        (told(["The", " sky", " is", "", "."], [None, -1, -2, -3, -9]), "not that of the prompt"),
        (told([" blue"], [None]), "fewer than the prompt"),
        (told(["ue", "."], [None, -1]), "fewer than the prompt"),
        (told([" blue", "."], [None, -1]), "without a probability"),
        (told(["The sky is", " blue", "."], [None, None, -1]), "without a probability"),
        (told(["The sky is", " blue", "."], [None, -1]), "differ in length"),
        (b'{"choices": [{"text": ".", "logprobs": null}]}', "no probabilities"),
        (b'{"choices": [{"text": ".", "logprobs": {"content": []}}]}', "no probabilities"),
        (b'{"choices": []}', "no probabilities"),
        (b'{"choices": [7]}', "no probabilities"),
    ],
)
def test_what_cannot_be_told_is_not_guessed(body: bytes, words: str) -> None:
    decoded = read(body)
    assert decoded.outcome is Outcome.CONFIG_ERROR
    assert decoded.response is None
    assert decoded.failure is not None
    assert words in decoded.failure.message
    assert not decoded.retryable


@pytest.mark.parametrize(
    ("status", "body", "outcome", "retryable"),
    [
        (429, b'{"error": {"message": "slow down"}}', Outcome.RATE_LIMITED, True),
        (400, b'{"error": {"message": "echo is not supported"}}', Outcome.CONFIG_ERROR, False),
        (503, b"<html>down</html>", Outcome.INFRA_ERROR, True),
        (200, b'{"choices": [', Outcome.INFRA_ERROR, True),
        (
            200,
            b'data: {"choices": [{"delta": {"content": "x"}}]}\n\ndata: [DONE]\n\n',
            Outcome.INFRA_ERROR,
            True,
        ),
        (200, b"", Outcome.INFRA_ERROR, True),
        (200, b'{"error": {"message": "Content Exists Risk"}}', Outcome.HOST_INPUT_FILTER, False),
    ],
)
def test_other_replies_are_read_as_those_of_chats(
    status: int, body: bytes, outcome: Outcome, *, retryable: bool
) -> None:
    decoded = read(body, status)
    assert (decoded.outcome, decoded.retryable) == (outcome, retryable)


@given(st.text("ab .\n", min_size=1, max_size=30), st.text("ab .\n", min_size=1, max_size=10))
def test_any_text_is_the_sum_of_its_tokens(context: str, continuation: str) -> None:
    """Against the same server's own offsets, which other servers do not send."""
    request = asking(context, continuation)
    call = completions.encode(request, ENDPOINT)
    reply = FakeCompletions().reply(msgspec.json.decode(call.body))
    known: dict[str, Any] = reply["choices"][0]["logprobs"]
    whole = context + continuation
    inside = [
        value
        for value, start, token in zip(
            known["token_logprobs"], known["text_offset"], known["tokens"], strict=True
        )
        if start < len(whole) and start + len(token) > len(context)
    ]
    decoded = read(msgspec.json.encode(reply), request=request)
    if None in inside:
        assert decoded.response is None
        return
    assert decoded.response is not None
    assert decoded.response.likelihood is not None
    assert math.isclose(decoded.response.likelihood.logprob, sum(inside))
    assert decoded.response.likelihood.tokens == len(inside)


@given(st.binary(max_size=200))
def test_hostile_bytes_never_raise(body: bytes) -> None:
    assert read(body).response is None


def test_hosts_that_give_none_are_refused() -> None:
    with pytest.raises(UsageError, match=r"fake:model is not declared to give"):
        OpenAIChat().encode(asking(), PLAIN, stream=False)
    with pytest.raises(UsageError, match=r"gives no probabilities of a prompt"):
        AnthropicMessages().encode(asking(), ENDPOINT, stream=False)
