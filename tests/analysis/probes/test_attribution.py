from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from evalkit.analysis.probes.attribution import Attribution, attribute, host_gap
from evalkit.analysis.probes.classes import NOT_COMPLETE, Row
from tests.analysis.probes.world import never, on, sometimes, world

if TYPE_CHECKING:
    from evalkit.types.estimate import Estimate

A = {f"cn-{n}" for n in range(10)}
B = {f"cn-{n}" for n in range(10, 16)}
C = {f"cn-{n}" for n in range(16, 20)}


def hosts(seed: int, *, pairs: int = 40) -> list[Row]:
    """The model refuses A; host x blocks B; host y gives a canned line for C; host z adds nothing."""
    model = on(A, "refusal", sometimes(0.1, "steered"))
    answers = {"x:m": on(B, "host_block", model), "y:m": on(C, "official_line", model), "z:m": model}
    return [
        row
        for number, (endpoint, answer) in enumerate(answers.items())
        for row in world(answer, pairs=pairs, seed=10 * seed + number, endpoint=endpoint)
    ]


def covers(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def parts(rows: list[Row]) -> Attribution:
    (found,) = attribute(rows)
    return found


def test_each_part_is_given_to_whom_it_belongs() -> None:
    found = parts(hosts(1))
    added = {host.endpoint: host.added for host in found.hosts}
    assert covers(found.model, (10 + 70 * 0.1) / 80)
    assert covers(added["x:m"], 6 * 0.9 / 80)
    assert covers(added["y:m"], 4 * 0.9 / 80)
    assert covers(added["z:m"], 0)
    assert found.hidden.value == 0
    by_name = {(test.first, test.second): test for test in found.tests}
    assert by_name["x:m", "z:m"].adjusted < 0.05
    assert by_name["y:m", "z:m"].p_value < 0.2


def test_what_one_host_blocks_and_another_shows_is_not_hidden() -> None:
    """x blocks where the weights refuse, as z shows: that is known of the model, and x adds nothing."""
    model = on(A, "refusal", never)
    found = parts(
        [
            *world(on(A, "host_block", never), endpoint="x:m"),
            *world(model, endpoint="z:m", seed=1),
        ]
    )
    assert found.hidden.value == 0
    assert found.model.value == pytest.approx(10 / 80)
    assert [host.added.value for host in found.hosts] == [0, 0]
    both = parts(
        [
            *world(on(A, "host_block", never), endpoint="x:m"),
            *world(on(A, "host_block", never), endpoint="z:m"),
        ]
    )
    assert (both.hidden.value, both.model.value) == (pytest.approx(10 / 80), 0)


def test_hosts_that_do_the_same_show_no_effect() -> None:
    found = parts(
        [
            row
            for number in range(2)
            for row in world(sometimes(0.3, "refusal"), seed=number, endpoint=f"h{number}:m")
        ]
    )
    assert all(covers(host.added, 0) for host in found.hosts)
    assert found.tests[0].adjusted > 0.05


def test_what_every_host_blocks_says_nothing_of_the_model() -> None:
    blocked = on(A, "host_block")
    found = parts([row for name in "xy" for row in world(blocked, endpoint=f"{name}:m")])
    assert (found.model.value, found.hidden.value) == (0, 10 / 80)


def test_one_host_of_some_weights_is_not_attributed() -> None:
    assert attribute(world(never)) == ()


def test_one_host_that_is_asked_twice_is_not_attributed() -> None:
    """A repeat of a run shows the host's own filter again: that is not what the weights do everywhere."""
    twice = [
        msgspec.structs.replace(row, host="x")
        for endpoint in ("x:m @ monday", "x:m @ tuesday")
        for row in world(on(A, "refusal"), endpoint=endpoint)
    ]
    assert attribute(twice) == ()
    other = [msgspec.structs.replace(row, host="z") for row in world(never, endpoint="z:m")]
    found = parts(twice + other)
    assert (found.model.value, len(found.hosts), found.operator) == (0, 3, None)


def test_hosts_of_one_maker_are_named_for_what_they_share() -> None:
    rows = [
        msgspec.structs.replace(row, host=host)
        for host in ("dashscope", "dashscope-cn")
        for row in world(on(A, "refusal"), endpoint=f"{host}:m")
    ]
    assert parts(rows).operator == "alibaba"


def test_single_answers_are_told_apart_by_the_topics_other_questions() -> None:
    rows = [
        *world(on(B, "host_block"), epochs=1, endpoint="x:m"),
        *world(on(C, "official_line"), epochs=1, endpoint="y:m"),
    ]
    found = parts(rows)
    assert found.model.value == 0
    assert {host.endpoint: host.added.value for host in found.hosts} == {"x:m": 6 / 80, "y:m": 4 / 80}


def test_the_family_is_all_pairs_of_hosts_of_all_weights() -> None:
    other = [
        row
        for name in "xy"
        for row in world(sometimes(0.1, "refusal"), endpoint=f"{name}:n", weights="org/n")
    ]
    found = attribute(hosts(2) + other)
    assert [len(part.tests) for part in found] == [3, 1]
    tests = [test for part in found for test in part.tests]
    least = min(tests, key=lambda test: test.p_value)
    assert least.adjusted == pytest.approx(min(1.0, 4 * least.p_value))


def test_what_a_host_does_to_benign_questions_too_is_no_matter_of_topics() -> None:
    def clumsy(topic: str, form: str, rng: object) -> str:
        del form, rng
        return "host_block" if int(topic.split("-")[1]) % 4 == 0 else "complete"

    left = world(clumsy, endpoint="x:m")  # type: ignore[arg-type]
    gap = host_gap(left, world(never, endpoint="y:m"), NOT_COMPLETE)
    assert gap.value == 0


@pytest.mark.slow
def test_the_truth_is_within_the_intervals_in_95_of_100_worlds() -> None:
    hits = {"model": 0, "x:m": 0, "y:m": 0, "z:m": 0}
    truth = {"model": 17 / 80, "x:m": 5.4 / 80, "y:m": 3.6 / 80, "z:m": 0.0}
    for seed in range(100):
        found = parts(hosts(seed))
        hits["model"] += covers(found.model, truth["model"])
        for host in found.hosts:
            hits[host.endpoint] += covers(host.added, truth[host.endpoint])
    assert min(hits.values()) >= 95, hits
