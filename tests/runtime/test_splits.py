"""Splits and positions closed by somebody else, from the broker's answer to the ledger and through restarts (R28, R10)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.cli import wiring
from qmtl.engine.bars import BarRow, OpenRow
from qmtl.engine.execution import book as books
from qmtl.engine.execution.account import world_account
from qmtl.engine.execution.splits import Seen, corrections, ratio
from qmtl.engine.journal.digest import digest
from qmtl.engine.market import Fill
from qmtl.engine.orders import Order
from qmtl.engine.ports import BrokerSnapshot, Position
from qmtl.engine.reasons import Reason
from qmtl.engine.record import resume_entry
from qmtl.engine.storedbook import StoredBook, StoredOrder, read_book
from qmtl.engine.tick import NO_LEG

Open = Callable[..., Any]


def held(qty: object, average: float, symbol: str = "SPY") -> Position:
    return Position(symbol, Decimal(str(qty)), Decimal(repr(average)))


def owned(symbol: str, qty: int, cash: int = 0) -> tuple[books.Holding, ...]:
    return (books.Holding("us_core", symbol, Decimal(qty), Decimal(cash)),)


def snapshot(*positions: Position, last_seq: int = 0) -> BrokerSnapshot:
    return BrokerSnapshot(Decimal(1000), Decimal(500), Decimal(500), positions, (), last_seq)


@pytest.mark.parametrize(
    ("after", "average", "shares"),
    [
        (1000, 50.0, Fraction(10)),  # 10:1
        (150, 1000 / 3, Fraction(3, 2)),  # 3:2
        (10, 5000.0, Fraction(1, 10)),  # 1:10
        (105, 500 / 1.05, Fraction(21, 20)),  # a dividend in shares
        (1000, 50.04, Fraction(10)),  # the broker rounds
        (33, 1500.0, Fraction(1, 3)),  # 1:3 of 100 shares, a third of a share paid in cash
    ],
)
def test_r28_the_same_cost_in_another_number_of_shares_is_a_split(after: int, average: float, shares: Fraction) -> None:
    assert ratio(held(after, average), Decimal(100), 500.0) == shares
    assert ratio(held(-after, average), Decimal(-100), 500.0) == shares


@pytest.mark.parametrize(
    ("after", "average"),
    [
        (100, 500.0),  # nothing happened
        (100, 50.0),  # a new average of the same shares is no split
        (150, 500.0),  # somebody bought at the same price
        (200, 450.0),  # or lower
        (200, 250.6),  # nearly a split: 0.24 % of the cost is missing
        (50, 500.0),  # somebody sold half
        (-1000, 50.0),  # another side
        (32, 1500.0),  # more than a share is missing
        (100.05, 499.75),  # crumbs
    ],
)
def test_r28_a_manual_trade_is_no_split(after: int, average: float) -> None:
    assert ratio(held(after, average), Decimal(100), 500.0) is None


@given(
    before=st.integers(1, 5_000),
    bought=st.integers(-4_999, 5_000).filter(bool),
    price=st.floats(1.0, 2_000.0),
    average=st.floats(1.0, 2_000.0),
)
def test_r28_law_no_trade_at_a_price_above_a_ninth_of_the_average_looks_like_a_split(
    before: int, bought: int, price: float, average: float
) -> None:
    after = before + bought
    if after <= 0 or price < average / 9:
        return
    new = (before * average + bought * price) / after if bought > 0 else average
    assert ratio(held(after, new), Decimal(before), average) is None


@given(st.integers(1, 5_000), st.floats(1.0, 2_000.0), st.fractions(Fraction(1, 20), 50, max_denominator=20))
def test_r28_law_every_split_is_found(before: int, average: float, shares: Fraction) -> None:
    after = Fraction(before) * shares
    if abs(shares - 1) <= Fraction(1, 50) or after.denominator != 1:
        return
    assert ratio(held(after.numerator, average / float(shares)), Decimal(before), average) == shares


def seen(qty: float, average: float, mark: float = 500.0) -> Callable[[str], Seen | None]:
    return lambda symbol: Seen(qty, average, mark) if symbol == "SPY" else None


QUIET = books.Changes((), ())


def test_r28_the_ledger_follows_a_split_and_nothing_becomes_external() -> None:
    book = books.Book(holdings=owned("SPY", 100))
    (found,) = corrections(snapshot(held(1000, 50.0)), book, QUIET, seen(100, 500.0))
    assert (found.why, found.shares, found.before, found.after) == ("split", 10.0, 100, 1000)
    assert books.settled(book, [found]).ledger == (("SPY", Decimal(1000)),)
    assert books.settled(book, [found]).cash == (("SPY", Decimal(0)),)


def test_r28_of_a_mixed_position_our_part_and_the_other_are_split_alike() -> None:
    book = books.Book(holdings=owned("SPY", 100))
    (found,) = corrections(snapshot(held(450, 1000 / 3)), book, QUIET, seen(300, 500.0))
    assert found.after == 150


def test_r28_fills_that_are_heard_with_the_split_count_as_of_before_it() -> None:
    book = books.Book(holdings=owned("SPY", 120))
    fill = Fill("q1", "SPY", Decimal(20), Decimal(560), 0, "w", "s", "g")
    average = (100 * 500 + 20 * 560) / 120
    (found,) = corrections(snapshot(held(1200, average / 10)), book, books.Changes((fill,), ()), seen(100, 500.0))
    assert found.after == 1200


def test_what_somebody_else_closed_is_written_off_at_the_price_that_was_believed() -> None:
    book = books.Book(holdings=owned("SPY", 100, -50_000))
    (found,) = corrections(snapshot(), book, QUIET, seen(0, math.nan, 510.0))
    after = books.settled(book, [found])
    assert after.ledger == ()
    assert after.cash == (("SPY", Decimal(1_000)),)


def test_nothing_is_written_off_by_an_answer_that_lags_behind() -> None:
    order = Order("q1", "SPY", "sell", Decimal(100), "close", 900, 1, "ok", Decimal(100), 0, ())
    fill = Fill("q1", "SPY", Decimal(100), Decimal(500), 0, "w", "s", "g")
    book = books.Book(holdings=owned("SPY", 100), last_seq=3)
    flat = seen(0, math.nan)
    assert corrections(snapshot(last_seq=3), book, QUIET, flat)
    assert not corrections(snapshot(last_seq=3), book, QUIET, seen(100, 500.0))  # the first reading that says so
    assert not corrections(snapshot(last_seq=3), book, books.Changes((fill,), ()), flat)
    assert not corrections(snapshot(last_seq=4), book, QUIET, flat)
    assert not corrections(snapshot(last_seq=3), books.add(book, [order]), QUIET, flat)


def test_r10_what_our_fills_say_and_the_broker_does_not_show_is_a_mismatch_without_entries() -> None:
    book = books.Book(holdings=owned("SPY", 100))
    account = world_account({"SPY": 0, "QQQ": 1}, snapshot(), book, QUIET)
    assert account.external.tolist() == [True, False]
    assert not world_account({"SPY": 0}, None, book, QUIET).external.any()


# ---- a run over a split


class SplitFeed:
    """Another feed whose symbol trades in other shares from a bar on, as an unadjusted feed shows it."""

    def __init__(self, inner: Any, symbol: str, at: int, shares: float) -> None:
        self.inner, self.at, self.shares = inner, at, shares
        self.column = inner.symbols.index(symbol)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        for row in self.inner.rows(after, until):
            if row.start < self.at:
                yield row
                continue
            values = row.values.copy()
            values[:4, self.column] /= self.shares
            values[4, self.column] *= self.shares
            yield BarRow(row.start, row.end, row.known_at, values, row.present)

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        for row in self.inner.opens(after, until):
            prices = row.prices.copy()
            prices[self.column] /= self.shares if row.start >= self.at else 1.0
            yield OpenRow(row.start, prices)


SHARES = 10


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch, rig: Open) -> tuple[str, int]:
    """A symbol that the demo holds over a night, and the first bar after it; from then on it trades in tenths."""
    run = rig("scout")
    calendar, symbol, opens = run.opened.calendar, "", 0
    while not symbol:
        (report,) = run.tick(1)
        session = calendar.times(report.now)
        ledger = run.runtime.progress.book.ledger
        if report.now >= session.close_at and ledger and not run.runtime.progress.book.orders:
            symbol, opens = ledger[0][0], int(calendar.opens[calendar.opens.searchsorted(report.now)])
    run.crash()
    inner = wiring.open_feed

    def opened(*arguments: Any) -> Any:
        feed, macro = inner(*arguments)
        return SplitFeed(feed, symbol, opens, SHARES), macro

    monkeypatch.setattr(wiring, "open_feed", opened)
    return symbol, opens


def overnight(run: Any, symbol: str, opens: int) -> None:
    """What a broker does to the position in the night before `opens`."""
    store, last = run.opened.broker._store, run.runtime.progress.last
    before = run.times.after(last, run.runtime.progress.sent)
    if last < opens <= before:
        old = store.positions[symbol]
        if old.average_price > 0 and not run.split_done:
            with store.commit():
                store.put_position(Position(symbol, old.qty * SHARES, old.average_price / SHARES))
            run.split_done = True


def drive(run: Any, count: int, where: tuple[str, int], *, done: bool = False) -> list[Any]:
    """So many ticks, with the split in the night before `where`."""
    run.split_done, reports = done, []
    for _ in range(count):
        overnight(run, *where)
        reports += run.tick(1)
    return reports


def test_r28_a_run_over_a_split_neither_stops_nor_resizes_nor_loses_the_position(
    rig: Open, split: tuple[str, int]
) -> None:
    symbol, opens = split
    reports = drive(rig("out"), 130, split)
    at = next(i for i, report in enumerate(reports) if report.now > opens)
    before, tick = reports[at - 1].ticks[0], reports[at].ticks[0]
    column = tick.frame.index[symbol]
    assert tick.account.split[column] == SHARES
    assert tick.load.current[column] == pytest.approx(before.load.current[column], rel=0.1)
    assert tick.account.qty[column] == SHARES * before.account.qty[column]
    for report in reports[at:]:
        one = report.ticks[0]
        assert not one.load.external[column]
        assert one.load.owner[column] == before.load.owner[column]
        assert one.orders.leg[column] == NO_LEG or one.target.stopping[column]
        assert one.load.gap_at[column] == 0
        if one.target.stopping[column]:  # a real move reached the rescaled stop
            price, average = one.load.mark[column], one.account.average_price[column]
            assert abs(price / average - 1) < 0.2
            break
    assert reports[at].ticks[0].after.settling[column] > 900


@pytest.mark.parametrize("stop", ["before", "after"])
def test_r28_a_restart_around_a_split_equals_a_run_that_went_on(
    stop: str, rig: Open, split: tuple[str, int], tmp_path: Path
) -> None:
    """Before: the split happens while nobody runs. After: the ledger is read again from fills and corrections."""
    whole = rig("whole")
    reports = drive(whole, 90, split)
    number = next(i for i, report in enumerate(reports) if report.now > split[1]) + (1 if stop == "after" else 0)
    book = whole.runtime.progress.book
    assert read_book(whole.runtime.edges.journal, _stored(book)).ledger == book.ledger
    whole.stop()
    part = rig("part")
    drive(part, number, split)
    if stop == "before":
        part.split_done = False
        overnight(part, *split)
    part.crash()
    part = rig("part")
    drive(part, 90 - number, split, done=True)
    part.stop()
    assert digest(tmp_path / "part" / "journal.db") == digest(tmp_path / "whole" / "journal.db")


def _stored(book: Any) -> Any:
    orders = tuple(StoredOrder(t.order.client_order_id, t.order.epoch, t.state, t.filled) for t in book.orders)
    return StoredBook(orders, book.last_seq)


def test_r28_a_split_that_the_account_never_shows_pauses_until_a_person_says_so(
    rig: Open, split: tuple[str, int]
) -> None:
    symbol, opens = split
    run = rig("out")
    last: Any = None
    while run.runtime.progress.last <= opens:
        last = run.tick(1)[0].ticks[0]
    column = last.frame.index[symbol]
    assert last.after.gap_at[column] == last.now
    assert last.orders.leg[column] == NO_LEG
    run.runtime.edges.journal.append(
        [resume_entry("us_core", run.runtime.progress.last, "ada", "the price is right", symbol=symbol)]
    )
    run.crash()
    again = rig("out")
    tick = again.tick(1)[0].ticks[0]
    assert tick.after.gap_at[column] == 0
    assert Reason(int(tick.freshness.reason[column])) is not Reason.GAP
    # the lifted pause is not the lifted kill
    assert int(tick.before.kill) == int(last.after.kill)


def test_r10_a_position_closed_by_hand_is_written_off_and_can_be_opened_again(rig: Open) -> None:
    run = rig("out")
    while not run.runtime.progress.book.ledger or run.runtime.progress.book.orders:
        run.tick(1)
    (symbol, qty), *_ = run.runtime.progress.book.ledger
    store = run.opened.broker._store
    with store.commit():
        store.put_cash(store.cash + qty * store.positions[symbol].average_price)
        store.put_position(Position(symbol, Decimal(0), Decimal(1)))
    doubtful, tick = (report.ticks[0] for report in run.tick(2))
    column = tick.frame.index[symbol]
    assert doubtful.load.external[column]
    assert not doubtful.target.may_enter[column]
    assert doubtful.load.owner[column] != -1
    book = run.runtime.progress.book
    assert symbol not in dict(book.ledger)
    assert not tick.load.external[column]
    assert tick.load.owner[column] == -1
    assert read_book(run.runtime.edges.journal, _stored(book)).ledger == book.ledger
    run.crash()
    again = rig("out")
    assert again.runtime.progress.book.ledger == book.ledger


def test_r10_a_manual_trade_while_nobody_runs_is_external_and_no_reason_to_refuse_the_start(rig: Open) -> None:
    run = rig("out")
    while not run.runtime.progress.book.ledger or run.runtime.progress.book.orders:
        run.tick(1)
    (symbol, qty), *_ = run.runtime.progress.book.ledger
    owner = run.runtime.worlds[0].state.owner.copy()
    store = run.opened.broker._store
    old = store.positions[symbol]
    with store.commit():
        store.put_position(Position(symbol, old.qty + (7 if old.qty > 0 else -7), old.average_price))
    run.crash()
    again = rig("out")
    tick = again.tick(1)[0].ticks[0]
    column = tick.frame.index[symbol]
    assert tick.load.external[column]
    assert dict(again.runtime.progress.book.ledger)[symbol] == qty
    assert tick.after.owner[column] == owner[column]
    assert np.count_nonzero(tick.load.external) == 1
