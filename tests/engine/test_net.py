"""net: quantities, ids, attribution, buying power, denials."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import ExchangePolicy, Select
from qmtl.engine.net import net
from qmtl.engine.orders import client_order_id
from qmtl.engine.sizing import _lots, venue_of


def venue(**more: Any) -> ExchangePolicy:
    return ExchangePolicy("test", **more)


def sent(lab: Any, of: Any, now: int | None = None, holds: Any = None, state: Any = None, **columns: Any) -> Any:
    moment = now or lab.at("10:00")
    seen = holds or lab.account(of)
    return net((lab.decide(of, moment, state, seen, **columns),), seen, "acct")


def test_an_order_says_whose_why_and_until_when(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    now = lab.at("10:00")
    (order,) = sent(lab, of, signal=-1, mark=30.0).orders
    assert (order.symbol, order.side, order.qty, order.leg, order.reason) == (
        "S000",
        "sell",
        Decimal(500),
        "open",
        "order.entry",
    )
    assert (order.mark, order.epoch, order.valid_until) == (Decimal(30), now, now + 120)
    assert order.client_order_id == client_order_id("acct", now, "S000", "open", 1)
    (part,) = order.attribution
    assert (part.world, part.strategy, part.generation, part.qty) == (
        "lab",
        "alpha",
        of.program.generations[0][0],
        Decimal(-500),
    )


def test_a_mix_is_attributed_to_the_mix(lab: Any) -> None:
    of = lab.frame(1, select=Select(method="weighted"))
    (order,) = sent(lab, of, signal=1).orders
    assert (order.attribution[0].strategy, order.attribution[0].generation) == ("@mix", of.mix_labels[0])


def test_exits_have_no_limit_in_time_and_the_exact_quantity(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), exchange=venue(lot_size=Decimal(10), min_notional=Decimal(10**6)))
    state = lab.holding(of, {"S000": "33.333333333333333333"}, lab.at("09:46"))
    holds = lab.account(of, qty={"S000": "33.333333333333333333"})
    (order,) = sent(lab, of, None, holds, state, signal=0).orders
    assert (order.side, str(order.qty), order.leg, order.valid_until) == ("sell", "33.333333333333333333", "close", 0)


@pytest.mark.parametrize(
    ("wished", "lot", "lots"), [("0.3", "0.1", 3), ("-0.39", "0.1", -3), ("9.99", "1", 9), ("0.7", "0.1", 7)]
)
def test_lots_are_cut_toward_zero_without_float_noise(wished: str, lot: str, lots: int) -> None:
    """0.3 / 0.1 is 2.9999999999999996 in floats."""
    atoms = _lots(np.array([float(wished)]), 1, venue_of(venue(lot_size=Decimal(lot), fractional=True)))
    assert atoms.tolist() == [lots]


def test_a_fraction_that_is_three_lots_is_three_lots(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), exchange=venue(lot_size=Decimal("0.1"), fractional=True), risk=lab_risk(0.3))
    (order,) = sent(lab, of, None, lab.account(of, equity=100.0, buying_power=100.0), signal=1, mark=100.0).orders
    assert order.qty == Decimal("0.3")


def lab_risk(cap: float) -> Any:
    from qmtl.dsl.model import RiskLimits

    return RiskLimits(max_symbol=cap)


@pytest.mark.parametrize(
    ("policy", "columns", "reason"),
    [
        (venue(), {"mark": 16_000.0}, "denied.lot_size"),
        (venue(min_notional=Decimal(20_000)), {}, "denied.min_notional"),
        (venue(shorting=False), {"signal": -1}, "denied.shorting"),
    ],
)
def test_denials_carry_a_reason(lab: Any, policy: ExchangePolicy, columns: dict[str, Any], reason: str) -> None:
    result = sent(lab, lab.frame(1, ("alpha",), exchange=policy), **{"signal": 1, **columns})
    assert not result.orders
    assert [denied.reason for denied in result.denied] == [reason]


def test_shorts_are_whole_shares_longs_may_be_fractions(lab: Any) -> None:
    of = lab.frame(2, ("alpha",), exchange=venue(lot_size=Decimal("0.001"), fractional=True))
    orders = {order.symbol: order.qty for order in sent(lab, of, signal=np.array([[1, -1]]), mark=7000.0).orders}
    assert orders == {"S000": Decimal("2.142"), "S001": Decimal(2)}


def test_r40_sells_come_first_and_buys_are_sized_within_buying_power(lab: Any) -> None:
    of = lab.frame(3, ("alpha",))
    state, _ = lab.book(of, {"S002": 0.1}, lab.at("09:46"))
    holds = lab.account(of, qty={"S002": 100}, buying_power=22_050.0)
    fit = np.full((6, 3), 0.001)
    fit[1, 1] = 0.006
    result = sent(lab, of, None, holds, state, signal=np.array([[1, 1, 0]]), fit=fit)
    assert [(order.symbol, order.side, int(order.qty)) for order in result.orders] == [
        ("S002", "sell", 100),
        ("S001", "buy", 150),
        ("S000", "buy", 70),
    ]
    (cut,) = result.denied
    assert (cut.symbol, cut.reason, cut.sent) == ("S000", "net.reduced_funds", True)
    assert "buying_power=7050.00" in cut.detail


def test_no_buying_power_denies(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    result = sent(lab, of, None, lab.account(of, buying_power=-50.0), signal=1)
    assert [denied.reason for denied in result.denied] == ["denied.buying_power"]


def test_the_same_wishes_give_the_same_ids_whatever_the_quantity(lab: Any) -> None:
    of = lab.frame(2, ("alpha",))
    one = {order.client_order_id for order in sent(lab, of, signal=1).orders}
    other = {order.client_order_id for order in sent(lab, of, signal=-1, mark=55.0).orders}
    assert one == other
    assert len(one) == 2


def test_cancels_name_the_order_and_the_reason(lab: Any) -> None:
    from qmtl.engine.market import WorkingOrder

    of = lab.frame(1)
    holds = lab.account(of, working=(WorkingOrder("q1-w", "S000", Decimal(5), "open", lab.at("10:00"), 1),))
    (cancel,) = sent(lab, of, lab.at("10:02"), holds).cancels
    assert (cancel.client_order_id, cancel.symbol, cancel.reason) == ("q1-w", "S000", "order.cancel_age")


def test_nothing_in_nothing_out(lab: Any) -> None:
    result = net((), lab.account(lab.frame(1)), "acct")
    assert (result.orders, result.cancels, result.denied) == ((), (), ())


@given(
    held=st.integers(-300, 300),
    size=st.floats(0, 1),
    signal=st.sampled_from([-1, 0, 1]),
    mark=st.floats(1, 5000),
    power=st.floats(0, 300_000),
)
@settings(max_examples=200, deadline=None)
def test_law_no_order_crosses_zero_or_exceeds_what_it_may(
    lab: Any, held: int, size: float, signal: int, mark: float, power: float
) -> None:
    of = lab.frame(1, ("alpha",))
    qty = {"S000": held} if held else {}
    state = lab.holding(of, qty, lab.at("09:46")) if held else None
    holds = lab.account(of, qty=qty, equity=1_000_000.0, buying_power=power)
    for order in sent(lab, of, lab.at("12:00"), holds, state, signal=signal, size=size, mark=mark).orders:
        after = held + order.signed
        assert order.qty > 0
        if order.leg == "close":
            assert abs(after) < abs(held)
            assert after * held >= 0
        else:
            assert held * order.signed >= 0
            # marks and money are decimals of twelve digits: beyond those nothing is said
            assert order.qty * order.mark <= Decimal(repr(power)) * (1 + Decimal("1e-11"))
