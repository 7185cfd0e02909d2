"""10. position policy: order of the rules, legacy_hold by magnitude, generations by content."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import Select
from qmtl.engine.reasons import Reason
from qmtl.engine.tickview import policy_labels


def decided(lab: Any, of: Any, current: float, owner: str, **columns: Any) -> Any:
    state, holds = lab.book(of, {"S000": current}, lab.at("09:46"), owner)
    if columns.pop("old", False):
        state = lab.locked(replace(state, generation=state.generation + np.uint64(1)))
    return lab.decide(of, lab.at("12:00"), state, holds, **columns)


def test_normal_when_owner_is_selected(lab: Any) -> None:
    assert policy_labels(decided(lab, lab.frame(1), 0.1, "alpha", signal=1)) == ("normal",)


@pytest.mark.parametrize(
    ("size", "signal", "target"),
    [(1.0, 1, 0.10), (0.05, 1, 0.05), (1.0, -1, 0.0), (1.0, 0, 0.0)],
)
def test_r55_another_generation_holds_reduces_or_leaves_but_never_adds(
    lab: Any, size: float, signal: int, target: float
) -> None:
    tick = decided(lab, lab.frame(1, ("alpha",)), 0.10, "alpha", signal=signal, size=size, old=True)
    assert policy_labels(tick) == ("legacy_hold/pre_cutover_position",)
    assert tick.orders.target[0] == pytest.approx(target)
    assert not tick.orders.pending.any()
    assert lab.why(tick, 0, "policy") is Reason.PRE_CUTOVER


def test_another_owner_is_held(lab: Any) -> None:
    of = lab.frame(1, chains=(("main", (0,), 1.0),))
    tick = decided(lab, of, 0.10, "beta", signal=1)
    assert policy_labels(tick) == ("legacy_hold/owner_mismatch",)
    assert tick.orders.target[0] == pytest.approx(0.10)


def test_a_disabled_symbol_is_unwound_even_on_a_follow_up_tick(lab: Any) -> None:
    of = lab.frame(1, allowed=((False,), (False,)))
    state, holds = lab.book(of, {"S000": 0.001}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("10:01"), state, holds, signal=1)
    assert policy_labels(tick) == ("unwind_only/disabled_symbol",)
    assert tick.orders.closing[0]
    assert lab.why(tick, 0, "orders") is Reason.UNWIND


def test_an_expired_row_disables_the_symbol(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), until=(("2025-10-27",),))
    assert decided(lab, of, 0.1, "alpha", signal=1).orders.closing[0]


def test_an_external_position_in_a_disabled_symbol_is_not_touched(lab: Any) -> None:
    of = lab.frame(1, allowed=((False,), (False,)))
    holds = lab.account(of, qty={"S000": 100}, external=np.array([True]))
    tick = lab.decide(of, lab.at("10:00"), None, holds)
    assert policy_labels(tick) == ("unwind_only/disabled_symbol",)
    assert not tick.orders.leg.any()


def test_dust_counts_as_normal_but_is_never_crossed(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    tick = decided(lab, of, 0.002, "alpha", signal=-1, old=True)
    assert policy_labels(tick) == ("normal",)
    assert tick.orders.closing[0]
    assert tick.orders.pending[0] == pytest.approx(-0.15)


def test_weighted_looks_at_symbol_and_generation_only(lab: Any) -> None:
    of = lab.frame(1, select=Select(method="weighted"))
    assert policy_labels(decided(lab, of, 0.1, "@mix", signal=1)) == ("normal",)
    assert policy_labels(decided(lab, of, 0.1, "alpha", signal=1)) == ("normal",)
    assert policy_labels(decided(lab, of, 0.1, "@mix", signal=1, old=True)) == ("legacy_hold/pre_cutover_position",)


def test_a_position_of_a_former_strategy_is_of_another_generation(lab: Any) -> None:
    tick = decided(lab, lab.frame(1), 0.1, "former", signal=1)
    assert policy_labels(tick) == ("legacy_hold/pre_cutover_position",)
    assert tick.orders.target[0] == pytest.approx(0.1)
