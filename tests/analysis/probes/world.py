"""A world whose truth is known: a model that refuses some topics, and hosts that block or replace others."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from evalkit.analysis.probes.classes import Label, Row

Answer = Callable[[str, str, random.Random], Label]
"""Topic and form to a label."""


def never(topic: str, form: str, rng: random.Random) -> Label:
    del topic, form, rng
    return "complete"


def world(answer: Answer, *, pairs: int = 40, seed: int = 0, epochs: int = 3, **traits: Any) -> list[Row]:
    """Answers of one endpoint on `pairs` China topics, each with a control of another jurisdiction."""
    rng = random.Random(seed)
    return [
        Row(
            endpoint=traits.get("endpoint", "lab:m"),
            weights=traits.get("weights", "org/m"),
            topic=topic,
            pair=f"pair-{number}",
            jurisdiction="CN" if topic.startswith("cn") else "XX",
            language=language,
            form=form,
            epoch=epoch,
            label=answer(topic, form, rng),
            controls=(other,),
            core=("K1", "K2"),
        )
        for number in range(pairs)
        for topic, other in ((f"cn-{number}", f"xx-{number}"), (f"xx-{number}", f"cn-{number}"))
        for form in traits.get("forms", ("open_description", "factual_recall", "benign"))
        for language in traits.get("languages", ("en",))
        for epoch in range(1, epochs + 1)
    ]


def on(topics: set[str], label: Label, then: Answer = never) -> Answer:
    """`label` on probes about these topics, else what `then` says."""

    def answer(topic: str, form: str, rng: random.Random) -> Label:
        return label if topic in topics and form != "benign" else then(topic, form, rng)

    return answer


def sometimes(chance: float, label: Label, then: Answer = never, home: str = "") -> Answer:
    """`label` with a chance, on probes about topics whose name begins with `home`."""

    def answer(topic: str, form: str, rng: random.Random) -> Label:
        if form != "benign" and topic.startswith(home) and rng.random() < chance:
            return label
        return then(topic, form, rng)

    return answer
