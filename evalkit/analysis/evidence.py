"""What recorded runs say about the rules of a gate: each rule's evidence, at its own level.

A rule may be restricted to a suite and a tag. One that names no suite, on a measure that only suites have, is
decided in each suite. What cannot be compared at all is an error and no verdict: another version of a suite,
no common samples, a name that nothing has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.compare import Sides
from evalkit.analysis.decide import Evidence, decide_rule
from evalkit.analysis.estimates import change, figure, gains_losses, matched
from evalkit.analysis.labels import Subject, suite_names
from evalkit.analysis.measures import EXCESS, FAMILIES, MEASURES, SCORE, Measure, measure_of, pass_of
from evalkit.analysis.quantities import Quantity, quantity_of
from evalkit.analysis.rundata import RunData
from evalkit.analysis.table import tagged
from evalkit.errors import UnknownNameError, UsageError
from evalkit.types.estimate import Estimate
from evalkit.types.gate import GOVERNANCE, WORDS, Gate, Rule, RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.analysis.quantities import Needs, Units
    from evalkit.types.run import Manifest, SuiteRecord


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The two sides of a gate. Without `baseline` only absolute rules can be decided.

    `scores` is the frame of that name, for the reasons of flips.
    """

    runs: tuple[RunData, ...]
    sides: Sides
    scores: Any
    candidate: Subject
    baseline: Subject | None = None

    def manifest(self, side: Subject) -> Manifest:
        """The manifest of a side's run."""
        return self.runs[side.run].manifest

    def suites(self, side: Subject) -> dict[str, str]:
        """Suites of a side's run by id, with their names in this analysis."""
        names = suite_names(self.runs)
        return {suite: name for (number, suite), name in names.items() if number == side.run}

    def record(self, side: Subject, suite: str) -> SuiteRecord:
        """The record of a suite in a side's run."""
        return self.runs[side.run].suite(suite)

    def baseline_for(self, rule: Rule) -> Subject:
        """The baseline, which the rule needs."""
        if self.baseline is None:
            raise UsageError(
                f"The rule {rule.title!r} compares with a baseline, and the run has one endpoint only; "
                "name a --baseline run."
            )
        return self.baseline


def decide_rules(gate: Gate, case: Case) -> tuple[RuleVerdict, ...]:
    """The verdict on every rule, in the order of the file.

    Raises:
        UsageError: a rule names what the runs do not have, or the sides cannot be compared.
    """
    return tuple(verdict for rule in gate.rules for verdict in decided(rule, gate, case))


def decided(rule: Rule, gate: Gate, case: Case) -> Iterator[RuleVerdict]:
    """The verdict on one rule in each suite that it is decided in.

    Raises:
        UsageError: it names what the runs do not have, or the sides cannot be compared.
    """
    if rule.metric in WORDS:
        yield decide_rule(rule, gate, _word(rule, case))
        return
    for scope in scopes(rule, case):
        evidence, counts = _measured(scope, gate.settled(scope), case)
        unit = _measure(scope, case).unit
        verdict = decide_rule(scope, gate, msgspec.structs.replace(evidence, unit=unit))
        yield msgspec.structs.replace(verdict, rule=rule.title, unit=unit, **counts)


def scopes(rule: Rule, case: Case) -> tuple[Rule, ...]:
    """The rule in each suite that it has to be decided in; itself if it is decided over all of them.

    Raises:
        UsageError: its metric, suite or tag does not exist, or the baseline has another version of a suite.
    """
    measure = _measure(rule, case)
    _require_shares(rule, measure)
    own = case.suites(case.candidate)
    if rule.suite is not None and rule.suite not in own:
        run = case.manifest(case.candidate).run
        raise UnknownNameError(
            "suite", rule.suite, own, f"The rule {rule.title!r} names it; {run} has {_listed(own)}."
        )
    if rule.suite is not None:
        chosen = [rule.suite]
    elif measure.by_suite:
        chosen = [
            s for s in own if _quantity(rule.metric, own[s], case) is not None and _has_tag(rule, s, case)
        ]
    else:
        chosen = [s for s in own if _has_tag(rule, s, case)]
    if rule.tag is not None and not (chosen and all(_has_tag(rule, s, case) for s in chosen)):
        raise UnknownNameError("tag", rule.tag, _tags(case), f"in the rule {rule.title!r}.")
    if not chosen or (rule.suite is not None and _quantity(rule.metric, own[rule.suite], case) is None):
        raise UsageError(
            f"The rule {rule.title!r} is on {rule.metric!r}, which {_where(rule, own)} cannot have; "
            f"{_why_not(rule.metric)}."
        )
    if rule.is_relative:
        _require_comparable(rule, chosen, case)
    if rule.suite is None and measure.by_suite and len(chosen) > 1:
        return tuple(rule.within(suite) for suite in chosen)
    return (msgspec.structs.replace(rule, suite=chosen[0]) if measure.by_suite else rule,)


def _require_shares(rule: Rule, measure: Measure) -> None:
    """35 for 35 points would be a rule that nothing can break."""
    if measure.unit != "share":
        return
    bounds = {"min": rule.min, "max": rule.max, "max_drop": rule.max_drop, "max_rise": rule.max_rise}
    for name, bound in bounds.items():
        if bound is not None and bound > 1:
            raise UsageError(
                f"The rule {rule.title!r} has `{name}: {bound:g}`, but {rule.metric!r} is a share from 0 to "
                f"1; write {bound / 100:g} for {bound:g} %."
            )


def _measured(rule: Rule, settled: Rule, case: Case) -> tuple[Evidence, dict[str, int]]:
    """Estimates at the rule's level, and how many common samples are better, worse, and on one side only."""
    assert settled.alpha is not None
    level = 1 - settled.alpha
    quantity = quantity_in(rule, case)
    name = _name(rule, case)
    mine = trials_in(rule, case.candidate, case)
    ours = quantity.make(mine)
    candidate = _figure(quantity, ours, level)
    spent = _dollars(mine)
    if not rule.is_relative:
        return Evidence(candidate=candidate, usd_per_sample=spent), {}
    yours = trials_in(rule, case.baseline_for(rule), case)
    theirs = quantity.make(yours)
    pairs = matched(ours, theirs) if ours is not None and theirs is not None else None
    other = _dollars(yours)
    evidence = Evidence(
        candidate=candidate,
        baseline=_figure(quantity, theirs, level),
        delivered=delivered_shares(mine, yours, quantity.needs) if quantity.needs else None,
        needs=quantity.needs or "delivered",
        usd_per_sample=spent + other if spent is not None and other is not None else None,
    )
    if pairs is None:
        absent = Estimate.absent("no sample has a value on both sides", level=level)
        return msgspec.structs.replace(evidence, difference=absent, ratio=absent), {}
    if rule.max_drop is not None or rule.max_rise is not None:
        evidence = msgspec.structs.replace(evidence, difference=change(quantity, pairs, "difference", level))
    if rule.max_relative_drop is not None or rule.max_relative_rise is not None:
        evidence = msgspec.structs.replace(evidence, ratio=change(quantity, pairs, "ratio", level))
    more, less = gains_losses(quantity, pairs)
    higher = _higher_is_better(rule.metric, name, case)
    return evidence, {
        "better": more if higher else less,
        "worse": less if higher else more,
        "only_one": pairs.only_one,
    }


def _figure(quantity: Quantity, units: Units | None, level: float) -> Estimate:
    if units is None:
        why = "the measure does not apply to these samples"
        if quantity.kind == "contrast":
            why = f"no probe has such a control; where topics belong to countries, name one: {EXCESS}:CN"
        return Estimate.absent(why, level=level)
    return figure(quantity, units, level)


def quantity_in(rule: Rule, case: Case) -> Quantity:
    """How the measure of a rule that `scopes` gave is made."""
    found = _quantity(rule.metric, _name(rule, case), case)
    assert found is not None  # scopes looked
    return found


def trials_in(rule: Rule, side: Subject, case: Case) -> Any:
    """A side's trials that a rule that `scopes` gave is about."""
    return _part(rule, _name(rule, case), side, case)


def _name(rule: Rule, case: Case) -> str | None:
    """The rule's suite as it is called in this analysis."""
    return case.suites(case.candidate)[rule.suite] if rule.suite else None


def _part(rule: Rule, name: str | None, side: Subject, case: Case) -> Any:
    """A side's trials that the rule is about."""
    table = case.sides.table
    own = table[table["subject"] == side.name]
    if name is not None:
        own = own[own["suite"] == name]
    return tagged(own, rule.tag) if rule.tag is not None else own


def delivered_shares(mine: Any, yours: Any, needs: Needs) -> tuple[float, float] | None:
    """The two sides' delivered (answered, valid) shares of the samples that both were asked."""
    left, right = (part[~part["pending"]].set_index("trial")[needs] for part in (mine, yours))
    common = left.index.intersection(right.index)
    if not len(common):
        return None
    return float(left.loc[common].mean()), float(right.loc[common].mean())


def _dollars(part: Any) -> float | None:
    """Mean cost of an answered sample; None if one is unpriced."""
    usd = part[part["answered"]]["usd"]
    return float(usd.mean()) if len(usd) and usd.notna().all() else None


def _word(rule: Rule, case: Case) -> Evidence:
    manifest, endpoint = case.manifest(case.candidate), case.candidate.endpoint
    if rule.metric == GOVERNANCE:
        records = [p for p in manifest.policy if p.endpoint == endpoint and rule.suite in {None, p.suite}]
        refused = next((p for p in records if not p.allowed), None)
        if not records:
            return Evidence(word_reason=f"{manifest.run} records no policy verdict on {endpoint}")
        word = "refused" if refused else "allowed"
        return Evidence(word=word, word_reason=refused.rule if refused else None)
    found = [v for v in manifest.host_verdicts if v.endpoint == endpoint]
    if not found:
        return Evidence(word_reason=f"{manifest.run} holds no result of a host-verification detector")
    order = {"differs": 0, "unclear": 1, "matches": 2}
    worst = min(found, key=lambda verdict: order[verdict.word])
    why = ": ".join(text for text in (worst.method, worst.reason) if text)
    return Evidence(word=worst.word, word_reason=why)


def _measure(rule: Rule, case: Case) -> Measure:
    metrics = [metric for suite in case.sides.metrics.values() for metric in suite.every]
    measure = measure_of(rule.metric, metrics)
    if measure is None:
        known = (*MEASURES, *dict.fromkeys(f"{SCORE}{m.name}" for m in metrics), *WORDS)
        raise UnknownNameError(
            "metric",
            rule.metric,
            known,
            f"The rule {rule.title!r} needs one of {', '.join((*known, *FAMILIES))}.",
        )
    if rule.metric.startswith(EXCESS) and rule.tag is not None:
        raise UsageError(
            f"The rule {rule.title!r} has a tag, which would take the controls away; use {EXCESS}:COUNTRY."
        )
    return measure


def _quantity(key: str, name: str | None, case: Case) -> Quantity | None:
    """How a measure is made in a suite; None if the suite cannot have it."""
    known = case.sides.metrics[name] if name is not None else None
    if known is not None and key.startswith(SCORE) and known.of(key) is None:
        return None
    return quantity_of(key, known.of(key) if known is not None else None)


def _why_not(key: str) -> str:
    if pass_of(key):
        return "it needs a primary metric that is a success"
    return "its primary metric is unbounded" if key == "quality_planned" else "no scorer gives it"


def _higher_is_better(key: str, name: str | None, case: Case) -> bool:
    metric = case.sides.metrics[name].of(key) if name is not None else None
    fixed = MEASURES.get(key) if key in MEASURES and not MEASURES[key].by_suite else measure_of(key)
    if fixed is not None and not fixed.by_suite:
        return fixed.better == "higher"
    return metric is None or metric.higher_is_better


def _has_tag(rule: Rule, suite: str, case: Case) -> bool:
    if rule.tag is None:
        return True
    return bool(len(_part(rule, case.suites(case.candidate)[suite], case.candidate, case)))


def _tags(case: Case) -> list[str]:
    every = {
        tag
        for samples in case.runs[case.candidate.run].samples.values()
        for sample in samples
        for tag in sample.tags
    }
    return sorted(every)


def _listed(names: dict[str, str]) -> str:
    return ", ".join(names)


def _where(rule: Rule, own: dict[str, str]) -> str:
    return f"suite {rule.suite!r}" if rule.suite else f"none of the suites {_listed(own)}"


def _require_comparable(rule: Rule, chosen: list[str], case: Case) -> None:
    """Refuse to compare other contents or other samples."""
    base = case.baseline_for(rule)
    ours, theirs = case.manifest(case.candidate).run, case.manifest(base).run
    shared = case.suites(base)
    for suite in chosen:
        if suite not in shared:
            raise UsageError(
                f"The rule {rule.title!r} compares suite {suite!r}, which the baseline run {theirs} does not "
                "have; run the baseline on it, or name another suite in the rule."
            )
        own, other = case.record(case.candidate, suite), case.record(base, suite)
        if own.hash != other.hash:
            raise UsageError(
                f"Suite {suite!r} is version {own.suite.version} ({own.hash[:8]}) in {ours} and version "
                f"{other.suite.version} ({other.hash[:8]}) in the baseline {theirs}: their samples differ; "
                "run the baseline again on the same version."
            )
        name = case.suites(case.candidate)[suite]
        mine, yours = (_part(rule, name, side, case) for side in (case.candidate, base))
        if not len(mine.set_index("trial").index.intersection(yours.set_index("trial").index)):
            raise UsageError(
                f"{case.candidate.name} and {base.name} have no common samples of suite {suite!r}; "
                "run both on the same samples (the same --limit, --tag, --epochs and --shard)."
            )
