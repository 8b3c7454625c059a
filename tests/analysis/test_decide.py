from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.decide import Evidence, decide_gate, decide_rule, exit_code, planned_pairs
from evalkit.errors import ExitCode, UsageError
from evalkit.stats.intervals import rate
from evalkit.stats.paired import paired_difference
from evalkit.types.estimate import Estimate
from evalkit.types.gate import Gate, RelativeGuard, Rule, RuleVerdict

DROP = Rule(metric="quality", max_drop=0.05)
GATE = Gate(version=1, rules=(DROP,))


def between(low: float | None, high: float | None, value: float | None = None, n: int = 200) -> Estimate:
    middle = value if value is not None else ((low or 0.0) + (high or 0.0)) / 2
    return Estimate(value=middle, low=low, high=high, level=0.95, n=n, clusters=n, method="test")


def verdict(
    decision: str,
    *,
    tier: str = "critical",
    on: str = "fail",
    metric: str = "quality",
    further: int | None = None,
) -> RuleVerdict:
    return RuleVerdict(
        title=f"{metric} {tier} {decision} {on}",
        metric=metric,
        tier=tier,
        on_inconclusive=on,
        decision=decision,
        reason="because",
        further_samples=further,
    )


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [
        (-0.04, 0.02, "pass"),
        (-0.05, 0.02, "pass"),
        (-0.20, -0.06, "fail"),
        (-0.20, -0.05, "inconclusive"),
        (-0.06, 0.02, "inconclusive"),
        (None, 0.02, "inconclusive"),
        (-0.04, None, "pass"),
        (None, -0.06, "fail"),
        (0.0, 0.0, "inconclusive"),
    ],
)
def test_a_drop_is_proven_or_open(low: float | None, high: float | None, decision: str) -> None:
    assert decide_rule(DROP, GATE, Evidence(difference=between(low, high))).decision == decision


@given(
    st.floats(min_value=-1, max_value=1),
    st.floats(min_value=-1, max_value=1),
    st.floats(min_value=0, max_value=1),
)
def test_pass_and_fail_only_where_the_interval_proves_it(x: float, y: float, margin: float) -> None:
    low, high = min(x, y), max(x, y)
    rule = Rule(metric="quality", max_drop=margin)
    decision = decide_rule(rule, GATE, Evidence(difference=between(low, high))).decision
    if decision == "pass":
        assert all(point >= -margin for point in (low, high))
    elif decision == "fail":
        assert all(point < -margin for point in (low, high))
    else:
        assert low < -margin <= high or low == high


@pytest.mark.parametrize(
    ("rule", "evidence", "decision"),
    [
        (Rule(metric="refused", max=0.02), Evidence(candidate=between(0.0, 0.01)), "pass"),
        (Rule(metric="refused", max=0.02), Evidence(candidate=between(0.03, 0.09)), "fail"),
        (Rule(metric="quality", min=0.7), Evidence(candidate=between(0.65, 0.75)), "inconclusive"),
        (Rule(metric="total_p95", max_rise=1.0), Evidence(difference=between(1.2, 3.0)), "fail"),
        (Rule(metric="cost_per_1k", max_relative_rise=0.2), Evidence(ratio=between(0.7, 0.9)), "pass"),
        (Rule(metric="cost_per_1k", max_relative_rise=0.2), Evidence(ratio=between(1.21, 1.5)), "fail"),
        (Rule(metric="rate", max_relative_drop=0.1), Evidence(ratio=between(0.5, 0.89)), "fail"),
        (Rule(metric="cost_per_success", max=2.0), Evidence(candidate=between(1.0, None)), "inconclusive"),
        (Rule(metric="cost_per_success", max=2.0), Evidence(candidate=between(2.5, None)), "fail"),
    ],
)
def test_every_kind_of_bound(rule: Rule, evidence: Evidence, decision: str) -> None:
    assert decide_rule(rule, GATE, evidence).decision == decision


@pytest.mark.parametrize(
    ("rule", "evidence", "words"),
    [
        (
            DROP,
            Evidence(difference=between(-0.7333, -0.01235, -0.4444), unit="share"),
            "candidate minus baseline is −44.4 points [−73.3, −1.23] from 200 samples; it must be",
        ),
        (
            Rule(metric="cost_per_1k", max_relative_rise=0.0),
            Evidence(ratio=between(0.1833, 0.3385, 0.2497), unit="usd"),
            "candidate over baseline is 25 % [18.3, 33.9] from 200 samples; it must be at most 100 %",
        ),
        (
            Rule(metric="total_p95", max=2.0),
            Evidence(candidate=between(0.5, None, 1.25), unit="seconds"),
            "the candidate's value is 1.25 s [0.5, none] from 200 samples; it must be at most 2 s",
        ),
        (
            Rule(metric="cost_per_1k", max=2.0),
            Evidence(candidate=between(1.0, 3.0), unit="usd"),
            "the candidate's value is $2 [1, 3] from 200 samples; it must be at most $2",
        ),
    ],
)
def test_the_reason_has_the_units_of_its_reader(rule: Rule, evidence: Evidence, words: str) -> None:
    assert decide_rule(rule, GATE, evidence).reason.startswith(words)


def test_large_and_small_numbers_are_written_out() -> None:
    tokens = Evidence(candidate=between(12_000, 13_000), unit="tokens")
    assert "12500 tokens [12000, 13000]" in decide_rule(Rule(metric="t", max=2e5), GATE, tokens).reason
    dollars = Evidence(candidate=between(0.00001, 0.00003), unit="usd")
    assert "$0.00002 [0.00001, 0.00003]" in decide_rule(Rule(metric="c", max=1.0), GATE, dollars).reason
    nothing = Evidence(difference=between(-0.02, 0.02, -0.0), unit="share")
    assert "is 0 points [−2, 2]" in decide_rule(DROP, GATE, nothing).reason


def test_an_end_that_misses_the_bound_by_little_is_told_apart_from_it() -> None:
    reason = decide_rule(DROP, GATE, Evidence(difference=between(-0.05004, 0.02), unit="share")).reason
    assert "[−5.004, 2]" in reason


def test_one_broken_bound_breaks_the_rule_and_one_open_bound_opens_it() -> None:
    rule = Rule(metric="quality", min=0.5, max_drop=0.05)
    good, bad = between(0.6, 0.8), between(0.1, 0.3)
    ok, unsure, broken = between(-0.01, 0.02), between(-0.09, 0.02), between(-0.3, -0.2)
    assert decide_rule(rule, GATE, Evidence(candidate=good, difference=ok)).decision == "pass"
    assert decide_rule(rule, GATE, Evidence(candidate=good, difference=unsure)).decision == "inconclusive"
    assert decide_rule(rule, GATE, Evidence(candidate=bad, difference=unsure)).decision == "fail"
    assert decide_rule(rule, GATE, Evidence(candidate=good, difference=broken)).decision == "fail"


def test_eight_agreeing_pairs_are_no_go() -> None:
    """The best peer says GO here, on an interval of [0, 0]."""
    result = decide_rule(DROP, GATE, Evidence(difference=paired_difference([1] * 8, [1] * 8)))
    assert result.decision == "inconclusive"
    assert "only 8 independent samples" in result.reason
    assert result.further_samples >= 22


def test_thirty_agreeing_pairs_still_do_not_prove_a_margin_of_five_points() -> None:
    result = decide_rule(DROP, GATE, Evidence(difference=paired_difference([1] * 30, [1] * 30)))
    assert result.decision == "inconclusive"
    assert result.further_samples > 30


def test_repeats_are_not_pairs() -> None:
    labels = [f"s{i // 10}" for i in range(200)]
    result = decide_rule(DROP, GATE, Evidence(difference=paired_difference([1] * 200, [1] * 200, labels)))
    assert "only 20 independent samples" in result.reason


def test_the_promised_number_of_samples_decides() -> None:
    """An open comparison; drawing what was asked for decides it in most repetitions."""
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        d = rng.choice([1, 0, -1], size=n, p=[0.04, 0.92, 0.04])
        return (d >= 0).astype(float), (d <= 0).astype(float)

    decided = 0
    for _ in range(40):
        a, b = draw(120)
        first = decide_rule(DROP, GATE, Evidence(difference=paired_difference(a, b)))
        if first.further_samples is None or first.decision != "inconclusive":
            decided += first.decision != "inconclusive"
            continue
        more_a, more_b = draw(first.further_samples)
        both = paired_difference(np.concatenate([a, more_a]), np.concatenate([b, more_b]))
        decided += decide_rule(DROP, GATE, Evidence(difference=both)).decision != "inconclusive"
    assert decided >= 26


def test_price_of_deciding() -> None:
    evidence = Evidence(difference=between(-0.08, 0.04, -0.02), usd_per_sample=0.002)
    result = decide_rule(DROP, GATE, evidence)
    assert result.further_usd == pytest.approx(result.further_samples * 0.002)


def test_unequal_delivery_is_not_compared() -> None:
    evidence = Evidence(difference=between(-0.01, 0.02), delivered=(0.9, 1.0))
    result = decide_rule(DROP, GATE, evidence)
    assert result.decision == "inconclusive"
    assert "90.0%" in result.reason
    near = Evidence(difference=between(-0.01, 0.02), delivered=(0.99, 1.0))
    assert decide_rule(DROP, GATE, near).decision == "pass"
    absolute = Evidence(candidate=between(0.6, 0.8), delivered=(0.5, 1.0))
    assert decide_rule(Rule(metric="quality", min=0.5), GATE, absolute).decision == "pass"


def test_relative_guard_tightens_the_margin_of_a_low_baseline() -> None:
    rule = Rule(
        metric="quality", max_drop=0.05, relative_guard=RelativeGuard(below=0.2, max_relative_drop=0.1)
    )
    drop = between(-0.03, -0.02)
    low, high = between(0.05, 0.15, 0.1), between(0.7, 0.8)
    assert decide_rule(rule, GATE, Evidence(difference=drop, baseline=low)).decision == "fail"
    assert decide_rule(rule, GATE, Evidence(difference=drop, baseline=high)).decision == "pass"


def test_words() -> None:
    rule = Rule(metric="governance", require=("allowed",))
    assert decide_rule(rule, GATE, Evidence(word="allowed")).decision == "pass"
    refused = decide_rule(rule, GATE, Evidence(word="forbidden", word_reason="operator in CN"))
    assert refused.decision == "fail"
    assert "operator in CN" in refused.reason
    assert decide_rule(rule, GATE, Evidence()).decision == "inconclusive"


def test_what_was_not_measured_is_open() -> None:
    assert "not measured" in decide_rule(DROP, GATE, Evidence()).reason
    absent = Evidence(difference=Estimate.absent("no common samples"))
    assert "no common samples" in decide_rule(DROP, GATE, absent).reason


def test_an_interval_of_another_level_is_refused() -> None:
    strict = Rule(metric="quality", max_drop=0.05, alpha=0.01)
    with pytest.raises(UsageError, match=r"0\.99"):
        decide_rule(strict, GATE, Evidence(difference=between(-0.01, 0.01)))


@pytest.mark.parametrize(
    ("rules", "decision", "code"),
    [
        ([verdict("pass")], "pass", ExitCode.OK),
        ([verdict("pass"), verdict("fail")], "fail", ExitCode.GATE_FAILED),
        ([verdict("inconclusive"), verdict("fail")], "fail", ExitCode.GATE_FAILED),
        ([verdict("inconclusive")], "inconclusive", ExitCode.INCONCLUSIVE),
        ([verdict("inconclusive", on="warn")], "pass", ExitCode.OK),
        ([verdict("inconclusive", on="pass")], "pass", ExitCode.OK),
        ([verdict("fail", tier="supporting")], "fail", ExitCode.GATE_FAILED),
        ([verdict("inconclusive", tier="supporting")], "pass", ExitCode.OK),
        ([verdict("fail", tier="advisory"), verdict("pass")], "pass", ExitCode.OK),
        ([verdict("fail", metric="governance"), verdict("fail")], "fail", ExitCode.POLICY),
        ([verdict("fail", metric="governance", tier="advisory")], "pass", ExitCode.OK),
    ],
)
def test_tiers_make_the_verdict(rules: list[RuleVerdict], decision: str, code: ExitCode) -> None:
    gate = decide_gate(rules)
    assert (gate.decision, exit_code(gate)) == (decision, code)


def test_the_verdict_says_what_is_open_and_how_often_it_errs() -> None:
    rules = [
        verdict("inconclusive", further=120),
        verdict("inconclusive", on="warn"),
        verdict("inconclusive", on="pass"),
        verdict("inconclusive", tier="supporting"),
        verdict("fail", tier="advisory"),
    ]
    gate = decide_gate(rules)
    assert gate.sentence.startswith("1 of 5 rules are open")
    assert "about 120 more samples" in gate.sentence
    assert len(gate.warnings) == 2
    assert gate.false_fail == pytest.approx(4 * 0.025)


def test_no_rules_no_verdict() -> None:
    with pytest.raises(UsageError, match="at least one"):
        decide_gate([])


def test_plan_says_how_many_pairs_a_rule_needs() -> None:
    assert planned_pairs(DROP, GATE, 0.1) == pytest.approx(311, abs=4)
    assert planned_pairs(DROP, GATE, 0.1, design_effect=2) == pytest.approx(622, abs=8)
    assert planned_pairs(Rule(metric="quality", max_drop=0.5), GATE, 0.1) == 30
    assert planned_pairs(Rule(metric="quality", max_drop=0.0), GATE, 0.1) is None
    assert planned_pairs(Rule(metric="quality", min=0.5), GATE, 0.1) is None


def test_absolute_rules_on_real_answers() -> None:
    answers = [1] * 290 + [0] * 10
    high = Evidence(candidate=rate(answers))
    assert decide_rule(Rule(metric="delivered", min=0.9), GATE, high).decision == "pass"
    assert decide_rule(Rule(metric="delivered", min=0.99), GATE, high).decision == "fail"
    assert decide_rule(Rule(metric="delivered", min=0.96), GATE, high).decision == "inconclusive"
