"""JSON of Alpaca as exact values: the small steps that all readers share.

In: bytes, and values of parsed JSON. Out: decimals, epoch seconds, texts. Numbers come as strings or as numbers; either way they
become `Decimal` from their own digits and are never floats on the way. Stamps must carry their zone (R33). A field that is
absent or null has a default at the caller's; one that is there and cannot be read is a `ShapeError`, never a guess.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Never

from .refusals import UNLISTED, Verdict, classify
from .transport import Answer

_NUMBER = re.compile(r"-?\d{1,24}(\.\d{1,24})?", re.ASCII)
_STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
NANO = 1_000_000_000


class ShapeError(ValueError):
    """JSON that is not what the endpoint promises."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success: what it means, and what it says in words. `text` ends with the id of the request, where there
    is one; `words` is the same without it, so that two refusals of one kind are equal."""

    verdict: Verdict
    status: int
    text: str
    words: str
    #: the body was Alpaca's own JSON and no page of something in between
    own: bool


def parsed(body: bytes) -> Any:
    """A JSON document with exact numbers; ShapeError for anything else, an empty body included."""
    try:
        return json.loads(body, parse_float=_exact, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ShapeError(f"no JSON: {_seen(body)}") from error


def rows(value: Any) -> list[Mapping[str, Any]]:
    """A list of objects."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ShapeError("a list of objects was expected")
    return value


def table(value: Any) -> Mapping[str, Any]:
    """One object."""
    if not isinstance(value, dict):
        raise ShapeError("an object was expected")
    return value


def text(row: Mapping[str, Any], key: str) -> str:
    """A text, "" where it is absent or null."""
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ShapeError(f"{key} is no text")
    return value


def needed(row: Mapping[str, Any], key: str) -> str:
    """A text that must be there."""
    value = text(row, key)
    if not value:
        raise ShapeError(f"{key} is missing")
    return value


def flag(row: Mapping[str, Any], key: str, default: bool) -> bool:
    """A truth value, the default where it is absent or null."""
    value = row.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ShapeError(f"{key} is neither true nor false")
    return value


def number(row: Mapping[str, Any], key: str) -> Decimal | None:
    """An exact number, None where it is absent or null."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and _NUMBER.fullmatch(format(value, "f")):
        return Decimal(value)
    raise ShapeError(f"{key} is no decimal number")


def amount(row: Mapping[str, Any], key: str) -> Decimal:
    """An exact number that must be there."""
    value = number(row, key)
    if value is None:
        raise ShapeError(f"{key} is missing")
    return value


def nanoseconds(stamp: Any) -> int:
    """A stamp of RFC 3339 as nanoseconds since 1970, UTC. ShapeError without a zone: whose time it is cannot be known."""
    found = _STAMP.fullmatch(stamp) if isinstance(stamp, str) else None
    if found is None:
        raise ShapeError("no time with a zone")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, _, sign, hours, minutes = found.groups()[6:]
    try:
        datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError as error:
        raise ShapeError("no moment of any day") from error
    shift = (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1) if sign else 0
    whole = calendar.timegm((year, month, day, hour, minute, second)) - shift
    return whole * NANO + int((fraction or "0").ljust(9, "0")[:9])


def moment(row: Mapping[str, Any], *keys: str) -> int:
    """Epoch seconds of the first of these stamps that is there, 0 where none is."""
    for key in keys:
        if row.get(key) is not None:
            return nanoseconds(row[key]) // NANO
    return 0


def stamp(nanos: int) -> str:
    """Nanoseconds since 1970 as Alpaca writes them, with microseconds (their finest filter), rounded down."""
    whole, rest = divmod(nanos, NANO)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def second(nanos: int) -> str:
    """The same in whole seconds, rounded down, for filters that know no fractions."""
    return f"{datetime.fromtimestamp(nanos // NANO, UTC):%Y-%m-%dT%H:%M:%S}Z"


def refusal(answer: Answer) -> Refusal:
    """What an answer without success says."""
    code, message, own = 0, "", False
    try:
        body = table(parsed(answer.body))
        message = body["message"] if isinstance(body.get("message"), str) else ""
        code = body["code"] if isinstance(body.get("code"), int) else 0
        own = bool(message or code)
    except ShapeError:
        message = ""
    verdict = classify(answer.status, code, message)
    if answer.status == 0:
        said = answer.failure
    else:
        what = message[:300] if own else _seen(answer.body)
        known = "" if verdict.label != UNLISTED else " (a refusal that is not known)"
        said = f"{verdict.label}: {answer.status}{f' {code}' if code else ''} {what}{known}"
    whole = f"{said} [request {answer.request_id[:64]}]" if answer.request_id else said
    return Refusal(verdict, answer.status, whole, said, own)


def _exact(digits: str) -> Decimal | str:
    """A number by its own digits; one that no quantity or price can be stays a text, which `number` refuses."""
    value = Decimal(digits)
    return value if abs(value.adjusted()) < 30 else digits


def _refuse(name: str) -> Never:
    raise ValueError(name)


def _seen(body: bytes) -> str:
    """The beginning of a body that cannot be read, as one line."""
    if not body:
        return "an empty body"
    shown = " ".join(body[:80].decode("utf-8", "replace").split())
    return f"{len(body)} bytes that begin with {shown!r}"
