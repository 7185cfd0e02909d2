"""Round trips: average cost, flat to flat, whatever the orders were."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.backtest.result import Costs
from qmtl.engine.backtest.roundtrips import round_trips, slippage_paid, trace

from .made import Played, Sent, played, record

FREE = Costs(0.0, 0.0, 0.0)


def trips_of(sent: list[Sent], last: dict[str, float] | None = None):
    return round_trips(record(np.full(40, 1e5), 20, sent, last=last, costs=FREE))


def test_an_add_averages_the_entry_and_a_reduction_realises_at_the_average() -> None:
    sent = [
        Sent(0, "A", 10, 100.0, fee=1.0),
        Sent(1, "A", 30, 104.0, fee=1.0, strategy="other", chain="chop", reason="order.add"),
        Sent(2, "A", -20, 110.0, fee=1.0, reason="order.reduce"),
        Sent(3, "A", -20, 100.0, fee=1.0, reason="order.close"),
    ]
    result = record(np.full(40, 1e5), 20, sent, costs=FREE)
    traced = trace(result)
    trips = traced.trips
    assert traced.legs.realised.tolist() == [0.0, 0.0, 20 * (110 - 103.0), 20 * (100 - 103.0)]
    assert len(trips.pnl) == 1
    assert trips.entry[0] == 103.0
    assert trips.exit[0] == 105.0
    assert trips.pnl[0] == 40 * 2.0 - 4.0
    assert (trips.side[0], trips.qty[0], trips.orders[0], trips.fees[0]) == (1, 40.0, 4, 4.0)
    assert trips.ret[0] == pytest.approx(76.0 / (103.0 * 40.0))
    assert trips.traded[0] == 10 * 100 + 30 * 104 + 20 * 110 + 20 * 100
    names = result.orders
    assert names.strategies[trips.strategy[0]] == "roc"
    assert names.chains[trips.chain[0]] == "trend"
    assert names.reasons[trips.reason[0]] == "order.close"
    assert (trips.opened[0], trips.closed[0]) == (result.steps.at[0], result.steps.at[3])


def test_a_short_wins_when_the_price_falls() -> None:
    trips = trips_of([Sent(0, "A", -10, 50.0, fee=0.5), Sent(5, "A", 10, 45.0, fee=0.5)])
    assert (trips.side[0], trips.pnl[0], trips.entry[0], trips.exit[0]) == (-1, 49.0, 50.0, 45.0)


def test_an_open_position_is_marked_at_the_last_mark() -> None:
    trips = trips_of([Sent(0, "A", 10, 50.0, fee=0.5), Sent(1, "A", -4, 55.0)], {"A": 52.0})
    assert (trips.closed[0], trips.reason[0], trips.exit[0]) == (0, -1, 52.0)
    assert trips.pnl[0] == 4 * 5.0 + 6 * 2.0 - 0.5


def test_a_symbol_never_seen_is_marked_at_its_last_price() -> None:
    trips = trips_of([Sent(0, "A", 10, 50.0, fee=0.5)])
    assert (trips.exit[0], trips.pnl[0]) == (50.0, -0.5)


def test_unfilled_orders_make_no_trip() -> None:
    assert len(trips_of([Sent(0, "A", 10, 50.0, fill=False)]).pnl) == 0
    assert len(trips_of([]).pnl) == 0


def test_worlds_have_positions_of_their_own() -> None:
    sent = [Sent(0, "A", 10, 50.0, world="x"), Sent(1, "A", -10, 60.0, world="y"), Sent(2, "A", 10, 55.0, world="y")]
    trips = trips_of(sent, {"A": 70.0})
    assert trips.pnl.tolist() == [50.0, 200.0]
    assert trips.world.tolist() == [1, 0]  # closed ones first


def test_closed_trips_come_by_the_time_they_closed_and_open_ones_last() -> None:
    sent = [
        Sent(0, "A", 1, 10.0), Sent(0, "B", 1, 10.0), Sent(1, "C", 1, 10.0),
        Sent(4, "A", -1, 11.0), Sent(3, "C", -1, 12.0), Sent(5, "D", 1, 10.0),
    ]  # fmt: skip
    trips = trips_of(sent, {"B": 13.0, "D": 14.0})
    assert trips.pnl.tolist() == [2.0, 1.0, 3.0, 4.0]


def test_tenths_that_add_up_to_zero_are_flat() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17 in floats: such dust would keep a round trip open for ever."""
    trips = trips_of([Sent(0, "A", 0.1, 10.0), Sent(1, "A", 0.2, 10.0), Sent(2, "A", -0.3, 11.0), Sent(3, "A", 1, 5.0)])
    assert trips.closed.tolist()[0] > 0
    assert trips.orders.tolist() == [3, 1]


def test_huge_quantities_of_cheap_coins_do_not_overflow() -> None:
    sent = [Sent(0, "A", 4e12, 1e-8), Sent(1, "A", 4e12, 1e-8), Sent(2, "A", -8e12, 2e-8)]
    trips = trips_of(sent)
    assert trips.closed[0] > 0
    assert trips.pnl[0] == pytest.approx(80_000.0)


def test_positions_stay_exact_where_the_sum_over_all_symbols_does_not_fit_a_whole_number() -> None:
    """Thirty symbols of 4e9 shares are 1.2e20 billionths together, and 2^63 is 9.2e18."""
    sent = [Sent(0, f"S{i}", 4e9 + i / 8, 1.0) for i in range(30)]
    sent += [Sent(1, f"S{i}", -4e9 - i / 8, 2.0) for i in range(30)]
    trips = trips_of(sent)
    assert (trips.closed > 0).tolist() == [True] * 30
    assert sorted(trips.pnl.tolist()) == [4e9 + i / 8 for i in range(30)]


def test_an_order_across_zero_is_split_into_two_trips() -> None:
    sent = [Sent(0, "A", 10, 50.0, fee=1.0), Sent(1, "A", -30, 60.0, fee=3.0), Sent(2, "A", 20, 55.0, fee=2.0)]
    trips = trips_of(sent)
    assert trips.side.tolist() == [1, -1]
    assert trips.pnl.tolist() == [10 * 10.0 - 1.0 - 1.0, 20 * 5.0 - 2.0 - 2.0]
    assert trips.orders.tolist() == [2, 2]


@st.composite
def fills(draw: st.DrawFn) -> list[Sent]:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 19), st.sampled_from("AB"), st.integers(-50, 50).filter(bool), st.integers(1, 400)
            ),
            max_size=40,
        )
    )
    return [Sent(at, name, qty / 10, price / 8) for at, name, qty, price in sorted(rows, key=lambda r: r[0])]


def by_hand(sent: list[Sent]) -> tuple[list[Fraction], Fraction]:
    """P&L of closed trips per (symbol, order), and money realised, with exact average cost."""
    closed: dict[tuple[int, str, int], Fraction] = {}
    realised_all = Fraction(0)
    for name in sorted({s.symbol for s in sent}):
        held, average, won, number = Fraction(0), Fraction(0), Fraction(0), 0
        for s in [s for s in sent if s.symbol == name]:
            qty, price = Fraction(round(s.qty * 10), 10), Fraction(s.price)
            while qty:
                if held == 0 or (held > 0) == (qty > 0):
                    average = (abs(held) * average + abs(qty) * price) / (abs(held) + abs(qty))
                    held, qty = held + qty, Fraction(0)
                    continue
                part = min(abs(qty), abs(held)) * (1 if qty > 0 else -1)
                gain = -part * (price - average)
                won, realised_all = won + gain, realised_all + gain
                held, qty = held + part, qty - part
                if held == 0:
                    closed[(s.at, name, number)] = won
                    won, number = Fraction(0), number + 1
    return [closed[key] for key in closed], realised_all


@given(fills())
@settings(max_examples=150, deadline=None)
def test_law_trips_and_realised_money_are_those_of_exact_average_cost(sent: list[Sent]) -> None:
    traced = trace(record(np.full(40, 1e5), 20, sent, costs=FREE))
    wanted, realised = by_hand(sent)
    closed = traced.trips.closed > 0
    assert sorted(traced.trips.pnl[closed].tolist()) == pytest.approx(sorted(map(float, wanted)), abs=1e-7)
    assert traced.legs.realised.sum() == pytest.approx(float(realised), abs=1e-7)
    # a closed trip is what its legs realised
    sums = np.bincount(traced.legs.trip, weights=traced.legs.realised, minlength=len(closed))
    assert sums[closed] == pytest.approx(traced.trips.pnl[closed], abs=1e-7)
    prices = (traced.trips.exit - traced.trips.entry) * traced.trips.side
    size = np.bincount(traced.legs.trip, np.abs(traced.legs.qty), minlength=len(closed)) / 2
    assert (prices * size)[closed] == pytest.approx(traced.trips.pnl[closed], abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_law_trips_add_up_to_the_books(seed: int, crossing: bool) -> None:
    game: Played = played(seed, worlds=("core", "other"), crossing=crossing)
    result, trips = game.result, round_trips(game.result)
    for (world, symbol), pnl in game.pnl.items():
        if world in result.orders.worlds:
            mine = (trips.world == result.orders.worlds.index(world)) & (
                trips.symbol == result.orders.symbols.index(symbol)
            )
            assert trips.pnl[mine].sum() == pytest.approx(pnl, abs=1e-6)
    assert trips.fees.sum() == pytest.approx(float(game.books.fees), abs=1e-6)
    # prices are rounded to a millionth, so slippage per share is known to one as well
    shares = np.abs(result.orders.qty).sum()
    assert trips.slippage.sum() == pytest.approx(float(game.books.slippage), abs=1e-6 * shares + 1e-6)


def test_slippage_is_what_the_open_would_have_saved() -> None:
    paid = slippage_paid(np.array([10.0, -10.0]), np.array([100.01, 99.99]), 0.0001)
    assert paid == pytest.approx([0.1, 0.1])


def test_a_hundred_thousand_orders_take_well_under_a_second() -> None:
    rng = np.random.default_rng(1)
    sent = [Sent(i % 39, f"S{i % 150}", float(q), 10.0) for i, q in enumerate(rng.integers(1, 99, 2000))]
    small = record(np.full(40, 1e5), 20, sent, costs=FREE)
    many = 50
    orders = small.orders
    big = type(orders)(
        **{name: getattr(orders, name) for name in ("worlds", "symbols", "strategies", "chains", "reasons")},
        **{
            name: np.tile(getattr(orders, name), many)
            for name in ("sent", "filled", "world", "symbol", "strategy", "chain", "reason", "price", "fee", "mark", "closing")
        },
        qty=np.tile(orders.qty, many) * rng.choice([-1.0, 1.0], many * len(orders.qty)),
    )  # fmt: skip
    result = type(small)(small.setup, small.steps, small.worlds, big, small.marks, ())
    started = time.perf_counter()
    trips = round_trips(result)
    took = time.perf_counter() - started
    assert trips.orders.sum() >= many * 2000
    assert took < 2.0, took  # 0.15 s on an idle core; the limit is for a busy machine
