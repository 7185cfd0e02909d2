"""Positions that are not ours: outside world capital, inside account gross, never traded or unwound as written (R10)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import PositionPolicy
from qmtl.engine.market import OrderResult
from qmtl.engine.net import net
from qmtl.engine.reasons import Reason
from qmtl.engine.tick import CLOSE_LEG, NO_LEG
from qmtl.engine.tickview import policy_labels


def foreign(lab: Any, of: Any, qty: object, **more: Any) -> Any:
    """An account in which the first symbol is held and not ours."""
    external = np.zeros(of.symbols, dtype=bool)
    external[0] = True
    return lab.account(of, qty={"S000": qty}, external=external, **more)


def test_world_capital_leaves_out_all_externals_at_the_brokers_mark(lab: Any) -> None:
    of = lab.frame(2, capital=0.5)
    rows = {"mark": 100.0, "signal": 0}
    at_average = lab.decide(of, lab.at("10:00"), holds=foreign(lab, of, 100, average_price=90.0), **rows)
    assert at_average.load.capital == 0.5 * (100_000 - 9_000)
    marks = {"broker_mark": np.array([110.0, np.nan]), "marked_at": np.array([lab.at("10:00"), 0])}
    marked = lab.decide(of, lab.at("10:00"), holds=foreign(lab, of, 100, average_price=90.0, **marks), **rows)
    assert marked.load.capital == 0.5 * (100_000 - 11_000)
    elsewhere = lab.decide(
        of, lab.at("10:00"), holds=foreign(lab, of, 100, average_price=90.0, elsewhere=20_000.0), **rows
    )
    assert elsewhere.load.capital == 0.5 * (100_000 - 9_000 - 20_000)


def test_a_short_of_somebody_else_adds_to_world_capital(lab: Any) -> None:
    of = lab.frame(1)
    tick = lab.decide(of, lab.at("10:00"), holds=foreign(lab, of, -100), signal=0)
    assert tick.load.capital == 110_000


def test_ignored_positions_are_never_traded_and_take_room(lab: Any) -> None:
    of = lab.frame(5)
    holds = foreign(lab, of, 500)
    tick = lab.decide(of, lab.at("10:00"), holds=holds, signal=1)
    assert tick.orders.leg[0] == NO_LEG
    assert policy_labels(tick)[0] == "external/ignore"
    assert (tick.load.current[0], float(tick.load.outside[0])) == (0, 1.0)
    room = 0.60 - float(tick.load.outside[0])
    assert float(tick.orders.target[1:].sum()) == pytest.approx(max(room, 0.0))


@pytest.mark.parametrize("qty", [40, -40, "12.5"])
def test_unwind_only_closes_the_exact_quantity_as_a_protective_exit(lab: Any, qty: object) -> None:
    """On any tick in regular hours, below every band, whatever is halted; never the other way."""
    of = lab.frame(2, position_policy=PositionPolicy(external="unwind_only"))
    holds = foreign(lab, of, qty)
    state = lab.locked(lab.decide(of, lab.at("09:30"), holds=holds).after)
    for clock in ("09:31", "10:00", "10:01", "15:59"):
        tick = lab.decide(of, lab.at(clock), state, holds, signal=1)
        assert policy_labels(tick)[0] == "external/unwind_only"
        assert tick.orders.leg[0] == CLOSE_LEG
        assert lab.why(tick, 0, "orders") is Reason.UNWIND_EXTERNAL
        order = next(order for order in net([tick], holds, "lab").orders if order.symbol == "S000")
        assert order.signed == -holds.exact[0]
        assert order.leg == "close"
    closed = lab.decide(of, lab.at("16:05"), state, holds, signal=1)
    assert closed.orders.leg[0] == NO_LEG


def test_unwinding_waits_for_a_second_reading_of_the_same_position(lab: Any) -> None:
    """Answers about positions and about fills may lag behind each other; what is ours must not be closed for that."""
    of = lab.frame(1, position_policy=PositionPolicy(external="unwind_only"))
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    ahead = lab.decide(of, lab.at("10:00"), state, foreign(lab, of, 150), signal=1)
    assert ahead.orders.leg[0] == NO_LEG
    fill = lab.fill("S000", 50, lab.at("10:01"))
    behind = lab.account(of, qty={"S000": 100}, external=np.array([True]), fills=(fill,))
    assert lab.decide(of, lab.at("10:01"), state, behind, signal=1).orders.leg[0] == NO_LEG
    again = lab.decide(of, lab.at("10:01"), lab.locked(ahead.after), foreign(lab, of, 150), signal=1)
    assert again.orders.leg[0] == CLOSE_LEG


def test_a_mismatch_of_nothing_held_opens_nothing_and_closes_nothing(lab: Any) -> None:
    of = lab.frame(1, position_policy=PositionPolicy(external="unwind_only"))
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    gone = lab.account(of, external=np.array([True]))
    for clock in ("10:00", "10:15"):
        tick = lab.decide(of, lab.at(clock), state, gone, signal=1)
        state = lab.locked(tick.after)
        assert tick.orders.leg[0] == NO_LEG
        assert tick.after.owner[0] == 0


def test_unwinding_leaves_our_own_positions_alone(lab: Any) -> None:
    of = lab.frame(2, position_policy=PositionPolicy(external="unwind_only"))
    state, holds = lab.book(of, {"S001": 0.10}, lab.at("09:46"))
    both = replace(
        holds, qty=np.array([40.0, 100.0]), external=np.array([True, False]), exact=(Decimal(40), Decimal(100))
    )
    both = lab.locked(replace(both, average_price=np.array([100.0, 100.0])))
    seen = lab.locked(lab.decide(of, lab.at("11:59"), state, both, signal=1, size=0.10).after)
    tick = lab.decide(of, lab.at("12:00"), seen, both, signal=1, size=0.10)
    assert tick.orders.leg.tolist() == [CLOSE_LEG, NO_LEG]


def test_an_external_that_refuses_to_close_alerts_after_three(lab: Any) -> None:
    of = lab.frame(1, position_policy=PositionPolicy(external="unwind_only"))
    state, holds = None, foreign(lab, of, 40)
    for number in range(3):
        refusal = OrderResult(f"q1-{number}", "S000", "REJECTED", "business", "", "close")
        tick = lab.decide(of, lab.at("10:00") + 60 * number, state, replace(holds, results=(refusal,)), signal=1)
        state = lab.locked(tick.after)
    assert tick.risk.alert[0]


def test_a_position_that_somebody_added_to_keeps_its_owner_clocks_and_levels(lab: Any) -> None:
    """It is external while it is mixed, and ours again as it was when the addition is gone."""
    of = lab.frame(1, stop="distance")
    state, holds = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    mixed = lab.decide(of, lab.at("10:00"), state, foreign(lab, of, 150), signal=1, stop=3.0)
    assert mixed.orders.leg[0] == NO_LEG
    assert mixed.after.owner[0] == state.owner[0]
    again = lab.decide(of, lab.at("10:15"), lab.locked(mixed.after), holds, signal=1, stop=3.0)
    for name in ("owner", "generation", "side", "side_opened_at", "stop_distance", "last_opened_at"):
        np.testing.assert_array_equal(getattr(again.after, name), getattr(state, name), err_msg=name)
    assert again.load.held[0]


def test_what_was_closed_by_hand_after_it_became_external_is_flat(lab: Any) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    mixed = lab.decide(of, lab.at("10:00"), state, foreign(lab, of, 150), signal=1)
    flat = lab.decide(of, lab.at("10:15"), lab.locked(mixed.after), lab.account(of), signal=0)
    assert flat.after.side[0] == 0
    assert flat.after.owner[0] == -1
