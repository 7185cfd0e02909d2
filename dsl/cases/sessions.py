"""Ticks that no day of an exchange has: a weekend, a minute that ends no bar, an offset that its clocks do not show then.

In: the scalar of a moment, read already, and the kind of tick. Out: a mistake with the nearest moment that can be, or
nothing. It knows weekdays, hours and clocks of XNYS from the standard library alone; holidays and half days are in the
calendar of the engine, so those are said when the case is run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from ..diagnostics import Diagnostic, problem
from ..tree import Scalar
from .moments import clock, zone_of

#: calendar -> its time zone
_ZONES: Final = {"XNYS": "America/New_York"}
#: minutes of the day at which the first and the last 15m bar end
_FIRST: Final = 9 * 60 + 45
_LAST: Final = 16 * 60
_BAR: Final = 15
_SATURDAY: Final = 5


def impossible_tick(scalar: Scalar, at: int, calendar: str, *, decision: bool) -> Diagnostic | None:
    """Why a tick cannot be at a moment, whatever the holidays are; None when it may be."""
    zone, written = zone_of(_ZONES.get(calendar, "")), clock(scalar)
    if zone is None or written is None:
        return None
    there = datetime.fromtimestamp(at, zone)
    wrong = _wrong_offset(there, written)
    if wrong is not None:
        day = wrong.date().isoformat()
        message = f"New York clocks are at {_offset(wrong)} on {day}, not at {written[1]}"
        shown = _nearest(wrong) if decision else wrong
        return problem("Q0807", message, scalar.span, help=f"write `{_written(shown, written)}`")
    if not decision or _ends_bar(there):
        return None
    help_text = f"the nearest moment is `{_written(_nearest(there), written)}`"
    if there.weekday() >= _SATURDAY:
        message = f"no bar ends then: {there:%Y-%m-%d} is a {there:%A} in New York"
    else:
        message = f"no 15m bar of {calendar} ends at {there:%H:%M} in New York"
        inside = _FIRST - _BAR < there.hour * 60 + there.minute < _LAST
        help_text += "; for a tick between bars write `tick: follow_up`" if inside else ""
    return problem("Q0807", message, scalar.span, help=help_text)


def _wrong_offset(there: datetime, written: tuple[tzinfo, str]) -> datetime | None:
    """The written local time on the exchange's clocks, where the offset is one that these show on other days only. An
    offset that they never show is that of another place, where a time may well be written."""
    said = there.astimezone(written[0]).utcoffset()
    shown = {there.replace(month=month, day=15).utcoffset() for month in (1, 7)}
    if said == there.utcoffset() or said not in shown:
        return None
    local = there.astimezone(written[0]).replace(tzinfo=there.tzinfo)
    return None if local.utcoffset() == said else local


def _ends_bar(there: datetime) -> bool:
    minute = there.hour * 60 + there.minute
    return there.weekday() < _SATURDAY and _FIRST <= minute <= _LAST and minute % _BAR == 0


def _nearest(there: datetime) -> datetime:
    days = {5: -1, 6: 1}.get(there.weekday(), 0)
    minute = round((there.hour * 60 + there.minute) / _BAR) * _BAR
    minute = min(max(minute, _FIRST), _LAST)
    return (there + timedelta(days=days)).replace(hour=minute // 60, minute=minute % 60, second=0)


def _written(there: datetime, written: tuple[tzinfo, str]) -> str:
    """A moment in the clock that the case uses; in the exchange's own offset of that day where it uses these."""
    clock_of, suffix = written
    moment = there.astimezone(clock_of)
    if suffix[:1] in "+-" and moment.utcoffset() in {there.replace(month=m, day=15).utcoffset() for m in (1, 7)}:
        moment, suffix = there, _offset(there)
    return f"{moment:%Y-%m-%dT%H:%M}{suffix}"


def _offset(moment: datetime) -> str:
    """`-05:00`."""
    return moment.isoformat(timespec="minutes")[-6:]


def offset_of(scalar: Scalar, at: int) -> int:
    """Seconds from UTC of the clock that a case uses."""
    written = clock(scalar)
    if written is None:
        return 0
    offset = datetime.fromtimestamp(at, UTC).astimezone(written[0]).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
