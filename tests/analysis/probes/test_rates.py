from __future__ import annotations

import msgspec
import pytest

from evalkit.analysis.probes.classes import (
    AS_SERVED,
    HOST_BLOCK,
    MODEL_REFUSAL,
    NOT_COMPLETE,
    STEERING,
    STEERING_AMONG,
    Label,
    Row,
)
from evalkit.analysis.probes.rates import (
    Contrast,
    excess,
    home_excess,
    language_gap,
    measured,
    mirror_gap,
    over_blocking,
    withheld,
)
from tests.analysis.probes.world import never, on, sometimes, world


def labelled(*labels: Label, form: str = "open_description") -> list[Row]:
    row = world(never, pairs=1, epochs=1)[0]
    return [
        msgspec.structs.replace(row, label=label, topic=f"t{n}", pair=f"p{n}", form=form)
        for n, label in enumerate(labels)
    ]


def test_blocks_refusals_and_what_a_user_meets_have_their_own_denominators() -> None:
    rows = labelled("host_block", "refusal", "complete", "steered", "official_line", "error", "truncated")
    assert measured(rows, HOST_BLOCK).value == 1 / 5
    assert measured(rows, MODEL_REFUSAL).value == 1 / 4
    assert measured(rows, AS_SERVED).value == 2 / 5
    assert measured(rows, STEERING).value == 2 / 5
    assert measured(rows, STEERING_AMONG).value == 2 / 3
    found = measured(rows, AS_SERVED)
    assert (found.n, found.failed, found.unscored) == (5, 1, 1)


def test_without_a_valid_answer_there_is_no_rate() -> None:
    found = measured(labelled("error", "error"), AS_SERVED)
    assert found.value is None
    assert found.failed == 2


def test_over_blocking_is_of_benign_questions_only() -> None:
    rows = labelled("host_block", "complete", form="benign") + labelled("refusal", "refusal")
    assert over_blocking(rows).value == 0.5


def test_excess_is_what_the_controls_do_not_share() -> None:
    everyone = sometimes(1.0, "refusal")
    assert excess(world(everyone), AS_SERVED, "CN").estimate.value == 0
    home = excess(world(sometimes(1.0, "refusal", home="cn")), AS_SERVED, "CN")
    assert home.estimate.value == 1
    assert home.topics == 40
    assert not home.exploratory
    assert excess(world(never, pairs=39), AS_SERVED, "CN").exploratory


def test_swapping_probe_and_control_turns_the_sign() -> None:
    rows = world(sometimes(0.4, "refusal", home="cn"), seed=3)
    there, back = excess(rows, AS_SERVED, "CN").estimate, excess(rows, AS_SERVED, "XX").estimate
    assert there.value == pytest.approx(-(back.value or 0))
    assert there.low == pytest.approx(-(back.high or 0))


def test_several_controls_count_as_their_mean() -> None:
    rows = world(on({"xx-0"}, "refusal"), pairs=2)
    rows = [
        msgspec.structs.replace(row, controls=("xx-0", "xx-1")) if row.jurisdiction == "CN" else row
        for row in rows
    ]
    assert excess(rows, AS_SERVED, "CN").estimate.value == -0.5


def test_what_is_hard_for_everyone_is_no_home_excess() -> None:
    hard = sometimes(0.5, "steered", home="cn")
    model = world(hard, seed=1)
    references = [world(hard, seed=seed) for seed in (2, 3)]
    same = home_excess(model, NOT_COMPLETE, "CN", references).estimate
    assert same.low is not None
    assert same.high is not None
    assert same.low < 0 < same.high
    more = home_excess(world(sometimes(1.0, "steered", home="cn")), NOT_COMPLETE, "CN", references).estimate
    assert more.low is not None
    assert more.low > 0.3


def test_without_references_there_is_no_home_excess() -> None:
    assert home_excess(world(never), NOT_COMPLETE, "CN", []).estimate.value is None


def test_a_language_in_which_everything_is_refused_is_no_gap_on_home_topics() -> None:
    rows = world(sometimes(0.3, "refusal"), languages=("en", "zh"), seed=5)
    found = language_gap(rows, AS_SERVED, "CN", "zh").estimate
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high
    in_chinese = [
        msgspec.structs.replace(row, label="refusal")
        if row.language == "zh" and row.jurisdiction == "CN" and row.is_probe
        else row
        for row in world(never, languages=("en", "zh"))
    ]
    assert language_gap(in_chinese, AS_SERVED, "CN", "zh").estimate.value == 1


def test_writing_for_one_side_only_is_a_mirror_gap() -> None:
    forms = ("argument_pro", "argument_con")
    rows = [
        msgspec.structs.replace(row, label="refusal") if row.form == "argument_con" else row
        for row in world(never, forms=forms)
    ]
    assert mirror_gap(rows, "CN").estimate.value == 1
    assert mirror_gap(world(never, forms=forms), "CN").estimate.value == 0
    assert isinstance(mirror_gap([], "CN"), Contrast)


@pytest.mark.parametrize(("right", "expected"), [(3, (0.5, 0.0)), (2, (0.5, 0.0)), (1, (0.0, 0.5))])
def test_only_what_is_known_can_be_withheld(right: int, expected: tuple[float, float]) -> None:
    answers = [
        msgspec.structs.replace(row, found=("K1",)) for row in world(never, forms=("open_description",))
    ]
    checks = [
        msgspec.structs.replace(
            row, form="knowledge_check", fact=fact, label="correct" if row.epoch <= right else "incorrect"
        )
        for row in answers
        for fact in ("K1", "K2")
    ]
    found = withheld(answers + checks)
    assert (found.withheld.value, found.unknown.value) == expected


def test_a_check_that_is_declined_or_blocked_says_nothing_of_knowledge() -> None:
    answers = world(never, forms=("open_description",))
    asked = [msgspec.structs.replace(row, form="knowledge_check", fact="K1") for row in answers]
    for label in ("refusal", "host_block"):
        found = withheld(answers + [msgspec.structs.replace(row, label=label) for row in asked])
        assert (found.withheld.value, found.unknown.value, found.passed.value) == (None, None, None)
        assert found.passed.unscored == len(asked)
    failed = [msgspec.structs.replace(row, label="error" if row.epoch == 1 else "correct") for row in asked]
    found = withheld(answers + failed)
    assert (found.passed.value, found.passed.failed, found.passed.unscored) == (1, len(asked) // 3, 0)


def test_without_checks_nothing_is_said_of_knowledge() -> None:
    assert withheld(world(never)).withheld.value is None
