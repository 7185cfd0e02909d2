"""The rules of a policy by themselves, and sizing by columns against sizing order by order."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.dsl.exchange import ANY, ExchangePolicy, FinerTick, Layer, SymbolRules, fits, instrument, merged, rules_for
from qmtl.engine import sizing
from qmtl.engine.errors import OrderRuleError
from qmtl.engine.net import net
from qmtl.engine.orderrules import (
    Ask,
    fitted,
    in_ticks,
    limit_price,
    reduce_only,
    reduces,
    refusal,
    split_at_zero,
    takes,
    time_in_force,
)
from qmtl.engine.reasons import Reason
from qmtl.engine.tick import CLOSE_LEG, OPEN_LEG, changed

D = Decimal
LAW = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
quantities = st.decimals("0.001", "100000", places=3)
signed = st.decimals("-1000", "1000", places=2)


def venue(**more: Any) -> ExchangePolicy:
    return ExchangePolicy("test", **more)


def ask(qty: object, *, opens: bool = True, whole: bool = False, mark: object = 100, side: Any = "buy") -> Ask:
    return Ask(D(str(qty)), side, opens, whole, None if mark is None else D(str(mark)))


# ---- layers


def test_the_order_of_layers_is_general_symbol_venue_symbol_at_venue() -> None:
    """(*, *) < (*, symbol) < (venue, *) < (venue, symbol), whatever the order in which they are said."""
    layers = [
        Layer("here", SymbolRules("AAPL", lot_size=D(4))),
        Layer("here", SymbolRules(ANY, lot_size=D(3), tick_size=D(3))),
        Layer(ANY, SymbolRules("AAPL", lot_size=D(2), tick_size=D(2), min_notional=D(2))),
        Layer(ANY, SymbolRules(ANY, lot_size=D(1), tick_size=D(1), min_notional=D(1), min_quantity=D(1))),
        Layer("elsewhere", SymbolRules("AAPL", lot_size=D(9))),
    ]
    for turned in (layers, layers[::-1]):
        found = merged(venue(), turned, "here", "AAPL")
        assert (found.lot_size, found.tick_size, found.min_notional, found.min_quantity) == (4, 3, 2, 1)
        other = merged(venue(), turned, "here", "MSFT")
        assert (other.lot_size, other.tick_size, other.min_notional) == (3, 3, 1)


def test_a_symbol_beats_every_pattern_and_a_longer_pattern_a_shorter_one() -> None:
    policy = venue(
        symbols=(
            SymbolRules("*", min_notional=D(1), tick_size=D("0.5"), lot_size=D(7)),
            SymbolRules("*USDT", min_notional=D(5), tick_size=D("0.1")),
            SymbolRules("BTC*", min_notional=D(6)),
            SymbolRules("BTCUSDT", min_notional=D(9)),
        ),
        aliases=(("BTC", "BTCUSDT"),),
    )
    assert [rules_for(policy, name).min_notional for name in ("BTCUSDT", "BTC", "ETHUSDT", "SPY")] == [9, 9, 5, 1]
    assert rules_for(policy, "BTCUSDT").tick_size == D("0.1")
    assert rules_for(policy, "SPY").lot_size == 7
    assert instrument(policy, "BTC") == "BTCUSDT"
    assert instrument(policy, "SPY") == "SPY"


def test_only_the_star_is_a_wildcard() -> None:
    assert fits("A[B]*", "A[B]X")
    assert not fits("A[B]*", "ABX")
    assert not fits("A?*", "ABX")
    assert not fits("BTCUSDT", "btcusdt")


# ---- sizes


@pytest.mark.parametrize(
    ("policy", "asked", "qty", "reason"),
    [
        ({}, ask("12.9"), "12", Reason.NONE),
        ({}, ask("0.9"), "0", Reason.DENIED_LOT),
        ({"fractional": True, "lot_size": D("0.1")}, ask("0.3"), "0.3", Reason.NONE),
        ({"fractional": True, "lot_size": D("0.1")}, ask("1.9", side="sell"), "1", Reason.NONE),
        ({"fractional": True, "lot_size": D("0.1"), "fractional_shorts": True}, ask("1.9", side="sell"), "1.9", Reason.NONE),
        ({"min_quantity": D(5)}, ask(4), "0", Reason.DENIED_QUANTITY),
        ({"min_quantity": D(5)}, ask(4, opens=False, whole=True), "4", Reason.NONE),
        ({"min_quantity": D(5), "closing": "bound"}, ask(4, opens=False, whole=True), "0", Reason.DENIED_QUANTITY),
        ({"closing": "bound"}, ask("4.5", opens=False, whole=True), "4", Reason.NONE),
        ({}, ask("4.5", opens=False, whole=True), "4.5", Reason.NONE),
        ({"max_quantity": D(10)}, ask(25), "10", Reason.REDUCED_QUANTITY),
        ({"max_quantity": D(10)}, ask(25, opens=False, whole=True), "10", Reason.REDUCED_QUANTITY),
        ({"max_quantity": D(100), "market_max_quantity": D(7)}, ask(25), "7", Reason.REDUCED_QUANTITY),
        ({"max_quantity": D(100), "market_max_quantity": D(7), "order_type": "limit"}, ask(25), "25", Reason.NONE),
        ({"market_lot_size": D(10)}, ask(25), "20", Reason.NONE),
        ({"market_min_quantity": D(30)}, ask(25), "0", Reason.DENIED_QUANTITY),
        ({"max_notional": D(1050)}, ask(25), "10", Reason.REDUCED_QUANTITY),
        ({"min_notional": D(500)}, ask("5.9"), "5", Reason.NONE),
        ({"min_notional": D(501)}, ask("5.9"), "0", Reason.DENIED_NOTIONAL),
        ({"min_notional": D(501)}, ask("5.9", mark=None), "0", Reason.DENIED_MARK),
        ({"min_notional": D(0)}, ask("5.9", mark=None), "5", Reason.NONE),
        (
            {"fractional": True, "lot_size": D("0.1"), "fractional_min_notional": D(60)},
            ask("0.5"), "0", Reason.DENIED_NOTIONAL,
        ),
        ({"fractional": True, "lot_size": D("0.1"), "fractional_min_notional": D(200)}, ask(1), "1", Reason.NONE),
        ({"shorting": False}, ask(5, side="sell"), "0", Reason.DENIED_SHORT),
        ({"shorting": False}, ask(5, side="sell", opens=False), "5", Reason.NONE),
    ],
)  # fmt: skip
def test_sizes(policy: dict[str, Any], asked: Ask, qty: str, reason: Reason) -> None:
    found = fitted(venue(**policy), asked)
    assert (found.qty, found.reason) == (D(qty), reason)


policies = st.builds(
    lambda lot, low, high, money, most, closing: venue(
        lot_size=lot, fractional=lot < 1, min_quantity=low, max_quantity=low + high, min_notional=money,
        max_notional=money + most, closing=closing,
    ),
    st.sampled_from([D("0.001"), D("0.25"), D(1), D(7)]), st.decimals(0, 50, places=2), st.decimals(1, 500, places=1),
    st.decimals(0, 100, places=1), st.decimals(1, 10_000, places=1), st.sampled_from(["exempt", "bound"]),
)  # fmt: skip


@LAW
@given(
    policies,
    quantities,
    st.decimals("0.01", "500", places=2),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["buy", "sell"]),
)
def test_law_what_fits_is_not_more_than_was_asked_and_would_be_taken(
    rules: ExchangePolicy, qty: Decimal, mark: Decimal, opens: bool, whole: bool, side: Any
) -> None:
    """The account asks the same rules in its own words; what sizing makes of an order, it never refuses. Twice is once."""
    asked = Ask(qty, side, opens, whole and not opens, mark)
    found = fitted(rules, asked)
    assert 0 <= found.qty <= qty
    if found.qty:
        left = Ask(found.qty, side, opens, asked.whole and found.qty == qty, mark)
        assert refusal(rules, left) == (200, "")
        assert fitted(rules, left).qty == found.qty
    else:
        assert found.reason not in (Reason.NONE, Reason.REDUCED_QUANTITY)


# ---- prices


def test_prices_of_us_shares_have_two_places_and_four_under_a_dollar() -> None:
    rules = venue(finer_ticks=(FinerTick(D(1), D("0.0001")),))
    assert in_ticks(rules, D("123.456"), "buy") == D("123.45")
    assert in_ticks(rules, D("123.451"), "sell") == D("123.46")
    assert in_ticks(rules, D("0.98765"), "buy") == D("0.9876")
    assert in_ticks(rules, D("0.98765"), "sell") == D("0.9877")
    assert in_ticks(rules, D("0.99999"), "sell") == D("1.00")
    assert in_ticks(rules, D("0.00003"), "buy") == D("0.0001")


steps = st.lists(
    st.tuples(st.sampled_from([D(1), D(10), D(50)]), st.sampled_from([D("0.0001"), D("0.002"), D("0.005")])), max_size=2
)


@LAW
@given(steps, st.decimals("0.01", "100", places=6), st.sampled_from(["buy", "sell"]))
def test_law_a_rounded_price_is_on_its_step_on_the_passive_side_and_stays(
    finer: list[tuple[Decimal, Decimal]], price: Decimal, side: Any
) -> None:
    rules = venue(finer_ticks=tuple(FinerTick(*one) for one in sorted(finer)))
    found = in_ticks(rules, price, side)
    step = next((one.tick_size for one in rules.finer_ticks if found < one.below), rules.tick_size)
    assert found % step == 0
    assert found > 0
    assert (found <= price if side == "buy" else found >= price) or found == step
    assert in_ticks(rules, found, side) == found


def test_a_limit_is_the_mark_and_the_collar_against_us() -> None:
    rules = venue(order_type="limit", collar=0.005)
    assert limit_price(rules, D(200), "buy", opens=True) == D("201.00")
    assert limit_price(rules, D(200), "sell", opens=True) == D("199.00")
    assert limit_price(rules, D("33.33"), "buy", opens=True) == D("33.49")
    assert limit_price(rules, D(200), "sell", opens=False) is None, (
        "exits do not wait for a price unless the policy says so"
    )
    assert limit_price(venue(), D(200), "buy", opens=True) is None


# ---- flags and lives


@pytest.mark.parametrize(
    ("position", "order", "only"),
    [
        (-5, 3, True),
        (-5, 5, True),
        (-5, 6, False),
        (5, -5, True),
        (5, -6, False),
        (0, -1, False),
        (5, 1, False),
        (5, 0, False),
    ],
)
def test_the_position_says_what_reduces_not_the_side(position: int, order: int, only: bool) -> None:
    """A buy that covers a short reduces; a sale that opens one does not."""
    assert reduces(D(position), D(order)) is only


@LAW
@given(signed, signed)
def test_law_no_part_of_an_order_crosses_zero(position: Decimal, order: Decimal) -> None:
    closes, opens = split_at_zero(position, order)
    assert closes + opens == order
    assert closes == 0 or reduces(position, closes)
    assert opens == 0 or (position + closes) * opens >= 0
    assert opens == 0 or closes in (0, -position)


def test_the_flag_is_stripped_where_the_venue_has_none() -> None:
    assert not reduce_only(venue(), closes=True)
    assert reduce_only(venue(reduce_only=True), closes=True)
    assert not reduce_only(venue(reduce_only=True), closes=False)


def test_reduce_only_is_at_once_where_the_venue_wants_that() -> None:
    rules = venue(reduce_only=True, reduce_only_ioc=True, allowed_time_in_force=("day", "gtc", "ioc"))
    assert time_in_force(rules, ask(5, opens=False)) == "ioc"
    assert time_in_force(rules, ask(5)) == "day"
    with pytest.raises(OrderRuleError, match="gtc"):
        time_in_force(rules, ask(5, opens=False), "gtc")
    stripped = venue(reduce_only_ioc=True)
    assert time_in_force(stripped, ask(5, opens=False)) == "day"


def test_time_in_force_by_kind_of_order() -> None:
    rules = venue(order_type="limit", collar=0.01, limit_time_in_force="ioc", exit_time_in_force="day")
    assert time_in_force(rules, ask(5)) == "ioc"
    assert time_in_force(rules, ask(5, opens=False)) == "day"


def test_parts_of_a_share_live_for_a_day_and_whole_ones_as_the_caller_says() -> None:
    rules = venue(
        fractional=True,
        lot_size=D("0.1"),
        allowed_time_in_force=("day", "gtc", "ioc"),
        fractional_time_in_force=("day",),
    )
    assert time_in_force(rules, ask("0.5")) == "day"
    assert time_in_force(rules, ask(5), "gtc") == "gtc"
    with pytest.raises(OrderRuleError, match="gtc") as error:
        time_in_force(rules, ask("0.5"), "gtc")
    assert error.value.hint == "it takes day"


def test_parts_do_not_rest_unless_the_policy_says_so() -> None:
    coins = venue(fractional=True, lot_size=D("0.1"), time_in_force="ioc", allowed_time_in_force=("gtc", "ioc"))
    assert takes(coins, D("0.5")) == ("ioc",)
    assert takes(coins, D(5)) == ("gtc", "ioc")
    said = venue(time_in_force="ioc", allowed_time_in_force=("gtc", "ioc"), fractional_time_in_force=("gtc", "ioc"))
    assert time_in_force(said, ask("0.5"), "gtc") == "gtc"


def test_what_the_venue_does_not_take_is_an_error_with_the_way_out() -> None:
    with pytest.raises(OrderRuleError, match="`opg` is not taken for this order at test") as error:
        time_in_force(venue(allowed_time_in_force=("day", "ioc")), ask(5), "opg")
    assert error.value.hint == "it takes day, ioc"


# ---- columns against single orders


@settings(LAW, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["1", "5", "0.001"]),
    st.sampled_from([1e9, 30_000.0, 2_000.0]),
    st.booleans(),
)
def test_law_columns_and_single_orders_make_the_same_quantities(
    lab: Any, seed: int, lot: str, power: float, shorting: bool
) -> None:
    """A plain policy can be gone both ways. The smallest value is off the prices, since at it floats may differ by a digit."""
    rng = np.random.default_rng(seed)
    policy = venue(lot_size=D(lot), fractional=D(lot) < 1, min_notional=D("900.0123"), shorting=shorting)
    of = lab.frame(8, ("alpha",), exchange=policy)
    held = {f"S00{i}": int(rng.integers(-300, 300)) or 5 for i in range(4)}
    account = lab.account(of, qty=held, buying_power=power)
    tick = lab.decide(of, lab.at("10:00"), None, account, mark=np.round(rng.uniform(2, 400, 8), 2), signal=0)
    qty = np.array([float(held.get(s, 0)) for s in of.names.symbols])
    share = np.where(rng.random(8) < 0.4, 1.0, rng.random(8))
    mark, capital = tick.load.mark, tick.load.capital
    delta = np.where(qty != 0, -qty * mark / capital * share, rng.uniform(-0.2, 0.2, 8))
    leg = np.where(qty != 0, CLOSE_LEG, OPEN_LEG).astype(np.uint8)
    tick.orders = changed(tick.orders, leg=leg, delta=delta, closing=(qty != 0) & (share == 1))
    columns = sizing.sized([tick], power)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sizing, "counted_one_by_one", lambda _frame: True)
        singly = sizing.sized([tick], power)
    assert columns is not None
    assert singly is not None
    for field in fields(sizing.Sized):
        if field.name not in ("needed", "funds", "wished"):
            np.testing.assert_array_equal(getattr(columns, field.name), getattr(singly, field.name), err_msg=field.name)


# ---- what stands on an order


def test_orders_carry_price_flag_and_life(lab: Any) -> None:
    policy = venue(
        order_type="limit", collar=0.01, limit_time_in_force="ioc", reduce_only=True, exit_time_in_force="day",
        symbols=(SymbolRules("S001", tick_size=D("0.5")),),
    )  # fmt: skip
    of = lab.frame(3, ("alpha",), exchange=policy)
    state, _ = lab.book(of, {"S002": 0.1}, lab.at("09:46"))
    holds = lab.account(of, qty={"S002": 100})
    tick = lab.decide(of, lab.at("10:00"), state, holds, signal=np.array([[1, -1, 0]]), mark=99.99)
    orders = {order.symbol: order for order in net([tick], holds, "acct").orders}
    assert (orders["S000"].order_type, orders["S000"].limit_price, orders["S000"].time_in_force) == (
        "limit",
        D("100.98"),
        "ioc",
    )
    assert orders["S001"].limit_price == D("99.0")
    assert not orders["S000"].reduce_only
    exit_ = orders["S002"]
    assert (exit_.order_type, exit_.limit_price, exit_.time_in_force, exit_.reduce_only) == (
        "market",
        None,
        "day",
        True,
    )


def test_what_was_cut_and_denied_is_told_with_its_numbers(lab: Any) -> None:
    policy = venue(
        symbols=(SymbolRules("S000", max_quantity=D(20)), SymbolRules("S001", min_quantity=D(500)), SymbolRules("S002", min_notional=D(10**6)))
    )  # fmt: skip
    of = lab.frame(3, ("alpha",), exchange=policy)
    holds = lab.account(of)
    found = net([lab.decide(of, lab.at("10:00"), None, holds, signal=1)], holds, "acct")
    assert [(d.symbol, d.reason, d.detail, d.sent) for d in sorted(found.denied, key=lambda d: d.symbol)] == [
        ("S000", "net.reduced_quantity", "wished=150 max=20 qty=20", True),
        ("S001", "denied.min_quantity", "qty=150 min=500", False),
        ("S002", "denied.min_notional", "notional=15000 min=1000000", False),
    ]
    assert [(order.symbol, order.qty) for order in found.orders] == [("S000", D(20))]


def test_r47_an_exit_larger_than_the_venue_takes_goes_in_parts(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), exchange=venue(max_quantity=D(40)))
    broker = lab.Broker(of)
    broker.qty, broker.average = {"S000": D(100)}, {"S000": 100.0}
    broker.state = lab.holding(of, {"S000": 100}, lab.at("09:46"))
    broker.cash = 90_000.0
    sizes = []
    for minute in ("10:00", "10:01", "10:02", "10:03"):
        _, netted = broker.step(lab.at(minute), signal=0)
        sizes += [int(order.signed) for order in netted.orders]
    assert sizes == [-40, -40, -20]
    assert not broker.qty.get("S000")


def test_a_working_exit_as_large_as_the_venue_takes_is_left_alone(lab: Any) -> None:
    from qmtl.engine.market import WorkingOrder

    state = None
    for most, cancelled in ((D(40), False), (D(60), True)):
        of = lab.frame(1, ("alpha",), exchange=venue(max_quantity=most))
        state = lab.holding(of, {"S000": 100}, lab.at("09:46"))
        working = (WorkingOrder("q1-w", "S000", D(-40), "close", lab.at("10:00"), 1),)
        holds = lab.account(of, qty={"S000": 100}, working=working)
        tick = lab.decide(of, lab.at("10:01"), state, holds, signal=0, decision=True)
        assert bool(tick.orders.cancel[0]) is cancelled


def test_orders_of_version_one_keep_their_bytes_and_new_ones_come_back(lab: Any) -> None:
    """Fields that came later are left out while they have their default, and read where they are there."""
    from dataclasses import replace

    from qmtl.engine import wire
    from qmtl.engine.orders import Order

    of = lab.frame(1, ("alpha",))
    (order,) = net([lab.decide(of, lab.at("10:00"), signal=1)], lab.account(of), "acct").orders
    plain = wire.dump(order)
    assert b"limit_price" not in plain
    assert b"reduce_only" not in plain
    assert wire.loads(Order, plain) == order
    limited = replace(order, order_type="limit", limit_price=D("100.98"), reduce_only=True)
    assert b'"limit_price":"100.98"' in wire.dump(limited)
    assert wire.loads(Order, wire.dump(limited)) == limited
