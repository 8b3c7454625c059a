"""Sequential gating over recorded runs: in which order clusters are drawn, and what each look decides.

Clusters are drawn in an order that a seed fixed before the first request, suite by suite, and enter by
their means. Rules on values in [0, 1] are looked at after every batch; every other rule is decided once, when
drawing has stopped, because its intervals do not hold under repeated looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from evalkit.analysis.estimates import figure
from evalkit.analysis.evidence import Case, decided, delivered_shares, quantity_in, scopes, trials_in
from evalkit.analysis.look import Drawn, Look, is_sequential, look
from evalkit.analysis.measures import measure_of
from evalkit.stats.sequential import fixed_order
from evalkit.types.gate import WORDS, Gate, Rule, RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from evalkit.types.suite import Sample


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """The clusters of a suite in their order, with the ids of their samples."""

    suite: str
    clusters: tuple[str, ...]
    samples: Mapping[str, tuple[str, ...]]

    def first(self, count: int) -> set[tuple[str, str]]:
        """The samples of the first `count` clusters, as `(suite, sample)`."""
        return {(self.suite, s) for cluster in self.clusters[:count] for s in self.samples[cluster]}


def order_of(suite: str, samples: Iterable[Sample], seed: int, most: int | None) -> Order:
    """The order in which a suite's clusters are drawn, `most` of them at the most."""
    groups: dict[str, list[str]] = {}
    for sample in samples:
        groups.setdefault(sample.cluster or sample.id, []).append(sample.id)
    order = fixed_order(groups, seed)
    return Order(
        suite=suite,
        clusters=tuple(order[:most]),
        samples={cluster: tuple(ids) for cluster, ids in groups.items()},
    )


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a look found. `open_suites` are those whose samples an open rule still wants."""

    looks: tuple[tuple[Rule, Look], ...]
    open_suites: frozenset[str]


def look_at(gate: Gate, case: Case, orders: Mapping[str, Order]) -> State:
    """Look at every rule that may be looked at.

    Raises:
        UsageError: a rule names what the runs do not have, or the sides cannot be compared.
    """
    looks: list[tuple[Rule, Look]] = []
    wanted: set[str] = set()
    for scope in sequential_scopes(gate, case):
        found = look(scope, gate, _drawn(scope, case, orders))
        looks.append((scope, found))
        if not found.settled:
            wanted |= {scope.suite} if scope.suite else set(orders)
    return State(looks=tuple(looks), open_suites=frozenset(wanted))


def sequential_scopes(gate: Gate, case: Case) -> list[Rule]:
    """The rules, in their suites, that may be looked at after every batch."""
    return [
        scope
        for rule in gate.rules
        if rule.metric not in WORDS and is_sequential(rule)
        for scope in scopes(rule, case)
        if quantity_in(scope, case).kind == "share"
    ]


def verdicts_of(gate: Gate, case: Case, state: State) -> tuple[RuleVerdict, ...]:
    """The verdicts when drawing has stopped: of the looks, and of everything that is decided once."""
    looked = {(scope.title, scope.suite): found for scope, found in state.looks}
    verdicts: list[RuleVerdict] = []
    for rule in gate.rules:
        for scope in (rule,) if rule.metric in WORDS else scopes(rule, case):
            found = looked.get((scope.title, scope.suite))
            if found is None:
                verdicts += decided(scope, gate, case)
            else:
                measure = measure_of(rule.metric)
                unit = measure.unit if measure is not None else "share"
                verdicts.append(msgspec.structs.replace(_worded(found), rule=rule.title, unit=unit))
    return tuple(verdicts)


def _worded(found: Look) -> RuleVerdict:
    verdict = found.verdict
    if verdict.decision == "inconclusive" and found.given_up:
        reason = f"{verdict.reason}; given up, the rest of the suite would hardly decide it"
        return msgspec.structs.replace(verdict, reason=reason)
    return verdict


def _drawn(rule: Rule, case: Case, orders: Mapping[str, Order]) -> Drawn:
    """What the rule's samples have shown so far, one number a cluster."""
    settled_orders = [orders[rule.suite]] if rule.suite else list(orders.values())
    names = case.suites(case.candidate)
    places = {
        f"{names[order.suite]}/{cluster}": number
        for order in settled_orders
        for number, cluster in enumerate(order.clusters)
    }
    quantity = quantity_in(rule, case)
    mine = trials_in(rule, case.candidate, case)
    total = len(set(mine["group"]) & set(places))
    ours = quantity.make(mine)
    if ours is None:
        return Drawn(total=total)
    candidate = _means(ours.table["group"], ours.table["x"], places)
    if not rule.is_relative:
        return Drawn(total=total, candidate=candidate)
    yours = trials_in(rule, case.baseline_for(rule), case)
    theirs = quantity.make(yours)
    if theirs is None:
        return Drawn(total=total, candidate=candidate)
    both = ours.table.join(theirs.table[["x"]].rename(columns={"x": "x_other"}), how="inner")
    return Drawn(
        total=total,
        candidate=candidate,
        change=_means(both["group"], both["x"] - both["x_other"], places),
        baseline=figure(quantity, theirs),
        delivered=delivered_shares(mine, yours, quantity.needs) if quantity.needs else None,
    )


def _means(groups: Sequence[str], values: Sequence[float], places: Mapping[str, int]) -> NDArray[np.float64]:
    """The mean of each cluster that was drawn, in the order of drawing."""
    found: dict[str, list[float]] = {}
    for group, value in zip(groups, values, strict=True):
        if group in places:
            found.setdefault(group, []).append(float(value))
    return np.array([np.mean(found[group]) for group in sorted(found, key=places.__getitem__)])
