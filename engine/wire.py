"""Frozen dataclasses as canonical JSON and back, by their type hints: the header of journal records.

In: values made of dataclasses, tuples, Decimal, str, int, float, bool, None and string enums. Out: JSON text with sorted
keys and no NaN or Infinity (they become null), and the same values again. Decimals travel as strings, exactly.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .errors import StateError

T = TypeVar("T")


def dumps(value: Any) -> str:
    """Canonical JSON text of a value."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def loads(kind: type[T], text: str | bytes) -> T:
    """The value of that dataclass; StateError when the text does not fit it."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise StateError(f"a stored {kind.__name__} is not JSON: {error}") from error
    return typed(kind, data)


def typed(kind: type[T], data: Any) -> T:
    """The value of that dataclass from plain JSON values; StateError when they do not fit it."""
    try:
        return _typed(kind, data)  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise StateError(f"a stored {kind.__name__} cannot be read: {error}") from error


def plain(value: Any) -> Any:
    """The value as JSON values: dict, list, str, number, bool, None."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is Decimal:
        return str(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is tuple or kind is list:
        return [plain(item) for item in value]
    if kind is dict:
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str):  # a string enum
        return str(value)
    return {name: plain(getattr(value, name)) for name in _names(kind)}  # type: ignore[arg-type]


_ATOMS = frozenset({str, int, bool, type(None)})


@cache
def _names(kind: type) -> tuple[str, ...]:
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} has no place in a journal record")
    return tuple(f.name for f in fields(kind))


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
    if origin is UnionType:
        return None if data is None else _typed(next(k for k in get_args(kind) if k is not type(None)), data)
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{f.name: _typed(hints[f.name], data[f.name]) for f in fields(kind)})  # type: ignore[operator]
    if kind is Decimal or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        return kind(data)
    if kind is float:
        return math.nan if data is None else float(data)
    return data
