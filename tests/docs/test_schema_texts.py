"""What schemas say to people: every field has a description and an example, and every optional one says what counts without it.

`x-default` says it in words where no value of the field would do ("the last day of the feed"): `default` is a value that an
editor may insert as it stands.
"""

from __future__ import annotations

import re

import pytest
from jsonschema import Draft7Validator

from qmtl.dsl.fieldtable import Field, fields
from qmtl.dsl.schema import KINDS, load_schema
from qmtl.dsl.units import measure

#: keys of an `extends` world's base that are required otherwise; the schema says so by `else`
EVERY = [(kind, field) for kind in KINDS for field in fields(load_schema(kind))]
ALL = pytest.mark.parametrize(("kind", "field"), EVERY, ids=[f"{kind}:{field.path}" for kind, field in EVERY])


@ALL
def test_a_field_is_described_in_sentences(kind: str, field: Field) -> None:
    text = field.schema.get("description", "")
    assert len(text) > 8
    assert text.endswith(".")
    assert text[0].isupper() or text[0] == "`" or re.match(r"[a-z_, ]+: ", text), "a sentence, or what it belongs to"
    assert "  " not in text


@ALL
def test_a_field_has_an_example_that_fits(kind: str, field: Field) -> None:
    assert field.schema.get("examples")
    for example in field.schema["examples"]:
        assert_fits(kind, field, example)


@ALL
def test_an_optional_field_says_what_counts_without_it(kind: str, field: Field) -> None:
    conditional = "Required with" in field.note
    assert field.required or conditional or "default" in field.schema or "x-default" in field.schema
    assert not {"default", "x-default"} <= set(field.schema), "either a value or words"
    if "default" in field.schema:
        assert_fits(kind, field, field.schema["default"])


def assert_fits(kind: str, field: Field, value: object) -> None:
    root = load_schema(kind)
    schema = {**field.schema, "definitions": root.get("definitions", {})}
    assert not [error.message for error in Draft7Validator(schema).iter_errors(value)]
    if "x-unit" in schema:
        assert measure(schema["x-unit"], value) is not None
    if schema.get("type") == "string" and "enum" not in schema and "default" in schema and "x-unit" not in schema:
        assert not re.search(r"^(the|each|what) ", str(schema["default"])), (
            "words are `x-default`, an editor inserts `default`"
        )
