"""jsonschema's errors, said in our words at exact places.

In: the errors of one document, its tree and schema. Out: diagnostics. One function per schema keyword, chosen from a
table. One mistake is one message: a misspelt required key is not also missing, a value of the wrong unit is not also of
the wrong type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .diagnostics import Diagnostic, Label, in_order, problem
from .schemahelp import above_of, belongs, empty_above, list_help, pattern_help, same_duration, sign_help, slipped
from .similar import did_you_mean, nearest
from .source import Span
from .tree import Map, Node, Scalar, Seq, at
from .units import complaint, ratio

_FEW: Final = 6
#: choices that a message lists; of more than these nobody reads the list
_LEGIBLE: Final = 20
#: the word that opens one of several blocks of a list
_BLOCK_WORD: Final = re.compile(r"([A-Za-z_]\w*)\s")
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
        key = _last_key(self.tree, self.path)
        called = f"`{key}`" if key else "the document"
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
    places, found = _without_slipped(places, tree, root_schema)
    spoken_for = {
        (p.path, guess) for p in places if p.error.validator == "additionalProperties" for guess in _guesses(p)
    }
    with_unit = {p.path for p in places if p.error.validator in ("x-unit", "x-later")}
    chosen = {p.path[:-1] for p in places if p.error.validator in ("enum", "x-later")}
    for place in places:
        if place.error.validator == "contains" and place.path in chosen:
            continue  # the entry that was meant is there, and wrong
        if place.path in with_unit and place.error.validator not in ("x-unit", "x-later"):
            continue
        found.extend(_say(place, spoken_for))
    return in_order(found)


def _without_slipped(
    places: Sequence[_Place], tree: Map, root_schema: Mapping[str, Any]
) -> tuple[list[_Place], list[Diagnostic]]:
    """The errors, less those that follow from keys whose indentation is wrong; and what is wrong with these keys."""
    slips: dict[tuple[str | int, ...], Diagnostic] = {}
    left: list[_Place] = []
    for place in places:
        found = slipped(tree, root_schema, place.path)
        if found is None:
            left.append(place)
        else:
            slips.setdefault(place.path[: found[0]], found[1])
    emptied = set()
    for path in slips:
        parent = at(tree, path[:-1])
        above = above_of(parent, str(path[-1])) if isinstance(parent, Map) else None
        if above is not None and empty_above(above.value):
            emptied.add((*path[:-1], above.key))
    return [place for place in left if place.path not in emptied], list(slips.values())


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
        help_text = did_you_mean(key, [_as_said(place, one) for one in known])
        span = key_span(place.tree, (*place.path, key))
        if not help_text and isinstance(place.node, Map):
            help_text = belongs(above_of(place.node, key), key, (span, place.schema, place.root_schema))
        if not help_text and len(known) <= _FEW:
            help_text = f"the keys here are {_listed([_as_said(place, one) for one in known])}"
        yield problem(
            "Q0201",
            f"unknown key `{_last_key(place.tree, (*place.path, key))}`{_inside(place)}",
            span,
            help=help_text,
        )
    if len(unknown) > _MANY:
        yield problem("Q0201", f"{len(unknown) - _MANY:,} more unknown keys{_inside(place)}", place.key_span)


def _inside(place: _Place) -> str:
    key = _last_key(place.tree, place.path)
    return f" in `{key}`" if key else ""


def _last_key(tree: Map, path: Sequence[str | int]) -> str:
    """The last key on the way to a place, as it is written there: in a block `use` says `strategies`."""
    size = next((n for n in range(len(path), 0, -1) if isinstance(path[n - 1], str)), 0)
    if not size:
        return ""
    item = at(tree, tuple(path[: size + 1])) if size < len(path) else None
    block = _BLOCK_WORD.match(item.span.text) if isinstance(item, Map) and _is_block(tree) else None
    written = block[1] if block else key_span(tree, path[:size]).text
    return written if written.isidentifier() else str(path[size - 1])


def _is_block(tree: Map) -> bool:
    return tree.span.source.name.endswith(".qmtl")


def _as_said(place: _Place, key: str) -> str:
    """The word for a key that is not there: in a block `use` says `strategies`."""
    if not _is_block(place.tree):
        return key
    words = place.schema.get("x-qmtl", {}).get("words", {})
    return next((word for word, meaning in words.items() if meaning == key), key)


def _listed(words: Any) -> str:
    shown = [f"`{str(w).lower() if isinstance(w, bool) else w}`" for w in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _required(place: _Place, spoken_for: set[tuple[tuple[str | int, ...], str]]) -> Iterator[Diagnostic]:
    for key in place.error.validator_value:
        if key in place.error.instance or (place.path, key) in spoken_for:
            continue
        properties = place.schema.get("properties") or ({} if place.path else place.root_schema["properties"])
        about, said = properties.get(key, {}).get("description", ""), _as_said(place, key)
        at_key = place.key_span if place.path else _kind_span(place)
        yield problem(
            "Q0202", f"`{said}` is missing{_inside(place)}", at_key, help=f"`{said}`: {about}" if about else ""
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
        help=list_help(place.node, place.schema, place.root_schema)
        if isinstance(place.node, Map) and kinds == ["array"]
        else _type_help(place.node, kinds),
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
    if "number" in kinds and isinstance(node.value, str) and node.value.endswith("%"):
        share = ratio(node.value)
        return "" if share is None else f"write `{share:g}`"
    if "boolean" in kinds and str(node.value).casefold() in ("yes", "on", "no", "off"):
        return f"write `{'true' if str(node.value).casefold() in ('yes', 'on') else 'false'}`"
    return ""


def _enum(place: _Place) -> Iterator[Diagnostic]:
    allowed = place.error.validator_value
    if isinstance(place.node, Map | Seq):
        yield problem("Q0203", f"{place.name} must be one word, not {_what(place.node)}", place.span)
        return
    words = [str(value) for value in allowed if isinstance(value, str)]
    guess = same_duration(place.node.value, words) or did_you_mean(str(place.node.value), words)
    if allowed == [True] and str(place.node.value).casefold() in ("yes", "on", "1"):
        guess = "write `true`"
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
    yield problem(
        "Q0203", f"{place.name} must be {expected}", place.span, help=pattern_help(place.error.instance, place.schema)
    )


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
        yield problem(
            "Q0205", f"{place.name} must be between {low} and {high}", place.span, help=sign_help(value, place.schema)
        )
        return
    noun, help_text = complaint(unit, value, place.schema.get("examples", ()))
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
