"""Frozen dataclasses as canonical JSON and back, by their type hints: the header of journal records.

In: values made of dataclasses, tuples, Decimal, str, int, float, bool, None and string enums. Out: JSON text with sorted
keys and no NaN or Infinity (they become null), and the same values again. Decimals travel as strings, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

import orjson

from .errors import JournalError, StateError

T = TypeVar("T")

#: metadata of a field that came after version 1 of its record: a record that is dumped by itself leaves it out while it has its
#: default, so that its bytes are those of version 1
LATER: Final[Mapping[str, bool]] = MappingProxyType({"later": True})


def dump(value: Any) -> bytes:
    """Canonical JSON of a value; JournalError for what has no place in a record."""
    kind: type = type(value)
    later = _later(kind)
    if later:
        value = {
            f.name: getattr(value, f.name)
            for f in fields(value)
            if f.name not in later or getattr(value, f.name) != later[f.name]
        }
    # the fields of a record stand in its own order, and so do those of one that leaves some out
    option = None if later else orjson.OPT_SORT_KEYS
    try:
        return orjson.dumps(value, default=_default, option=option)
    except TypeError as error:
        raise JournalError(f"this cannot be journaled: {error}") from error


@cache
def _later(kind: type) -> dict[str, Any]:
    """Fields of a record that came later, with their defaults."""
    return {f.name: f.default for f in fields(kind) if f.metadata == LATER} if is_dataclass(kind) else {}


def dumps(value: Any) -> str:
    """`dump` as text."""
    return dump(value).decode()


def _default(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a journal record")


def loads(kind: type[T], text: str | bytes) -> T:
    """The value of that dataclass; StateError when the text does not fit it."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise StateError(f"a stored {kind.__name__} is not JSON: {error}") from error
    return typed(kind, data)


def loads_all(kind: type[T], text: str | bytes) -> tuple[T, ...]:
    """Values of a stored list."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise StateError(f"stored {kind.__name__} values are not JSON: {error}") from error
    return tuple(typed(kind, item) for item in data)


def typed(kind: type[T], data: Any) -> T:
    """The value of that dataclass from plain JSON values; StateError when they do not fit it."""
    try:
        return _typed(kind, data)  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise StateError(f"a stored {kind.__name__} cannot be read: {error}") from error


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _typed(kind: Any, data: Any) -> Any:
    origin = get_origin(kind)
    if origin is tuple:
        inner = get_args(kind)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_typed(inner[0], item) for item in data)
        return tuple(_typed(one, item) for one, item in zip(inner, data, strict=True))
    if origin is dict:
        inner = get_args(kind)
        return {key: _typed(inner[1], item) for key, item in data.items()}
    if origin is UnionType:
        return None if data is None else _typed(next(k for k in get_args(kind) if k is not type(None)), data)
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        given = (f for f in fields(kind) if f.name in data or f.default is MISSING)  # what came later has a default
        return kind(**{f.name: _typed(hints[f.name], data[f.name]) for f in given})  # type: ignore[operator]
    if kind is Decimal or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        return kind(data)
    if kind is float:
        return math.nan if data is None else float(data)
    return data
