"""A world of a package of its own, found by its entry point: meeting rooms and who has booked them."""

from __future__ import annotations

from typing import Any, ClassVar

from evalkit.worlds.base import ToolError, World, tool


class Rooms(World):
    """Two tables and two tools."""

    schema: ClassVar[str] = """
        CREATE TABLE rooms (name TEXT PRIMARY KEY, seats INTEGER NOT NULL);
        CREATE TABLE meetings (id INTEGER PRIMARY KEY, title TEXT NOT NULL, day TEXT NOT NULL,
            room TEXT NOT NULL REFERENCES rooms (name));
    """
    rules: ClassVar[str] = "You book meeting rooms. A room has one meeting a day."

    @tool
    def list_rooms(self) -> list[dict[str, Any]]:
        """List the rooms and how many people each seats."""
        return self.rows("SELECT * FROM rooms ORDER BY name")

    @tool
    def book(self, title: str, day: str, room: str) -> dict[str, Any]:
        """Book a room for a day.

        title: What the meeting is called.
        day: Monday to Friday.
        room: Name of the room.
        """
        self.one(f"room {room!r}", "SELECT name FROM rooms WHERE name = ?", room)
        if self.rows("SELECT id FROM meetings WHERE day = ? AND room = ?", day, room):
            raise ToolError(f"{room} is taken on {day}.")
        added = self.db.execute(
            "INSERT INTO meetings (title, day, room) VALUES (?, ?, ?)", (title, day, room)
        )
        return {"id": added.lastrowid}
