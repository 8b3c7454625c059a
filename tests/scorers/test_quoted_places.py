"""Where quotations stand in a text: what is called verbatim is found, and found where it is."""

from __future__ import annotations

import random

import pytest

from evalkit.scorers.wording import is_verbatim, places_of

TEXT = "\U0001f600 He wrote: “The **vote** was\nheld on 3 May – and lost.” 军队于1989年 6 月进城。 The end."


def quoted(quote: str, text: str = TEXT) -> list[str]:
    return [text[start:end] for start, end in places_of(quote, text)]


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("The end.", ["The end."]),
        ("the vote was held on 3 may", ["The **vote** was\nheld on 3 May"]),
        ("the vote was ... the end", ["The **vote** was", "The end"]),
        ('wrote: "the vote', ["wrote: “The **vote"]),
        ("军队于 1989年6月进城", ["军队于1989年 6 月进城"]),
        ("nobody wrote this", []),
        ("the end ... the vote", []),
        ("...", []),
        ("", []),
        ("   ", []),
    ],
)
def test_a_quotation_is_found_where_it_stands(quote: str, found: list[str]) -> None:
    assert quoted(quote) == found


def test_what_is_verbatim_has_a_place() -> None:
    rng = random.Random(3)
    words = TEXT.split()
    for _ in range(300):
        start = rng.randrange(len(words))
        piece = " ".join(words[start : start + rng.randint(1, 6)])
        quote = "".join(rng.choice((str.upper, str.lower))(c) for c in piece).replace("–", "-")
        assert is_verbatim(quote, TEXT) == bool(quoted(quote)), quote
