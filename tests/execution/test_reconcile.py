"""Reconciliation by scenarios: what the broker has, what we know, what follows (R01 to R06, R10 to R12)."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from qmtl.engine.execution import book as books
from qmtl.engine.execution.decisions import ENOUGH, Looked, Verdict, verdict
from qmtl.engine.execution.lifecycle import Tracked
from qmtl.engine.execution.reconcile import Reconciled, Rules, finish, reconcile, settle
from qmtl.engine.execution.send import ALWAYS, Permit, still_true, submit_all
from qmtl.engine.orders import Order, OrderState
from qmtl.engine.ports import Activity, Asset, BrokerOrder, Reply

ZERO = Decimal(0)


class Desk:
    """A book beside a venue, ticked by hand."""

    def __init__(self, venue: Any) -> None:
        self.venue, self.book, self.replies, self.now = venue, books.Book(), (), 900
        self.known: set[str] = set()
        self.permit = ALWAYS
        self.said: list[Reconciled] = []

    def send(self, *orders: Order) -> None:
        self.book = books.add(self.book, orders, self.venue.positions())
        self.known |= {o.client_order_id for o in orders}
        names = {o.client_order_id for o in orders}
        fresh = [t for t in self.book.orders if t.order.client_order_id in names]
        self.replies = submit_all(self.venue, fresh, self.now, self.permit)

    def tick(self, seconds: int = 60) -> Reconciled:
        self.now += seconds
        rules = Rules(60, self.permit, self.known.__contains__, max_skew=5.0)
        done = reconcile(self.venue, self.book, self.replies, self.now, rules)
        self.book, self.replies = done.book, ()
        self.said.append(done)
        return done

    def restart(self) -> None:
        """The answers in memory are gone; the book stands in the journal."""
        self.replies = ()

    @property
    def states(self) -> list[str]:
        return [str(t.state) for t in self.book.orders]


@pytest.fixture
def desk(venue: Any) -> Desk:
    return Desk(venue)


def test_r01_an_order_that_was_accepted_and_never_answered_is_one_order(desk: Desk, order: Any) -> None:
    desk.venue.fates = deque(["lost"])
    one = order()
    desk.send(one)
    done = desk.tick()
    assert desk.venue.sent == {one.client_order_id: 1}
    assert len(desk.venue.orders) == 1
    assert desk.states == ["ACCEPTED"]
    assert [(r.outcome, r.error) for r in done.changes.results] == [("UNKNOWN", "unknown"), ("ACCEPTED", "")]


def test_r01_an_order_that_never_arrived_is_sent_again_under_the_same_id(desk: Desk, order: Any) -> None:
    desk.venue.fates = deque(["gone"])
    one = order()
    desk.send(one)
    desk.tick()
    assert desk.venue.sent == {one.client_order_id: 2}
    assert list(desk.venue.orders) == [one.client_order_id]
    assert desk.states == ["ACCEPTED"]


def test_r05_a_crash_between_journal_and_sending_sends_it_once(desk: Desk, order: Any) -> None:
    one = order()
    desk.book = books.add(desk.book, [one])
    desk.restart()
    desk.tick()
    desk.tick()
    assert desk.venue.sent == {one.client_order_id: 1}
    assert desk.states == ["ACCEPTED"]


def test_an_entry_that_is_too_late_is_not_sent_and_given_up_after_three_lookups(desk: Desk, order: Any) -> None:
    one = order()
    desk.book = books.add(desk.book, [one])
    for _ in range(ENOUGH - 1):
        desk.tick(600)
        assert desk.states == ["INTENDED"]
        assert [w.lost for w in books.working(desk.book)] == [True]
    done = desk.tick(60)
    assert desk.venue.sent == {}
    assert desk.book.orders == ()
    assert [t.order for t in desk.book.watched] == [one]
    assert [r.outcome for r in done.changes.results] == ["EXPIRED_UNSENT"]


def test_three_lookups_within_a_minute_are_not_enough(order: Any) -> None:
    late = Tracked(order(), OrderState.UNKNOWN, missed=ENOUGH, missed_at=1990)
    assert verdict(late, Looked(None), 2000, 60) is Verdict.WAIT
    assert verdict(late, Looked(None), 2050, 60) is Verdict.GIVE_UP


@pytest.mark.parametrize(
    ("looked", "now", "missed", "wanted"),
    [
        ("same", 960, 0, Verdict.ADOPT),
        ("same", 9960, 9, Verdict.ADOPT),
        ("other side", 960, 0, Verdict.MISMATCH),
        ("other qty", 960, 0, Verdict.MISMATCH),
        ("other symbol", 9960, 9, Verdict.MISMATCH),
        ("overfilled", 960, 0, Verdict.MISMATCH),
        ("missing", 960, 1, Verdict.SEND),
        ("missing", 1020, 9, Verdict.SEND),
        ("missing", 1021, 2, Verdict.WAIT),
        ("missing", 1021, 3, Verdict.GIVE_UP),
        ("silent", 960, 0, Verdict.WAIT),
        ("silent", 9960, 9, Verdict.WAIT),
    ],
)
def test_the_table_of_decisions(looked: str, now: int, missed: int, wanted: Verdict, order: Any) -> None:
    ours = order()
    symbol = "QQQ" if looked == "other symbol" else "SPY"
    side = "sell" if looked == "other side" else "buy"
    qty = Decimal(11) if looked == "other qty" else ours.qty
    filled = Decimal(11) if looked == "overfilled" else ZERO
    there = BrokerOrder(ours.client_order_id, symbol, side, qty, filled, "ACCEPTED", 900)
    found = Looked(None, answered=looked != "silent") if looked in ("missing", "silent") else Looked(there)
    tracked = Tracked(ours, OrderState.UNKNOWN, missed=missed, missed_at=now - 60)
    assert verdict(tracked, found, now, 60) is wanted


def test_an_order_that_was_given_up_and_shows_up_is_adopted_and_its_fill_is_ours(desk: Desk, order: Any) -> None:
    desk.venue.fates = deque(["gone", "gone", "gone", "gone"])
    one = order()
    desk.send(one)
    for _ in range(8):
        desk.tick()
    assert desk.book.orders == ()
    desk.venue.fates.clear()
    desk.venue.submit(one, desk.now)  # it was under way all the time
    desk.venue.fill(one.client_order_id, 10)
    done = desk.tick()
    assert desk.book.ledger == (("SPY", Decimal(10)),)
    assert desk.book.watched == ()
    assert [f.qty for f in done.changes.fills] == [Decimal(10)]
    assert done.runners == ()


def test_an_order_that_was_given_up_and_shows_up_open_is_working_again(desk: Desk, order: Any) -> None:
    one = order()
    desk.book = books.add(desk.book, [one])
    for _ in range(ENOUGH):
        desk.tick(600)
    desk.venue.submit(one, desk.now)
    desk.tick()
    assert [(w.qty, w.lost) for w in books.working(desk.book)] == [(Decimal(10), False)]
    desk.venue.cancel(one.client_order_id, desk.now)
    done = desk.tick()
    assert desk.book.orders == ()
    assert [r.outcome for r in done.changes.results] == ["CANCELED"]


def test_the_watch_list_ends_with_the_session(desk: Desk, order: Any) -> None:
    one = order()
    desk.book = books.add(desk.book, [one])
    for _ in range(ENOUGH):
        desk.tick(600)
    assert desk.book.watched
    desk.tick(books.WATCH)
    assert desk.book.watched == ()


def test_r04_another_order_of_the_same_symbol_side_and_quantity_is_not_ours(desk: Desk, order: Any) -> None:
    desk.venue.fates = deque(["gone"])
    one = order()
    desk.send(one)
    desk.venue.orders["by-hand"] = BrokerOrder("by-hand", "SPY", "buy", one.qty, one.qty, "FILLED", 800, Decimal(99))
    desk.venue.fates = deque(["gone", "gone", "gone"])
    for _ in range(8):
        desk.tick()
    assert desk.book.ledger == ()
    assert [t.order for t in desk.book.watched] == [one]


def test_an_order_under_our_id_that_is_not_what_we_sent_is_another_runner(desk: Desk, order: Any) -> None:
    one, theirs = order(), order(qty=7)
    assert one.client_order_id == theirs.client_order_id
    desk.venue.submit(theirs, 900)
    desk.book = books.add(desk.book, [one])
    done = desk.tick()
    assert [(r.outcome, r.error) for r in done.changes.results] == [("REJECTED", "mismatch")]
    assert done.runners == (one.client_order_id,)
    assert desk.venue.sent == {one.client_order_id: 1}


def test_an_open_order_with_our_prefix_that_no_journal_knows_is_another_runner(desk: Desk, order: Any) -> None:
    stranger = order(symbol="QQQ", epoch=840)
    desk.venue.submit(stranger, 840)
    assert desk.tick().runners == (stranger.client_order_id,)
    desk.known.add(stranger.client_order_id)  # ours after all, ended in the book: the broker's list lags
    assert desk.tick().runners == ()


def test_orders_of_people_are_seen_and_left_alone(desk: Desk) -> None:
    desk.venue.orders["mine-1"] = BrokerOrder("mine-1", "QQQ", "sell", Decimal(3), ZERO, "ACCEPTED", 800)
    done = desk.tick()
    assert done.others == frozenset({"QQQ"})
    assert done.runners == ()
    assert desk.venue.canceled == []


def test_r06_fills_that_happened_while_nobody_looked_are_applied_first(desk: Desk, order: Any) -> None:
    one, two = order(), order(symbol="QQQ", qty=-4)
    desk.send(one, two)
    desk.restart()
    desk.venue.fill(one.client_order_id, 10, "101.5")
    desk.venue.fill(two.client_order_id, 4, "50")
    done = desk.tick(5 * 3600)
    assert dict(desk.book.ledger) == {"SPY": Decimal(10), "QQQ": Decimal(-4)}
    assert dict(desk.book.cash) == {"SPY": Decimal(-1015), "QQQ": Decimal(200)}
    assert desk.book.orders == ()
    assert len(done.changes.fills) == 2
    assert desk.venue.sent == {one.client_order_id: 1, two.client_order_id: 1}


def test_r12_a_partial_fill_counts_once_and_its_rest_stays_working(desk: Desk, order: Any) -> None:
    one = order()
    desk.send(one)
    desk.venue.fill(one.client_order_id, 4, "100")
    first = desk.tick()
    assert [f.qty for f in first.changes.fills] == [Decimal(4)]
    assert [w.qty for w in books.working(desk.book)] == [Decimal(6)]
    assert desk.tick().changes.fills == ()
    desk.venue.fill(one.client_order_id, 6, "110")
    last = desk.tick()
    assert [(f.qty, f.price) for f in last.changes.fills] == [(Decimal(6), Decimal(110))]
    assert dict(desk.book.cash) == {"SPY": Decimal(-1060)}


def test_an_answer_that_is_older_than_the_last_one_changes_nothing(desk: Desk, order: Any) -> None:
    one = order()
    desk.send(one)
    desk.venue.fill(one.client_order_id, 8)
    desk.tick()
    newest = desk.venue.orders[one.client_order_id]
    desk.venue.orders[one.client_order_id] = BrokerOrder(
        one.client_order_id, "SPY", "buy", one.qty, Decimal(3), "PARTIALLY_FILLED", 900, Decimal(100), 930
    )
    assert desk.tick().changes.fills == ()
    desk.venue.orders[one.client_order_id] = newest
    desk.tick()
    assert desk.book.ledger == (("SPY", Decimal(8)),)


def test_a_cancel_after_a_partial_fill_keeps_what_was_filled(desk: Desk, order: Any) -> None:
    one = order()
    desk.send(one)
    desk.venue.fill(one.client_order_id, 3)
    desk.venue.cancel(one.client_order_id, 930)
    done = desk.tick()
    assert [r.outcome for r in done.changes.results] == ["ACCEPTED", "CANCELED"]
    assert desk.book.orders == ()
    assert desk.book.ledger == (("SPY", Decimal(3)),)


def test_an_order_that_is_refused_after_it_was_accepted_ends(desk: Desk, order: Any) -> None:
    one = order()
    desk.send(one)
    desk.tick()
    there = desk.venue.orders[one.client_order_id]
    desk.venue.orders[one.client_order_id] = BrokerOrder(
        there.client_order_id, "SPY", "buy", there.qty, ZERO, "REJECTED", 900, ZERO, 950, "no shares"
    )
    done = desk.tick()
    assert [(r.outcome, r.error, r.detail) for r in done.changes.results] == [("REJECTED", "business", "no shares")]
    assert desk.book.orders == ()


def test_r11_a_failed_reading_changes_nothing_and_asks_nothing_more(desk: Desk, order: Any) -> None:
    one = order()
    desk.venue.fates = deque(["lost"])
    desk.send(one)
    desk.venue.down = True
    done = desk.tick()
    assert done.snapshot is None
    assert done.error == "the account does not answer"
    assert desk.states == ["UNKNOWN"]
    desk.venue.down = False
    desk.tick()
    assert desk.states == ["ACCEPTED"]


def test_deposits_count_once_and_those_of_before_never(desk: Desk) -> None:
    desk.venue.activities = [Activity("20260101", "flow", Decimal(5000), 100)]
    assert desk.tick().changes.flows == 0
    desk.venue.activities.append(Activity("20260102", "flow", Decimal(700), 930))
    assert desk.tick().changes.flows == 700
    assert desk.tick().changes.flows == 0
    assert desk.book.flows == 700


def test_r07_what_may_not_leave_any_more_is_not_sent_by_reconciliation_either(desk: Desk, order: Any) -> None:
    desk.permit = Permit((lambda _order: "stopped",))
    one = order()
    desk.send(one)
    for _ in range(9):
        desk.tick()
    assert desk.venue.sent == {}
    assert desk.book.orders == ()


def test_a_position_that_moved_since_the_decision_stops_its_order(desk: Desk, order: Any) -> None:
    desk.venue.by_hand = {"SPY": Decimal(4)}
    ours = [
        Tracked(order(qty=-10, leg="close"), OrderState.INTENDED, bound=Decimal(10)),
        Tracked(order(symbol="QQQ"), OrderState.INTENDED, bound=ZERO),
    ]
    left, refused = still_true(desk.venue, ours)
    assert [t.order.symbol for t in left] == ["QQQ"]
    assert [(r.state, r.client_order_id) for r in refused] == [("EXPIRED_UNSENT", ours[0].order.client_order_id)]
    desk.venue.down = True
    assert still_true(desk.venue, ours) == ((), ())


def test_a_refusal_is_an_answer(desk: Desk, order: Any) -> None:
    desk.venue.fates = deque(["refused"])
    desk.send(order())
    done = desk.tick()
    assert [(r.outcome, r.error) for r in done.changes.results] == [("REJECTED", "business")]
    assert desk.book.orders == ()
    assert isinstance(done.replies, tuple)
    assert not [r for r in done.replies if isinstance(r, Reply) and r.state == "UNKNOWN"]


def test_what_was_found_is_not_lost_any_more(desk: Desk, order: Any) -> None:
    """An order that one lookup missed and the next one found is a working order like any other: it ages and is cancelled."""
    desk.venue.fates = deque(["gone"])
    desk.send(one := order())
    desk.tick(600)
    assert [w.lost for w in books.working(desk.book)] == [True]
    desk.venue.submit(one, desk.now)  # it was under way
    desk.tick()
    assert desk.states == ["ACCEPTED"]
    assert [(w.lost, t.missed) for w, t in zip(books.working(desk.book), desk.book.orders, strict=True)] == [(False, 0)]


@pytest.mark.parametrize(("seconds", "sent"), [(60, 2), (600, 2), (660, 1)])
def test_an_exit_is_sent_again_for_ten_ticks(desk: Desk, order: Any, seconds: int, sent: int) -> None:
    desk.venue.by_hand = {"SPY": Decimal(10)}
    desk.venue.fates = deque(["gone"])
    one = replace(order(qty=-10, leg="close"), valid_until=0)
    desk.send(one)
    desk.tick(seconds)
    assert desk.venue.sent == {one.client_order_id: sent}


@pytest.mark.parametrize("now", ["0", "4", "-10", "11"])
def test_r12_an_exit_is_not_sent_again_when_the_position_moved(desk: Desk, order: Any, now: str) -> None:
    """Nobody crosses zero, or leaves a rest: the next decision asks anew."""
    desk.venue.by_hand = {"SPY": Decimal(10)}
    desk.venue.fates = deque(["gone"])
    one = replace(order(qty=-10, leg="close"), valid_until=0)
    desk.send(one)
    desk.venue.by_hand = {"SPY": Decimal(now)}
    for _ in range(14):
        desk.tick()
    assert desk.venue.sent == {one.client_order_id: 1}
    assert desk.book.orders == ()


@pytest.mark.parametrize("what", ["blocked", "skew", "external order", "untradable", "runner", "cannot be borrowed"])
def test_an_entry_is_not_sent_again_while_entries_are_blocked(desk: Desk, order: Any, what: str) -> None:
    wanted = order(qty=-10) if what == "cannot be borrowed" else order()
    desk.venue.fates = deque(["gone"])
    desk.send(wanted)
    desk.venue.facts = {
        "blocked": {"blocked": "trading blocked"},
        "skew": {"skew": 600.0},
        "untradable": {"assets": (Asset("SPY", tradable=False),)},
        "cannot be borrowed": {"assets": (Asset("SPY", easy_to_borrow=False),)},
    }.get(what, {})
    if what in ("external order", "runner"):
        name = "by-hand" if what == "external order" else "q1-" + "a" * 26
        desk.venue.orders[name] = BrokerOrder(name, "SPY", "buy", Decimal(1), ZERO, "ACCEPTED", 900)
    desk.tick()
    assert desk.venue.sent == {wanted.client_order_id: 1}
    desk.venue.facts = {}
    desk.venue.orders.clear()
    desk.tick()
    assert desk.venue.sent == {wanted.client_order_id: 2}


def test_a_run_that_ended_in_the_middle_sends_nothing_when_the_account_cannot_be_read(desk: Desk, order: Any) -> None:
    book = books.add(desk.book, [one := order()])
    rules = Rules(60, ALWAYS, desk.known.__contains__)
    desk.venue.down = True
    assert finish(desk.venue, book, frozenset(), desk.now, rules).replies == ()
    desk.venue.down = False
    assert finish(desk.venue, book, frozenset([one.client_order_id]), desk.now, rules).replies == ()
    assert desk.venue.sent == {}
    assert [r.state for r in finish(desk.venue, book, frozenset(), desk.now, rules).replies] == ["ACCEPTED"]


def test_r08_an_order_of_another_runner_is_seen_although_it_filled_between_two_ticks(desk: Desk, order: Any) -> None:
    desk.tick()
    stranger = order(symbol="QQQ", epoch=960)
    desk.venue.submit(stranger, 960)
    desk.venue.fill(stranger.client_order_id, 10, "50")
    desk.venue.ended = (stranger.client_order_id,)
    assert desk.tick().runners == (stranger.client_order_id,)


def test_r03_an_id_that_is_used_for_something_else_is_another_runner_whoever_says_it(desk: Desk, order: Any) -> None:
    desk.send(one := order())
    desk.replies = (Reply(one.client_order_id, "REJECTED", 422, "mismatch", "sell 5 SPY has this client id already"),)
    theirs = BrokerOrder(one.client_order_id, "SPY", "sell", Decimal(5), ZERO, "ACCEPTED", 900)
    desk.venue.orders[one.client_order_id] = theirs
    done = desk.tick()
    assert done.runners == (one.client_order_id,)
    assert done.others == frozenset({"SPY"})


def test_every_order_of_a_long_watch_list_is_asked_for(desk: Desk, order: Any) -> None:
    for i in range(20):
        lost = Tracked(order(symbol=f"S{i}"), OrderState.EXPIRED_UNSENT)
        desk.book = books.watching(desk.book, [lost], desk.now)
    last = desk.book.watched[-1].order
    desk.venue.submit(last, desk.now)
    desk.venue.fill(last.client_order_id, 10, "50")
    for _ in range(4):
        desk.tick()
    assert dict(desk.book.ledger) == {"S19": Decimal(10)}


def test_r36_questions_about_single_orders_end_with_the_time_for_them(desk: Desk, order: Any) -> None:
    desk.send(*(order(symbol=f"S{i}") for i in range(6)))
    desk.book = replace(desk.book, orders=tuple(t.to(OrderState.UNKNOWN) for t in desk.book.orders))
    left = iter([True, True])
    rules = Rules(60, desk.permit, desk.known.__contains__, in_time=lambda: next(left, False))
    done = settle(desk.venue, desk.book, frozenset(), 960, rules, None)
    assert len(done.orders) == 2
    assert len(done.book.orders) == 6
