"""How probable a text is after another: `/completions` with `echo` and `logprobs`, as vLLM and SGLang do it.

The host is sent context and continuation as one text, gives each token's logarithm of probability back, and
must generate one token more, which is left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.adapters.parts import gather, json_object, usage_of
from evalkit.adapters.reading import read
from evalkit.errors import UsageError
from evalkit.types.generation import Failure, Likelihood, Outcome, Response
from evalkit.types.wire import Call, Decoded, Reply

if TYPE_CHECKING:
    from evalkit.types.chat import Request
    from evalkit.types.provider import Endpoint

PATH = "/completions"


class _Logprobs(msgspec.Struct):
    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]


def encode(request: Request, endpoint: Endpoint) -> Call:
    """Exact bytes for the question.

    Raises:
        UsageError: the endpoint is not declared to give a prompt's probabilities.
    """
    require_likelihood(endpoint)
    context, continuation = _texts(request)
    body: dict[str, Any] = {
        "model": endpoint.model,
        "prompt": context + continuation,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 1,
        "echo": True,
    }
    return Call(path=PATH, body=msgspec.json.encode(body), stream=False)


def require_likelihood(endpoint: Endpoint) -> None:
    """Refuse an endpoint that is not declared to give a prompt's probabilities.

    Raises:
        UsageError: it is not.
    """
    if not endpoint.quirks.prompt_logprobs:
        raise UsageError(
            f"{endpoint.id} is not declared to give the probabilities of a prompt, which a log-likelihood "
            "task needs; leave it out, or declare quirks.prompt_logprobs if its /completions answers "
            "echo and logprobs (as vLLM and SGLang do)."
        )


def decode(reply: Reply, endpoint: Endpoint, request: Request) -> Decoded:
    """Read a reply, whatever it is."""
    body = json_object(reply.body)
    gathered = gather(reply)
    if reply.status is None or gathered is None or gathered.error is not None:
        return read(gathered, reply, endpoint, request)
    if reply.error is not None or body is None:
        return read(None, msgspec.structs.replace(reply, body=b""), endpoint, request)
    try:
        choice = body["choices"][0]
        given = msgspec.convert(choice["logprobs"], _Logprobs)
    except (msgspec.ValidationError, LookupError, TypeError):
        return _config("the host gave no probabilities of the prompt's tokens", reply)
    found = likelihood(given.tokens, given.token_logprobs, given.top_logprobs, _texts(request))
    if isinstance(found, str):
        return _config(found, reply)
    served = body.get("model")
    return Decoded(
        outcome=Outcome.OK,
        response=Response(
            finish="stop",
            served_model=served if isinstance(served, str) else None,
            response_id=body["id"] if isinstance(body.get("id"), str) else None,
            usage=usage_of(body["usage"] if isinstance(body.get("usage"), dict) else None),
            likelihood=found,
        ),
    )


def likelihood(
    tokens: list[str],
    logprobs: list[float | None],
    tops: list[dict[str, float] | None],
    texts: tuple[str, str],
) -> Likelihood | str:
    """The continuation's share of what came back, or why it cannot be told.

    The last token is the generated one. Counting is from the end, because hosts differ in what stands at the
    beginning. A token that holds the end of the context and the start of the continuation belongs to the
    latter; where a token's text is not that of the prompt (part of a character), nothing is guessed.
    """
    if not len(tokens) == len(logprobs) == len(tops):
        return "the host's lists of tokens and of probabilities differ in length"
    context, continuation = texts
    first, rest = len(tokens) - 1, continuation
    while rest and first > 0:
        first -= 1
        token = tokens[first]
        if not token or not (context + rest).endswith(token):
            return f"the token {token[:40]!r} is not that of the prompt at its place"
        rest = rest[: -len(token)]
    if rest:
        return "the host's tokens are fewer than the prompt has"
    values = logprobs[first:-1]
    best = tops[first:-1]
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) != len(values) or not all(best):
        return "the host left a token of the continuation without a probability"
    greedy = all(value >= max(top.values()) for value, top in zip(known, best, strict=True) if top)
    return Likelihood(logprob=math.fsum(known), greedy=greedy, tokens=len(known))


def _texts(request: Request) -> tuple[str, str]:
    context, continuation = request.messages
    return context.content or "", continuation.content or ""


def _config(message: str, reply: Reply) -> Decoded:
    """Asking again gives the same: this host's API cannot do it, or not for this text."""
    start = reply.body[:1000].decode("utf-8", "replace")
    failure = Failure(message=message, status=reply.status, code="no_prompt_logprobs", body=start)
    return Decoded(outcome=Outcome.CONFIG_ERROR, failure=failure)
