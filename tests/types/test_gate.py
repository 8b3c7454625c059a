from __future__ import annotations

import msgspec
import pytest

from evalkit.types.gate import Gate, RelativeGuard, Rule, Sequential


def test_the_gate_fills_in_what_a_rule_leaves_open() -> None:
    gate = Gate(version=1, alpha=0.1, tier="supporting", rules=(Rule(metric="quality", max_drop=0.05),))
    rule = gate.settled(gate.rules[0])
    assert (rule.alpha, rule.min_pairs, rule.tier, rule.on_inconclusive) == (0.1, 30, "supporting", "fail")
    own = gate.settled(
        Rule(metric="x", max=1, alpha=0.01, min_pairs=5, tier="advisory", on_inconclusive="warn")
    )
    assert (own.alpha, own.min_pairs, own.tier, own.on_inconclusive) == (0.01, 5, "advisory", "warn")


def test_titles_tell_rules_apart() -> None:
    assert (
        Rule(metric="quality", suite="coding", tag="hard", min=0.5).title == "quality, suite coding, tag hard"
    )
    assert Rule(metric="quality", id="mine", min=0.5).title == "mine"


def test_schema_is_made_from_the_types() -> None:
    schema = msgspec.json.schema(Gate)
    rule = schema["$defs"]["Rule"]
    assert rule["additionalProperties"] is False
    assert "max_relative_rise" in rule["properties"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Rule(metric="quality"), "no bound"),
        (lambda: Rule(metric="quality", max_drop=-0.1), "0 or more"),
        (lambda: Rule(metric="quality", max_drop=float("nan")), "0 or more"),
        (lambda: Rule(metric="quality", max_relative_drop=5), "share below 1"),
        (lambda: Rule(metric="quality", min=0.5, max=0.4), "above"),
        (lambda: Rule(metric="governance", require=("allowed",), min=1), "two rules"),
        (lambda: Rule(metric="q", min=0.1, alpha=0.9), "error rate"),
        (lambda: Rule(metric="q", min=0.1, min_pairs=1), "below 2"),
        (
            lambda: Rule(metric="q", min=0.1, relative_guard=RelativeGuard(below=0.2, max_relative_drop=0.1)),
            "max_drop",
        ),
        (lambda: RelativeGuard(below=0.2, max_relative_drop=10), "share"),
        (lambda: Gate(version=1, rules=()), "no rules"),
        (lambda: Gate(version=1, rules=(Rule(metric="q", min=0), Rule(metric="q", max=1))), "two rules"),
        (lambda: Gate(version=1, rules=(Rule(metric="q", min=0),), max_delivered_gap=2), "share"),
        (lambda: Sequential(batch=0), "1 or more"),
    ],
)
def test_nonsense_is_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]
