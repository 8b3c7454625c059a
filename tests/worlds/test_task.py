"""Tasks in applications: worlds of others, conditions, and side effects apart from what is unsolved."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.errors import DefinitionError, UnknownNameError
from evalkit.types.suite import Sample
from evalkit.worlds.base import ToolError
from evalkit.worlds.task import find_world, open_sample, user_of
from tests.worlds.driving import act, replay

pytestmark = pytest.mark.usefixtures("rooms_world")
BOOK = ("book", {"title": "Talk", "day": "Monday", "room": "Ada"})
BOOKED = {"sql": "SELECT title, day FROM meetings WHERE room = 'Ada'", "expect": [["Talk", "Monday"]]}


def sample(**changes: Any) -> Sample:
    data = {
        "world": "rooms",
        "state": {"rooms": [{"name": "Ada", "seats": 4}, {"name": "Bo", "seats": 2}]},
        "check": [BOOKED],
        "keep": ["rooms"],
        "forbid": [{"sql": "SELECT count(*) FROM meetings WHERE room = 'Bo'", "expect": [[0]]}],
        **changes,
    }
    return Sample(id="talk", input="Book Ada for a talk on Monday.", data=data)


def test_a_world_of_another_package_is_found_by_its_entry_point() -> None:
    tools = {tool.name: tool for tool in open_sample(sample()).tools()}
    assert list(tools) == ["list_rooms", "book"]
    properties = tools["book"].parameters["properties"]
    assert [p["description"] for p in properties.values()] == [
        "What the meeting is called.",
        "Monday to Friday.",
        "Name of the room.",
    ]
    assert tools["book"].parameters["additionalProperties"] is False


def test_the_end_state_counts_whichever_way_led_there() -> None:
    assert replay(sample(), [BOOK]).broken == ()
    assert len(replay(sample(), []).broken) == 1


def test_side_effects_are_told_apart_from_what_is_not_solved() -> None:
    checked = replay(sample(), [BOOK, ("book", {**BOOK[1], "room": "Bo"})])
    assert checked.broken == ()
    assert len(checked.side_effects) == 1
    assert "room = 'Bo'" in checked.side_effects[0]


def test_a_tool_that_refuses_says_why() -> None:
    world = open_sample(sample())
    act(world, *BOOK[:1], **BOOK[1])
    with pytest.raises(ToolError, match="taken on Monday") as caught:
        act(world, *BOOK[:1], **BOOK[1])
    assert caught.value.kind == "refused"


def test_a_condition_may_only_read() -> None:
    world = open_sample(sample())
    assert not world.holds(BOOKED)
    act(world, *BOOK[:1], **BOOK[1])
    assert world.holds(BOOKED)
    with pytest.raises(DefinitionError):
        world.holds({"sql": "DELETE FROM meetings", "expect": []})
    with pytest.raises(DefinitionError, match="sql and expect"):
        world.holds({"file": "x"})


@pytest.mark.parametrize(
    "arguments", ['{"title": "a\\ud800", "day": "x", "room": "Ada"}', "[" * 100_000, '{"title": 1}', "\x00"]
)
def test_no_arguments_of_a_model_break_the_world(arguments: str) -> None:
    with pytest.raises(ToolError) as caught:
        open_sample(sample()).act("book", arguments).send(None)
    assert caught.value.kind in {"bad_arguments", "refused"}


def test_names_and_users_are_read_strictly() -> None:
    with pytest.raises(UnknownNameError, match="rooms"):
        find_world("room")
    with pytest.raises(DefinitionError, match="'talk'"):
        user_of(sample(user=[{"say": "x", "afterwards": 1}]))
    script, persona = user_of(sample(user=[{"say": "x", "after": 2}], persona="p"))
    assert (script[0].say, script[0].after, persona) == ("x", 2, "p")
