"""Partial fills, average prices, clocks that survive, exits that are none: R10, R12, R16, R18, R19, R47, and their sections."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import OrderRules, RiskLimits
from qmtl.engine.market import OrderResult, WorkingOrder
from qmtl.engine.reasons import Reason
from qmtl.engine.state import FIELDS, decode, encode
from qmtl.engine.tick import CLOSE_LEG, NO_LEG, OPEN_LEG


def test_r12_after_a_partial_fill_the_next_decision_sizes_from_the_brokers_quantity(lab: Any) -> None:
    """Half of an entry fills: what is missing is added once the rest of the first order is gone, and never twice."""
    of = lab.frame(1, ("alpha",))
    broker = lab.Broker(of)
    broker.step(lab.at("09:45"), signal=1, size=0.10)
    assert [order.signed for order in broker.sent] == [100]
    tick, netted = broker.step(lab.at("09:46"), share=0.5, signal=1, size=0.10)
    assert tick.load.current[0] == pytest.approx(0.05)
    assert tick.load.owner[0] == 0
    assert not netted.orders
    waiting, _ = broker.step(lab.at("09:47"), share=0.0, signal=1, size=0.10)
    assert waiting.orders.cancel[0] == Reason.CANCEL_AGE
    again, netted = broker.step(lab.at("10:00"), signal=1, size=0.10)
    assert [order.signed for order in netted.orders] == [50]
    broker.step(lab.at("10:01"), signal=1, size=0.10)
    assert broker.qty["S000"] == 100
    assert again.load.side_opened_at[0] == tick.load.side_opened_at[0] == lab.at("09:46")


def test_r12_entries_wait_while_the_rest_of_an_order_is_open(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.05}, lab.at("09:46"))
    rest = WorkingOrder("q1-rest", "S000", Decimal(50), "open", lab.at("09:59"), 1)
    tick = lab.decide(of, lab.at("10:00"), state, replace(holds, working=(rest,)), signal=1, size=0.10)
    assert tick.orders.leg[0] == NO_LEG
    assert lab.why(tick, 0, "orders") is Reason.WORKING


def test_r12_when_positions_cannot_be_refreshed_nothing_is_sent_and_nothing_is_forgotten(lab: Any) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.05}, lab.at("09:46"))
    blind = lab.account(of, readable=False)
    tick = lab.decide(of, lab.at("10:00"), state, blind, signal=-1, mark=50.0)
    assert tick.orders.leg[0] == NO_LEG
    for name in ("qty", "owner", "side", "side_opened_at", "average", "stop_level"):
        np.testing.assert_array_equal(getattr(tick.after, name), getattr(state, name), err_msg=name)


def test_r16_the_rest_of_a_partial_exit_stays_under_its_stop(lab: Any) -> None:
    """Half is sold; the other half still counts from the broker's average price, and has its owner and its clock."""
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    sold = lab.fill("S000", -50, lab.at("10:15"))
    half = lab.account(of, qty={"S000": 50}, fills=(sold,))
    after = lab.decide(of, lab.at("10:16"), state, half, signal=1, size=0.05, decision=False).after
    assert after.owner[0] == state.owner[0]
    assert after.side_opened_at[0] == state.side_opened_at[0]
    tick = lab.decide(of, lab.at("10:30"), lab.locked(after), replace(half, fills=()), signal=1, size=0.05, mark=95.0)
    assert lab.why(tick, 0, "orders") is Reason.POSITION_STOP
    assert tick.orders.closing[0]


@pytest.mark.parametrize(("average", "stopped"), [(100.0, True), (99.0, False)])
def test_r16_an_entry_in_two_parts_counts_from_the_average_of_both(lab: Any, average: float, stopped: bool) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.05}, lab.at("09:46"))
    added = lab.account(of, qty={"S000": 100}, average_price=average, fills=(lab.fill("S000", 50, lab.at("10:01")),))
    after = lab.decide(of, lab.at("10:01"), state, added, signal=1, decision=False).after
    assert after.average[0] == average
    tick = lab.decide(of, lab.at("10:15"), lab.locked(after), replace(added, fills=()), signal=1, size=0.10, mark=94.9)
    assert bool(tick.target.stopping[0]) is stopped


def test_r18_what_is_remembered_of_a_symbol_survives_ticks_without_it(lab: Any) -> None:
    """No bar, no mark, no regime, outside of hours, account unreadable: the memory of the position is as it was."""
    of = lab.frame(2, stop="distance")
    state, holds = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    state = lab.locked(
        replace(state, latch=np.array([[1, 0], [0, -1]], dtype=np.int8), reject_until=state.reject_until + 5)
    )
    kept = [
        f.name for f in FIELDS if "S" in f.shape and f.name not in ("stale_at", "regime_missing", "chain", "selected")
    ]
    absent = {"mark": np.nan, "behind_15m": -1, "behind_60m": -1, "p": np.nan, "signal_known": False, "size": np.nan}
    for clock, account in (("10:00", holds), ("20:00", holds), ("20:15", lab.account(of, readable=False))):
        after = lab.decide(of, lab.at(clock), state, account, stop=np.nan, **absent).after
        for name in kept:
            if name not in ("switched_at", "entry_strategy"):
                np.testing.assert_array_equal(getattr(after, name), getattr(state, name), err_msg=f"{name} at {clock}")


def test_r19_clocks_are_absolute_and_a_restart_neither_lengthens_nor_shortens_them(lab: Any) -> None:
    """A reject cooldown, a side's cooldown and a switch of strategies end when they would have without a restart."""
    of = lab.frame(1)
    refused = OrderResult("q1-x", "S000", "REJECTED", "business", "", "open")
    tick = lab.decide(of, lab.at("10:00"), holds=lab.account(of, results=(refused,)), signal=1)
    until = int(tick.after.reject_until[0])
    assert until == lab.at("10:03")
    state = tick.after
    for minute in range(5):
        state = decode(encode(state, of), of)
        now = lab.at("10:00") + 60 * (minute + 1)
        again = lab.decide(of, now, lab.locked(state), signal=1, decision=True)
        assert (again.orders.leg[0] == OPEN_LEG) == (now >= until), minute
        state = again.after if again.orders.leg[0] == NO_LEG else state
    later = decode(encode(tick.after, of), of)
    for name in (
        "side_opened_at",
        "last_opened_at",
        "switched_at",
        "reject_until",
        "killed_at",
        "recover_at",
        "day_breach_at",
    ):
        np.testing.assert_array_equal(getattr(later, name), getattr(tick.after, name), err_msg=name)


def test_a_target_that_min_target_brings_to_zero_is_not_protective(lab: Any) -> None:
    """It closes like any order: a declared halt holds it, while the owner's own exit passes."""
    of = lab.frame(1, risk=RiskLimits(trading="halted"))
    state, holds = lab.book(of, {"S000": 0.05}, lab.at("09:46"))
    small = lab.decide(of, lab.at("12:00"), state, holds, signal=1, size=0.005)
    assert lab.why(small, 0, "target") is Reason.MIN_TARGET
    assert small.orders.target[0] == 0
    assert not small.policy.protective[0]
    assert small.orders.leg[0] == NO_LEG
    left = lab.decide(of, lab.at("12:00"), state, holds, signal=0)
    assert left.policy.protective[0]
    assert left.orders.leg[0] == CLOSE_LEG


def test_r47_exits_iterate_over_the_brokers_positions_whatever_is_selected(lab: Any) -> None:
    """No chain, no regime, no allowlist row and no fresh signal for the symbol: its stop still acts, down to the last share."""
    of = lab.frame(3, orders=OrderRules(min_delta=0.5))
    state, holds = lab.book(of, {"S000": 0.10, "S001": 0.0001, "S002": 0.10}, lab.at("09:46"))
    rows = {
        "p": np.nan,
        "signal_known": False,
        "size": np.nan,
        "mark": np.array([90.0, 90.0, 99.0]),
        "when": 1,
        "stay": 1,
    }
    tick = lab.decide(of, lab.at("10:07"), state, holds, **rows)
    assert tick.orders.leg.tolist() == [CLOSE_LEG, CLOSE_LEG, NO_LEG]
    assert tick.orders.closing.tolist() == [True, True, False]


def test_r10_a_mismatch_blocks_entries_in_its_symbol_only(lab: Any) -> None:
    of = lab.frame(2)
    external = np.array([True, False])
    tick = lab.decide(of, lab.at("10:00"), holds=lab.account(of, qty={"S000": 7}, external=external), signal=1)
    assert tick.orders.leg.tolist() == [NO_LEG, OPEN_LEG]
    assert lab.why(tick, 0, "load") is Reason.EXTERNAL
