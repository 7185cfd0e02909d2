"""The schemas, as editors and as `validate` use them: complete, and every error in our words at its place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.schema import KINDS, check, load_schema
from qmtl.dsl.source import Source
from qmtl.dsl.tree import Map
from qmtl.dsl.yamltree import read_yaml

WORLD = """\
world: us
calendar: XNYS
universe: [SPY]
chains: [{name: n, otherwise: true, strategies: [roc_momentum]}]
allowlist: all
"""
DEPLOYMENT = "deployment: d\nworlds: [a.yaml]\n"


def checked(text: str, kind: str = "world") -> list[tuple[str, str, str]]:
    """(code, what the span covers, message) of every diagnostic."""
    return [(d.code, d.span.text if d.span else "", d.message) for d in diagnostics(text, kind)]


def diagnostics(text: str, kind: str) -> tuple[Diagnostic, ...]:
    tree, problems = read_yaml(Source("w.yaml", text))
    assert not problems
    assert isinstance(tree, Map)
    return check(tree, kind)


def fields(schema: Any, root: Any = None, path: str = "") -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every declared property, with references followed: path, schema, whether it is required."""
    root = root or schema
    needed = {*schema.get("required", ()), *schema.get("else", {}).get("required", ())}
    for name, inner in schema.get("properties", {}).items():
        found = resolved(inner, root)
        yield f"{path}.{name}", found, name in needed
        yield from fields(found, root, f"{path}.{name}")
    for key, step in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(schema.get(key), dict):
            yield from fields(resolved(schema[key], root), root, f"{path}{step}")


def resolved(schema: dict[str, Any], root: Any) -> dict[str, Any]:
    while "$ref" in schema:
        found = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described_with_an_example_and_a_default(kind: str) -> None:
    schema = load_schema(kind)
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    for path, field, required in fields(schema):
        assert len(field["description"]) > 8, path
        assert field["description"].endswith("."), path
        assert field["examples"], path
        assert required or "default" in field or "x-default" in field, path


@pytest.mark.parametrize("kind", KINDS)
def test_examples_and_defaults_fit_their_own_schema(kind: str) -> None:
    root = load_schema(kind)
    for path, field, _ in fields(root):
        validator = Draft7Validator({**field, "definitions": root.get("definitions", {})})
        for example in (*field["examples"], *([field["default"]] if "default" in field else [])):
            assert not [e.message for e in validator.iter_errors(example)], path


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_friendly_to_editors(kind: str) -> None:
    """Draft-07, and `if / then` instead of `oneOf`, which hides the real mistake."""
    text = json.dumps(load_schema(kind))
    for word in ("oneOf", "anyOf", "unevaluatedProperties", "dependentRequired", "$defs", "prefixItems"):
        assert f'"{word}"' not in text, word


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_keys_are_refused_at_every_level(kind: str) -> None:
    schemas = [load_schema(kind), *(field for _, field, _ in fields(load_schema(kind)))]
    assert all(
        s["additionalProperties"] is not True and "additionalProperties" in s for s in schemas if "properties" in s
    )


def test_a_world_with_defaults_fits() -> None:
    assert checked(WORLD) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bras: [15m]", ("Q0201", "bras", "unknown key `bras`")),
        ("capital: 0.6", ("Q0206", "0.6", "`capital` must be a ratio, not a bare number")),
        ("capital: 60 %%", ("Q0206", "60 %%", "`capital` must be a ratio, not `60 %%`")),
        ("capital: [60%]", ("Q0203", "capital", "`capital` must be a ratio, not a list")),
        ("capital: 160%", ("Q0205", "160%", "`capital` must be between 0% and 100%")),
        ("capital:", ("Q0203", "capital", "`capital` must be a ratio, not empty")),
        ("version: 2", ("Q0204", "2", "`version` must be `1`")),
        ("bars: [60m]", ("Q0208", "bars", "`bars` must hold `15m`")),
        ("bars: []", ("Q0208", "bars", "`bars` needs at least 1 entry")),
        ("bars: [15m, 5m]", ("Q0204", "5m", "a value of `bars` must be one of `15m` or `60m`")),
        ("bars: 15m", ("Q0203", "15m", "`bars` must be a list, not text")),
        ("bars: [15m, 15m]", ("Q0208", "15m", "`15m` is listed twice in `bars`")),
        ("description: 5", ("Q0203", "5", "`description` must be text, not the number `5`")),
        ("description: true", ("Q0203", "true", "`description` must be text, not the boolean `true`")),
        ("regime: {source: ml}", ("Q0202", "regime", "`model` is missing in `regime`")),
        ("regime: {model: m}", ("Q0201", "model", "`model` cannot stand here")),
        ("regime: {source: x}", ("Q0204", "x", "`source` must be one of `heuristic`, `ml` or `shadow`")),
        ("regime: {source: {a: 1}}", ("Q0203", "source", "`source` must be one word, not a map")),
        ("select: {only_when_flat: yes}", ("Q0203", "yes", "`only_when_flat` must be `true` or `false`, not text")),
        ("select: {cap: 1.5}", ("Q0205", "1.5", "`cap` must be at most 1")),
        ("select: {cooldown: 120}", ("Q0206", "120", "`cooldown` must be a duration, not a bare number")),
        ("select: []", ("Q0203", "select", "`select` must be a map of keys, not a list")),
        (
            "freshness: {stale_15m_bars: 1.5}",
            ("Q0203", "1.5", "`stale_15m_bars` must be a whole number, not the number `1.5`"),
        ),
        (
            "entry_guards: [{block: entries, when: vix.close > 20}]",
            ("Q0202", "block", "`on_missing` is missing in `entry_guards`"),
        ),
        (
            "parameters: {roc: {symbol_overrides: {}}}",
            ("Q0201", "symbol_overrides", "unknown key `symbol_overrides` in `roc`"),
        ),
        ("parameters: {roc: {by_symbol: {SPY: [1]}}}", ("Q0203", "SPY", "`SPY` must be a map of keys, not a list")),
        ("extends: [other]", ("Q0203", "extends", "`extends` must be text, not a list")),
        ("risk: {daily_loss: 2%}", ("Q0205", "2%", "`daily_loss` must be between -100% and 0%")),
    ],
)
def test_each_mistake_has_one_message_at_its_place(line: str, expected: tuple[str, str, str]) -> None:
    assert checked(WORLD + line + "\n") == [expected]


def test_tickers_that_yaml_takes_for_something_else_are_offered_quotes() -> None:
    found = diagnostics(WORLD.replace("[SPY]", "[ON, NO, TRUE, null, 5]"), "world")
    assert [(d.code, d.help) for d in found] == [
        ("Q0203", 'write it in quotes: `"TRUE"`'),
        ("Q0203", ""),
        ("Q0203", 'write it in quotes: `"5"`'),
    ]


def test_a_symbol_listed_twice_shows_both_places() -> None:
    (found,) = diagnostics(WORLD.replace("[SPY]", "[SPY, QQQ, SPY]"), "world")
    assert found.code == "Q0606"
    assert [str(found.span), str(found.labels[0].span)] == ["w.yaml:3:22", "w.yaml:3:12"]


def test_a_misspelt_required_key_is_not_also_missing() -> None:
    assert checked(WORLD.replace("universe", "univers")) == [("Q0201", "univers", "unknown key `univers`")]


def test_missing_keys_are_told_at_the_key_that_names_the_document() -> None:
    assert checked("version: 1\nworld: us\ncalendar: XNYS\nuniverse: [A]\nallowlist: all\n") == [
        ("Q0202", "world", "`chains` is missing")
    ]


def test_a_chain_that_is_otherwise_has_no_condition() -> None:
    (found,) = diagnostics(WORLD.replace("otherwise: true", "otherwise: true, when: p_chop > 1"), "world")
    assert (found.code, found.message) == ("Q0201", "`when` cannot stand here")
    assert "otherwise" in found.help


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("feed: {kind: files, seed: 1}", ("Q0201", "seed", "`seed` cannot stand here")),
        ("feed: {kind: synthetic, bars: x}", ("Q0201", "bars", "`bars` cannot stand here")),
        ("feed: {kind: yahoo}", ("Q0604", "yahoo", "`yahoo` is not available in this version")),
        ("feed: {kind: alpaca, seed: 1}", ("Q0201", "seed", "`seed` cannot stand here")),
        ("feed: {kind: synthetic, url: x}", ("Q0201", "url", "`url` cannot stand here")),
        ("feed: {kind: alpaca}\nbroker: {kind: alpaca, cash: 5 USD}", ("Q0201", "cash", "`cash` cannot stand here")),
        (
            "feed: {kind: synthetic, start: 2025-02-30}",
            ("Q0206", "2025-02-30", "`start` must be a date, not `2025-02-30`"),
        ),
        ("feed: {kind: synthetic}\nbroker: {timeout: 5s}", ("Q0201", "timeout", "`timeout` cannot stand here")),
        (
            "feed: {kind: synthetic}\nbroker: {cash: 5}",
            ("Q0206", "5", "`cash` must be an amount of money, not a bare number"),
        ),
        ("feed: {}", ("Q0202", "feed", "`kind` is missing in `feed`")),
        ("worlds_: 1", ("Q0201", "worlds_", "unknown key `worlds_`")),
    ],
)
def test_deployments(line: str, expected: tuple[str, str, str]) -> None:
    assert expected in checked(DEPLOYMENT + line + "\n", "deployment")


def test_jsonschema_is_imported_on_first_use_only() -> None:
    code = "import sys, qmtl.dsl.schema as s; s.load_schema('world'); assert 'jsonschema' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
