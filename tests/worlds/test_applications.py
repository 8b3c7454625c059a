"""The applications that agents work in: what their tools promise, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.catalog.suites import load_suite
from evalkit.worlds.base import ToolError, World
from evalkit.worlds.task import find_world, open_world, task_of

NAMES = ("calendar", "shop", "tickets")
FIRST = {name: next(s for s in load_suite("agentic").samples if s.data["world"] == name) for name in NAMES}


def opened(name: str) -> World:
    return open_world(task_of(FIRST[name]))


def call(world: World, tool: str, **arguments: Any) -> Any:
    return json.loads(world.call(tool, json.dumps(arguments)))


def refused(world: World, tool: str, **arguments: Any) -> str:
    before = world.tables()
    with pytest.raises(ToolError) as error:
        world.call(tool, json.dumps(arguments))
    assert world.tables() == before
    return str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_tool_tells_what_it_does_and_what_each_parameter_means(name: str) -> None:
    tools = opened(name).tools()
    assert len(tools) >= 12
    for tool in tools:
        assert tool.description.endswith("."), tool.name
        assert tool.parameters["additionalProperties"] is False
        for parameter, schema in tool.parameters["properties"].items():
            assert schema.get("description"), f"{tool.name}: {parameter}"


@pytest.mark.parametrize("name", NAMES)
def test_reading_tools_change_nothing_and_a_world_begins_anew(name: str) -> None:
    world = opened(name)
    before = world.tables()
    for tool in world.tools():
        if tool.name.startswith(("list_", "search_", "time_", "today", "find_people")) and not (
            tool.parameters.get("required")
        ):
            world.call(tool.name, "{}")
    assert world.tables() == before == opened(name).tables()
    assert find_world(name) is type(world)


def test_a_calendar_keeps_rooms_from_being_booked_twice() -> None:
    world = opened("calendar")
    at = {"day": "2026-03-09", "start": "10:30", "end": "11:00"}
    assert "Budget review" in refused(world, "book", title="x", room="Curie", **at)
    assert "Budget review" in refused(world, "move", meeting_id=1, room="Curie", **at)
    assert "no room" in refused(world, "book", title="x", room="Cellar", **at)
    assert call(world, "today") == {"now": "2026-03-09 08:30", "weekday": "Monday"}
    assert "2026-13-01" in refused(world, "book", title="x", day="2026-13-01", start="10:00", end="11:00")
    assert "start" in refused(world, "book", title="x", day="2026-03-09", start="11:00", end="10:00")
    assert "P99" in refused(world, "book", title="x", attendee_ids=["P99"], **at)
    # Back to back is no overlap, and a meeting does not stand in its own way.
    call(world, "book", title="x", day="2026-03-09", start="11:30", end="12:00", room="Curie")
    call(world, "move", meeting_id=2, day="2026-03-09", start="10:00", end="11:00", room="Curie")


def test_a_calendar_writes_mail_only_to_addresses() -> None:
    world = opened("calendar")
    assert "addresses" in refused(world, "send_mail", to=["Tess"], subject="s", body="b")
    assert "addresses" in refused(world, "save_draft", to=[], subject="s", body="b")
    sent = call(world, "send_mail", to=["Tess@north.example", "ola@north.example"], subject="s", body="b")
    mail = call(world, "read_mail", mail_id=sent["mail_id"])
    assert (mail["folder"], mail["sender"]) == ("sent", "robin@north.example")
    assert mail["recipients"] == "ola@north.example, tess@north.example"
    assert "inbox" in refused(world, "archive_mail", mail_id=sent["mail_id"])


def test_a_shop_keeps_its_books() -> None:
    world = opened("shop")
    assert "No gift card" in refused(
        world, "refund", item_id=5, amount_cents=100, method="gift_card", reason="r"
    )
    assert "above 0" in refused(world, "refund", item_id=5, amount_cents=0, method="card", reason="r")
    assert "do not fit" in refused(world, "refund", item_id=5, amount_cents=1, method="cash", reason="r")
    assert "not in stock" in refused(world, "exchange", item_id=7, quantity=1, new_sku="CHR-2")
    assert "has 4" in refused(world, "exchange", item_id=7, quantity=5, new_sku="CHR-3")
    assert "not the code" in refused(world, "check_code", customer_id="C2", code="7315")  # not mailed yet
    call(world, "send_code", customer_id="C2")
    assert call(world, "check_code", customer_id="C2", code="7315") == {"accepted": True}
    paid = call(world, "exchange", item_id=7, quantity=2, new_sku="CHR-3")["customer_pays_cents"]
    assert paid == 2 * (4500 - 7900)
    assert next(p for p in call(world, "search_products", text="stool") if p["sku"] == "CHR-3")["stock"] == 18
    card = call(world, "block_gift_card", code="GC-700")
    assert card["balance_was_cents"] == 2500
    new = call(world, "issue_gift_card", customer_id="C1", amount_cents=2500)["code"]
    cards = call(world, "find_customer", email="mara@example.org")["gift_cards"]
    assert {c["code"]: c["balance_cents"] for c in cards} == {"GC-700": 0, new: 2500}


def test_tickets_that_are_merged_are_closed_for_good() -> None:
    world = opened("tickets")
    call(world, "merge", ticket_id=1005, into_ticket_id=1001)
    for tool, arguments in (
        ("set_status", {"status": "open"}),
        ("reply", {"text": "hello"}),
        ("assign", {"agent_id": "G1"}),
        ("merge", {"into_ticket_id": 1001}),
    ):
        assert "merged" in refused(world, tool, ticket_id=1005, **arguments)
    assert "merged" in refused(world, "merge", ticket_id=1001, into_ticket_id=1005)
    assert "low, normal" in refused(world, "set_priority", ticket_id=1001, priority="top")
    assert "2026-02-30" in refused(world, "set_due", ticket_id=1001, due="2026-02-30 10:00")


def test_a_search_for_tickets_has_pages() -> None:
    world = opened("tickets")
    pages, number = [], 1
    while True:
        page = call(world, "search_tickets", status="open", page=number)
        pages.append([t["id"] for t in page["tickets"]])
        if not page["more"]:
            break
        number += 1
    every = [ticket for page in pages for ticket in page]
    assert len(every) == len(set(every)) > 6
    assert {len(page) for page in pages[:-1]} == {6}
    created = [call(world, "get_ticket", ticket_id=t)["created"] for t in every]
    assert created == sorted(created, reverse=True)
