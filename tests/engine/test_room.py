from __future__ import annotations

import pytest

from evalkit.engine.room import Room, duration, room_told

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2m59.5s", 179.5),
        ("17ms", 0.017),
        ("6m0s", 360.0),
        ("1h2m", 3720.0),
        ("1.5", 1.5),
        (str(NOW + 30), 30.0),
        (str((NOW + 30) * 1000), 30.0),
        ("2026-09-21T15:14:00Z", 1_790_003_640.0 - NOW),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("-3", None),
        ("1" * 400, None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    found = duration(text, NOW)
    assert found is None if seconds is None else found == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "declared", "room"),
    [
        ({}, {}, None),
        (
            {"x-ratelimit-remaining-requests": "12", "x-ratelimit-reset-requests": "30s"},
            {},
            Room(requests=12, resets_s=30.0),
        ),
        (
            {
                "x-ratelimit-remaining-requests": "3",
                "x-ratelimit-reset-requests": "1h",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "7.5s",
            },
            {},
            Room(requests=3, tokens=0, resets_s=7.5),
        ),
        (
            {"x-requests-left": "4", "x-anew": "9"},
            {"requests_left": "X-Requests-Left", "resets": "X-Anew"},
            Room(requests=4, resets_s=9.0),
        ),
        ({"x-ratelimit-remaining-requests": "many"}, {}, None),
    ],
)
def test_rooms(headers: dict[str, str], declared: dict[str, str], room: Room | None) -> None:
    assert room_told(headers, declared, NOW) == room
