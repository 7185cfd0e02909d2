"""Words of a project whose misspelling must be found at their exact place, each with what it is.

In: the files of a project as text. Out: `Word`s. The readers of the product say where words stand (trees with spans,
expressions with spans); what a word is, and that nobody may misspell it, is said here a second time, independent of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qmtl.dsl.documents import Document, load_file
from qmtl.dsl.parser import parse_predicate
from qmtl.dsl.schema import load_schema
from qmtl.dsl.source import Span
from qmtl.dsl.syntax import Call, Definition, Expr, Name
from qmtl.dsl.tree import Entry, Map, Node, Scalar, Seq
from qmtl.dsl.uses import walk

#: a number with its unit, the unit second
UNIT = re.compile(r"([-+]?[0-9][0-9_.]*)( ?USD|%|bps|[smhd])")
#: maps whose keys are names: dotted path (`*` is any name) -> what the names are
NAMED = {
    "world.sectors": "symbol",
    "world.allowlist": "symbol",
    "world.parameters": "strategy",
    "world.parameters.*.default": "parameter",
    "world.parameters.*.by_symbol": "symbol",
    "world.parameters.*.by_symbol.*": "parameter",
    "world.hysteresis": "name",
    "world.select.alphas": "strategy",
    "world.hysteresis.*": "name",
}
#: scalars that name something
NAMES = {
    "world.allowlist.*[]": "strategy",
    "world.chains[].strategies[]": "strategy",
    "world.exchange": "document",
    "world.allowlist": "document",
    "world.regime.heuristic": "name",
    "world.regime.shadow": "name",
    "world.regime.model": "document",
    "allowlist.rows[].strategy": "strategy",
}


@dataclass(frozen=True, slots=True)
class Word:
    """`role`: key, symbol, strategy, parameter, name, function, document, word or unit; [start, end) in the file. `blamed` is
    the range that must be marked when the word is wrong: the whole value for a unit."""

    file: str
    role: str
    start: int
    end: int
    blamed: tuple[int, int]


def words_of(folder: Path, file: str) -> list[Word]:
    """All such words of one file, in the order of the text."""
    loaded = load_file(folder / file)
    found: list[Word] = []
    for document in loaded.documents:
        found.extend(_document(document, file))
    for definition in loaded.definitions:
        found.extend(_definition(definition, file))
    return sorted({(w.start, w.end): w for w in found}.values(), key=lambda w: w.start)


def _word(file: str, role: str, span: Span) -> Word:
    return Word(file, role, span.start, span.end, (span.start, span.end))


def _document(document: Document, file: str) -> Iterator[Word]:
    kind = document.kind
    for word in _map(document.tree, kind, load_schema(kind), file):
        if word.start != document.place.start:  # the key that says the kind: without it nobody knows what the rest is
            yield word


def _map(node: Map, path: str, schema: Any, file: str) -> Iterator[Word]:
    for entry in node:
        yield from _entry(entry, path, schema, file)


def _entry(entry: Entry, path: str, schema: Any, file: str) -> Iterator[Word]:
    role = NAMED.get(path)
    known = schema.get("properties", {}) if isinstance(schema, dict) else {}
    if role is not None:
        yield _word(file, role, entry.key_span)
    elif entry.key in known and entry.key_span.text.strip("\"'") == entry.key:
        # in blocks some keys are not written: `chain NAME when CONDITION { ... }`
        yield _word(file, "key", entry.key_span)
    inner = known.get(entry.key, schema.get("additionalProperties", {}) if isinstance(schema, dict) else {})
    yield from _node(entry.value, f"{path}.{'*' if role else entry.key}", inner, file)


def _node(node: Node, path: str, schema: Any, file: str) -> Iterator[Word]:
    if isinstance(node, Map):
        yield from _map(node, path, schema, file)
    elif isinstance(node, Seq):
        for item in node.items:
            yield from _node(item, f"{path}[]", schema.get("items", {}) if isinstance(schema, dict) else {}, file)
    else:
        yield from _scalar(node, path, schema if isinstance(schema, dict) else {}, file)


def _scalar(node: Scalar, path: str, schema: dict[str, Any], file: str) -> Iterator[Word]:
    if not isinstance(node.value, str) or not node.offsets:
        return
    unit = UNIT.fullmatch(node.value)
    if schema.get("x-type") == "predicate":
        expr, _ = parse_predicate(node)
        yield from _expr(expr, file, frozenset()) if expr is not None else ()
    elif path in NAMES and node.value != "all":
        yield _word(file, NAMES[path], node.place(0, len(node.value)))
    elif node.value in schema.get("enum", ()) and not (node.value[0].isdigit() and file.endswith(".qmtl")):
        yield _word(file, "word", node.place(0, len(node.value)))
    elif unit is not None and ("x-unit" in schema or path.startswith("world.parameters")):
        place, whole = node.place(*unit.span(2)), node.span
        yield Word(file, "unit", place.start, place.end, (whole.start, whole.end))


def _definition(definition: Definition, file: str) -> Iterator[Word]:
    own = frozenset(t.name.name for t in definition.lets)
    for param in definition.params:
        yield _word(file, "word", param.type.span)
    if definition.style is not None:
        yield _word(file, "word", definition.style.span)
    for expr in (*(t.value for t in definition.lets), *(r.value for r in definition.rules)):
        yield from _expr(expr, file, own)


def _expr(expr: Expr, file: str, _own: frozenset[str]) -> Iterator[Word]:
    for node in walk(expr):
        if isinstance(node, Call):
            yield _word(file, "function", node.function.span)
        elif isinstance(node, Name):
            yield _word(file, "name", node.span)
