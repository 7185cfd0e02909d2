"""What a JSON Schema lets stand at a place: a list, a map, a condition.

In: the schema of a kind and of one of its keys. Out: the schemas of keys below it, through references and alternatives.
Both directions between blocks and trees ask here, so that a block is read as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_Schema = Mapping[str, Any]


def resolved(root: _Schema, schema: Any) -> _Schema:
    """The schema itself, with its references followed; an empty one for anything else."""
    while isinstance(schema, Mapping) and "$ref" in schema:
        found: Any = root
        for step in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            found = found[step] if step else found
        schema = found
    return schema if isinstance(schema, Mapping) else {}


def alternatives(root: _Schema, schema: _Schema) -> Iterator[_Schema]:
    """The schema, or those it offers to choose from."""
    options = [option for word in ("anyOf", "oneOf") for option in schema.get(word, ())]
    if not options or "type" in schema:
        yield schema
    for option in options:
        yield from alternatives(root, resolved(root, option))


def types(root: _Schema, schema: _Schema) -> frozenset[str]:
    """The JSON types that a value may have; none when the schema does not say."""
    found: set[str] = set()
    for option in alternatives(root, schema):
        kind = option.get("type")
        if kind is not None:
            found.update([kind] if isinstance(kind, str) else kind)
        elif "items" in option:
            found.add("array")
        elif "properties" in option or "additionalProperties" in option:
            found.add("object")
        elif "enum" in option or "const" in option:
            found.add("scalar")
    return frozenset(found)


def is_list(root: _Schema, schema: _Schema) -> bool:
    """Whether a list is all that may stand there (beside `~`), so that one value is a list of one."""
    kinds = types(root, schema)
    return "array" in kinds and kinds <= {"array", "null"}


def is_condition(root: _Schema, schema: _Schema) -> bool:
    """Whether an expression may stand there without quotes."""
    return any(option.get("x-type") == "predicate" for option in alternatives(root, schema))


def alternative(root: _Schema, schema: _Schema, kind: str) -> _Schema:
    """The first of the alternatives that has a type (`allowlist` may be a map or a word); the schema when none has."""
    return next((option for option in alternatives(root, schema) if kind in types(root, option)), schema)


def below(root: _Schema, schema: _Schema, key: str) -> _Schema:
    """The schema of one key of an object."""
    properties = schema.get("properties", {})
    if key in properties:
        return resolved(root, properties[key])
    for pattern, found in schema.get("patternProperties", {}).items():
        if re.search(pattern, key):
            return resolved(root, found)
    return resolved(root, schema.get("additionalProperties"))
