"""What a scorer says of a trial."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from evalkit.types.generation import TrialKey

MetricKind = Literal["binary", "fraction", "number", "label"]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """What a scorer's numbers mean: shown in the report and used to pick the statistics.

    `binary` values are 0 or 1, `fraction` lie in [0, 1], `number` is unbounded; `label` carries its result
    in `Score.label`, one of `labels`, with `value` 1 for `good` labels and 0 otherwise.
    """

    name: str
    title: str
    meaning: str
    kind: MetricKind = "binary"
    higher_is_better: bool = True
    labels: tuple[str, ...] = ()


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finite value for one metric. `answer` is what was extracted from the raw text, if anything was."""

    metric: str
    value: float
    label: str | None = None
    answer: str | None = None
    explanation: str | None = None
    data: dict[str, Any] = {}


class Unscored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why there is no value for a metric. Never counted as wrong, always counted as missing."""

    metric: str
    reason: str
    detail: str | None = None
    data: dict[str, Any] = {}


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of `scores.jsonl`: one metric of one trial by one version of one scorer."""

    trial: TrialKey
    scorer: str
    version: str
    at: float
    score: Score | None = None
    unscored: Unscored | None = None
