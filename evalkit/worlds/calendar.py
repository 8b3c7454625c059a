"""An office calendar: people, rooms and meetings that must not overlap."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from evalkit.worlds.base import ToolError, World, tool

_TIME = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")


class Calendar(World):
    """Meetings of one week. Days are names, times are HH:MM, and text order is time order."""

    schema: ClassVar[str] = """
        CREATE TABLE rooms (name TEXT PRIMARY KEY, seats INTEGER NOT NULL);
        CREATE TABLE meetings (id INTEGER PRIMARY KEY, title TEXT NOT NULL, day TEXT NOT NULL,
            start TEXT NOT NULL, "end" TEXT NOT NULL, room TEXT NOT NULL REFERENCES rooms (name));
    """
    rules: ClassVar[str] = (
        "You keep an office's calendar. Use the tools to do what is asked, then say in one sentence what you "
        "did. Meetings in one room must not overlap. Never move or delete a meeting that you were not asked "
        "to move or delete."
    )

    @tool
    def list_rooms(self) -> list[dict[str, Any]]:
        """List the rooms and how many people each seats."""
        return self.rows("SELECT * FROM rooms ORDER BY name")

    @tool
    def list_meetings(self, day: str) -> list[dict[str, Any]]:
        """List the meetings of a day.

        day: Monday to Friday.
        """
        return self.rows("SELECT * FROM meetings WHERE day = ? ORDER BY start", day)

    @tool
    def book(self, title: str, day: str, start: str, end: str, room: str) -> dict[str, Any]:
        """Book a meeting.

        title: What it is called.
        day: Monday to Friday.
        start: HH:MM.
        end: HH:MM.
        room: Name of the room.
        """
        self._check(day, start, end, room, ignoring=None)
        cursor = self.db.execute(
            'INSERT INTO meetings (title, day, start, "end", room) VALUES (?, ?, ?, ?, ?)',
            (title, day, start, end, room),
        )
        return {"id": cursor.lastrowid}

    @tool
    def move(self, meeting_id: int, day: str, start: str, end: str, room: str) -> dict[str, Any]:
        """Move a meeting to another time or room.

        meeting_id: Its id.
        day: Monday to Friday.
        start: HH:MM.
        end: HH:MM.
        room: Name of the room.
        """
        self.one(f"meeting {meeting_id}", "SELECT id FROM meetings WHERE id = ?", meeting_id)
        self._check(day, start, end, room, ignoring=meeting_id)
        self.db.execute(
            'UPDATE meetings SET day = ?, start = ?, "end" = ?, room = ? WHERE id = ?',
            (day, start, end, room, meeting_id),
        )
        return {"id": meeting_id}

    @tool
    def delete(self, meeting_id: int) -> dict[str, Any]:
        """Delete a meeting.

        meeting_id: Its id.
        """
        self.one(f"meeting {meeting_id}", "SELECT id FROM meetings WHERE id = ?", meeting_id)
        self.db.execute("DELETE FROM meetings WHERE id = ?", (meeting_id,))
        return {"deleted": meeting_id}

    def _check(self, day: str, start: str, end: str, room: str, ignoring: int | None) -> None:
        if day not in {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}:
            raise ToolError(f"{day!r} is not Monday to Friday.")
        if not (_TIME.match(start) and _TIME.match(end) and start < end):
            raise ToolError("start and end are HH:MM, and start is before end.")
        self.one(f"room {room!r}", "SELECT name FROM rooms WHERE name = ?", room)
        taken = self.rows(
            'SELECT title FROM meetings WHERE day = ? AND room = ? AND start < ? AND "end" > ? '
            "AND id IS NOT ?",
            day,
            room,
            end,
            start,
            ignoring,
        )
        if taken:
            raise ToolError(f"{room} is taken then by {taken[0]['title']!r}.")
