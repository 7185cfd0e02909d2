"""The paper broker: when and at what an order fills, what is refused, and that a kill or a restart changes nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import ExchangePolicy
from qmtl.dsl.model import PaperBroker as PaperSettings
from qmtl.engine.adapters.paper import PaperAccount
from qmtl.engine.bars import BarRow, OpenRow
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import BrokerError, JournalError
from qmtl.engine.orders import Attribution, Order, client_order_id
from qmtl.engine.ports import Broker

CALENDAR = SessionCalendar("XNYS", "2025-11-24", "2025-12-05")
OPEN = int(CALENDAR.opens[0])
FREE = PaperSettings(cash=Decimal(100_000), fee=0.0, slippage=0.0)


class Ramp:
    """A feed of two symbols: SPY opens at 100, 101, 102, ... and closes half above; GAP lacks every other bar."""

    symbols = ("SPY", "GAP")
    source = "ramp"

    def __init__(self, sessions: int = 5) -> None:
        grid = CALENDAR.grid("15m")
        chosen = grid.session < sessions
        self.starts, self.ends = grid.starts[chosen], grid.ends[chosen]

    def span(self) -> tuple[int, int]:
        return int(self.starts[0]), int(self.ends[-1])

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        for i, (start, end) in enumerate(zip(self.starts.tolist(), self.ends.tolist(), strict=True)):
            if after < end <= until:
                price = np.array([100.0 + i, 50.0 if i % 2 == 0 else np.nan])
                values = np.stack((price, price + 1, price - 1, price + 0.5, price))
                yield BarRow(start, end, end, values, ~np.isnan(price))

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        for i, start in enumerate(self.starts.tolist()):
            if after < start <= until:
                yield OpenRow(start, np.array([100.0 + i, 50.0 if i % 2 == 0 else np.nan]))


def account(path: Path | str = ":memory:", **changes: Any) -> PaperAccount:
    policy = ExchangePolicy("test", **changes.pop("policy", {}))
    return PaperAccount(
        path, changes.pop("name", "demo"), Ramp(), CALENDAR, policy=policy, settings=changes.pop("settings", FREE)
    )


def order(qty: str, at: int, symbol: str = "SPY", attempt: int = 0, **changes: Any) -> Order:
    amount = Decimal(qty)
    base: dict[str, Any] = {
        "client_order_id": client_order_id("demo", at, symbol, "open", attempt),
        "symbol": symbol,
        "side": "buy" if amount > 0 else "sell",
        "qty": abs(amount),
        "leg": "open",
        "epoch": at,
        "attempt": attempt,
        "reason": "target.delta",
        "mark": Decimal(100),
        "valid_until": at + 120,
        "attribution": (Attribution("w", "s", "g", amount),),
    }
    return Order(**{**base, **changes})


def test_it_is_a_broker() -> None:
    broker: Broker = account()
    assert broker.account_id == "demo"


def test_an_order_of_the_ten_o_clock_tick_fills_at_the_ten_o_clock_open() -> None:
    broker, now = account(), OPEN + 1800
    broker.advance(now)
    assert broker.submit(order("10", now), now).state == "ACCEPTED"
    assert broker.events(0) == ()
    broker.advance(now + 60)
    (event,) = broker.events(0)
    assert (event.seq, event.kind, event.qty, event.price, event.at) == (
        1,
        "fill",
        Decimal(10),
        Decimal("102.000000"),
        now,
    )


def test_a_second_leg_sent_a_minute_later_fills_at_the_next_bar() -> None:
    broker, now = account(), OPEN + 1860
    broker.submit(order("10", now), now)
    broker.advance(now + 60)
    assert broker.events(0) == ()
    broker.advance(OPEN + 2700)
    assert broker.events(0)[0].at == OPEN + 2700


def test_nothing_fills_with_an_open_of_the_future() -> None:
    broker, now = account(), OPEN + 1860
    broker.submit(order("10", now), now)
    broker.advance(OPEN + 2699)
    assert broker.events(0) == ()


def test_a_symbol_without_a_bar_waits_for_its_next_one() -> None:
    broker, now = account(), OPEN + 900
    broker.submit(order("10", now, "GAP"), now)
    broker.advance(now + 60)
    broker.advance(now + 899)
    assert broker.events(0) == ()
    broker.advance(now + 900)
    assert broker.events(0)[0].at == OPEN + 1800


def test_slippage_is_against_us_and_fees_leave_the_cash() -> None:
    costs = PaperSettings(cash=Decimal(100_000), fee=0.0002, slippage=0.0001)
    broker = account(settings=costs)
    broker.submit(order("10", OPEN), OPEN)
    broker.advance(OPEN + 60)
    broker.submit(order("-4", OPEN + 900, leg="close"), OPEN + 900)
    broker.advance(OPEN + 960)
    buy, sell = broker.events(0)
    assert (buy.price, buy.fee) == (Decimal("100.010000"), Decimal("0.200020"))
    assert (sell.price, sell.fee) == (Decimal("100.989900"), Decimal("0.080792"))
    cash = Decimal(100_000) - 10 * buy.price - buy.fee + 4 * sell.price - sell.fee
    assert broker.snapshot(OPEN + 960).cash == cash


def test_average_price_moves_when_growing_and_stays_when_shrinking() -> None:
    broker = account()
    for i, qty in enumerate(("10", "5", "-3", "-12")):
        now = OPEN + 900 * i
        assert broker.submit(order(qty, now), now).state == "ACCEPTED"
        broker.advance(now)
        held = broker.snapshot(now).positions
        if i == 0:
            assert (held[0].qty, held[0].average_price) == (Decimal(10), Decimal(100))
        if i in (1, 2):
            # (10 x 100 + 5 x 101) / 15, to 28 digits
            assert held[0].average_price == Decimal("100.333333")
    assert held == ()


def test_equity_is_cash_and_quantity_at_the_last_known_close() -> None:
    broker = account()
    broker.submit(order("10", OPEN), OPEN)
    broker.advance(OPEN)
    assert broker.snapshot(OPEN).equity == Decimal(100_000)  # no close known yet: at the average price
    assert broker.snapshot(OPEN + 899).equity == Decimal(100_000)
    assert broker.snapshot(OPEN + 900).equity == Decimal("100005.0")
    assert broker.snapshot(OPEN + 1800).equity == Decimal("100015.0")
    assert broker.snapshot(OPEN + 1800).cash == Decimal(99000)


def test_day_orders_expire_at_the_close_of_their_session() -> None:
    broker = account()
    now = int(CALENDAR.closes[0]) - 840  # after the last bar's open
    broker.submit(order("10", now), now)
    assert [o.client_order_id for o in broker.snapshot(now).open_orders] == [order("10", now).client_order_id]
    broker.advance(int(CALENDAR.opens[1]) + 60)
    (event,) = broker.events(0)
    assert (event.kind, event.at) == ("expired", int(CALENDAR.closes[0]))
    assert broker.lookup(order("10", now).client_order_id).state == "EXPIRED"  # type: ignore[union-attr]
    assert broker.snapshot(now + 900).open_orders == ()


def test_cancel_takes_a_working_order_and_says_when_it_is_too_late() -> None:
    broker, now = account(), OPEN + 60
    first, second = order("10", now), order("5", now, attempt=1)
    broker.submit(first, now)
    assert broker.cancel(first.client_order_id, now + 60).state == "ACCEPTED"
    assert [e.kind for e in broker.events(0)] == ["canceled"]
    broker.submit(second, now + 60)
    late = broker.cancel(second.client_order_id, OPEN + 900)
    assert (late.state, late.status, late.detail) == ("REJECTED", 422, "order is already FILLED")
    assert broker.cancel("nobody", now).status == 404


def test_R01_one_client_id_is_one_order() -> None:
    broker = account()
    once = order("10", OPEN)
    for _ in range(3):
        assert broker.submit(once, OPEN).state == "ACCEPTED"
    broker.advance(OPEN)
    assert broker.submit(once, OPEN + 60).state == "ACCEPTED"
    broker.advance(OPEN + 1800)
    assert len(broker.events(0)) == 1
    other = broker.submit(order("11", OPEN), OPEN)
    assert (other.state, other.status, other.detail) == ("REJECTED", 422, "client_order_id must be unique")


REFUSED = {
    "unknown symbol": ({"symbol": "QQQ"}, "1", 422, "asset QQQ not found"),
    "off the lot": ({}, "1.5", 422, "qty 1.5 is not a positive multiple of 1"),
    "nothing": ({}, "0", 422, "qty 0 is not a positive multiple of 1"),
    "limit order": ({"order_type": "limit"}, "1", 422, "limit/day orders are not supported"),
    "gtc": ({"time_in_force": "gtc"}, "1", 422, "market/gtc orders are not supported"),
    "too dear": ({}, "2000", 403, "insufficient buying power: 100000.00 of 200000.00"),
    "too short": ({}, "-2001", 403, "insufficient buying power: 100000.00 of 100050.00"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_R39_refusals_are_business_and_say_why(case: str) -> None:
    changes, qty, status, detail = REFUSED[case]
    broker = account()
    refused = order(qty, OPEN, **changes)
    reply = broker.submit(refused, OPEN)
    assert (reply.state, reply.status, reply.error, reply.detail) == ("REJECTED", status, "business", detail)
    assert broker.lookup(refused.client_order_id).state == "REJECTED"  # type: ignore[union-attr]
    assert broker.events(0) == ()
    assert broker.submit(refused, OPEN).detail == detail


def test_exchange_policy_is_respected() -> None:
    assert account(policy={"shorting": False}).submit(order("-1", OPEN), OPEN).detail == (
        "account is not allowed to short"
    )
    assert account(policy={"min_notional": Decimal(500)}).submit(order("1", OPEN), OPEN).detail == (
        "notional 100 is below the minimum of 500"
    )
    assert (
        account(policy={"lot_size": Decimal("0.1"), "fractional": True}).submit(order("0.3", OPEN), OPEN).state
        == "ACCEPTED"
    )
    fractional = account(policy={"fractional": True, "lot_size": Decimal("0.001")})
    assert fractional.submit(order("0.123", OPEN), OPEN).state == "ACCEPTED"
    # parts of a share cannot be sold short
    assert fractional.submit(order("-0.123", OPEN, "GAP"), OPEN).detail == "qty 0.123 is not a positive multiple of 1"


def test_more_than_is_held_is_refused_and_dust_can_always_be_closed() -> None:
    broker = account(policy={"min_notional": Decimal(500), "shorting": False})
    broker.submit(order("6", OPEN), OPEN)
    broker.advance(OPEN)
    broker.submit(order("-5", OPEN + 60, leg="close"), OPEN + 60)
    over = broker.submit(order("-2", OPEN + 60, attempt=1, leg="close"), OPEN + 60)
    assert over.detail == "insufficient qty available: 1 of 2"
    assert broker.submit(order("-1", OPEN + 60, attempt=2, leg="close"), OPEN + 60).state == "ACCEPTED"
    broker.advance(OPEN + 900)
    assert broker.snapshot(OPEN + 900).positions == ()


def test_no_wash_trade_and_no_crossing_of_zero() -> None:
    broker = account()
    broker.submit(order("6", OPEN + 60), OPEN + 60)
    assert broker.submit(order("-6", OPEN + 60, attempt=1), OPEN + 60).detail == "opposite side order exists"
    broker.advance(OPEN + 900)
    assert broker.submit(order("-7", OPEN + 960), OPEN + 960).detail == "insufficient qty available: 6 of 7"


def test_R40_resting_orders_and_shorts_take_buying_power() -> None:
    broker = account()
    broker.advance(OPEN + 900)
    assert broker.snapshot(OPEN + 900).buying_power == Decimal(100_000)
    broker.submit(order("100", OPEN + 900), OPEN + 900)
    assert broker.snapshot(OPEN + 900).buying_power == Decimal(100_000) - Decimal("100.5") * 100
    broker.submit(order("-100", OPEN + 900, "GAP"), OPEN + 900)
    assert broker.snapshot(OPEN + 900).buying_power == Decimal(100_000) - Decimal("100.5") * 100 - Decimal("50.5") * 50
    broker.advance(OPEN + 1800)
    # the long is paid; the short's proceeds are in the cash, 150 % of its worth is held back
    assert broker.snapshot(OPEN + 1800).buying_power == Decimal(100_000) - 101 * 100 + 50 * 100 - Decimal("50.5") * 150


def test_events_and_positions_survive_a_restart_in_mid_session(tmp_path: Path) -> None:
    def play(path: Path, *, restart: bool) -> tuple[object, ...]:
        broker = account(path)
        for i, qty in enumerate(("10", "20", "-5", "7", "-30")):
            now = OPEN + 900 * i + 60
            broker.advance(now)
            broker.submit(order(qty, now), now)
            if restart:
                broker.close()
                broker = account(path)
        broker.advance(OPEN + 6000)
        seen = broker.snapshot(OPEN + 6000)
        events = broker.events(0)
        broker.close()
        return seen, events

    assert play(tmp_path / "one", restart=True) == play(tmp_path / "two", restart=False)


def test_starting_cash_counts_once(tmp_path: Path) -> None:
    account(tmp_path / "a").close()
    again = account(tmp_path / "a", settings=PaperSettings(cash=Decimal(5)))
    assert again.snapshot(OPEN).cash == Decimal(100_000)
    again.close()


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    account(tmp_path / "mine").close()
    with pytest.raises(BrokerError, match="holds the paper account 'demo', not 'other'"):
        account(tmp_path / "mine", name="other")
    (tmp_path / "text").write_text("x" * 5000)
    with pytest.raises(JournalError, match="file is not a database"):
        account(tmp_path / "text")
    sqlite3.connect(tmp_path / "foreign").execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(JournalError, match="is not a paper account of format 1"):
        account(tmp_path / "foreign")
    with pytest.raises(JournalError, match="unable to open"):
        account(tmp_path / "nowhere" / "a")


def test_a_batch_is_one_commit_and_fails_as_one(tmp_path: Path) -> None:
    broker = account(tmp_path / "a")
    with pytest.raises(ZeroDivisionError), broker.batch():
        assert 1 / (broker.submit(order("1", OPEN), OPEN).status - 200)
    assert broker.lookup(order("1", OPEN).client_order_id) is None
    assert broker.snapshot(OPEN).open_orders == ()
    with broker.batch():
        broker.submit(order("1", OPEN), OPEN)
        broker.submit(order("2", OPEN, "GAP"), OPEN)
    broker.close()
    again = account(tmp_path / "a")
    assert len(again.snapshot(OPEN).open_orders) == 2
    again.close()


CHILD = """
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from {module} import OPEN, account, order
broker = account(Path({path!r}))
for i in range(100_000):
    now = OPEN + 60 + i % 800
    broker.submit(order("1", now, attempt=i), now)
    print(order("1", now, attempt=i).client_order_id, flush=True)
"""


def test_R05_kill_9_loses_no_accepted_order(tmp_path: Path) -> None:
    path = tmp_path / "a"
    code = CHILD.format(folder=str(Path(__file__).parent), module=Path(__file__).stem, path=str(path))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().strip() for _ in range(40)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
    child.wait()
    child.stdout.close()
    broker = account(path)
    assert len(acknowledged) >= 40
    assert all(broker.lookup(name) is not None for name in acknowledged)
    assert len(broker.snapshot(OPEN).open_orders) in (len(acknowledged), len(acknowledged) + 1)
    broker.close()


MOVES = st.lists(
    st.tuples(st.integers(-30, 30).filter(bool), st.sampled_from(("SPY", "GAP")), st.integers(0, 30)), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_law_cash_and_positions_are_the_sum_of_the_fills(moves: list[tuple[int, str, int]]) -> None:
    broker = account(settings=PaperSettings(cash=Decimal(10_000), fee=0.0002, slippage=0.0001))
    now = OPEN
    for i, (qty, symbol, minutes) in enumerate(moves):
        broker.advance(now)
        broker.submit(order(str(qty), now, symbol, attempt=i), now)
        now += 60 * minutes
    broker.advance(now)
    fills = [event for event in broker.events(0) if event.kind == "fill"]
    snapshot = broker.snapshot(now)
    assert snapshot.cash == Decimal(10_000) - sum((f.qty * f.price + f.fee for f in fills), Decimal(0))
    for symbol in ("SPY", "GAP"):
        held = sum((f.qty for f in fills if f.symbol == symbol), Decimal(0))
        assert held == next((p.qty for p in snapshot.positions if p.symbol == symbol), Decimal(0))
    assert [event.seq for event in broker.events(0)] == list(range(1, snapshot.last_seq + 1))


def test_a_tick_without_orders_costs_nothing_on_disk(tmp_path: Path) -> None:
    broker = account(tmp_path / "a")
    before = sum(path.stat().st_size for path in tmp_path.iterdir())
    began = time.perf_counter()
    for minute in range(390):
        broker.advance(OPEN + 60 * minute)
        broker.snapshot(OPEN + 60 * minute)
    assert time.perf_counter() - began < 2.0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == before
    broker.close()


LIMITS = {"allowed_order_types": ("market", "limit"), "allowed_time_in_force": ("day", "ioc")}


def limited(qty: str, price: str, at: int = OPEN, **more: Any) -> Order:
    return order(qty, at, order_type="limit", limit_price=Decimal(price), **more)


def test_a_limit_order_fills_within_its_limit_and_waits_beyond_it() -> None:
    """SPY opens at 100, 101, 102: a buyer at 99.5 never gets it, a seller at 101.5 waits for the third bar."""
    broker = account(policy=LIMITS)
    bought, never, sold = (
        limited("5", "100"),
        limited("5", "99.5", attempt=1),
        limited("-5", "101.5", OPEN + 60, attempt=2),
    )
    assert [broker.submit(one, OPEN).state for one in (bought, never)] == ["ACCEPTED", "ACCEPTED"]
    broker.advance(OPEN)
    assert broker.submit(sold, OPEN + 60).detail == "opposite side order exists"
    broker.cancel(never.client_order_id, OPEN + 60)
    assert broker.submit(limited("-5", "101.5", OPEN + 60, attempt=3), OPEN + 60).state == "ACCEPTED"
    broker.advance(OPEN + 4 * 900)
    fills = [(event.qty, event.price, event.at) for event in broker.events(0) if event.kind == "fill"]
    assert fills == [(Decimal(5), Decimal(100), OPEN), (Decimal(-5), Decimal(102), OPEN + 1800)]


def test_slippage_counts_against_the_limit() -> None:
    broker = account(policy=LIMITS, settings=PaperSettings(cash=Decimal(100_000), fee=0.0, slippage=0.001))
    broker.submit(limited("5", "100.05"), OPEN)
    broker.submit(limited("5", "100.10", attempt=1), OPEN)
    broker.advance(OPEN)
    assert [event.price for event in broker.events(0)] == [Decimal("100.100000")]


def test_at_once_or_not_at_all() -> None:
    broker = account(policy=LIMITS)
    broker.submit(limited("5", "99.5", time_in_force="ioc"), OPEN)
    broker.submit(limited("5", "100", time_in_force="ioc", attempt=1), OPEN)
    broker.advance(OPEN)
    assert [(e.kind, e.at, e.detail) for e in broker.events(0)] == [
        ("fill", OPEN, ""),
        ("expired", OPEN, "it could not fill at once"),
    ]
    assert not broker.snapshot(OPEN).open_orders


def test_a_limit_order_survives_a_restart_and_a_file_of_before_gets_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    broker = account(path, policy=LIMITS)
    broker.close()
    with sqlite3.connect(path) as db:  # as an older version left it
        db.execute("ALTER TABLE orders DROP COLUMN limit_price")
        db.execute("ALTER TABLE orders DROP COLUMN at_once")
    db.close()
    broker = account(path, policy=LIMITS)
    broker.submit(limited("5", "99.5", time_in_force="ioc"), OPEN)
    broker.close()
    broker = account(path, policy=LIMITS)
    broker.advance(OPEN)
    assert [event.kind for event in broker.events(0)] == ["expired"]
    broker.close()


@pytest.mark.parametrize(
    ("policy", "of", "status", "detail"),
    [
        (LIMITS, {"order_type": "limit"}, 422, "a limit order and its limit price do not fit"),
        (LIMITS, {"limit_price": Decimal(100)}, 422, "a market order and its limit price do not fit"),
        (
            LIMITS,
            {"order_type": "limit", "limit_price": Decimal("99.999")},
            422,
            "limit price 99.999 is no multiple of 0.01",
        ),
        ({}, {"reduce_only": True}, 422, "reduce_only is not supported"),
        ({"max_quantity": Decimal(4)}, {}, 422, "qty 5 is above the maximum of 4"),
        ({"min_quantity": Decimal(6)}, {}, 422, "qty 5 is below the minimum of 6"),
        ({"max_notional": Decimal(400)}, {}, 403, "notional 500 is above the maximum of 400"),
    ],
)
def test_what_the_policy_does_not_take_is_refused(policy: Any, of: Any, status: int, detail: str) -> None:
    reply = account(policy=policy).submit(order("5", OPEN, **of), OPEN)
    assert (reply.state, reply.status, reply.detail) == ("REJECTED", status, detail)


def test_rules_of_one_symbol_hold_for_that_symbol() -> None:
    from qmtl.dsl.exchange import SymbolRules

    broker = account(policy={"symbols": (SymbolRules("G*", max_quantity=Decimal(3)),)})
    assert broker.submit(order("5", OPEN), OPEN).state == "ACCEPTED"
    assert broker.submit(order("5", OPEN, "GAP"), OPEN).detail == "qty 5 is above the maximum of 3"
