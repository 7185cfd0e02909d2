"""Quick acceptance: says of a tree whether it fits a JSON Schema, without saying why not.

In: a schema (draft-07 with our own keywords). Out: a function from a tree to true or false, made once per schema out of
closures over its parts. Nearly every document is well, and for those this is all that is needed; jsonschema is asked, and
imported, only for the rest. It stays the judge: a keyword that is not known here makes the whole schema unknown, and the
tests compare both over mutated documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from .tree import Map, Node, Scalar, Seq
from .units import measure

Accepts = Callable[[Node], bool]
_Make = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Accepts]

#: keywords that say something to people or editors and nothing about validity
_NOTES: Final = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "definitions", "x-range"}
)


class UnknownKeywordError(Exception):
    """A schema uses a keyword that has no meaning here."""


def acceptance(schema: Mapping[str, Any], custom: frozenset[str]) -> Accepts | None:
    """The acceptance of a schema, or None when it holds something unknown. `custom` are our keywords that are checked; other
    `x-` keywords are notes."""
    try:
        return _compiled(schema, {"root": schema, "custom": custom, "known": {}})
    except UnknownKeywordError:
        return None


def _compiled(schema: Any, about: Mapping[str, Any]) -> Accepts:
    if schema is True:
        return lambda _node: True
    if schema is False:
        return lambda _node: False
    if "$ref" in schema:
        return _reference(schema["$ref"], about)
    checks = []
    for keyword, value in schema.items():
        if keyword in _NOTES or keyword in {"then", "else"} or _is_note(keyword, about["custom"]):
            continue
        if keyword in _MAP:
            continue
        if keyword not in _KEYWORDS:
            raise UnknownKeywordError(keyword)
        checks.append(_KEYWORDS[keyword](value, schema, about))
    if any(keyword in schema for keyword in _MAP):
        checks.append(_entries(schema, about))
    return _all(checks)


def _is_note(keyword: str, custom: frozenset[str]) -> bool:
    return keyword.startswith("x-") and keyword not in custom


def _all(checks: list[Accepts]) -> Accepts:
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda node: first(node) and second(node)
    every = tuple(checks)

    def accepts(node: Node) -> bool:
        for check in every:  # noqa: SIM110 - a generator costs more than most of the checks
            if not check(node):
                return False
        return True

    return accepts


def _reference(target: str, about: Mapping[str, Any]) -> Accepts:
    """A definition of the same schema, compiled when it is first met; it may refer to itself."""
    if not target.startswith("#/"):
        raise UnknownKeywordError(target)
    known = about["known"]
    if target not in known:
        known[target] = None
        inner: Any = about["root"]
        for step in target[2:].split("/"):
            inner = inner[step.replace("~1", "/").replace("~0", "~")]
        known[target] = _compiled(inner, about)

    def accepts(node: Node) -> bool:
        inner: Accepts = known[target]  # looked up when asked: a definition may refer to itself
        return inner(node)

    return accepts


# ---- values


def _value(node: Node) -> Any:
    return node.value if isinstance(node, Scalar) else None


def _is_number(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


_TYPES: Final[dict[str, Accepts]] = {
    "object": lambda node: isinstance(node, Map),
    "array": lambda node: isinstance(node, Seq),
    "string": lambda node: isinstance(node, Scalar) and isinstance(node.value, str),
    "boolean": lambda node: isinstance(node, Scalar) and isinstance(node.value, bool),
    "null": lambda node: isinstance(node, Scalar) and node.value is None,
    "number": _is_number,
    "integer": lambda node: _is_number(node) and (isinstance(_value(node), int) or _value(node).is_integer()),
}


def _type(names: Any, _schema: Any, _about: Any) -> Accepts:
    checks = [_TYPES[name] for name in ([names] if isinstance(names, str) else names)]
    return checks[0] if len(checks) == 1 else lambda node: any(check(node) for check in checks)


def _enum(values: Any, _schema: Any, _about: Any) -> Accepts:
    """Scalars only; true is not 1."""
    if any(isinstance(value, dict | list) for value in values):
        raise UnknownKeywordError("enum")
    # equal numbers are one key whatever their type; booleans are kept apart
    wanted = frozenset((isinstance(value, bool), value) for value in values)
    return lambda node: isinstance(node, Scalar) and (isinstance(node.value, bool), node.value) in wanted


def _pattern(text: Any, _schema: Any, _about: Any) -> Accepts:
    search = re.compile(text).search
    return lambda node: not (isinstance(node, Scalar) and isinstance(node.value, str)) or search(node.value) is not None


def _length(compare: Callable[[int, int], bool]) -> _Make:
    def make(limit: Any, _schema: Any, _about: Any) -> Accepts:
        return lambda node: (
            not (isinstance(node, Scalar) and isinstance(node.value, str)) or compare(len(node.value), limit)
        )

    return make


def _number(compare: Callable[[float, float], bool]) -> _Make:
    def make(limit: Any, _schema: Any, _about: Any) -> Accepts:
        return lambda node: not _is_number(node) or compare(_value(node), limit)

    return make


def _unit(unit: Any, schema: Mapping[str, Any], _about: Any) -> Accepts:
    edges = schema.get("x-range")
    low, high = (measure(unit, edge) for edge in edges) if edges else (None, None)
    # the same few sizes stand in every document
    known: dict[str, bool] = {}

    def fits(value: Any) -> bool:
        size = measure(unit, value)
        return size is not None and (low is None or high is None or low <= size <= high)

    def accepts(node: Node) -> bool:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return fits(_value(node))
        if node.value not in known:
            if len(known) > _MOST_KNOWN:
                known.clear()
            known[node.value] = fits(node.value)
        return known[node.value]

    return accepts


_MOST_KNOWN: Final = 10_000


def _later(names: Any, _schema: Any, _about: Any) -> Accepts:
    return lambda node: not isinstance(node, Scalar) or node.value not in names


# ---- lists


def _items(inner: Any, _schema: Any, about: Mapping[str, Any]) -> Accepts:
    if isinstance(inner, list):
        raise UnknownKeywordError("items")
    check = _compiled(inner, about)

    def accepts(node: Node) -> bool:
        if isinstance(node, Seq):
            for item in node.items:
                if not check(item):
                    return False
        return True

    return accepts


def _count(compare: Callable[[int, int], bool]) -> _Make:
    def make(limit: Any, _schema: Any, _about: Any) -> Accepts:
        return lambda node: not isinstance(node, Seq) or compare(len(node.items), limit)

    return make


def _unique(wanted: Any, _schema: Any, _about: Any) -> Accepts:
    def accepts(node: Node) -> bool:
        if not wanted or not isinstance(node, Seq):
            return True
        scalars = [(type(item.value), item.value) for item in node.items if isinstance(item, Scalar)]
        return len(set(scalars)) == len(scalars)

    return accepts


def _contains(inner: Any, _schema: Any, about: Mapping[str, Any]) -> Accepts:
    check = _compiled(inner, about)
    return lambda node: not isinstance(node, Seq) or any(check(item) for item in node.items)


# ---- maps


def _entries(schema: Mapping[str, Any], about: Mapping[str, Any]) -> Accepts:
    """properties, patternProperties and additionalProperties in one pass over the entries."""
    own = {key: _compiled(value, about) for key, value in schema.get("properties", {}).items()}
    patterns = [
        (re.compile(text).search, _compiled(value, about))
        for text, value in schema.get("patternProperties", {}).items()
    ]
    rest = _compiled(schema.get("additionalProperties", True), about)

    def accepts(node: Node) -> bool:
        if not isinstance(node, Map):
            return True
        for entry in node.entries:
            check = own.get(entry.key)
            matched = [inner for search, inner in patterns if search(entry.key)] if patterns else ()
            if check is None and not matched:
                check = rest
            if check is not None and not check(entry.value):
                return False
            if matched and not all(inner(entry.value) for inner in matched):
                return False
        return True

    return accepts


def _required(keys: Any, _schema: Any, _about: Any) -> Accepts:
    needed = frozenset(keys)
    return lambda node: not isinstance(node, Map) or needed <= {entry.key for entry in node.entries}


def _size(compare: Callable[[int, int], bool]) -> _Make:
    def make(limit: Any, _schema: Any, _about: Any) -> Accepts:
        return lambda node: not isinstance(node, Map) or compare(len(node.entries), limit)

    return make


def _names(inner: Any, _schema: Any, about: Mapping[str, Any]) -> Accepts:
    check = _compiled(inner, about)
    return lambda node: (
        not isinstance(node, Map) or all(check(Scalar(entry.key, entry.key_span)) for entry in node.entries)
    )


# ---- combinations


def _of(how: Callable[[int, int], bool]) -> _Make:
    def make(inner: Any, _schema: Any, about: Mapping[str, Any]) -> Accepts:
        checks = [_compiled(one, about) for one in inner]
        return lambda node: how(sum(check(node) for check in checks), len(checks))

    return make


def _not(inner: Any, _schema: Any, about: Mapping[str, Any]) -> Accepts:
    check = _compiled(inner, about)
    return lambda node: not check(node)


def _if(inner: Any, schema: Mapping[str, Any], about: Mapping[str, Any]) -> Accepts:
    check = _compiled(inner, about)
    then, otherwise = (_compiled(schema.get(word, True), about) for word in ("then", "else"))
    return lambda node: then(node) if check(node) else otherwise(node)


_MAP: Final = ("properties", "patternProperties", "additionalProperties")
_KEYWORDS: Final[dict[str, _Make]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda value, schema, about: _enum([value], schema, about),
    "pattern": _pattern,
    "minLength": _length(lambda size, limit: size >= limit),
    "maxLength": _length(lambda size, limit: size <= limit),
    "minimum": _number(lambda value, limit: value >= limit),
    "maximum": _number(lambda value, limit: value <= limit),
    "exclusiveMinimum": _number(lambda value, limit: value > limit),
    "exclusiveMaximum": _number(lambda value, limit: value < limit),
    "items": _items,
    "minItems": _count(lambda size, limit: size >= limit),
    "maxItems": _count(lambda size, limit: size <= limit),
    "uniqueItems": _unique,
    "contains": _contains,
    "required": _required,
    "minProperties": _size(lambda size, limit: size >= limit),
    "maxProperties": _size(lambda size, limit: size <= limit),
    "propertyNames": _names,
    "allOf": _of(lambda held, of: held == of),
    "anyOf": _of(lambda held, _of: held > 0),
    "oneOf": _of(lambda held, _of: held == 1),
    "not": _not,
    "if": _if,
    "x-unit": _unit,
    "x-later": _later,
}
