"""When a tick of a case is: `2026-01-06T15:30-05:00`, or with a time zone in brackets as RFC 9557 writes it.

In: a scalar. Out: epoch seconds on the grid of ticks, or what is wrong. A time without an offset or a zone is a mistake:
whose time it is would be a guess.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..diagnostics import Diagnostic, problem
from ..tree import Scalar

#: seconds between two ticks of a case
GRID: Final = 60
_MOMENT: Final = re.compile(
    r"(?P<local>[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
    r"(?:(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})|\s?\[(?P<zone>[A-Za-z0-9_+/-]+)\])?",
    re.ASCII,
)
#: years that exchange calendars know with some certainty
_FIRST: Final = 1990
_LAST: Final = 2100
_WAYS: Final = "write `2026-01-06T15:30-05:00`, or `2026-01-06T15:30[America/New_York]`"


def read_moment(scalar: Scalar) -> tuple[int | None, tuple[Diagnostic, ...]]:
    """Epoch seconds of a moment."""
    text = scalar.value if isinstance(scalar.value, str) else ""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None, (problem("Q0203", f"`{scalar.span.text}` is not a time with a date", scalar.span, help=_WAYS),)
    if not found["offset"] and not found["zone"]:
        message = "a time needs an offset from UTC or a time zone"
        return None, (problem("Q0206", message, scalar.span, help=_WAYS),)
    if not _FIRST <= int(found["local"][:4]) <= _LAST:
        message = f"a case stands between the years {_FIRST} and {_LAST}"
        return None, (problem("Q0807", message, scalar.span),)
    if found["zone"]:
        return _in_zone(scalar, found["local"], found["zone"])
    try:
        moment = datetime.fromisoformat(found["local"] + found["offset"])
    except ValueError as error:
        return None, (problem("Q0203", f"`{text}` is not a time: {error}", scalar.span, help=_WAYS),)
    return _on_grid(scalar, moment)


def _in_zone(scalar: Scalar, local: str, name: str) -> tuple[int | None, tuple[Diagnostic, ...]]:
    zone = zone_of(name)
    if zone is None:
        message = f"there is no time zone `{name}`"
        return None, (problem("Q0206", message, scalar.span, help="zones have names such as `America/New_York`"),)
    try:
        moment = datetime.fromisoformat(local).replace(tzinfo=zone)
    except ValueError as error:
        return None, (problem("Q0203", f"`{local}` is not a time: {error}", scalar.span, help=_WAYS),)
    skipped = moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment.replace(tzinfo=None)
    twice = moment.replace(fold=1).utcoffset() != moment.utcoffset()
    if skipped or twice:
        message = f"clocks were changed then: `{local}` {'did not happen' if skipped else 'happened twice'} in {name}"
        return None, (problem("Q0807", message, scalar.span, help="write the offset instead: `T15:30-05:00`"),)
    return _on_grid(scalar, moment)


def clock(scalar: Scalar) -> tuple[tzinfo, str] | None:
    """The clock that a moment is written by, and how it is written behind the time; None for what is no moment."""
    found = _MOMENT.fullmatch(scalar.value) if isinstance(scalar.value, str) else None
    if found is None or not (found["offset"] or found["zone"]):
        return None
    if found["zone"]:
        zone = zone_of(found["zone"])
        return None if zone is None else (zone, f"[{found['zone']}]")
    moment = datetime.fromisoformat(found["local"] + found["offset"])
    return None if moment.tzinfo is None else (moment.tzinfo, found["offset"])


def zone_of(name: str) -> tzinfo | None:
    """The time zone of a name, None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _on_grid(scalar: Scalar, moment: datetime) -> tuple[int | None, tuple[Diagnostic, ...]]:
    seconds = int(moment.timestamp())
    if seconds % GRID:
        message = "ticks stand on whole minutes"
        return None, (problem("Q0807", message, scalar.span, help="leave the seconds out"),)
    return seconds, ()
