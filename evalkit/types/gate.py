"""A gate: rules on what was measured, as written in a gate file, and the verdict on them.

version: 1
alpha: 0.05                 # chance of a wrong verdict per rule; intervals have level 1 - alpha
min_pairs: 30               # no verdict on fewer independent samples
on_inconclusive: fail
rules:
  - metric: quality         # any measure of the report
    suite: coding
    max_drop: 0.05          # non-inferiority margin against the baseline
  - metric: cost_per_1k
    max_relative_rise: 0.2
    tier: supporting
  - metric: refused
    max: 0.02
  - metric: governance
    require: [allowed]
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from evalkit.types.estimate import Estimate

Tier = Literal["critical", "supporting", "advisory"]
"""`critical` must be proven good, `supporting` must not be proven bad, `advisory` is only shown."""

OnInconclusive = Literal["fail", "pass", "warn"]
"""An undecided critical rule leaves the gate undecided, or lets it pass, silently or with a warning."""

Decision = Literal["pass", "fail", "inconclusive"]

GOVERNANCE = "governance"
HOST_VERIFICATION = "host_verification"
WORDS = (GOVERNANCE, HOST_VERIFICATION)
"""Metrics that are a word and no number: whether the policy allowed the data there (`allowed`, `refused`),
and what a check of the host's identity found (`matches`, `differs`, `unclear`)."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of the gate file's records: an unknown key is an error."""


class RelativeGuard(_Strict, frozen=True, kw_only=True):
    """Tightens `max_drop` where the baseline is low, where an absolute margin would allow a collapse.

    If the baseline's value is less than `below`, the allowed drop is at most `max_relative_drop` times
    that value.
    """

    below: float
    max_relative_drop: float

    def __post_init__(self) -> None:
        """Refuse shares that cannot be."""
        if not 0 < self.max_relative_drop < 1:
            raise ValueError(
                f"`max_relative_drop` is {self.max_relative_drop:g}; give a share between 0 and 1"
            )


class Rule(_Strict, frozen=True, kw_only=True):
    """One rule. At least one bound, or `require`, is given; all that are given must hold.

    `metric` is the key of a measure, `suite` and `tag` restrict it. Absolute bounds (`min`, `max`) are in the
    measure's own unit: shares from 0 to 1, seconds, US dollars. `max_drop` and `max_rise` bound candidate
    minus baseline in that unit; `max_relative_drop` and `max_relative_rise` bound candidate over baseline
    (0.2 is 20 %). `require` lists the words that a measure without number may have. `alpha`, `min_pairs`,
    `tier` and `on_inconclusive` override the gate's.
    """

    metric: str
    id: str | None = None
    suite: str | None = None
    tag: str | None = None
    min: float | None = None
    max: float | None = None
    max_drop: float | None = None
    max_rise: float | None = None
    max_relative_drop: float | None = None
    max_relative_rise: float | None = None
    relative_guard: RelativeGuard | None = None
    require: tuple[str, ...] = ()
    alpha: float | None = None
    min_pairs: int | None = None
    tier: Tier | None = None
    on_inconclusive: OnInconclusive | None = None

    def __post_init__(self) -> None:
        """Refuse a rule that says nothing or contradicts itself."""
        margins = {
            "max_drop": self.max_drop,
            "max_rise": self.max_rise,
            "max_relative_drop": self.max_relative_drop,
            "max_relative_rise": self.max_relative_rise,
        }
        absolute = self.min is not None or self.max is not None
        numbers = {**margins, "min": self.min, "max": self.max}
        endless = next((name for name, x in numbers.items() if x is not None and math.isinf(x)), None)
        if endless is not None:
            raise ValueError(f"`{endless}` is infinite and so never broken; give a number, or leave it out")
        if (self.metric in WORDS) != bool(self.require):
            kind = "is a word, so give `require`" if self.metric in WORDS else "is a number, so give a bound"
            raise ValueError(f"{self.metric!r} {kind}")
        if not absolute and not self.is_relative and not self.require:
            raise ValueError(
                f"the rule on {self.metric!r} has no bound; give `max_drop`, `min`, `max` or another"
            )
        if self.require and (absolute or self.is_relative):
            raise ValueError(
                f"the rule on {self.metric!r} mixes `require` with numeric bounds; make two rules"
            )
        for name, margin in margins.items():
            if margin is not None and not margin >= 0:
                raise ValueError(f"`{name}` is {margin:g}; a margin is 0 or more")
        if self.max_relative_drop is not None and self.max_relative_drop >= 1:
            raise ValueError("`max_relative_drop` is a share below 1, for example 0.1 for 10 %")
        if any(x is not None and math.isnan(x) for x in (self.min, self.max)):
            raise ValueError(f"a bound of the rule on {self.metric!r} is not a number")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` {self.min:g} is above `max` {self.max:g}")
        if self.relative_guard is not None and self.max_drop is None:
            raise ValueError("`relative_guard` tightens `max_drop`; give that too")
        _check_alpha(self.alpha)
        _check_pairs(self.min_pairs)

    @property
    def is_relative(self) -> bool:
        """It compares with a baseline."""
        bounds = (self.max_drop, self.max_rise, self.max_relative_drop, self.max_relative_rise)
        return any(bound is not None for bound in bounds)

    @property
    def title(self) -> str:
        """Its id, or the metric with suite and tag."""
        parts = (self.metric, self.suite and f"suite {self.suite}", self.tag and f"tag {self.tag}")
        return self.id or ", ".join(part for part in parts if part)

    def within(self, suite: str) -> Rule:
        """The rule for one suite, where it names none itself."""
        return msgspec.structs.replace(self, suite=suite, id=self.id and f"{self.id}, suite {suite}")


class Sequential(_Strict, frozen=True, kw_only=True):
    """How samples are drawn when the gate stops as soon as it is decided.

    `batch` samples per look, in an order fixed by `seed`; at most `max_samples`, or the whole suite.
    """

    batch: int = 20
    max_samples: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes below 1."""
        if self.batch < 1 or (self.max_samples is not None and self.max_samples < 1):
            raise ValueError("`batch` and `max_samples` are 1 or more")


class Gate(_Strict, frozen=True, kw_only=True):
    """A gate file. What rules do not say themselves, they take from here.

    `max_delivered_gap` is the largest difference between the two sides' delivered shares at which their
    answers may still be compared; beyond it a comparison is inconclusive. `run` is the run that is judged,
    `candidate` and `baseline` the sides; what is named on the command line goes before.
    """

    version: Literal[1]
    rules: tuple[Rule, ...]
    alpha: float = 0.05
    min_pairs: int = 30
    tier: Tier = "critical"
    on_inconclusive: OnInconclusive = "fail"
    max_delivered_gap: float = 0.02
    sequential: Sequential = Sequential()
    run: str | None = None
    candidate: str | None = None
    baseline: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        """Refuse an empty gate, equal titles and impossible numbers."""
        if not self.rules:
            raise ValueError("the gate has no rules; add at least one")
        titles = [rule.title for rule in self.rules]
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice is not None:
            raise ValueError(f"two rules are called {twice!r}; give each an `id` of its own")
        if not 0 <= self.max_delivered_gap <= 1:
            raise ValueError(f"`max_delivered_gap` is {self.max_delivered_gap:g}; give a share from 0 to 1")
        _check_alpha(self.alpha)
        _check_pairs(self.min_pairs)

    def settled(self, rule: Rule) -> Rule:
        """The rule with the gate's values filled in."""
        return msgspec.structs.replace(
            rule,
            alpha=self.alpha if rule.alpha is None else rule.alpha,
            min_pairs=self.min_pairs if rule.min_pairs is None else rule.min_pairs,
            tier=rule.tier or self.tier,
            on_inconclusive=rule.on_inconclusive or self.on_inconclusive,
        )


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A sample whose score differs between subject and reference, with what the scorer said of each."""

    subject: str
    suite: str
    sample: str
    epoch: int
    better: bool
    reference_value: float
    subject_value: float
    reference_reason: str | None
    subject_reason: str | None


class RuleVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one rule.

    `reason` is one sentence with the figures. `further_samples` is the estimated number of additional
    samples that would decide an inconclusive rule, with `further_usd` their cost; `None` when no number
    would, or it cannot be told. `estimate` is what was held against the bound that decided: the
    measure, the difference or the ratio (`form`), in `unit`. `better` and `worse` count the common samples on
    which the candidate is better and worse, `only_one` those that just one side has. `rule` is the title in
    the gate file; a rule that names no suite is decided in each of them.
    """

    title: str
    metric: str
    tier: Tier
    on_inconclusive: OnInconclusive
    decision: Decision
    reason: str
    suite: str | None = None
    tag: str | None = None
    alpha: float = 0.05
    bound: float | None = None
    estimate: Estimate | None = None
    candidate: Estimate | None = None
    baseline: Estimate | None = None
    further_samples: int | None = None
    further_usd: float | None = None
    rule: str = ""
    unit: str = "number"
    form: Literal["value", "difference", "ratio"] = "value"
    side: Literal["at least", "at most"] | None = None
    better: int | None = None
    worse: int | None = None
    only_one: int | None = None


class GateVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict on a gate.

    `warnings` are sentences on undecided rules that were let through. `false_fail` bounds the chance that
    at least one rule which truly holds was failed; a false pass needs one rule to err, so its chance is
    at most the largest alpha/2. `notes` are facts about the runs that a reader must know. `flips` are the
    samples on which the two sides' scores differ. `baseline_at` says when the baseline was recorded.
    """

    decision: Decision
    sentence: str
    rules: tuple[RuleVerdict, ...]
    warnings: tuple[str, ...] = ()
    false_fail: float = 0.0
    candidate: str | None = None
    baseline: str | None = None
    baseline_at: str | None = None
    notes: tuple[str, ...] = ()
    flips: tuple[Flip, ...] = ()


def _check_alpha(alpha: float | None) -> None:
    if alpha is not None and not 0 < alpha < 0.5:
        raise ValueError(f"`alpha` is {alpha:g}; give an error rate between 0 and 0.5, for example 0.05")


def _check_pairs(pairs: int | None) -> None:
    if pairs is not None and pairs < 2:
        raise ValueError(f"`min_pairs` is {pairs}; no interval exists below 2")
