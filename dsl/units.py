"""Scalars with a unit: `3%`, `25bps`, `60m`, `2h`, `100_000 USD`, `2026-01-31`.

In: the plain value of a scalar. Out: a number in base units (fractions, seconds, money as Decimal, ISO dates), or None
when the text is not of that unit; `complaint` then says what is wrong and what to write. One table serves the schema
check, the readers and the editor patterns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final, Literal, TypeGuard

Unit = Literal["ratio", "duration", "money", "date"]

_NUMBER: Final = r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?"
_RATIO: Final = re.compile(rf"([-+]?{_NUMBER})\s?(%|bps)", re.ASCII)
_DURATION: Final = re.compile(rf"({_NUMBER})\s?(s|m|h|d)", re.ASCII)
_MONEY: Final = re.compile(rf"([-+]?{_NUMBER})\s?USD", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SCALE: Final = {"%": Decimal(100), "bps": Decimal(10_000)}
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_LONGEST: Final = 60

_LOOKS: Final[dict[Unit, tuple[str, str]]] = {
    "ratio": ("a ratio", "a ratio is written `3%` or `25bps`"),
    "duration": ("a duration", "a duration is written `60s`, `15m`, `2h` or `1d`"),
    "money": ("an amount of money", "money is written `100_000 USD`"),
    "date": ("a date", "a date is written `2026-01-31`"),
}


def _short(text: object) -> TypeGuard[str]:
    """Text that may be a number with a unit: nobody needs more digits, and long ones take a long time to read."""
    return isinstance(text, str) and len(text) <= _LONGEST


def ratio(text: object) -> float | None:
    """`3%` -> 0.03, `25bps` -> 0.0025; None when the text is not a ratio."""
    found = _RATIO.fullmatch(text) if _short(text) else None
    return float(Decimal(found[1].replace("_", "")) / _SCALE[found[2]]) if found else None


def duration(text: object) -> int | None:
    """`60m` -> 3600 seconds; None when the text is not a duration of whole seconds."""
    found = _DURATION.fullmatch(text) if _short(text) else None
    if not found:
        return None
    seconds = Decimal(found[1].replace("_", "")) * SECONDS[found[2]]
    return int(seconds) if seconds == int(seconds) else None


def money(text: object) -> Decimal | None:
    """`100_000 USD` -> Decimal(100000); None when the text is not an amount of money."""
    found = _MONEY.fullmatch(text) if _short(text) else None
    return Decimal(found[1].replace("_", "")) if found else None


def day(text: object) -> str | None:
    """The text itself when it is an ISO date that exists, else None."""
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        return None
    try:
        date.fromisoformat(text)
    except ValueError:
        return None
    return text


def measure(unit: Unit, text: object) -> float | None:
    """The value as one number in base units (dates as ordinal days), for range checks; None when it is not of the unit."""
    if unit == "ratio":
        return ratio(text)
    if unit == "duration":
        return duration(text)
    if unit == "money":
        amount = money(text)
        return None if amount is None else float(amount)
    iso = day(text)
    return None if iso is None else date.fromisoformat(iso).toordinal()


def complaint(unit: Unit, value: object, examples: Sequence[object] = ()) -> tuple[str, str]:
    """(what the value should have been, help) for a value that is not of the unit. The unit of an example is offered first."""
    noun, looks = _LOOKS[unit]
    if _short(value):
        meant = _meant(unit, value)
        return noun, f"write `{meant}`{_odd_sign(value)}" if meant else looks
    if isinstance(value, bool) or not isinstance(value, int | float):
        return noun, looks
    if unit == "ratio":
        in_bps = any(str(example).endswith("bps") for example in examples)
        return noun, f"did you mean `{value:g}bps` or `{value:g}%`?" if in_bps else _ratio_help(value)
    if unit == "duration":
        return noun, f"write the unit: `{value:g}s`, `{value:g}m` or `{value:g}h`"
    if unit == "money":
        return noun, f"write the currency: `{value} USD`"
    return noun, looks


def _ratio_help(value: float) -> str:
    percent = f"{Decimal(str(value)) * 100:f}"
    percent = percent.rstrip("0").rstrip(".") if "." in percent else percent
    if abs(value) >= 1:
        return f"did you mean `{value:g}%` or `{percent}%`?"
    return f"did you mean `{percent}%`?"


#: other ways to write a unit
_ALSO: Final[dict[Unit, tuple[tuple[str, str], ...]]] = {
    "ratio": ((r"percent|pct", "%"), (r"bps?|basis points?", "bps")),
    "duration": ((r"seconds?|secs?", "s"), (r"minutes?|mins?", "m"), (r"hours?|hrs?", "h"), (r"days?", "d")),
    "money": ((r"usd|dollars?|\$", " USD"),),
    "date": (),
}


def _meant(unit: Unit, text: str) -> str | None:
    """A text that is of the unit once its signs are plain, its number has no commas and its unit is spelt as here."""
    meant = unicodedata.normalize("NFKC", text).strip().replace("\u2212", "-").replace("\u2013", "-")
    meant = without_commas(meant) or meant
    if unit == "money" and meant.startswith("$"):
        meant = f"{meant[1:]} USD"
    for spelling, proper in _ALSO[unit]:
        meant = re.sub(rf"(?<=[0-9])\s*(?:{spelling})$", proper, meant, flags=re.IGNORECASE)
    return meant if meant != text and measure(unit, meant) is not None else None


def _odd_sign(text: str) -> str:
    """The first sign that only looks like the one that is meant, by its number."""
    odd = next((char for char in text if not char.isascii()), "")
    return f": `{odd}` is U+{ord(odd):04X}, another character" if odd else ""


_THOUSANDS: Final = re.compile(r"([-+]?[0-9]{1,3}(?:,[0-9]{3})+)(?![0-9,])(.*)", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"([-+]?[0-9]+),([0-9]+)(?![0-9,.])(.*)", re.ASCII)


def without_commas(text: str) -> str | None:
    """`100,000 USD` -> `100_000 USD`, `2,5%` -> `2.5%`; None when the number has no comma."""
    found = _THOUSANDS.fullmatch(text)
    if found:
        # YAML reads `100_000` as text, so `_` stands only before a unit
        return found[1].replace(",", "_" if found[2].strip().isalpha() else "") + found[2]
    found = _DECIMAL_COMMA.fullmatch(text)
    return f"{found[1]}.{found[2]}{found[3]}" if found else None


def spell_ratio(value: float) -> str:
    """A fraction as it would be written: 0.03 -> `3%`."""
    return f"{Decimal(repr(value)) * 100:f}".rstrip("0").rstrip(".") + "%" if value else "0%"


def spell_duration(seconds: float) -> str:
    """Seconds as they would be written, in the largest unit up to minutes that fits: 3600 -> `60m`."""
    whole = round(seconds)
    return f"{whole // 60}m" if whole and whole % 60 == 0 else f"{whole}s"
