"""Program <-> JSON bytes, format version 1.

In: a `Program`. Out: canonical JSON (sorted keys, no spaces), and back. The journal stores it, and a test reads version 1
for ever.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from .model import AFTER_V1
from .program import FORMAT, Program


class ProgramFormatError(ValueError):
    """The bytes are not a program of a version that this qmtl reads."""


def program_to_json(program: Program) -> bytes:
    """Canonical JSON of a program: equal programs give equal bytes."""
    return canonical(program)


def program_from_json(data: bytes) -> Program:
    """The program in such bytes. Raises `ProgramFormatError` for anything else."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ProgramFormatError("not JSON") from error
    found = value.get("format") if isinstance(value, dict) else None
    if found != FORMAT:
        raise ProgramFormatError(f"format {found!r} is not {FORMAT!r}")
    try:
        return cast("Program", _read(Program, value))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ProgramFormatError(f"not a program: {error!r}") from error


def canonical(value: object) -> bytes:
    """JSON of frozen values: dataclasses as objects, tuples as lists, decimals as text."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _plain(value: object) -> object:
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Decimal):
        return str(value.normalize() + 0)
    assert is_dataclass(value)
    kind = cast("type", type(value))
    later = _later(kind)
    items = ((name, getattr(value, name)) for name in _hints(kind))
    return {name: _plain(item) for name, item in items if name not in later or item != later[name]}


@lru_cache
def _later(kind: type) -> dict[str, Any]:
    """Fields that came after version 1, with their defaults: while they have these, the JSON is that of version 1."""
    return {f.name: f.default for f in fields(kind) if f.metadata == AFTER_V1}


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}


def _read(kind: Any, value: Any) -> Any:
    """A value of a declared type from plain JSON."""
    origin = get_origin(kind)
    if origin is tuple:
        return _read_tuple(get_args(kind), value)
    if origin is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{value!r} is none of {get_args(kind)}")
        return value
    if origin in {Union, UnionType}:
        return _read_either(get_args(kind), value)
    if is_dataclass(kind):
        hints = _hints(cast("type", kind))
        if not isinstance(value, dict) or set(value) - set(hints):
            raise ValueError(f"{value!r} is not a {kind}")
        return cast("type", kind)(**{name: _read(hints[name], value[name]) for name in value})
    if kind is Decimal:
        return Decimal(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is not a {kind}")
    return value


def _read_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_read(kinds[0], v) for v in value)
    return tuple(_read(kind, v) for kind, v in zip(kinds, value, strict=True))


def _read_either(kinds: tuple[Any, ...], value: Any) -> Any:
    """The first alternative that fits exactly; numbers keep being int or float as they were written."""
    if value is None and type(None) in kinds:
        return None
    if type(value) in kinds:
        return value
    for kind in kinds:
        if kind is not type(None) and not (is_dataclass(kind) and not isinstance(value, dict)):
            try:
                return _read(kind, value)
            except (TypeError, ValueError, KeyError):
                continue
    raise TypeError(f"{value!r} is none of {kinds}")
