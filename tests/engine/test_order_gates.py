"""The limits of opening orders that a world declares: each denies with its numbers, none ever keeps an exit (R42, R47)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import OrderRules
from qmtl.dsl.program import VOLUME
from qmtl.engine.frame import build_frame, day_number
from qmtl.engine.net import Netted, net
from qmtl.engine.sizing import sized
from qmtl.engine.state import decode, encode, initial

D = Decimal
LAW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def world(lab: Any, symbols: int = 4, **limits: Any) -> Any:
    return lab.frame(symbols, ("alpha",), orders=OrderRules(**limits))


def told(found: Netted) -> dict[str, tuple[str, str]]:
    return {denied.symbol: (denied.reason, denied.detail) for denied in found.denied}


def step(lab: Any, of: Any, now: int, state: Any = None, **more: Any) -> tuple[Any, Netted]:
    """(state after the tick, what net made of it)."""
    holds = more.pop("holds", None) or lab.account(of)
    tick = lab.decide(of, now, state, holds, **more)
    found = net([tick], holds, "acct")
    return tick.after, found


def test_an_order_worth_more_than_one_may_be_is_denied(lab: Any) -> None:
    _, found = step(lab, world(lab, 1, max_notional=D(14_000)), lab.at("10:00"), signal=1)
    assert not found.orders
    assert told(found) == {"S000": ("denied.order_notional", "notional=15000 max=14000")}
    _, exactly = step(lab, world(lab, 1, max_notional=D(15_000)), lab.at("10:00"), signal=1)
    assert len(exactly.orders) == 1


def test_a_share_of_average_volume_is_the_most(lab: Any) -> None:
    base = lab.program(3, ("alpha",), orders=OrderRules(max_volume=0.05))
    of = build_frame(replace(base, features=((VOLUME, 0),)))
    volumes = np.array([[3_000.0, 2_999.0, np.nan]])
    row = replace(lab.market(of, lab.at("10:00"), signal=1), features=volumes)
    from qmtl.engine.decide import decide

    _, tick = decide(of, lab.locked(initial(of)), lab.locked(row), lab.account(of), lab.at("10:00"))
    found = net([tick], lab.account(of), "acct")
    assert [order.symbol for order in found.orders] == ["S000"]
    assert told(found) == {
        "S001": ("denied.volume", "qty=150 max=149.95"),
        "S002": ("denied.volume", "qty=150 max=unknown"),
    }


def test_a_program_without_the_average_denies_rather_than_guesses(lab: Any) -> None:
    _, found = step(lab, world(lab, 1, max_volume=0.5), lab.at("10:00"), signal=1)
    assert told(found) == {"S000": ("denied.volume", "qty=150 max=unknown")}


def test_so_many_orders_a_tick_and_the_best_ranks_first(lab: Any) -> None:
    fit = np.full((6, 4), 0.001)
    fit[1, 2] = 0.006
    _, found = step(lab, world(lab, max_per_tick=2), lab.at("10:00"), signal=1, fit=fit)
    assert [order.symbol for order in found.orders] == ["S002", "S000"]
    assert told(found) == dict.fromkeys(("S001", "S003"), ("denied.per_tick", "orders=2 max=2"))


def test_so_many_orders_an_exchange_day(lab: Any) -> None:
    of = world(lab, max_per_day=3)
    state, found = step(lab, of, lab.at("10:00"), signal=np.array([[1, 1, 0, 0]]))
    assert (int(state.sent_orders), int(state.sent_day)) == (2, day_number("2025-10-28"))
    state, found = step(lab, of, lab.at("10:15"), state, signal=1)
    assert [order.symbol for order in found.orders] == ["S000"]
    assert set(told(found).values()) == {("denied.per_day", "orders=3 max=3")}
    state, found = step(lab, of, lab.at("10:00", day=1), state, signal=1)
    assert len(found.orders) == 3, "the next exchange day counts anew"
    assert int(state.sent_day) == day_number("2025-10-29")


def test_turnover_of_an_exchange_day(lab: Any) -> None:
    of = world(lab, max_turnover=0.31)
    state, found = step(lab, of, lab.at("10:00"), signal=1)
    assert [order.symbol for order in found.orders] == ["S000", "S001"]
    assert told(found) == dict.fromkeys(("S002", "S003"), ("denied.turnover", "turnover=45000 max=31000"))
    assert float(state.sent_value) == 30_000.0
    state, found = step(lab, of, lab.at("10:15"), state, signal=1)
    assert not found.orders


def test_r42_r47_what_closes_counts_and_is_never_denied(lab: Any) -> None:
    """With every limit exhausted the exits of all positions go out, and then nothing opens."""
    of = world(lab, max_per_tick=1, max_per_day=1, max_turnover=0.01, max_notional=D(1), max_volume=0.0001)
    held = {"S000": 100, "S001": -50, "S002": 30}
    state = lab.holding(of, held, lab.at("09:46"))
    holds = lab.account(of, qty=held)
    after, found = step(lab, of, lab.at("10:00"), state, holds=holds, signal=np.array([[0, 0, 0, 1]]))
    assert sorted(order.symbol for order in found.orders) == ["S000", "S001", "S002"]
    assert list(told(found)) == ["S003"]
    assert int(after.sent_orders) == 3
    assert float(after.sent_value) == 18_000.0


def test_the_counts_of_a_day_survive_a_restart(lab: Any) -> None:
    of = world(lab, max_per_day=2)
    state, _ = step(lab, of, lab.at("10:00"), signal=np.array([[1, 1, 0, 0]]))
    again = decode(encode(state, of), of)
    _, found = step(lab, of, lab.at("10:15"), again, signal=1)
    assert not found.orders
    assert {reason for reason, _ in told(found).values()} == {"denied.per_day"}


def test_sizing_twice_counts_once(lab: Any) -> None:
    of = world(lab, max_per_day=10)
    tick = lab.decide(of, lab.at("10:00"), signal=1)
    sized([tick], 1e9)
    sized([tick], 1e9)
    assert int(tick.after.sent_orders) == 4
    assert int(tick.before.sent_orders) == 0


def test_a_world_without_limits_counts_nothing(lab: Any) -> None:
    tick = lab.decide(world(lab), lab.at("10:00"), signal=1)
    state = tick.after
    net([tick], lab.account(tick.frame), "acct")
    assert tick.after is state


def test_an_order_that_funds_do_not_cover_is_not_counted(lab: Any) -> None:
    of = world(lab, max_per_day=3, max_turnover=9.0)
    after, found = step(lab, of, lab.at("10:00"), holds=lab.account(of, buying_power=15_050.0), signal=1)
    assert [order.symbol for order in found.orders] == ["S000"]
    assert int(after.sent_orders) == 1
    assert float(after.sent_value) == 15_000.0


@LAW
@given(
    st.integers(1, 4), st.integers(1, 12), st.floats(0.05, 2.0),
    st.lists(st.lists(st.integers(-1, 1), min_size=4, max_size=4), min_size=4, max_size=12),
)  # fmt: skip
def test_law_limits_hold_whatever_is_signalled(
    lab: Any, per_tick: int, per_day: int, turnover: float, signals: list[list[int]]
) -> None:
    """A random walk with a broker that fills: opening orders stay inside every limit, exits always leave."""
    of = lab.frame(
        4,
        ("alpha",),
        orders=OrderRules(max_per_tick=per_tick, max_per_day=per_day, max_turnover=turnover, min_delta=0.0),
    )
    broker, total, value = lab.Broker(of), 0, 0.0
    for n, row in enumerate(signals):
        now = lab.at("10:00") + 900 * n
        tick, netted = broker.step(now, signal=np.array([row]))
        broker.state = tick.after
        for place, order in enumerate(netted.orders):
            if order.leg == "open":
                assert place < per_tick
                assert total < per_day
                assert value + float(order.qty * order.mark) <= turnover * tick.load.capital * (1 + 1e-9)
            total, value = total + 1, value + float(order.qty * order.mark)
        wanted = {of.names.symbols[i] for i in np.flatnonzero(tick.orders.leg == 2)}
        assert wanted == {order.symbol for order in netted.orders if order.leg == "close"}


def test_beyond_the_collar_is_told_like_every_denial(lab: Any) -> None:
    from .test_collar import quoted

    of = lab.frame(2, orders=OrderRules(collar=0.02))
    tick = quoted(lab, of, lab.at("10:00"), 103.0, signal=1)
    found = net([tick], lab.account(of), "acct")
    assert not found.orders
    assert told(found)["S000"] == ("denied.collar", "quote=103 mark=100 collar=2%")
    assert [(denied.leg, denied.qty, denied.sent) for denied in found.denied] == [("open", D(150), False)] * 2


def test_a_reduction_beyond_the_collar_is_told_with_its_side(lab: Any) -> None:
    from .test_collar import quoted

    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.12}, lab.at("09:46"))
    tick = quoted(lab, of, lab.at("12:00"), 103.0, signal=1, size=0.05, state=state, holds=holds)
    (denied,) = net([tick], holds, "acct").denied
    assert (denied.leg, denied.reason) == ("close", "denied.collar")
    assert -120 < denied.qty < 0


@pytest.mark.parametrize("name", ["max_notional", "max_volume", "max_per_tick", "max_per_day", "max_turnover"])
def test_every_limit_is_off_unless_it_is_said(name: str) -> None:
    assert getattr(OrderRules(), name) is None
