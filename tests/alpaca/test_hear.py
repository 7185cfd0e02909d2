"""One reading of the account: pages, what ended, money that came, positions, the account last (R06, R09, R11, R12, R35, R41, R45)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.adapters.alpaca import account
from qmtl.engine.adapters.alpaca.broker import AGAIN, AlpacaBroker
from qmtl.engine.adapters.alpaca.paging import OVERLAP, Cursor
from qmtl.engine.adapters.alpaca.parse import NANO, ShapeError, nanoseconds, stamp
from qmtl.engine.adapters.alpaca.reading import skew_of
from qmtl.engine.adapters.alpaca.transport import Answer
from qmtl.engine.errors import BrokerError
from qmtl.engine.execution.differ import changes_of
from qmtl.engine.execution.lifecycle import Tracked
from qmtl.engine.orders import Attribution, Order, OrderState
from qmtl.engine.ports import Asset, Known

from .rows import ACCOUNT, asset_row, flow_row, order_row, position_row
from .wire import Asked, Said, Wire

Open = Callable[..., Any]
NOW = nanoseconds("2026-03-09T14:05:00Z") // NANO
SENT = Order(
    "q1-1", "SPY", "buy", Decimal(10), "open", NOW, 1, "X", Decimal(500), 0, (Attribution("w", "s", "g", Decimal(10)),)
)
UNKNOWN = Said(404, {"code": 40410000, "message": "order not found"})


class Account:
    """A venue's memory: what the routes of one account say. `most` is how many rows a page really has."""

    def __init__(self, wire: Wire, most: int = 500) -> None:
        self.wire, self.most = wire, most
        self.orders: list[dict[str, Any]] = []
        self.flows: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.account = dict(ACCOUNT)
        self.after_account: Callable[[], None] = lambda: None
        wire.routes(
            v2_orders=self._orders,
            v2_orders_by_client_order_id=self._by_client_id,
            v2_account_activities=self._activities,
            v2_positions=lambda _: self.positions,
            v2_account=self._account,
            v2_assets=lambda _: [asset_row("SPY"), asset_row("QQQ", shortable=False)],
        )

    def _account(self, _: Asked) -> dict[str, Any]:
        self.after_account()
        return self.account

    def _by_client_id(self, asked: Asked) -> Any:
        named = [one for one in self.orders if one["client_order_id"] == asked.query["client_order_id"]]
        return named[0] if named else UNKNOWN

    def _orders(self, asked: Asked) -> list[dict[str, Any]]:
        query = asked.query
        ended = {"filled", "canceled", "expired", "rejected", "replaced"}
        rows = [one for one in self.orders if (one["status"] in ended) == (query["status"] == "closed")]
        if "until" in query:
            rows = [one for one in rows if _at(one) < nanoseconds(query["until"])]
        if "after" in query:
            rows = [one for one in rows if _at(one) > nanoseconds(query["after"])]
        rows.sort(key=_at, reverse=query["direction"] == "desc")
        return rows[: min(self.most, int(query.get("limit", "50")))]

    def _activities(self, asked: Asked) -> list[dict[str, Any]]:
        query = asked.query
        rows = [one for one in self.flows if one["activity_type"] in query["activity_types"].split(",")]
        rows = [one for one in rows if nanoseconds(one["created_at"]) > nanoseconds(query["after"])]
        rows.sort(key=lambda one: nanoseconds(one["created_at"]))
        names = [one["id"] for one in rows]
        first = names.index(query["page_token"]) + 1 if "page_token" in query else 0
        return rows[first : first + min(self.most, int(query["page_size"]))]


def _at(row: dict[str, Any]) -> int:
    return nanoseconds(row["submitted_at"])


def order(number: int, seconds: float = 0.0, **change: Any) -> dict[str, Any]:
    """The order number so much, sent so many seconds after 14:00."""
    sent = stamp(nanoseconds("2026-03-09T14:00:00Z") + int(seconds * 1e6) * 1000)
    named = {"id": f"b-{number}", "client_order_id": f"q1-{number}", "submitted_at": sent}
    return order_row(**{**named, **change})


@pytest.fixture
def venue(wire: Wire) -> Account:
    return Account(wire)


def opened(lines: Open, *universe: str, **options: Any) -> AlpacaBroker:
    return AlpacaBroker(lines(a_minute=1000, **options).trading, universe)


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


# --- money that came or went


def test_without_a_cursor_what_was_before_is_no_news(venue: Account, lines: Open) -> None:
    venue.flows = [flow_row(1, "2026-03-09T10:00:00Z"), flow_row(2, "2026-03-08T10:00:00Z")]
    broker = opened(lines)
    told = broker.hear(Known(), NOW)
    assert told.activities == ()
    assert Cursor.read(told.cursor).newest == nanoseconds("2026-03-09T10:00:00Z")
    assert broker.hear(Known(cursor=told.cursor), NOW).activities == ()


def test_the_first_deposit_of_an_account_is_news(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    cursor = broker.hear(Known(), NOW).cursor
    assert cursor
    venue.flows = [flow_row(1, "2026-03-09T14:04:59.9Z")]
    told = broker.hear(Known(cursor=cursor), NOW + 60)
    assert [(one.kind, one.amount, one.at) for one in told.activities] == [("flow", Decimal(1000), NOW - 1)]


def test_r45_deposits_withdrawals_and_journals_are_flows_and_income_and_fees_are_not(
    venue: Account, lines: Open
) -> None:
    broker = opened(lines)
    cursor = broker.hear(Known(), NOW).cursor
    kinds = ("CSD", "CSW", "TRANS", "JNL", "JNLC", "ACATC", "DIV", "INT", "FEE", "FILL", "JNLS", "CFEE", "PTC")
    venue.flows = [flow_row(i, f"2026-03-09T14:05:{i:02d}Z", kind) for i, kind in enumerate(kinds)]
    venue.flows[1]["net_amount"] = "-250.5"
    told = broker.hear(Known(cursor=cursor), NOW + 60)
    assert [one.detail for one in told.activities] == ["CSD", "CSW", "TRANS", "JNL", "JNLC", "ACATC"]
    assert told.activities[1].amount == Decimal("-250.5")
    assert list(told.activities) == sorted(told.activities, key=lambda one: one.id)


def test_a_deposit_that_was_taken_back_is_none(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    cursor = broker.hear(Known(), NOW).cursor
    venue.flows = [flow_row(1, "2026-03-09T14:05:01Z", status="canceled")]
    assert broker.hear(Known(cursor=cursor), NOW + 60).activities == ()


@pytest.mark.parametrize("most", [100, 3])
def test_pages_of_activities_are_read_to_the_end(wire: Wire, lines: Open, most: int) -> None:
    venue = Account(wire, most)
    broker = opened(lines)
    cursor = broker.hear(Known(), NOW).cursor
    venue.flows = [flow_row(i, f"2026-03-09T14:{5 + i // 60:02d}:{i % 60:02d}Z") for i in range(10)]
    told = broker.hear(Known(cursor=cursor), NOW + 600)
    assert len(told.activities) == 10
    assert broker.hear(Known(cursor=told.cursor), NOW + 660).activities == ()


def test_an_activity_that_is_entered_late_is_neither_lost_nor_told_twice(venue: Account, lines: Open) -> None:
    """Ids of Alpaca rise by day only, and what was made earlier may show up later."""
    cursor = opened(lines).hear(Known(), NOW).cursor
    venue.flows = [flow_row(5, "2026-03-09T14:10:00Z")]
    first = opened(lines).hear(Known(cursor=cursor), NOW + 600)
    venue.flows.append(flow_row(1, "2026-03-09T14:02:00Z"))
    second = opened(lines).hear(Known(cursor=first.cursor), NOW + 660)
    assert [len(told.activities) for told in (first, second)] == [1, 1]
    assert opened(lines).hear(Known(cursor=second.cursor), NOW + 720).activities == ()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6 * 86_400)), max_size=12))
def test_law_each_flow_is_told_exactly_once_across_restarts(plan: list[tuple[int, int]]) -> None:
    """Whatever becomes visible when: what is entered within the last three days before the newest is told once."""
    from qmtl.engine.adapters.alpaca.paging import _news

    cursor, told, seen = Cursor(NOW * NANO, frozenset()), [], []
    for number, (visible, entered) in enumerate(sorted(plan)):
        row = flow_row(number, stamp((NOW + entered) * NANO + visible))
        one = account.flow(row)
        assert one is not None
        if one.entered < cursor.newest - OVERLAP:
            continue  # too late for anybody
        seen.append(one)
        news, text = _news(seen, cursor, cursor.newest - OVERLAP, first=False)
        cursor = Cursor.read(text)
        told.extend(activity.id for activity in news)
    assert sorted(told) == sorted(one.activity.id for one in seen)


def test_an_activity_without_a_stamp_has_that_of_its_id_in_new_york_time() -> None:
    row = {**flow_row(1, "x"), "created_at": None, "id": "20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e"}
    found = account.flow(row)
    assert found is not None
    assert found.activity.at == nanoseconds("2022-02-02T18:55:09Z") // NANO


def test_a_cursor_of_another_kind_is_refused(venue: Account, lines: Open) -> None:
    with pytest.raises(BrokerError, match="no cursor"):
        opened(lines).hear(Known(cursor="17"), NOW)


# --- the account


def test_positions_are_signed_and_exact(venue: Account, lines: Open) -> None:
    venue.positions = [
        position_row("SPY", "1.123456789"),
        position_row("QQQ", "-5"),
        position_row("IWM", "5", side="short"),
        position_row("OLD", "2", current_price=None),
        position_row("AAPL241213C00250000", "1", asset_class="us_option", current_price="0.43"),
    ]
    broker = opened(lines)
    found = {one.symbol: one for one in broker.hear(Known(), NOW).snapshot.positions}
    assert found["SPY"].qty == Decimal("1.123456789")
    assert (found["QQQ"].qty, found["IWM"].qty) == (Decimal(-5), Decimal(-5))
    assert (found["SPY"].mark, found["SPY"].marked_at) == (Decimal(120), NOW)
    assert (found["OLD"].mark, found["OLD"].marked_at) == (None, 0)
    assert found["AAPL241213C00250000"].mark == Decimal(43)
    venue.wire.asked.clear()
    assert {one.symbol for one in broker.positions()} == found.keys()
    assert venue.wire.paths() == ["GET /v2/positions"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"status": "PAPER_ONLY"}, ""),
        ({"trading_blocked": True}, "trading is blocked"),
        ({"account_blocked": True}, "account is blocked"),
        ({"trade_suspended_by_user": True}, "suspended by the user"),
        ({"status": "ACCOUNT_UPDATED"}, "ACCOUNT_UPDATED"),
        ({"status": None}, "not given"),
    ],
)
def test_flags_of_the_account_are_said_in_words(change: dict[str, Any], said: str) -> None:
    blocked = account.money({**ACCOUNT, **change}).blocked
    assert said in blocked
    assert bool(blocked) == bool(said)


@pytest.mark.parametrize(
    ("change", "power", "shorts"),
    [
        ({}, "150000", True),
        ({"multiplier": "4", "buying_power": "400000"}, "150000", True),
        ({"regt_buying_power": None}, "200000", True),
        ({"shorting_enabled": False}, "150000", False),
        ({"multiplier": "1", "buying_power": "60000"}, "55000", False),
        ({"multiplier": "1", "buying_power": "60000", "cash_withdrawable": "20000"}, "20000", False),
        ({"multiplier": None}, "55000", False),
    ],
)
def test_r40_buying_power_is_settled_funds_without_margin_and_never_only_the_days(
    change: dict[str, Any], power: str, shorts: bool
) -> None:
    money = account.money({**ACCOUNT, **change})
    assert (money.buying_power, money.shorts) == (Decimal(power), shorts)


@pytest.mark.parametrize("key", ["account_number", "equity", "cash", "buying_power"])
def test_an_account_without_its_money_cannot_be_read(key: str) -> None:
    for value in (None, "", 7.5 if key == "account_number" else "much"):
        with pytest.raises(ShapeError):
            account.money({**ACCOUNT, key: value})


def test_another_account_under_the_same_keys_is_an_error(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    venue.account["account_number"] = "PA2"
    with pytest.raises(BrokerError, match="answered as PA2"):
        broker.hear(Known(), NOW)


# --- clocks


def answer(date: float, at: float, elapsed: float) -> Answer:
    return Answer(200, headers={"date": formatdate(date, usegmt=True)}, at=at, elapsed=elapsed)


@given(st.floats(-1000, 1000), st.floats(0, 5), st.floats(0, 1), st.floats(0, 0.999))
def test_r35_skew_is_the_least_that_a_date_and_a_round_trip_allow(
    ahead: float, trip: float, where: float, part: float
) -> None:
    """The true skew is never further from zero than said, and never more than a second and the round trip away from it."""
    theirs = NOW + part
    said = skew_of(answer(NOW, theirs + ahead + trip * (1 - where), trip))
    assert abs(said) <= abs(ahead) + 1e-5
    assert abs(said - ahead) <= 1.0 + trip + 1e-5


def test_r35_skew_is_told_with_each_reading(venue: Account, lines: Open) -> None:
    for ahead in (0.0, 40.0, -40.0):
        broker = AlpacaBroker(lines(wall=lambda ahead=ahead: time.time() + ahead).trading)
        assert broker.hear(Known(), NOW).snapshot.skew == pytest.approx(ahead, abs=1.5)


def test_r35_without_a_date_the_clock_is_asked(venue: Account, lines: Open) -> None:
    broker, real = AlpacaBroker(lines(wall=lambda: NOW + 12.0).trading), venue.wire.script

    def script(asked: Asked) -> Said:
        if asked.path == "/v2/clock":
            return Said(200, {"timestamp": "2026-03-09T10:05:00.25-04:00", "is_open": True})
        said = real(asked)
        return replace(said, headers={"Date": "-"}) if asked.path == "/v2/account" else said

    venue.wire.script = script
    assert broker.hear(Known(), NOW).snapshot.skew == pytest.approx(11.75, abs=0.5)


def test_a_date_that_is_none_is_no_skew() -> None:
    for text in ("", "yesterday", "Mon, 99 Foo 2026", "0"):
        assert math.isnan(skew_of(Answer(200, headers={"date": text})))


# --- assets


def test_assets_are_read_once_a_day_and_on_demand(venue: Account, lines: Open) -> None:
    broker = opened(lines, "SPY", "QQQ", "GONE")
    for at in (NOW, NOW + 60, NOW + 3600):
        found = broker.hear(Known(), at).snapshot.assets
    assert found == (
        Asset("SPY"),
        Asset("QQQ", shortable=False),
        Asset("GONE", tradable=False, shortable=False, easy_to_borrow=False, fractionable=False),
    )
    assert venue.wire.paths().count("GET /v2/assets") == 1
    broker.refresh_assets()
    broker.hear(Known(), NOW + 3660)
    broker.hear(Known(), NOW + 86_400)
    assert venue.wire.paths().count("GET /v2/assets") == 3


def test_the_newer_word_about_borrowing_counts(venue: Account) -> None:
    rows = [
        asset_row("A", borrow_status="hard_to_borrow"),
        asset_row("B", easy_to_borrow=None),
        asset_row("C", status="inactive"),
    ]
    found = account.assets(rows, ["A", "B", "C"])
    assert [one.easy_to_borrow for one in found] == [False, False, True]
    assert [one.tradable for one in found] == [True, True, False]


def test_a_list_of_assets_that_cannot_be_read_stops_entries_and_no_exit(venue: Account, lines: Open) -> None:
    broker, real = opened(lines, "SPY"), venue.wire.script
    venue.wire.script = lambda asked: Said(500, b"") if asked.path == "/v2/assets" else real(asked)
    told = broker.hear(Known(), NOW)
    assert [one.tradable for one in told.snapshot.assets] == [False]
    assert any("could not be read" in one for one in broker.take_remarks())
    broker.hear(Known(), NOW + 60)
    assert venue.wire.paths().count("GET /v2/assets") == 1, "it is not asked with every tick"
    venue.wire.script = real
    assert [one.tradable for one in broker.hear(Known(), NOW + AGAIN).snapshot.assets] == [True]


def test_r41_reads_that_are_refused_again_and_again_are_told(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    venue.wire.script = lambda _: Said(410, {"code": 41010000, "message": "this endpoint is retired"})
    texts = []
    for at in range(4):
        with pytest.raises(BrokerError) as error:
            broker.hear(Known(), NOW + at)
        texts.append(str(error.value))
    assert "in a row" not in texts[0] + texts[1]
    assert "3 times in a row" in texts[2]
    assert [one for one in broker.take_remarks() if "/orders is refused again and again" in one]
    assert broker.take_remarks() == ()
