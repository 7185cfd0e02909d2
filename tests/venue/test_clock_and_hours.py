"""The virtual clock, market hours, the calendar, and closes that no calendar knows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .made import at, call, now_of, placed
from .start import Handle

Venues = Callable[..., Handle]


def clock(venue: Handle) -> dict[str, object]:
    return call(venue, "GET", "/v2/clock").body


def test_time_passes_only_when_it_is_told_to_and_never_backwards(venue: Handle) -> None:
    assert clock(venue)["timestamp"] == "2025-11-24T10:00:00-05:00"
    venue.move(at("2025-11-24 10:05"))
    assert clock(venue)["timestamp"] == "2025-11-24T10:05:00-05:00"
    with pytest.raises(ValueError, match="never goes back"):
        venue.move(at("2025-11-24 10:04"))
    assert venue.clock()["now"] == at("2025-11-24 10:05")


@pytest.mark.parametrize(
    ("now", "is_open", "next_open", "next_close"),
    [
        ("2025-11-24 09:29:59", False, "2025-11-24T09:30:00-05:00", "2025-11-24T16:00:00-05:00"),
        ("2025-11-24 09:30:00", True, "2025-11-25T09:30:00-05:00", "2025-11-24T16:00:00-05:00"),
        ("2025-11-24 15:59:59", True, "2025-11-25T09:30:00-05:00", "2025-11-24T16:00:00-05:00"),
        ("2025-11-24 16:00:00", False, "2025-11-25T09:30:00-05:00", "2025-11-25T16:00:00-05:00"),
        ("2025-11-26 17:00:00", False, "2025-11-28T09:30:00-05:00", "2025-11-28T13:00:00-05:00"),
        ("2025-11-28 12:59:59", True, "2025-12-01T09:30:00-05:00", "2025-11-28T13:00:00-05:00"),
        ("2025-11-28 13:00:00", False, "2025-12-01T09:30:00-05:00", "2025-12-01T16:00:00-05:00"),
    ],
)
def test_r34_sessions_are_half_open_and_r30_early_closes_are_known(
    venues: Venues, now: str, is_open: bool, next_open: str, next_close: str
) -> None:
    got = clock(venues(now))
    assert (got["is_open"], got["next_open"], got["next_close"]) == (is_open, next_open, next_close)


def test_the_calendar_shows_sessions_in_new_york_time(venue: Handle) -> None:
    days = call(venue, "GET", "/v2/calendar", start="2025-11-26", end="2025-12-01").body
    assert [(day["date"], day["open"], day["close"]) for day in days] == [
        ("2025-11-26", "09:30", "16:00"),
        ("2025-11-28", "09:30", "13:00"),
        ("2025-12-01", "09:30", "16:00"),
    ]
    assert days[0]["settlement_date"] == "2025-11-28"
    settled = call(venue, "GET", "/v2/calendar", start="2025-11-28", end="2025-11-28", date_type="SETTLEMENT").body
    assert [day["date"] for day in settled] == ["2025-11-26"]


def test_r33_offsets_follow_daylight_saving(venues: Venues) -> None:
    assert clock(venues("2025-10-31 10:00"))["next_open"] == "2025-11-03T09:30:00-05:00"
    assert clock(venues("2025-10-31 10:00"))["timestamp"] == "2025-10-31T10:00:00-04:00"


def test_r32_a_close_that_no_calendar_knows(venue: Handle) -> None:
    resting = placed(venue, type="limit", limit_price="90", time_in_force="gtc")
    waiting = placed(venue)
    (rule,) = venue.fault({"do": "closed"})
    assert clock(venue)["is_open"] is False
    assert clock(venue)["next_close"] == "2025-11-25T16:00:00-05:00"
    queued = placed(venue)
    assert queued["status"] == "accepted"
    venue.move(at("2025-11-24 11:00"))
    assert [now_of(venue, sent)["status"] for sent in (resting, waiting, queued)] == ["new", "new", "accepted"]
    venue.heal(rule)
    venue.move(at("2025-11-24 11:16"))
    assert now_of(venue, waiting)["status"] == "filled"
    venue.move(at("2025-11-25 09:31"))
    assert now_of(venue, queued)["status"] == "filled"


def test_date_is_the_clock_of_the_venue(venue: Handle) -> None:
    assert call(venue, "GET", "/v2/clock").headers["Date"] == "Mon, 24 Nov 2025 15:00:00 GMT"


def test_without_a_moment_the_venue_runs_on_the_wall_clock(venues: Venues) -> None:
    venue = venues(None)
    first = venue.clock()
    assert first["virtual"] is False
    assert call(venue, "GET", "/v2/clock").status == 200
    assert venue.clock()["now"] >= first["now"]
    with pytest.raises(ValueError, match="wall clock"):
        venue.control("POST", "/clock", {"now": 1})
