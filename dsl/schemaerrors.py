"""jsonschema's errors, said in our words at exact places.

In: the errors of one document, its tree and schema. Out: diagnostics. One function per schema keyword, chosen from a
table. One mistake is one message: a misspelt required key is not also missing, a value of the wrong unit is not also of
the wrong type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .diagnostics import Diagnostic, Label, in_order, problem
from .similar import did_you_mean, nearest
from .source import Span
from .tree import Map, Node, Scalar, Seq, at
from .units import complaint

_FEW: Final = 6
#: choices that a message lists; of more than these nobody reads the list
_LEGIBLE: Final = 20
#: unknown keys of one map that are listed one by one
_MANY: Final = 100
_TYPES: Final = {
    "string": "text", "number": "a number", "integer": "a whole number", "boolean": "`true` or `false`", "array": "a list",
    "object": "a map of keys", "null": "nothing",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """One error of jsonschema with the node it is about. `path` is the way to it from the root."""

    error: Any
    path: tuple[str | int, ...]
    node: Node
    tree: Map
    root_schema: Mapping[str, Any]

    @property
    def schema(self) -> Mapping[str, Any]:
        """The schema that refused the value (`false` counts as empty)."""
        return self.error.schema if isinstance(self.error.schema, dict) else {}

    @property
    def name(self) -> str:
        """How a message calls the value: its key, or the key of the list it stands in."""
        keys = [step for step in self.path if isinstance(step, str)]
        called = f"`{keys[-1]}`" if keys else "the document"
        return f"a value of {called}" if self.path and isinstance(self.path[-1], int) else called

    @property
    def span(self) -> Span:
        """The value; for a map or list the key it belongs to, which is where people look."""
        if isinstance(self.node, Scalar) and self.node.span.end > self.node.span.start:
            return self.node.span
        return self.key_span

    @property
    def key_span(self) -> Span:
        return key_span(self.tree, self.path)


def key_span(tree: Map, path: Sequence[str | int]) -> Span:
    """Span of the key that leads to a path; for an item of a list its first key or the item itself."""
    if not path:
        return tree.entries[0].key_span if tree.entries else tree.span
    node = at(tree, tuple(path))
    if isinstance(path[-1], str):
        parent = at(tree, tuple(path[:-1]))
        entry = parent.entry(path[-1]) if isinstance(parent, Map) else None
        return entry.key_span if entry else node.span
    if isinstance(node, Map) and node.entries:
        return node.entries[0].key_span
    return node.span


def translate(errors: Sequence[Any], tree: Map, root_schema: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """All errors of one document as sorted diagnostics, without doubles."""
    places = []
    for error in errors:
        path = tuple(error.absolute_path)
        places.append(_Place(error, path, at(tree, path), tree, root_schema))
    spoken_for = {
        (p.path, guess) for p in places if p.error.validator == "additionalProperties" for guess in _guesses(p)
    }
    with_unit = {p.path for p in places if p.error.validator in ("x-unit", "x-later")}
    found: list[Diagnostic] = []
    for place in places:
        if place.path in with_unit and place.error.validator not in ("x-unit", "x-later"):
            continue
        found.extend(_say(place, spoken_for))
    return in_order(found)


def _say(place: _Place, spoken_for: set[tuple[tuple[str | int, ...], str]]) -> Iterator[Diagnostic]:
    keyword = place.error.validator
    if keyword == "required":
        yield from _required(place, spoken_for)
    else:
        yield from _WORDS[keyword](place)


def _unknown_keys(place: _Place) -> list[str]:
    known = place.schema.get("properties", {})
    return [key for key in place.error.instance if key not in known]


def _guesses(place: _Place) -> Iterator[str]:
    for key in _unknown_keys(place)[:_MANY]:
        guess = nearest(key, place.schema.get("properties", {}))
        if guess:
            yield guess


def _additional(place: _Place) -> Iterator[Diagnostic]:
    known = place.schema.get("properties", {})
    unknown = _unknown_keys(place)
    for key in unknown[:_MANY]:
        help_text = did_you_mean(key, known)
        if not help_text and len(known) <= _FEW:
            help_text = f"the keys here are {_listed(known)}"
        yield problem(
            "Q0201",
            f"unknown key `{key}`{_inside(place.path)}",
            key_span(place.tree, (*place.path, key)),
            help=help_text,
        )
    if len(unknown) > _MANY:
        yield problem("Q0201", f"{len(unknown) - _MANY:,} more unknown keys{_inside(place.path)}", place.key_span)


def _inside(path: Sequence[str | int]) -> str:
    keys = [step for step in path if isinstance(step, str)]
    return f" in `{keys[-1]}`" if keys else ""


def _listed(words: Any) -> str:
    shown = [f"`{str(w).lower() if isinstance(w, bool) else w}`" for w in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _required(place: _Place, spoken_for: set[tuple[tuple[str | int, ...], str]]) -> Iterator[Diagnostic]:
    for key in place.error.validator_value:
        if key in place.error.instance or (place.path, key) in spoken_for:
            continue
        properties = place.schema.get("properties") or ({} if place.path else place.root_schema["properties"])
        about = properties.get(key, {}).get("description", "")
        at_key = place.key_span if place.path else _kind_span(place)
        yield problem(
            "Q0202", f"`{key}` is missing{_inside(place.path)}", at_key, help=f"`{key}`: {about}" if about else ""
        )


def _kind_span(place: _Place) -> Span:
    """The key that says what the document is: the first that its schema requires."""
    entry = place.tree.entry(place.root_schema["required"][0])
    return entry.key_span if entry else place.key_span


def _type(place: _Place) -> Iterator[Diagnostic]:
    allowed = place.error.validator_value
    kinds = [allowed] if isinstance(allowed, str) else list(allowed)
    wanted = " or ".join(_TYPES[kind] for kind in kinds)
    yield problem(
        "Q0203",
        f"{place.name} must be {wanted}, not {_what(place.node)}",
        place.span,
        help=_type_help(place.node, kinds),
    )


def _what(node: Node) -> str:
    if isinstance(node, Map):
        return "a map"
    if isinstance(node, Seq):
        return "a list"
    if node.value is None:
        return "empty"
    if isinstance(node.value, bool):
        return f"the boolean `{node.span.text}`"
    return "text" if isinstance(node.value, str) else f"the number `{node.span.text}`"


def _type_help(node: Node, kinds: list[str]) -> str:
    if not isinstance(node, Scalar) or node.value is None:
        return ""
    if "string" in kinds:
        return f'write it in quotes: `"{node.span.text}"`'
    if "array" in kinds:
        return f"write a list: `[{node.span.text}]`"
    if "boolean" in kinds and str(node.value).casefold() in ("yes", "on", "no", "off"):
        return f"write `{'true' if str(node.value).casefold() in ('yes', 'on') else 'false'}`"
    return ""


def _enum(place: _Place) -> Iterator[Diagnostic]:
    allowed = place.error.validator_value
    if isinstance(place.node, Map | Seq):
        yield problem("Q0203", f"{place.name} must be one word, not {_what(place.node)}", place.span)
        return
    words = [str(value) for value in allowed if isinstance(value, str)]
    guess = did_you_mean(str(place.node.value), words)
    if len(words) > _LEGIBLE:
        yield problem("Q0204", f"{place.name} cannot be `{place.node.value}`", place.span, help=guess)
        return
    choice = "must be" if len(allowed) == 1 else "must be one of"
    yield problem("Q0204", f"{place.name} {choice} {_listed(allowed).replace(' and ', ' or ')}", place.span, help=guess)


def _range(place: _Place) -> Iterator[Diagnostic]:
    schema, keyword = place.schema, place.error.validator
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    above = "more than" if "exclusiveMinimum" in schema else "at least"
    limit = f"at most {high:,}" if keyword == "maximum" else f"{above} {low:,}"
    yield problem("Q0205", f"{place.name} must be {limit}", place.span)


def _count(place: _Place) -> Iterator[Diagnostic]:
    limit = place.error.validator_value
    words = {"minItems": "at least", "maxItems": "at most", "minProperties": "at least"}
    noun = "entry" if limit == 1 else "entries"
    yield problem("Q0208", f"{place.name} needs {words[place.error.validator]} {limit:,} {noun}", place.key_span)


def _contains(place: _Place) -> Iterator[Diagnostic]:
    wanted = place.error.validator_value.get("const")
    if place.error.instance:
        yield problem("Q0208", f"{place.name} must hold `{wanted}`", place.key_span)


def _pattern(place: _Place) -> Iterator[Diagnostic]:
    expected = place.schema.get("x-expects", "written differently")
    yield problem("Q0203", f"{place.name} must be {expected}", place.span)


def _empty_text(place: _Place) -> Iterator[Diagnostic]:
    yield problem("Q0203", f"{place.name} is empty", place.span)


def _unique(place: _Place) -> Iterator[Diagnostic]:
    assert isinstance(place.node, Seq)
    code = "Q0606" if place.schema.get("x-item") == "symbol" else "Q0208"
    first: dict[object, Span] = {}
    for item in place.node.items:
        if not isinstance(item, Scalar):
            continue
        before = first.setdefault((type(item.value), item.value), item.span)
        if before is not item.span:
            yield problem(
                code,
                f"`{item.span.text}` is listed twice in {place.name}",
                item.span,
                label="again",
                labels=(Label(before, "first here"),),
            )


def _unit(place: _Place) -> Iterator[Diagnostic]:
    unit = place.schema["x-unit"]
    value = place.node.value if isinstance(place.node, Scalar) else None
    if place.error.message == "range":
        low, high = place.schema["x-range"]
        yield problem("Q0205", f"{place.name} must be between {low} and {high}", place.span)
        return
    noun, help_text = complaint(unit, value)
    code = "Q0206" if isinstance(value, str | int | float) and not isinstance(value, bool) else "Q0203"
    yield problem(code, f"{place.name} must be {noun}, not {_what_value(place.node)}", place.span, help=help_text)


def _what_value(node: Node) -> str:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return f"`{node.value[:40]}`"
    return (
        "a bare number"
        if isinstance(node, Scalar) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
        else _what(node)
    )


def _later(place: _Place) -> Iterator[Diagnostic]:
    yield problem(
        "Q0604",
        f"`{place.error.instance}` is not available in this version",
        place.span,
        help=f"{place.name} can be {_listed(place.schema['enum'])}",
    )


def _forbidden(place: _Place) -> Iterator[Diagnostic]:
    """A key that `if / then` rules out; the rule says why in its `$comment`."""
    schema: Any = place.root_schema
    comment = ""
    for step in place.error.absolute_schema_path:
        schema = schema[step]
        comment = schema.get("$comment", comment) if isinstance(schema, dict) else comment
    yield problem("Q0201", f"{place.name} cannot stand here", place.key_span, help=comment)


_WORDS: Final[Mapping[str, Callable[[_Place], Iterator[Diagnostic]]]] = {
    "additionalProperties": _additional,
    "type": _type,
    "enum": _enum,
    "minimum": _range,
    "maximum": _range,
    "exclusiveMinimum": _range,
    "minItems": _count,
    "maxItems": _count,
    "minProperties": _count,
    "contains": _contains,
    "not": _forbidden,
    "pattern": _pattern,
    "minLength": _empty_text,
    "uniqueItems": _unique,
    "x-unit": _unit,
    "x-later": _later,
}
