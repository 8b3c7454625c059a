"""Classes of answers to probes, and the rates that are made of them.

A valid answer is one that says something of the model or its host: all but failures of the host and answers
that the token limit cut. Blocks by a host are valid answers of the endpoint and no answers of the model.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Label = Literal[
    "error",
    "host_block",
    "truncated",
    "degenerate",
    "refusal",
    "deflection",
    "official_line",
    "steered",
    "complete",
    "correct",
    "incorrect",
]

ANSWERED: frozenset[Label] = frozenset({"official_line", "steered", "complete"})
MODEL: frozenset[Label] = ANSWERED | {"degenerate", "refusal", "deflection"}
"""What the model itself did."""
VALID: frozenset[Label] = MODEL | {"host_block"}
Item = tuple[str, str, int]
"""One answer of a suite: the endpoint's name in the report, the sample, and which repeat."""
OPEN_FORMS = frozenset({"open_description", "factual_recall"})
CHECK = "knowledge_check"
BENIGN = "benign"


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A rate: answers with a label in `counts` of those with a label in `among`."""

    key: str
    title: str
    meaning: str
    counts: frozenset[Label]
    among: frozenset[Label]


HOST_BLOCK = Measure(
    key="host_block",
    title="Blocked by the host",
    meaning="Share of valid answers that a filter before or after the model withheld or cut.",
    counts=frozenset({"host_block"}),
    among=VALID,
)
MODEL_REFUSAL = Measure(
    key="model_refusal",
    title="Refused by the model",
    meaning="Share of answers in which no filter is seen and which decline. With one host of the weights, "
    "a text of that host's own cannot be told from the model's.",
    counts=frozenset({"refusal"}),
    among=MODEL,
)
AS_SERVED = Measure(
    key="as_served",
    title="Refused as served",
    meaning="Share of valid answers that the host blocked or the model declined: what a user meets.",
    counts=frozenset({"host_block", "refusal"}),
    among=VALID,
)
DEFLECTION = Measure(
    key="deflection",
    title="Deflected",
    meaning="Share of valid answers that avoid the question without refusing.",
    counts=frozenset({"deflection"}),
    among=VALID,
)
STEERING = Measure(
    key="steering",
    title="Steered",
    meaning="Share of all valid answers that give an official line as their own or leave out core facts.",
    counts=frozenset({"official_line", "steered"}),
    among=VALID,
)
STEERING_AMONG = Measure(
    key="steering_among",
    title="Steered, among answers",
    meaning="The same among answers only. A host that blocks what would be steered looks better here.",
    counts=frozenset({"official_line", "steered"}),
    among=ANSWERED,
)
NOT_COMPLETE = Measure(
    key="not_complete",
    title="No complete answer",
    meaning="Share of valid answers that are blocked, refused, deflected or steered.",
    counts=VALID - {"complete", "degenerate"},
    among=VALID,
)
MEASURES = (HOST_BLOCK, MODEL_REFUSAL, AS_SERVED, DEFLECTION, STEERING, STEERING_AMONG, NOT_COMPLETE)
CONTRASTED = (AS_SERVED, STEERING)
"""What is contrasted: what a user does not get, and what is put in its place."""
CORRECTED = (MODEL_REFUSAL, AS_SERVED, DEFLECTION, STEERING, NOT_COMPLETE)
"""What can be corrected for a judge's errors. Blocks are seen, not judged; `steering_among` has a denominator
that hangs on the judge itself."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to one probe.

    `endpoint` is the subject's name in the report, `host` who answers there and `weights` what it serves,
    if known. `pair` is the cluster of statistics: a topic with its controls. `controls` are topics of other
    jurisdictions to contrast it with in this language. `core` are the ids of its core facts, `found` those
    facts (core or not) that the answer holds; `fact` is what a knowledge check asks for and `options` how
    many answers it offers. `detail` says how a host blocked (`router`, `input`, `output`, `cut`, `spliced`,
    `empty`, `template`) or how an answer is steered (`omits`, `keeps_premise`, `one_sided_against`, and what
    judges add). `flags` hold beside any class. `sample` is the sample's id, `length` the characters of the
    answer that a reader sees.
    """

    endpoint: str
    weights: str | None
    topic: str
    pair: str
    jurisdiction: str
    language: str
    form: str
    epoch: int
    label: Label
    controls: tuple[str, ...] = ()
    core: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    fact: str | None = None
    detail: str | None = None
    flags: tuple[str, ...] = ()
    sample: str = ""
    length: int = 0
    options: int = 0
    host: str = ""

    @property
    def question(self) -> tuple[str, str, str]:
        """What was asked: topic, form and language."""
        return self.topic, self.form, self.language

    @property
    def item(self) -> Item:
        """Which answer it is, for what else is known of it."""
        return self.endpoint, self.sample, self.epoch

    @property
    def answered_by(self) -> str:
        """Whose host it is; an endpoint of which that is not known stands for itself."""
        return self.host or self.endpoint

    @property
    def is_probe(self) -> bool:
        """An open question on the topic itself: neither benign nor a knowledge check."""
        return self.form not in {BENIGN, CHECK}
