"""Records as plain JSON values and back: frozen dataclasses of text, numbers, None and tuples of these.

In: a dataclass value, or what `json.loads` gave and the class it shall be. Out: the other. Numpy scalars become Python
numbers; a float that is not finite is refused, because no JSON reader would agree on it.
"""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dicts, lists, text, numbers and None. ValueError for NaN, infinity and for what JSON has no word for."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"{value} has no place in JSON")
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(f"{type(value).__name__} has no place in JSON")


def from_plain(kind: type[T], value: Any) -> T:
    """The dataclass `kind` out of plain values. KeyError, TypeError or ValueError where they do not fit."""
    if not isinstance(value, dict):
        raise TypeError(f"{kind.__name__} is not an object")
    hints = get_type_hints(kind)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {unknown[0]}")
    return kind(**{name: _value(hint, value[name], name) for name, hint in hints.items()})


def _value(hint: Any, value: Any, name: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        rest = [one for one in inner if one is not type(None)]
        return None if value is None and len(rest) < len(inner) else _value(rest[0], value, name)
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{name} is not a list")
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_value(inner[0], item, name) for item in value)
        return tuple(_value(one, item, name) for one, item in zip(inner, value, strict=True))
    if isinstance(hint, type) and is_dataclass(hint):
        return from_plain(hint, value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError(f"{name} is {value!r}, not {hint.__name__}")
    return value
