"""Words that dsl and engine both use: one side must not import the other, so these tests keep them equal."""

from __future__ import annotations

import json
from typing import Any, get_args

from qmtl.dsl.builtins import FIT, REGIME
from qmtl.dsl.cases.expect import _READ
from qmtl.dsl.cases.model import About
from qmtl.dsl.cases.situation import CHART
from qmtl.dsl.schema import load_schema
from qmtl.engine.cases.compare import _LOOK
from qmtl.engine.cases.given import FIT as ENGINE_FIT
from qmtl.engine.evaluate import GIVEN
from qmtl.engine.reasons import Reason
from qmtl.engine.tick import PolicyLabel


def expect() -> dict[str, Any]:
    found: dict[str, Any] = load_schema("case")["properties"]["expect"]["properties"]
    return found


def test_reason_codes_of_the_schema_are_those_of_the_engine() -> None:
    """A new reason: add it to `definitions.reason` of schemas/case.v1.json."""
    assert load_schema("case")["definitions"]["reason"]["enum"] == [reason.code for reason in Reason]


def test_kill_codes_and_policy_labels_are_those_of_the_engine() -> None:
    kills = [reason.code for reason in Reason if reason.code.startswith("kill.")]
    assert expect()["kill"]["enum"] == ["none", *kills]
    assert load_schema("case")["properties"]["memory"]["properties"]["kill"]["properties"]["reason"]["enum"] == kills
    labels = [label.text for label in PolicyLabel]
    assert expect()["position_policy"]["additionalProperties"]["enum"] == labels


def test_a_case_a_group_and_a_step_share_their_keys() -> None:
    schema = load_schema("case")["properties"]
    shared = ("at", "tick", "bars", "regime", "market", "chart", "signals", "expect")
    for inner in (schema["cases"]["items"]["properties"], schema["steps"]["items"]["properties"]):
        for key in shared:
            if key != "at":
                assert json.dumps(inner[key]) == json.dumps(schema[key]), key
    assert set(schema) - set(schema["cases"]["items"]["properties"]) == {"version", "case", "cases", "world"}


def test_every_kind_of_expectation_is_read_and_looked_at() -> None:
    assert set(_LOOK) == set(get_args(About)) == set(expect())
    assert set(get_args(About)) - set(_READ) == {"market_phase", "orders", "kill", "trading"}


def test_regime_outputs_and_chart_inputs_have_one_order() -> None:
    assert GIVEN == REGIME
    assert ENGINE_FIT == CHART == FIT
