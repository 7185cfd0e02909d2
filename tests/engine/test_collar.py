"""The price collar: a fresh quote that contradicts the bar refuses orders, exits excepted (execution.md, gates)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import OrderRules
from qmtl.engine.decide import decide
from qmtl.engine.reasons import Reason
from qmtl.engine.state import initial
from qmtl.engine.tick import CLOSE_LEG, NO_LEG, OPEN_LEG, Tick
from qmtl.engine.tickview import reasons_of


def quoted(lab: Any, of: Any, now: int, quote: float, **more: Any) -> Tick:
    """A decide at `now` with one quote of every symbol; `age` seconds old, `state` and `holds` as given."""
    age, state, holds = more.pop("age", 0), more.pop("state", None), more.pop("holds", None)
    at = np.full(of.symbols, now - age)
    row = replace(lab.market(of, now, **more), quote=np.full(of.symbols, quote), quoted_at=at)
    return decide(of, state or lab.locked(initial(of)), lab.locked(row), holds or lab.account(of), now)[1]


@pytest.mark.parametrize(("quote", "sent"), [(102.0, True), (102.1, False), (98.0, True), (97.9, False), (1e9, False)])
def test_an_entry_beyond_the_collar_is_denied(lab: Any, quote: float, sent: bool) -> None:
    of = lab.frame(1)
    tick = quoted(lab, of, lab.at("10:00"), quote, signal=1)
    assert bool(tick.orders.leg[0] == OPEN_LEG) == sent
    assert lab.why(tick, 0, "orders") is (Reason.ENTRY if sent else Reason.DENIED_COLLAR)


@pytest.mark.parametrize(("age", "sent"), [(-60, False), (0, False), (60, False), (61, True), (-61, True)])
def test_a_quote_is_fresh_for_one_interval(lab: Any, age: int, sent: bool) -> None:
    of = lab.frame(1)
    tick = quoted(lab, of, lab.at("10:00"), 110.0, signal=1, age=age)
    assert bool(tick.orders.leg[0] == OPEN_LEG) == sent


def test_a_symbol_without_a_quote_is_not_refused(lab: Any) -> None:
    of = lab.frame(1)
    assert quoted(lab, of, lab.at("10:00"), float("nan"), signal=1).orders.leg[0] == OPEN_LEG
    assert lab.decide(of, lab.at("10:00"), signal=1).orders.leg[0] == OPEN_LEG


def test_the_collar_is_declared(lab: Any) -> None:
    of = lab.frame(1, orders=OrderRules(collar=0.2))
    assert quoted(lab, of, lab.at("10:00"), 119.0, signal=1).orders.leg[0] == OPEN_LEG
    assert quoted(lab, of, lab.at("10:00"), 121.0, signal=1).orders.leg[0] == NO_LEG


def test_an_ordinary_reduction_is_denied_too(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.12}, lab.at("09:46"))
    tick = quoted(lab, of, lab.at("12:00"), 103.0, signal=1, size=0.05, state=state, holds=holds)
    assert tick.orders.leg[0] == NO_LEG
    assert lab.why(tick, 0, "orders") is Reason.DENIED_COLLAR


@pytest.mark.parametrize(
    ("columns", "reason"), [({"mark": 90.0, "signal": 1}, Reason.POSITION_STOP), ({"signal": 0}, Reason.OWNER_EXIT)]
)
def test_r47_a_protective_exit_is_sent_with_a_note(lab: Any, columns: dict[str, Any], reason: Reason) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.12}, lab.at("09:46"))
    tick = quoted(lab, of, lab.at("12:00"), 60.0, state=state, holds=holds, **columns)
    assert tick.orders.leg[0] == CLOSE_LEG
    assert lab.why(tick, 0, "orders") is reason
    assert Reason(int(tick.orders.note[0])) is Reason.OFF_COLLAR
    assert ("orders", "order.off_collar") in reasons_of(tick, "S000")


def test_a_second_leg_waits_for_a_calm_quote_and_is_not_forgotten(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    turn = quoted(lab, of, lab.at("12:00"), 100.0, signal=-1, state=state, holds=holds)
    assert lab.why(turn, 0, "orders") is Reason.REVERSE
    wild = quoted(lab, of, lab.at("12:01"), 105.0, signal=-1, state=lab.locked(turn.after))
    assert lab.why(wild, 0, "orders") is Reason.DENIED_COLLAR
    calm = quoted(lab, of, lab.at("12:02"), 101.0, signal=-1, state=lab.locked(wild.after))
    assert lab.why(calm, 0, "orders") is Reason.SECOND_LEG


def test_quotes_decide_nothing_else(lab: Any) -> None:
    """Sizes, targets and stops come from closed bars alone."""
    of = lab.frame(2)
    with_quote = quoted(lab, of, lab.at("10:00"), 101.9, signal=1)
    without = lab.decide(of, lab.at("10:00"), signal=1)
    np.testing.assert_array_equal(with_quote.orders.target, without.orders.target)
    np.testing.assert_array_equal(with_quote.orders.delta, without.orders.delta)
