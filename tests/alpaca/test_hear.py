"""One reading of the account: pages, what ended, money that came, positions, the account last (R06, R09, R11, R12, R35, R41, R45)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
from qmtl.engine.adapters.alpaca.parse import NANO, nanoseconds
from qmtl.engine.errors import BrokerError
from qmtl.engine.execution.differ import changes_of
from qmtl.engine.execution.lifecycle import Tracked
from qmtl.engine.orders import OrderState
from qmtl.engine.ports import Known

from .memory import NOW, SENT, Account, Open, opened, order
from .rows import position_row
from .wire import Said, Wire


def test_an_empty_account_is_read_in_four_requests_and_the_account_comes_last(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    venue.wire.asked.clear()
    told = broker.hear(Known(), NOW)
    assert told.orders == told.events == told.activities == ()
    assert [one.path for one in venue.wire.asked] == [
        "/v2/orders",
        "/v2/account/activities",
        "/v2/positions",
        "/v2/account",
    ]


def test_r38_a_universe_of_148_symbols_takes_no_more_requests(venue: Account, lines: Open) -> None:
    universe = tuple(f"SYM{i}" for i in range(148))
    venue.positions = [position_row(symbol, "5") for symbol in universe]
    venue.orders = [order(i, i) for i in range(148)]
    broker = opened(lines, *universe)
    venue.wire.asked.clear()
    told = broker.hear(Known(orders=tuple(f"q1-{i}" for i in range(148)), since=NOW - 600), NOW)
    assert len(told.orders) == len(told.snapshot.positions) == 148
    assert len(venue.wire.asked) <= 8


@pytest.mark.parametrize("most", [500, 50, 7])
@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 120])
def test_all_pages_of_open_orders_are_read_even_short_ones(wire: Wire, lines: Open, most: int, count: int) -> None:
    venue = Account(wire, most)
    # five orders share each moment, so that pages turn within a moment too
    venue.orders = [order(i, i // 5) for i in range(count)]
    snapshot = opened(lines).hear(Known(), NOW).snapshot
    assert sorted(one.client_order_id for one in snapshot.open_orders) == sorted(f"q1-{i}" for i in range(count))
    assert {int(one.query["limit"]) for one in wire.asked if one.path == "/v2/orders"} == {500}


def test_more_than_500_open_orders(venue: Account, lines: Open) -> None:
    venue.orders = [order(i, i // 3) for i in range(1203)]
    assert len(opened(lines).hear(Known(), NOW).snapshot.open_orders) == 1203


def test_a_page_that_cannot_be_turned_is_an_error_and_no_end(venue: Account, lines: Open) -> None:
    venue.orders = [order(i, 1) for i in range(501)]
    with pytest.raises(BrokerError, match="one microsecond"):
        opened(lines).hear(Known(), NOW)


def test_r06_known_orders_are_told_wherever_they_are(venue: Account, lines: Open) -> None:
    """Open, ended lately, ended so long ago that only the id finds it, and one that the broker never saw."""
    venue.orders = [
        order(1, 10, status="partially_filled", filled_qty="4", filled_avg_price="500.125"),
        order(2, 11, status="filled", filled_qty="10", filled_avg_price="500"),
        order(3, -90_000, status="canceled", filled_qty="3", filled_avg_price="499.5"),
        order(9, 12, status="filled", filled_qty="10"),
    ]
    known = Known(orders=("q1-1", "q1-2", "q1-3", "q1-4"), since=NOW - 300)
    told = opened(lines).hear(known, NOW)
    assert [(one.client_order_id, one.state, one.filled, one.average) for one in told.orders] == [
        ("q1-1", "PARTIALLY_FILLED", Decimal(4), Decimal("500.125")),
        ("q1-2", "FILLED", Decimal(10), Decimal(500)),
        ("q1-3", "CANCELED", Decimal(3), Decimal("499.5")),
    ]
    assert [one.client_order_id for one in told.snapshot.open_orders] == ["q1-1"]
    assert told.orders[0].broker_id == "b-1"
    assert told.orders[0].submitted_at == nanoseconds("2026-03-09T14:00:10Z") // NANO


@pytest.mark.parametrize("average", [None, "0"])
@pytest.mark.parametrize(
    ("status", "filled", "ends"),
    [
        ("filled", "10", []),
        ("partially_filled", "4", []),
        ("canceled", "4", ["canceled"]),
        ("expired", "4", ["expired"]),
        ("calculated", "4", []),
    ],
)
def test_a_fill_is_heard_when_its_price_is(
    venue: Account, lines: Open, status: str, filled: str, ends: list[str], average: str | None
) -> None:
    """Until then nothing is booked, the order counts as open, a person is told once, and the reading is one all the same."""
    broker, tracked = opened(lines), Tracked(SENT, OrderState.ACCEPTED)
    venue.positions = [position_row("SPY", filled)]
    venue.orders = [order(1, 10, status=status, filled_qty=filled, filled_avg_price=average)]
    known = Known(orders=("q1-1",), since=NOW - 300)
    for _ in range(2):
        told = broker.hear(known, NOW)
        assert [(one.state, one.filled, one.average) for one in told.orders] == [("ACCEPTED", 0, 0)]
        assert list(changes_of(tracked, told.orders[0])) == []
        assert told.snapshot.positions[0].qty == Decimal(filled)
    assert [text for text in broker.take_remarks() if "at a price that is not told yet" in text] == [
        f"order q1-1: {filled} of 10 are filled at a price that is not told yet; it is taken to be open until it is"
    ]
    venue.orders = [order(1, 10, status=status, filled_qty=filled, filled_avg_price="500.25")]
    events = list(changes_of(tracked, broker.hear(known, NOW).orders[0]))
    assert [(event.kind, event.qty, event.price) for event in events[:1]] == [
        ("fill", Decimal(filled), Decimal("500.25"))
    ]
    assert [event.kind for event in events[1:]] == ends


def test_a_second_part_without_a_price_takes_the_first_one_not_back(venue: Account, lines: Open) -> None:
    tracked = Tracked(SENT, OrderState.ACCEPTED).with_fill(Decimal(4), Decimal(500))
    venue.orders = [order(1, 10, status="canceled", filled_qty="7", filled_avg_price=None)]
    (told,) = opened(lines).hear(Known(orders=("q1-1",), since=NOW - 300), NOW).orders
    assert list(changes_of(tracked, told)) == []


def test_many_ended_orders_are_read_in_pages_and_not_one_by_one(wire: Wire, lines: Open) -> None:
    venue = Account(wire, 100)
    venue.orders = [order(i, i // 4, status="filled", filled_qty="10") for i in range(250)]
    known = Known(orders=tuple(f"q1-{i}" for i in range(250)), since=NOW - 300)
    assert len(opened(lines).hear(known, NOW).orders) == 250
    assert not [one for one in wire.asked if "by_client" in one.path]


def test_r12_the_snapshot_is_never_older_than_the_orders(venue: Account, lines: Open) -> None:
    """An order fills between the list of orders and the account: all of it is read once more."""
    venue.orders = [order(1, 10)]
    broker = opened(lines)

    def fill() -> None:
        venue.after_account = lambda: None
        venue.orders = [order(1, 10, status="filled", filled_qty="10", filled_avg_price="500")]
        venue.positions = [position_row("SPY", "10")]

    venue.after_account = fill
    told = broker.hear(Known(orders=("q1-1",), since=NOW - 300), NOW)
    assert told.orders[0].state == "FILLED"
    assert [one.qty for one in told.snapshot.positions] == [Decimal(10)]
    assert told.snapshot.open_orders == ()


def test_r12_what_always_changes_is_read_twice_and_not_for_ever(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    count = [0]

    def more() -> None:
        count[0] += 1
        venue.orders = [order(1, 10, filled_qty=str(count[0]))]
        venue.positions = [position_row("SPY", str(count[0]))]

    more()
    venue.after_account = more
    told = broker.hear(Known(orders=("q1-1",), since=NOW - 300), NOW)
    assert told.snapshot.positions[0].qty >= told.orders[0].filled
    assert count[0] == 3


@pytest.mark.parametrize(
    "broken", ["v2_orders", "v2_account_activities", "v2_positions", "v2_account", "v2_orders_by_client_order_id"]
)
@pytest.mark.parametrize(
    "said",
    [
        Said(500, b""),
        Said(200, b""),
        Said(200, "<html>"),
        Said(200, {"a": 1}),
        Said(200, [{}]),
        Said(200, manner="drop"),
    ],
)
def test_r11_a_failed_part_is_an_error_and_never_an_empty_answer(
    venue: Account, lines: Open, broken: str, said: Said
) -> None:
    broker, real = opened(lines), venue.wire.script
    key = (
        broken.replace("v2_", "/v2/", 1)
        .replace("account_activities", "account/activities")
        .replace("orders_by", "orders:by")
    )
    venue.wire.script = lambda asked: said if asked.path == key else real(asked)
    with pytest.raises(BrokerError):
        broker.hear(Known(orders=("q1-gone",), since=NOW - 300), NOW)


def test_r36_a_whole_reading_has_a_deadline(venue: Account, lines: Open) -> None:
    line = lines().trading
    broker, real = AlpacaBroker(line, patience=0.5), venue.wire.script
    venue.wire.script = lambda asked: replace(real(asked), after=0.2)
    with pytest.raises(BrokerError):
        broker.hear(Known(), NOW)
    assert len(venue.wire.asked) <= 4
