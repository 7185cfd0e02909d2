"""Numbers and moments as Alpaca writes them.

In: Decimals, epoch seconds, epoch nanoseconds, texts of requests. Out: texts of replies ("10.5", never "1E+1";
"2025-10-01T13:30:00.000001Z") and parsed values. Quantities and money stay Decimal everywhere in the venue.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
NANO = 1_000_000_000
SHARE = Decimal("0.000000001")
CENT = Decimal("0.01")
ZERO = Decimal(0)
LARGEST = 15


def plain(number: Decimal) -> str:
    """A Decimal without exponent and without trailing zeros."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def money(number: Decimal) -> str:
    """Dollars to at most four places, as the account shows them."""
    return plain(number.quantize(Decimal("0.0001")))


def number(text: object) -> Decimal:
    """The Decimal of a JSON number or string. Raises ValueError for anything else, NaN, infinities and numbers of
    more than 15 digits before the point included."""
    if isinstance(text, bool) or not isinstance(text, int | float | str):
        raise ValueError(f"no number: {text!r}")  # noqa: TRY004 - one kind of error for one kind of mistake
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        raise ValueError(f"no number: {text!r}") from None
    if not value.is_finite() or value.adjusted() >= LARGEST:
        raise ValueError(f"no number: {text!r}")
    return value


def shares(quantity: Decimal) -> Decimal:
    """A quantity cut to the nine places that Alpaca keeps."""
    return quantity.quantize(SHARE, rounding=ROUND_DOWN).normalize()


def whole(quantity: Decimal) -> bool:
    return quantity == quantity.to_integral_value()


def instant(nanoseconds: int) -> str:
    """RFC 3339 in UTC with as many digits as are needed, as the trading API writes its timestamps."""
    seconds, rest = divmod(nanoseconds, NANO)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}".rstrip("0").rstrip(".") + "Z"


def utc(seconds: float) -> str:
    """RFC 3339 in UTC of whole seconds, as the market data API writes the start of a bar."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def eastern(seconds: float) -> str:
    """RFC 3339 with New York's offset, as `/v2/clock` writes it."""
    return datetime.fromtimestamp(seconds, NEW_YORK).isoformat()


@lru_cache(maxsize=256)
def day_of(seconds: float) -> str:
    """The date in New York at a moment."""
    return datetime.fromtimestamp(seconds, NEW_YORK).strftime("%Y-%m-%d")


def moment(text: str) -> int:
    """Epoch nanoseconds of an RFC 3339 text or a date (midnight UTC). Raises ValueError."""
    head, dot, rest = text.partition(".")
    digits = ""
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        head += rest[len(digits) :]
    stamp = datetime.fromisoformat(head)
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    return int(stamp.timestamp()) * NANO + int(digits.ljust(9, "0")[:9] or 0)
