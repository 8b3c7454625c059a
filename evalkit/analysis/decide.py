"""From estimates and rules to a verdict: pass and fail only where the interval proves it.

A rule's bound is held against a two-sided interval at level 1 - alpha. `pass` means that the whole
interval keeps the bound, `fail` that no point of it does, so each wrong verdict has a chance of at most
alpha/2 nominally; for rates near 0 and 1 discreteness can bring it near alpha. Everything else is
`inconclusive`, with the number of samples that would probably decide it.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

from evalkit.analysis.measures import Unit
from evalkit.errors import ExitCode, UsageError
from evalkit.stats.power import further_samples, pairs_needed
from evalkit.types.estimate import Estimate
from evalkit.types.gate import GOVERNANCE, Decision, Gate, GateVerdict, Rule, RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHARES = {
    "delivered": "the candidate delivered {ours} and the baseline {theirs} of the common samples",
    "answered": "the candidate answered {ours} and the baseline {theirs} of the common samples",
    "valid": "hosts worked on {ours} of the common samples for the candidate and {theirs} for the baseline",
}
_Form = Literal["value", "difference", "ratio"]
_Side = Literal["at least", "at most"]
_FORMS = {
    "value": "the candidate's value",
    "difference": "candidate minus baseline",
    "ratio": "candidate over baseline",
}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured for one rule, at its level.

    `difference` is candidate minus baseline and `ratio` candidate over baseline, on common samples.
    `delivered` holds the two sides' delivered shares where a gap between them would spoil the comparison.
    `needs` says what was delivered: answers of any kind, or valid ones. `word` is the state of a measure that
    is no number. `usd_per_sample` prices further samples, on both sides of a comparison. `unit` is the
    measure's own.
    """

    candidate: Estimate | None = None
    baseline: Estimate | None = None
    difference: Estimate | None = None
    ratio: Estimate | None = None
    delivered: tuple[float, float] | None = None
    needs: Literal["delivered", "answered", "valid"] = "delivered"
    word: str | None = None
    word_reason: str | None = None
    usd_per_sample: float | None = None
    unit: Unit = "number"


class _Check(msgspec.Struct, frozen=True, kw_only=True):
    """One bound of a rule: `side` says where the quantity must stay."""

    unit: Unit
    form: _Form
    estimate: Estimate | None
    bound: float
    side: _Side

    @property
    def what(self) -> str:
        """What is held against the bound, in words."""
        return _FORMS[self.form]


class _Finding(msgspec.Struct, frozen=True, kw_only=True):
    decision: Decision
    reason: str
    check: _Check | None = None
    further: int | None = None


def decide_rule(rule: Rule, gate: Gate, evidence: Evidence) -> RuleVerdict:
    """The verdict on one rule.

    All bounds must hold: one proven broken fails the rule, one undecided leaves it undecided.

    Raises:
        UsageError: an estimate has another level than the rule's 1 - alpha.
    """
    rule = gate.settled(rule)
    assert rule.alpha is not None
    assert rule.tier is not None
    assert rule.on_inconclusive is not None
    finding = _word(rule, evidence) if rule.require else _numbers(rule, gate, evidence)
    price = evidence.usd_per_sample
    priced = finding.further is not None and price is not None
    return RuleVerdict(
        title=rule.title,
        metric=rule.metric,
        suite=rule.suite,
        tag=rule.tag,
        tier=rule.tier,
        on_inconclusive=rule.on_inconclusive,
        alpha=rule.alpha,
        decision=finding.decision,
        reason=finding.reason,
        bound=finding.check.bound if finding.check else None,
        estimate=finding.check.estimate if finding.check else None,
        form=finding.check.form if finding.check else "value",
        side=finding.check.side if finding.check else None,
        rule=rule.title,
        candidate=evidence.candidate,
        baseline=evidence.baseline,
        further_samples=finding.further,
        further_usd=finding.further * price if priced and finding.further and price else None,
    )


def decide_gate(
    verdicts: Sequence[RuleVerdict], *, candidate: str | None = None, baseline: str | None = None
) -> GateVerdict:
    """The verdict on the gate from those on its rules.

    Fail if a critical or supporting rule failed; else inconclusive if a critical rule with
    `on_inconclusive: fail` is undecided; else pass.

    Raises:
        UsageError: there are no verdicts.
    """
    if not verdicts:
        raise UsageError("A gate without rules decides nothing; add at least one rule.")
    counting = [v for v in verdicts if v.tier != "advisory"]
    failed = [v for v in counting if v.decision == "fail"]
    open_ = [v for v in counting if v.decision == "inconclusive"]
    holding = [v for v in open_ if v.tier == "critical" and v.on_inconclusive == "fail"]
    quiet = [v for v in open_ if v.tier == "critical" and v.on_inconclusive == "pass"]
    passed = [v.title for v in open_ if v not in holding and v not in quiet]
    warnings = tuple(f"{title} is undecided, which does not hold the gate back" for title in passed)
    decision: Decision = "fail" if failed else "inconclusive" if holding else "pass"
    return GateVerdict(
        decision=decision,
        sentence=_sentence(decision, failed or holding or verdicts, len(verdicts)),
        rules=tuple(verdicts),
        warnings=warnings,
        false_fail=min(1.0, sum(v.alpha / 2 for v in counting)),
        candidate=candidate,
        baseline=baseline,
    )


def exit_code(verdict: GateVerdict) -> ExitCode:
    """What the process should return for a verdict."""
    if verdict.decision == "pass":
        return ExitCode.OK
    if verdict.decision == "inconclusive":
        return ExitCode.INCONCLUSIVE
    failed = [v for v in verdict.rules if v.decision == "fail" and v.tier != "advisory"]
    return ExitCode.POLICY if any(v.metric == GOVERNANCE for v in failed) else ExitCode.GATE_FAILED


def planned_pairs(rule: Rule, gate: Gate, discordance: float, *, design_effect: float = 1.0) -> int | None:
    """Pairs that a non-inferiority rule needs to pass with 80 % power if both sides are truly equal.

    `None` for rules without `max_drop` or `max_rise`, whose need depends on the unknown value itself, and
    for a margin of 0, which no number of samples can prove.

    Args:
        rule: the rule.
        gate: its gate.
        discordance: expected share of pairs in which just one side succeeds.
        design_effect: expected variance inflation by clusters.
    """
    rule = gate.settled(rule)
    margins = [m for m in (rule.max_drop, rule.max_rise) if m is not None]
    if not margins or min(margins) == 0 or rule.alpha is None:
        return None
    needed = pairs_needed(0.0, -min(margins), discordance, level=1 - rule.alpha, design_effect=design_effect)
    return max(needed, rule.min_pairs or 0)


def _word(rule: Rule, evidence: Evidence) -> _Finding:
    """A measure that is one of several words."""
    allowed = " or ".join(rule.require)
    why = f": {evidence.word_reason}" if evidence.word_reason else ""
    if evidence.word is None:
        return _Finding(
            decision="inconclusive", reason=f"{rule.metric} is not known{why}; it must be {allowed}"
        )
    decision: Decision = "pass" if evidence.word in rule.require else "fail"
    return _Finding(decision=decision, reason=f"{rule.metric} is {evidence.word}{why}; it must be {allowed}")


def _numbers(rule: Rule, gate: Gate, evidence: Evidence) -> _Finding:
    """Bounds on numbers: the worst finding decides, and among equals the first."""
    if rule.is_relative and evidence.delivered is not None:
        ours, theirs = evidence.delivered
        if abs(ours - theirs) > gate.max_delivered_gap:
            reason = (
                f"{_SHARES[evidence.needs].format(ours=f'{ours:.1%}', theirs=f'{theirs:.1%}')}, more than "
                f"{gate.max_delivered_gap:.1%} apart: the two sides are not comparable"
            )
            return _Finding(decision="inconclusive", reason=reason)
    findings = [_held(check, rule) for check in _checks(rule, evidence)]
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    worst = min(findings, key=lambda finding: order[finding.decision])
    if worst.decision != "inconclusive":
        return worst
    known = [f.further for f in findings if f.decision == "inconclusive"]
    further = max(n for n in known if n is not None) if None not in known else None
    return msgspec.structs.replace(worst, further=further)


def _checks(rule: Rule, evidence: Evidence) -> list[_Check]:
    """Every bound of the rule with the estimate that it is held against."""
    found: list[tuple[_Form, Estimate | None, float | None, _Side]] = [
        ("value", evidence.candidate, rule.min, "at least"),
        ("value", evidence.candidate, rule.max, "at most"),
        (
            "difference",
            evidence.difference,
            None if rule.max_drop is None else -allowed_drop(rule, evidence),
            "at least",
        ),
        ("difference", evidence.difference, rule.max_rise, "at most"),
        (
            "ratio",
            evidence.ratio,
            None if rule.max_relative_drop is None else 1 - rule.max_relative_drop,
            "at least",
        ),
        (
            "ratio",
            evidence.ratio,
            None if rule.max_relative_rise is None else 1 + rule.max_relative_rise,
            "at most",
        ),
    ]
    return [
        _Check(unit=evidence.unit, form=form, estimate=estimate, bound=bound, side=side)
        for form, estimate, bound, side in found
        if bound is not None
    ]


def allowed_drop(rule: Rule, evidence: Evidence) -> float:
    """`max_drop`, tightened by the relative guard where the baseline is low."""
    assert rule.max_drop is not None
    guard = rule.relative_guard
    base = evidence.baseline.value if evidence.baseline is not None else None
    if guard is None or base is None or base >= guard.below:
        return rule.max_drop
    return min(rule.max_drop, guard.max_relative_drop * max(base, 0.0))


def _held(check: _Check, rule: Rule) -> _Finding:
    """One bound against its estimate."""
    estimate = check.estimate
    if estimate is None:
        return _Finding(decision="inconclusive", reason=f"{check.what} was not measured", check=check)
    if estimate.value is None and estimate.low is None and estimate.high is None:
        reason = f"{check.what} has no value: {estimate.note or 'there are no data'}"
        return _Finding(decision="inconclusive", reason=reason, check=check)
    if rule.alpha is not None and not math.isclose(estimate.level, 1 - rule.alpha, abs_tol=1e-9):
        raise UsageError(
            f"The rule {rule.title!r} needs an interval at level {1 - rule.alpha:g}, but was given one at "
            f"{estimate.level:g}; make the estimate anew."
        )
    figures = _figures(check, estimate)
    few = rule.min_pairs is not None and estimate.clusters < rule.min_pairs
    if few:
        assert rule.min_pairs is not None
        reason = f"{figures}; only {estimate.clusters} independent samples, no verdict below {rule.min_pairs}"
        share = estimate.n / max(estimate.clusters, 1)
        missing = math.ceil((rule.min_pairs - estimate.clusters) * share)
        expected = further_samples(estimate, check.bound)
        further = None if expected is None else max(missing, expected)
        return _Finding(decision="inconclusive", reason=reason, check=check, further=further)
    decision = _compare(check, estimate)
    if decision != "inconclusive":
        return _Finding(decision=decision, reason=figures, check=check)
    further = further_samples(estimate, check.bound)
    hint = (
        "no number of samples can be told that would decide it"
        if further is None
        else (f"about {further} more samples would probably decide it")
    )
    note = f" ({estimate.note})" if estimate.note else ""
    return _Finding(decision="inconclusive", reason=f"{figures}{note}; {hint}", check=check, further=further)


def _compare(check: _Check, estimate: Estimate) -> Decision:
    """Where the interval lies. One without width is no evidence and decides nothing."""
    low = -math.inf if estimate.low is None else estimate.low
    high = math.inf if estimate.high is None else estimate.high
    if low >= high:
        return "inconclusive"
    if check.side == "at least":
        return "pass" if low >= check.bound else "fail" if high < check.bound else "inconclusive"
    return "pass" if high <= check.bound else "fail" if low > check.bound else "inconclusive"


def _figures(check: _Check, estimate: Estimate) -> str:
    """The estimate and its bound in words."""
    ends = [x for x in (estimate.low, estimate.high) if x is not None and x != check.bound]
    digits = next(
        n for n in range(3, 18) if n == 17 or all(f"{x:.{n}g}" != f"{check.bound:.{n}g}" for x in ends)
    )
    before, factor, after = _units(check)

    def text(x: float | None) -> str:
        if x is None:
            return "none"
        plain = format(Decimal(f"{x * factor + 0.0:.{digits}g}"), "f")  # no exponents
        return plain.replace("-", "\N{MINUS SIGN}")

    def whole(x: float | None) -> str:
        return f"{before}{text(x)}{after}" if x is not None else text(x)

    groups = "" if estimate.clusters == estimate.n else f" in {estimate.clusters} independent groups"
    return (
        f"{check.what} is {whole(estimate.value)} [{text(estimate.low)}, {text(estimate.high)}] from "
        f"{estimate.n} samples{groups}; it must be {check.side} {whole(check.bound)}"
    )


def _units(check: _Check) -> tuple[str, float, str]:
    """What stands before a number, what it is multiplied by, and what stands behind it."""
    if check.form == "ratio":
        return "", 100.0, " %"
    if check.unit == "share":
        return "", 100.0, " points" if check.form == "difference" else " %"
    if check.unit == "usd":
        return "$", 1.0, ""
    return (
        "",
        1.0,
        {"seconds": " s", "tokens_per_second": " tokens/s", "tokens": " tokens"}.get(check.unit, ""),
    )


def _sentence(decision: Decision, named: Sequence[RuleVerdict], total: int) -> str:
    """One sentence for the top of a page, beside the decision itself."""
    titles = "; ".join(v.title for v in named[:3]) + (" and others" if len(named) > 3 else "")
    if decision == "fail":
        return f"{len(named)} of {total} rules are proven broken ({titles})."
    if decision == "inconclusive":
        more = [v.further_samples for v in named if v.further_samples is not None]
        hint = f"; about {max(more)} more samples would probably decide" if len(more) == len(named) else ""
        return f"{len(named)} of {total} rules are open ({titles}){hint}."
    proven = sum(v.decision == "pass" for v in named)
    return f"{proven} of {len(named)} rules are proven to hold and none is proven broken."
