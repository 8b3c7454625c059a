"""What people said of recorded answers."""

from __future__ import annotations

import hashlib

import msgspec

from evalkit.types.generation import TrialKey

UNCLEAR = "unclear"
"""Label of an answer that a person could not class. It is counted, and is no class."""
WITHDRAWN = "withdrawn"
"""Label with which an annotator takes back their earlier rows on an answer."""
LATER = "later"
"""Label of an answer that an annotator put at the end of their queue. Nothing is said of it yet."""


class LabelRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of `labels.jsonl`: one person's class for one answer.

    A later row of the same annotator for the same trial replaces an earlier. `settles` marks the row of
    somebody who saw that two annotators differ, and decided. `answer` is the SHA-256 of the text that was
    shown, so that a label never speaks of another answer. `at` is a Unix time.
    """

    trial: TrialKey
    annotator: str
    label: str
    answer: str
    at: float
    settles: bool = False
    note: str | None = None


def answer_hash(shown: str) -> str:
    """What `LabelRow.answer` holds: SHA-256, in hex, of the text that the annotator was shown.

    A reader is shown an answer without reasoning that a host left in it (`scorers.phrases.visible`).
    """
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()
