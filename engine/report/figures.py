"""Numbers, times and names as a reader sees them: one way to write each unit, in the whole report.

In: plain values. Out: text, or `Html` where a sign has a colour or a number sorts. What is not defined is an en dash that
says why. The minus sign is U+2212, thousands have commas, times are UTC.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from .markup import Html, number, tag

MINUS: Final = "\N{MINUS SIGN}"
DASH: Final = "\N{EN DASH}"
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOUR: Final = 3600

Form = Callable[[float], str]


def plain(value: float, digits: int = 2) -> str:
    """A number with thousands separators: 1,234.50, −0.40."""
    text = f"{value:,.{digits}f}"
    if not text.startswith("-"):
        return text
    return text[1:] if not any(c in "123456789" for c in text) else MINUS + text[1:]


def signed(value: float, digits: int = 2) -> str:
    """A number that is a change: +3,214, −12, 0."""
    text = plain(value, digits)
    return text if text.startswith(MINUS) or not any(c in "123456789" for c in text) else "+" + text


def percent(value: float, digits: int = 2) -> str:
    """A fraction as a level: 0.25 is 25.00%."""
    return plain(value * 100, digits) + "%"


def change(value: float, digits: int = 2) -> str:
    """A fraction as a return: 0.0321 is +3.21%."""
    return signed(value * 100, digits) + "%"


def whole(value: float) -> str:
    """A count or an amount without decimals."""
    return plain(value, 0)


def price(value: float) -> str:
    """A price: two decimals, or four significant digits below one."""
    if value == 0 or abs(value) >= 1:
        return plain(value, 2)
    return plain(value, min(12, 3 - math.floor(math.log10(abs(value)))))


def quantity(value: float) -> str:
    """Shares or coins: up to six decimals, no trailing zeros."""
    text = plain(value, 6)
    return text.rstrip("0").rstrip(".") if "." in text else text


def held(seconds: float) -> str:
    """A span of calendar time in the unit that fits: 45 min, 5.3 h, 3.2 d."""
    if seconds < _HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < 48 * _HOUR else f"{seconds / (24 * _HOUR):.1f} d"


def undefined(why: str) -> Html:
    """An en dash; `why` is shown on hover and read aloud."""
    return tag("abbr", DASH, class_="none", title=why)


def known(value: float | None) -> bool:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def shown(value: float | None, form: Form, why: str = "not defined") -> Html:
    """A number in its form with its sortable value, or an en dash."""
    if value is None or not math.isfinite(value):
        return undefined(why)
    return tag("data", form(value), value=_sortable(value))


def toned(value: float | None, form: Form, why: str = "not defined") -> Html:
    """As `shown`, in the colour of a gain or a loss; the sign says it too."""
    if value is None or not math.isfinite(value):
        return undefined(why)
    text = form(value)
    tone = "loss" if text.startswith(MINUS) else "gain" if text.startswith("+") else None
    return tag("data", text, class_=tone, value=_sortable(value))


def money_digits(*values: float) -> int:
    """Decimals for a column of money: none when its largest value has four digits or more."""
    return 0 if max((abs(v) for v in values if math.isfinite(v)), default=0.0) >= 1000 else 2


def day(iso: str) -> str:
    """`2025-10-14` as 14 October 2025; what is no date stays as it is."""
    found = _date(iso)
    return iso if found is None else f"{found.day} {MONTHS[found.month - 1]} {found.year}"


def short_day(iso: str) -> str:
    """`2025-10-14` as Tue 14 Oct 2025."""
    found = _date(iso)
    return iso if found is None else f"{_DAYS[found.weekday()]} {found.day} {MONTHS[found.month - 1][:3]} {found.year}"


def span(start: str, end: str) -> str:
    """Two days as one phrase, the year of the first left out when it is the same."""
    first, last = _date(start), _date(end)
    if first is None or last is None or start == end:
        return day(start) if start == end else f"{start} {DASH} {end}"
    if first.year != last.year:
        return f"{day(start)} {DASH} {day(end)}"
    return f"{first.day} {MONTHS[first.month - 1]} {DASH} {day(end)}"


def month(iso: str) -> str:
    """`2025-11` as November 2025."""
    found = _date(iso + "-01")
    return iso if found is None else f"{MONTHS[found.month - 1]} {found.year}"


def stamp(at: int) -> str:
    """Epoch seconds as 2025-10-14 15:30, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def clock(at: int) -> str:
    """Epoch seconds as 15:30, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M")


def plural(count: int, one: str, many: str = "") -> str:
    """`3 sessions`, `1 session`."""
    return f"{whole(count)} {one if count == 1 else many or one + 's'}"


def _date(iso: str) -> date | None:
    try:
        return date.fromisoformat(iso)
    except ValueError:
        return None


def _sortable(value: float) -> str:
    return number(value) if float(value).is_integer() else f"{value:.6g}"
