"""Quick acceptance and jsonschema never disagree: what one takes, the other takes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl import schema as schemas
from qmtl.dsl.acceptance import acceptance
from qmtl.dsl.schema import KINDS, check, load_schema
from qmtl.dsl.source import Source, Span
from qmtl.dsl.tree import Entry, Map, Node, Scalar, Seq, plain

from ..thorough import often
from .corpus import ROOT, worldcorpus

SPAN = Span(Source("t", ""), 0, 0)
CUSTOM = frozenset(schemas._CUSTOM)


def tree(value: Any) -> Node:
    if isinstance(value, dict):
        return Map(tuple(Entry(str(k), SPAN, tree(v)) for k, v in value.items()), SPAN)
    if isinstance(value, list):
        return Seq(tuple(tree(v) for v in value), SPAN)
    return Scalar(value, SPAN)


def agrees(kind: str, value: Any) -> bool:
    """Whether both say the same; gives what they say."""
    node = tree(value)
    accepts = schemas._acceptance(kind)
    assert accepts is not None
    said = accepts(node)
    assert said is schemas._validator(kind).is_valid(plain(node)), json.dumps(value)
    return said


def documents() -> list[tuple[str, Any]]:
    """Valid documents: those that are shipped, generated ones, and the examples of the schemas."""
    texts = [path.read_text() for path in sorted((ROOT / "worlds").rglob("*.yaml"))]
    texts += [path.read_text() for path in sorted(ROOT.glob("*.yaml"))]
    corpus = worldcorpus()
    rng = random.Random(3)
    texts += [corpus.world(rng, f"w{i}", corpus.symbols()) for i in range(6)]
    loaded = [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts]
    return [(next(kind for kind in ("case", *KINDS) if kind in value), value) for value in loaded]


def examples(schema: Any) -> Iterator[Any]:
    """Every value that a schema shows or lists, and values just beside its limits."""
    if isinstance(schema, dict):
        for word in ("examples", "enum", "x-later", "x-range"):
            yield from schema.get(word, [])
        yield from (schema[w] for w in ("default", "const") if w in schema)
        for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            if word in schema:
                yield from (schema[word], schema[word] - 1, schema[word] + 1, schema[word] + 0.5)
        for inner in schema.values():
            yield from examples(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from examples(inner)


ODD = [None, True, False, 0, 1, 1.0, -1, 0.5, 1e300, 10**17, "", " ", "x", "3%", "25bps", "60m", "-2%", "1 USD", "2026-02-30", [], {}, [1, 1], ["a", "a"], [1, True], {"x": 1}]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def mutated(rng: random.Random, value: Any, pool: list[Any]) -> Any:
    """The value with something replaced, removed, renamed, doubled or added at a random place."""
    value = copy.deepcopy(value)
    path = rng.choice(list(places(value)))
    if not path:
        return rng.choice(pool)
    *to, last = path
    inner = value
    for step in to:
        inner = inner[step]
    how = rng.choice(("replace", "replace", "remove", "add", "rename"))
    if how == "remove":
        del inner[last]
    elif how == "add" and isinstance(inner, list):
        inner.insert(rng.randint(0, len(inner)), rng.choice([*pool, last, *inner[:1]]))
    elif how == "add":
        inner[rng.choice(["x", "name", "symbol", "version"])] = rng.choice(pool)
    elif how == "rename" and isinstance(inner, dict):
        inner[f"{last}x"] = inner.pop(last)
    else:
        inner[last] = rng.choice(pool)
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_has_a_quick_acceptance(kind: str) -> None:
    assert schemas._acceptance(kind) is not None


@pytest.mark.parametrize(("kind", "value"), documents())
def test_both_agree_on_documents_and_on_what_becomes_of_them(kind: str, value: Any) -> None:
    rng = random.Random(json.dumps(value, default=str)[:200])
    pool = [*ODD, *examples(load_schema(kind))]
    assert agrees(kind, value)
    said = set()
    for _ in range(150):
        changed = value
        for _ in range(rng.randint(1, 3)):
            changed = mutated(rng, changed, pool)
        said.add(agrees(kind, changed))
    assert False in said, "mutations that break nothing prove nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_both_agree_on_everything_that_a_schema_shows(kind: str) -> None:
    for example in (*examples(load_schema(kind)), *ODD):
        agrees(kind, example)


KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null", ["string", "null"]]),
        "enum": st.lists(st.sampled_from([0, 1, 1.0, True, False, None, "a", "3%"]), min_size=1, max_size=3),
        "const": st.sampled_from([0, 1, True, "a", None]),
        "pattern": st.sampled_from(["^a", "[0-9]", "%$"]),
        "minLength": st.integers(0, 3),
        "minimum": st.integers(-2, 2),
        "exclusiveMaximum": st.integers(-2, 2),
        "minItems": st.integers(0, 2),
        "maxItems": st.integers(0, 2),
        "uniqueItems": st.booleans(),
        "required": st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
        "minProperties": st.integers(0, 2),
        "x-unit": st.sampled_from(["ratio", "duration", "money", "date"]),
        "x-later": st.just(["a", 1]),
        "description": st.just("words"),
    },
)  # fmt: skip


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda own, more: own | more,
        KEYWORDS,
        st.fixed_dictionaries(
            {},
            optional={
                "items": inner,
                "contains": inner,
                "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
                "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
                "additionalProperties": st.one_of(st.booleans(), inner),
                "propertyNames": inner,
                "not": inner,
                "if": inner,
                "then": inner,
                "else": inner,
                "allOf": st.lists(inner, min_size=1, max_size=2),
                "anyOf": st.lists(inner, min_size=1, max_size=2),
                "oneOf": st.lists(inner, min_size=1, max_size=2),
            },
        ),
    )


VALUES = st.recursive(
    st.sampled_from([v for v in ODD if not isinstance(v, list | dict)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "ab"]), inner, max_size=3),
    max_leaves=6,
)


@given(schema=st.recursive(KEYWORDS, composed, max_leaves=4), values=st.lists(VALUES, min_size=1, max_size=6))
@settings(max_examples=often(400), deadline=None)
def test_both_agree_on_any_schema_and_value(schema: Any, values: list[Any]) -> None:
    from jsonschema import Draft7Validator, validators

    accepts = acceptance(schema, CUSTOM)
    assert accepts is not None
    judge = validators.extend(Draft7Validator, schemas._CUSTOM)(schema)
    for value in values:
        node = tree(value)
        assert accepts(node) is judge.is_valid(plain(node)), (schema, value)


def test_a_schema_with_an_unknown_keyword_is_left_to_jsonschema() -> None:
    assert acceptance({"type": "object", "dependencies": {}}, CUSTOM) is None
    assert acceptance({"properties": {"a": {"multipleOf": 2}}}, CUSTOM) is None
    assert acceptance({"x-note": 1}, CUSTOM) is not None
    assert acceptance({"x-note": 1}, CUSTOM | {"x-note"}) is None


def test_a_definition_may_refer_to_itself() -> None:
    schema = {"$ref": "#/definitions/t", "definitions": {"t": {"type": "array", "items": {"$ref": "#/definitions/t"}}}}
    accepts = acceptance(schema, CUSTOM)
    assert accepts is not None
    assert accepts(tree([[], [[]]]))
    assert not accepts(tree([[], [1]]))


def test_a_valid_document_needs_no_jsonschema(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_kind: str) -> Any:
        raise AssertionError("jsonschema was asked")

    monkeypatch.setattr(schemas, "_validator", never)
    kind, value = documents()[-1]
    node = tree(value)
    assert isinstance(node, Map)
    assert check(node, kind) == ()
