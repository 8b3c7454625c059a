from __future__ import annotations

import numpy as np
import pytest

from evalkit.analysis.look import Drawn, is_sequential, look
from evalkit.errors import UsageError
from evalkit.stats.clusters import cluster_means
from evalkit.stats.sequential import fixed_order
from evalkit.types.gate import Gate, Rule

DROP = Rule(metric="quality", max_drop=0.1)
GATE = Gate(version=1, rules=(DROP,), min_pairs=20)


def changes(rng: np.random.Generator, drop: float, n: int = 400) -> np.ndarray:
    return rng.choice([1.0, 0.0, -1.0], size=n, p=[(0.2 - drop) / 2, 0.8, (0.2 + drop) / 2])


def ends(drop: float, runs: int, seed: int) -> tuple[list[str], float]:
    """How gates end that look after every 40 samples, and the mean number of samples."""
    rng = np.random.default_rng(seed)
    decisions, used = [], []
    for _ in range(runs):
        d = changes(rng, drop)
        for n in range(40, 401, 40):
            seen = look(DROP, GATE, Drawn(total=400, change=d[:n]))
            if seen.settled:
                break
        decisions.append(seen.verdict.decision)
        used.append(n)
    return decisions, float(np.mean(used))


def test_stops_early_and_right_when_the_truth_is_far_from_the_margin() -> None:
    decisions, used = ends(0.0, 60, 0)
    assert decisions.count("pass") > 42
    assert "fail" not in decisions
    assert used < 220


def test_hardly_ever_decides_wrongly_at_the_margin_and_gives_up() -> None:
    decisions, used = ends(0.1, 120, 1)
    wrong = decisions.count("pass") + decisions.count("fail")
    assert wrong <= 12
    assert used < 300


def test_a_bound_that_is_proven_does_not_make_the_rule_give_up() -> None:
    """The absolute bound is settled early; the drop is still open and within reach."""
    rng = np.random.default_rng(2)
    rule = Rule(metric="quality", max_drop=0.1, min=0.2)
    seen = look(rule, GATE, Drawn(total=4000, change=changes(rng, 0.02, 60), candidate=rng.random(60)))
    assert seen.verdict.decision == "inconclusive"
    assert not seen.given_up


def test_too_few_samples_are_no_verdict_however_clear() -> None:
    seen = look(DROP, GATE, Drawn(total=400, change=np.full(15, -1.0)))
    assert seen.verdict.decision == "inconclusive"
    assert "only 15 independent samples" in seen.verdict.reason


def test_absolute_bounds_are_looked_at_too() -> None:
    rule = Rule(metric="refused", max=0.3)
    answers = (np.random.default_rng(3).random(300) < 0.05).astype(float)
    assert look(rule, GATE, Drawn(total=400, candidate=answers)).verdict.decision == "pass"


def test_clusters_enter_by_their_means_in_order() -> None:
    values = np.array([1.0, 0.0, 1.0, 1.0])
    assert cluster_means(values, np.array([0, 0, 1, 1])).tolist() == [0.5, 1.0]
    assert set(fixed_order(["a", "b"], 1)) == {"a", "b"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (DROP, True),
        (Rule(metric="refused", max=0.1), True),
        (Rule(metric="cost_per_1k", max_relative_rise=0.1), False),
        (Rule(metric="governance", require=("allowed",)), False),
    ],
)
def test_which_rules_may_be_looked_at(rule: Rule, expected: bool) -> None:
    assert is_sequential(rule) is expected


def test_other_rules_are_refused() -> None:
    with pytest.raises(UsageError, match="decide it once"):
        look(Rule(metric="cost_per_1k", max_relative_rise=0.1), GATE, Drawn(total=5))
