"""What a judge, or a panel of judges, gets right when people look at the same answers."""

from __future__ import annotations

from typing import Literal

import msgspec

from evalkit.types.estimate import Estimate

CARD_SCHEMA: Literal[1] = 1
"""Version of a judge card. Another one is refused."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What gave answers their classes: a metric by a version of a scorer, with its panel if it asks one."""

    metric: str
    scorer: str
    version: str
    panel: tuple[str, ...] = ()


class ClassFigures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well one class is found in one language (None: all of them).

    Of `positives` answers that people give this class, the judge finds `found`; of `negatives` it rightly
    leaves `left`. `kappa` and `agreement` (raw) are for this class against all others, `prevalence` its
    share among the labels. `people_alpha` (Krippendorff) and `people_kappa` are between annotators, where
    two or more labelled the same answers. `advice` says in words what falls short.
    """

    language: str | None
    label: str
    positives: int
    found: int
    negatives: int
    left: int
    sensitivity: Estimate
    specificity: Estimate
    agreement: Estimate
    kappa: Estimate
    prevalence: float | None
    people_alpha: Estimate
    people_kappa: Estimate
    advice: tuple[str, ...] = ()


class Overall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All classes at once, in one language (None: all of them).

    `confusion` counts answers by people's class and the judge's. `people_alpha` is between annotators.
    `prevalence` has each class's share among the labels.
    """

    language: str | None
    labels: int
    confusion: dict[str, dict[str, int]]
    agreement: Estimate
    kappa: Estimate
    people_alpha: Estimate
    people_kappa: Estimate
    prevalence: dict[str, float] = {}


class OneJudge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of a panel: its own classes against people's, in one language (None: all of them).

    `votes` counts labelled answers on which it voted, `missing` those on which it gave no vote.
    """

    judge: str
    language: str | None
    votes: int
    missing: int
    confusion: dict[str, dict[str, int]]
    agreement: Estimate
    kappa: Estimate


class SuiteUsed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A suite whose answers were labelled."""

    suite: str
    version: str
    hash: str


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judge of the panel, with what its provider's file declares."""

    endpoint: str
    host: str
    weights: str | None = None
    maker: str | None = None
    seat: str | None = None


class Calibrated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judge against people, on the same answers.

    `annotators` is how many people labelled, never who. `labels` counts answers with a class of people and
    one of the judge. Of these, `differing` are those on which annotators differ and nobody settled it, which
    count for no class. Not among them are `unclear` ones, which nobody could class, `stale` labels of another
    text than the run holds, and `moot` answers, which the judge gave no class or a host blocked.
    """

    instrument: Instrument
    annotators: int
    labels: int
    differing: int
    unclear: int
    stale: int
    moot: int
    overall: tuple[Overall, ...]
    classes: tuple[ClassFigures, ...]
    judges: tuple[OneJudge, ...] = ()

    def confusion(self, language: str) -> dict[str, dict[str, int]] | None:
        """Counts by people's class and the judge's in one language; None if there are none in it."""
        return next((own.confusion for own in self.overall if own.language == language and own.labels), None)


class JudgeCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`judges/<name>.json`: a judge against people, with the runs and suites that it is from."""

    schema: Literal[1]
    name: str
    created_at: str
    members: tuple[Member, ...]
    runs: tuple[str, ...]
    suites: tuple[SuiteUsed, ...]
    calibrated: Calibrated
