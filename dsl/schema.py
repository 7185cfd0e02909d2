"""Checks a tree against the JSON Schema of its kind.

In: a tree and its kind. Out: diagnostics with our words and exact places; jsonschema's own prose never reaches a person.
The schemas are what editors use too, so both agree. A tree that fits is accepted without jsonschema (`acceptance.py`),
which is imported when something is wrong; one validator per kind is built once and kept.

Beside draft-07 the schemas say: `x-unit` (ratio, duration, money, date) with `x-range`, `x-later` (values that a later
version will know), `x-expects` (what a pattern means, in words), `x-qmtl` (how blocks map to keys).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import qmtl.schemas
from qmtl.schemas import SCHEMAS

from .acceptance import Accepts, acceptance
from .diagnostics import Diagnostic
from .tree import Map, plain
from .units import measure

#: every kind of document
KINDS: Final = tuple(SCHEMAS)
#: a document with more mistakes than this is not that kind of document
_MOST_ERRORS: Final = 1000


@lru_cache
def load_schema(kind: str) -> Mapping[str, Any]:
    """The JSON Schema of a kind of document, as plain values. Callers do not change it."""
    text = Path(qmtl.schemas.__file__).with_name(SCHEMAS[kind]).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def check(tree: Map, kind: str) -> tuple[Diagnostic, ...]:
    """What of the tree does not fit the schema of its kind, in the order of the file."""
    accepts = _acceptance(kind)
    if accepts is not None and accepts(tree):
        return ()
    from .schemaerrors import translate

    errors = list(islice(_validator(kind).iter_errors(plain(tree)), _MOST_ERRORS))
    return translate(errors, tree, load_schema(kind))


@lru_cache
def _acceptance(kind: str) -> Accepts | None:
    return acceptance(load_schema(kind), frozenset(_CUSTOM))


@lru_cache
def _validator(kind: str) -> Any:
    from jsonschema import Draft7Validator, validators

    return validators.extend(Draft7Validator, _CUSTOM)(load_schema(kind))  # type: ignore[no-untyped-call]


def _unit(_validator: Any, unit: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """Custom keyword: the value is of this unit and inside `x-range`."""
    from jsonschema import ValidationError

    size = measure(unit, value)
    if size is None:
        yield ValidationError("unit")
        return
    low, high = (measure(unit, edge) for edge in schema.get("x-range", (value, value)))
    if low is not None and high is not None and not low <= size <= high:
        yield ValidationError("range")


def _later(_validator: Any, names: Any, value: Any, _schema: Mapping[str, Any]) -> Iterator[Any]:
    """Custom keyword: a value that a later version will know."""
    from jsonschema import ValidationError

    if value in names:
        yield ValidationError("later")


def _unique(_validator: Any, wanted: Any, value: Any, _schema: Mapping[str, Any]) -> Iterator[Any]:
    """`uniqueItems` in linear time (jsonschema compares every pair of items of mixed types); lists and maps are not compared."""
    from jsonschema import ValidationError

    if wanted and isinstance(value, list):
        scalars = [(type(item), item) for item in value if not isinstance(item, list | dict)]
        if len(set(scalars)) < len(scalars):
            yield ValidationError("unique")


_CUSTOM: Final = {"x-unit": _unit, "x-later": _later, "uniqueItems": _unique}
