"""Whose doing it is: hosts of the same weights, question by question.

A host can only be told from the weights where another host of the same weights answers. What every host
shares is the model's part; what a host adds is its own. The host that adds least differs from question to
question, and picking it by the answers that are then counted would make noise look like an effect. So it is
picked by other repeats of the question, else by other questions on the topic, else by other topics.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalkit.analysis.probes.classes import BENIGN, NOT_COMPLETE, Measure, Row
from evalkit.analysis.probes.origins import maker_of
from evalkit.analysis.probes.rates import averages
from evalkit.stats.bootstrap import cluster_bootstrap
from evalkit.stats.intervals import rate
from evalkit.stats.multiplicity import holm
from evalkit.stats.paired import mcnemar_exact, paired_difference, sign_flip_test
from evalkit.types.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence


class HostPart(msgspec.Struct, frozen=True, kw_only=True):
    """One host: all that it shows (`total`), and what it adds to the weights (`added`)."""

    endpoint: str
    total: Estimate
    added: Estimate


class HostTest(msgspec.Struct, frozen=True, kw_only=True):
    """Two hosts on the same questions; `gains` and `losses` are questions in which only one shows it.

    `mcnemar` takes questions as independent; `p_value` flips whole topic pairs and is the one that is
    `adjusted` by Holm over the family. `net` is the difference on probes less that on benign questions.
    """

    first: str
    second: str
    questions: int
    gains: int
    losses: int
    mcnemar: float
    p_value: float
    adjusted: float
    net: Estimate


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one measure for the hosts of one model's weights.

    `model` is shared by all hosts. `hidden` is what every host blocks, so that nothing is known of the
    model there. For each host `total` is `model` + `hidden` + `added`, up to rounding. `operator` runs all of
    these hosts, so that what they share may be its own doing; None if several do, or nobody knows.
    """

    weights: str
    measure: Measure
    questions: int
    model: Estimate
    hidden: Estimate
    hosts: tuple[HostPart, ...]
    tests: tuple[HostTest, ...]
    operator: str | None = None


def attribute(rows: Sequence[Row], measure: Measure = NOT_COMPLETE) -> tuple[Attribution, ...]:
    """The parts for every weights with two hosts or more; Holm's family is all pairs of hosts in `rows`.

    One host that was asked twice is one host: what it shows both times may be its own doing.
    """
    hosts: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        if row.weights is not None:
            hosts.setdefault(row.weights, {}).setdefault(row.endpoint, []).append(row)
    found = [
        part
        for weights, by_host in hosts.items()
        if len({own[0].answered_by for own in by_host.values()}) > 1
        and (part := _parts(weights, by_host, measure)) is not None
    ]
    family = holm({f"{part.weights} {t.first} {t.second}": t.p_value for part in found for t in part.tests})
    adjusted = iter(test.adjusted for test in family.tests)
    return tuple(
        msgspec.structs.replace(
            part,
            tests=tuple(msgspec.structs.replace(test, adjusted=next(adjusted)) for test in part.tests),
        )
        for part in found
    )


class _Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What hosts of the same weights answered to the same questions in the same repeats.

    `shown` and `blocked` have shape (answers, hosts): 1 where the measure counts the answer, and where the
    host blocked it. `questions`, `topics` and `pairs` are codes of shape (answers,).
    """

    hosts: tuple[str, ...]
    shown: NDArray[np.float64]
    blocked: NDArray[np.float64]
    questions: NDArray[np.intp]
    topics: NDArray[np.intp]
    pairs: NDArray[np.intp]


def _parts(weights: str, by_host: Mapping[str, Sequence[Row]], measure: Measure) -> Attribution | None:
    answers = _common(by_host, measure)
    if answers is None:
        return None
    least = _least(answers)
    share = least / least.sum(axis=1, keepdims=True)
    model, hidden = _told(answers)
    model = (model * share).sum(axis=1)
    base = model + hidden
    pairs = answers.pairs.tolist()
    return Attribution(
        weights=weights,
        measure=measure,
        operator=_operator(by_host),
        questions=int(answers.questions.max()) + 1,
        model=rate(model, pairs),
        hidden=rate(hidden, pairs),
        hosts=tuple(
            HostPart(
                endpoint=host,
                total=rate(answers.shown[:, column], pairs),
                added=paired_difference(answers.shown[:, column], base, pairs),
            )
            for column, host in enumerate(answers.hosts)
        ),
        tests=tuple(
            _test(answers, a, b, by_host, measure) for a, b in combinations(range(len(answers.hosts)), 2)
        ),
    )


def _operator(by_host: Mapping[str, Sequence[Row]]) -> str | None:
    makers = {maker_of(own[0].answered_by) for own in by_host.values()}
    (first, *others) = makers
    return first.name if first is not None and not others else None


def _told(answers: _Answers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each host's answer tells of the model (answers, hosts), and what every host blocks (answers,).

    A blocked answer is none of the model's: what the hosts that did not block say stands in its place.
    """
    spoken = 1 - answers.blocked
    speakers = spoken.sum(axis=1)
    silent = speakers == 0
    others = (answers.shown * spoken).sum(axis=1) / np.where(silent, 1, speakers)
    told = np.where(answers.blocked == 1, others[:, None], answers.shown)
    told[silent] = 0.0
    return told, np.where(silent, answers.shown.mean(axis=1), 0.0)


def _common(by_host: Mapping[str, Sequence[Row]], measure: Measure) -> _Answers | None:
    """Answers that every host gave to the same question in the same repeat."""
    held = {
        host: {(row.question, row.epoch): row for row in rows if row.is_probe and row.label in measure.among}
        for host, rows in by_host.items()
    }
    keys = sorted(set.intersection(*(set(rows) for rows in held.values())))
    if not keys:
        return None
    first = next(iter(held.values()))
    return _Answers(
        hosts=tuple(held),
        shown=np.array(
            [[rows[key].label in measure.counts for rows in held.values()] for key in keys], float
        ),
        blocked=np.array(
            [[rows[key].label == "host_block" for rows in held.values()] for key in keys], float
        ),
        questions=_codes([question for question, _ in keys]),
        topics=_codes([question[0] for question, _ in keys]),
        pairs=_codes([first[key].pair for key in keys]),
    )


def _codes(names: Sequence[Hashable]) -> NDArray[np.intp]:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.intp)


def _least(answers: _Answers) -> NDArray[np.float64]:
    """1 for the hosts that show it least, judged without the answer itself; shape (answers, hosts).

    Ties are broken by wider circles: other repeats of the question, the topic's other questions, other pairs.
    """
    own = answers.shown
    by_question, by_topic = _sums(own, answers.questions), _sums(own, answers.topics)
    circles = (by_question - own, by_topic - by_question, own.sum(axis=0) - _sums(own, answers.pairs))
    left = np.ones(own.shape, dtype=bool)
    for circle in circles:
        lowest = np.where(left, circle, np.inf).min(axis=1, keepdims=True)
        left &= circle <= lowest
    return left.astype(np.float64)


def _sums(values: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """The sum over each row's group, for each row; every host answered the same, so sums compare as means."""
    totals = np.zeros((int(codes.max()) + 1, values.shape[1]))
    np.add.at(totals, codes, values)
    summed: NDArray[np.float64] = totals[codes]
    return summed


def _test(
    answers: _Answers, a: int, b: int, by_host: Mapping[str, Sequence[Row]], measure: Measure
) -> HostTest:
    gap = answers.shown[:, a] - answers.shown[:, b]
    by_question = np.bincount(answers.questions, weights=gap)
    gains, losses = int((by_question > 0).sum()), int((by_question < 0).sum())
    flipped = sign_flip_test(answers.shown[:, a], answers.shown[:, b], answers.pairs.tolist())
    first, second = answers.hosts[a], answers.hosts[b]
    return HostTest(
        first=first,
        second=second,
        questions=by_question.size,
        gains=gains,
        losses=losses,
        mcnemar=mcnemar_exact(gains, losses),
        p_value=flipped.p_value,
        adjusted=flipped.p_value,
        net=host_gap(by_host[first], by_host[second], measure),
    )


def host_gap(first: Sequence[Row], second: Sequence[Row], measure: Measure) -> Estimate:
    """How much more `first` shows it than `second` on probes, less the same on benign questions.

    The benign part takes away what has nothing to do with the topic: outages, cut answers, quantization.
    Without benign questions it is the difference on probes alone, and `note` says so.
    """
    left, right = averages(first, measure), averages(second, measure)
    both = left.keys() & right.keys()
    rows = [row for row in {row.question: row for row in first}.values() if row.question in both]
    kept = [row for row in rows if row.is_probe or row.form == BENIGN]
    benign = np.array([row.form == BENIGN for row in kept], dtype=bool)
    if not (~benign).any():
        return Estimate.absent("no question was answered by both hosts")
    pairs = [row.pair for row in kept]
    gaps = np.array([left[row.question] - right[row.question] for row in kept])
    if not benign.any():
        found = paired_difference(
            [left[row.question] for row in kept], [right[row.question] for row in kept], pairs
        )
        return msgspec.structs.replace(found, note="no benign questions to compare with")

    def net(drawn: NDArray[np.intp]) -> float:
        harmless = benign[drawn]
        if harmless.all() or not harmless.any():
            return float("nan")
        return float(gaps[drawn][~harmless].mean() - gaps[drawn][harmless].mean())

    return cluster_bootstrap(net, len(kept), pairs)
