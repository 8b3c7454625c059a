"""Text completions as vLLM answers them, with probabilities of a prompt's tokens, for `FakeProvider`.

The tokenizer cuts words with the blanks before them; a probability is a fixed function of a token and the one
before it, so that every client that asks for the same text is told the same.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Any

_PIECE = re.compile(r"\s*(?:\w+|[^\w\s]+)|\s+")


class FakeCompletions:
    """Tokens with their numbers, and replies."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._pieces: list[str] = []

    def numbers(self, text: str) -> list[int]:
        """A text's tokens."""
        return [self._number(piece) for piece in _PIECE.findall(text)]

    def text(self, numbers: list[int]) -> str:
        """The text of tokens."""
        return "".join(self._pieces[number] for number in numbers)

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request with `echo` and `logprobs`, for a text, tokens, or lists of either."""
        prompt = body["prompt"]
        several = isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], int)
        choices = [
            self._choice(index, one if isinstance(one, str) else self.text(one))
            for index, one in enumerate(prompt if several else [prompt])
        ]
        count = sum(len(choice["logprobs"]["tokens"]) for choice in choices)
        usage = {
            "prompt_tokens": count - len(choices),
            "completion_tokens": len(choices),
            "total_tokens": count,
        }
        return {
            "id": "fake-c",
            "object": "text_completion",
            "model": "model",
            "choices": choices,
            "usage": usage,
        }

    def _choice(self, index: int, text: str) -> dict[str, Any]:
        pieces = [*_PIECE.findall(text), "."]
        logprobs: list[float | None] = [None]
        tops: list[dict[str, float] | None] = [None]
        for before, piece in itertools.pairwise(pieces):
            own, other = logprob(before, piece), logprob(before, " other")
            logprobs.append(own)
            tops.append({piece: own, " other": max(own, other)} if other > own else {piece: own})
        offsets = [sum(map(len, pieces[:at])) for at in range(len(pieces))]
        given = {
            "tokens": pieces,
            "token_logprobs": logprobs,
            "top_logprobs": tops,
            "text_offset": offsets,
        }
        return {"index": index, "text": "".join(pieces), "logprobs": given, "finish_reason": "length"}

    def _number(self, piece: str) -> int:
        if piece not in self._numbers:
            self._numbers[piece] = len(self._pieces)
            self._pieces.append(piece)
        return self._numbers[piece]


def logprob(before: str, piece: str) -> float:
    """The fixed probability, as a logarithm, of a token after another."""
    digest = hashlib.sha256(f"{piece} after {before}".encode()).digest()
    return -0.01 - int.from_bytes(digest[:4], "big") / 2**30
