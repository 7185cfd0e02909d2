"""The order book: transitions are a table, events count once, fills add up (execution.md; R10, R11, R12, R17)."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine import wire
from qmtl.engine.errors import StateError
from qmtl.engine.execution import book as books
from qmtl.engine.execution.account import world_account
from qmtl.engine.orders import TERMINAL, Attribution, Order, OrderState, client_order_id
from qmtl.engine.ports import BrokerEvent, BrokerSnapshot, Position, Reply


def order(symbol: str = "SPY", qty: int = 10, side: str = "buy", attempt: int = 0) -> Order:
    return Order(
        client_order_id=client_order_id("acct", 900, symbol, "open", attempt),
        symbol=symbol,
        side=side,  # type: ignore[arg-type]
        qty=Decimal(qty),
        leg="open",
        epoch=900,
        attempt=attempt,
        reason="ok",
        mark=Decimal(100),
        valid_until=1020,
        attribution=(Attribution("us", "roc", "g1", Decimal(qty)),),
    )


def event(seq: int, kind: str, of: Order, qty: int = 0) -> BrokerEvent:
    return BrokerEvent(seq, kind, of.client_order_id, of.symbol, Decimal(qty), Decimal(100), Decimal(0), 905, "")


def reply(of: Order, state: str = "ACCEPTED", error: str = "") -> Reply:
    return Reply(of.client_order_id, state, 200, error, "")


def test_ids_are_short_and_depend_on_nothing_that_an_edit_changes() -> None:
    name = client_order_id("acct", 900, "SPY", "open", 0)
    assert len(name) <= 32
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert name != client_order_id("acct", 900, "SPY", "open", 1)
    assert name == order(qty=99).client_order_id


def test_a_fill_moves_the_ledger_and_ends_the_order() -> None:
    one = order()
    held, changes = books.apply(books.add(books.Book(), [one]), [reply(one)], [event(1, "fill", one, 10)], 60)
    assert held.orders == ()
    assert held.ledger == (("SPY", Decimal(10)),)
    assert [f.qty for f in changes.fills] == [Decimal(10)]
    assert [r.outcome for r in changes.results] == ["ACCEPTED", "FILLED"]


def test_r12_a_partial_fill_leaves_the_rest_working() -> None:
    one = order()
    held, _ = books.apply(books.add(books.Book(), [one]), [reply(one)], [event(1, "fill", one, 4)], 60)
    assert [w.qty for w in books.working(held)] == [Decimal(6)]
    held, changes = books.apply(held, [], [event(2, "canceled", one)], 60)
    assert held.orders == ()
    assert held.ledger == (("SPY", Decimal(4)),)
    assert [r.outcome for r in changes.results] == ["CANCELED"]


def test_an_event_counts_once_however_often_it_is_told() -> None:
    one = order()
    fill = event(1, "fill", one, 4)
    held, _ = books.apply(books.add(books.Book(), [one]), [], [fill, fill], 60)
    held, changes = books.apply(held, [], [fill], 60)
    assert held.ledger == (("SPY", Decimal(4)),)
    assert changes.fills == ()


def test_an_unknown_submission_stays_in_the_book() -> None:
    one = order()
    held, changes = books.apply(books.add(books.Book(), [one]), [reply(one, "UNKNOWN", "unknown")], [], 60)
    assert [t.state for t in held.orders] == [OrderState.UNKNOWN]
    assert changes.results[0].error == "unknown"


def test_r17_illegal_jumps_are_errors() -> None:
    done = books.Tracked(order(), OrderState.FILLED)
    for state in OrderState:
        if state is not OrderState.FILLED:
            with pytest.raises(StateError):
                done.to(state)
    assert all(not books.TRANSITIONS[state] for state in TERMINAL)
    assert set(books.TRANSITIONS) == set(OrderState)


def test_more_filled_than_ordered_is_an_error() -> None:
    one = order()
    with pytest.raises(StateError):
        books.apply(books.add(books.Book(), [one]), [], [event(1, "fill", one, 11)], 60)


@given(st.lists(st.tuples(st.sampled_from(["SPY", "QQQ"]), st.integers(1, 5)), max_size=12))
def test_the_ledger_is_the_sum_of_the_fills(parts: list[tuple[str, int]]) -> None:
    orders = {name: order(name, qty=100) for name in ("SPY", "QQQ")}
    held = books.add(books.Book(), orders.values())
    for seq, (symbol, qty) in enumerate(parts, 1):
        held, _ = books.apply(held, [], [event(seq, "fill", orders[symbol], qty)], 60)
    for symbol in orders:
        assert dict(held.ledger).get(symbol, Decimal(0)) == sum(q for s, q in parts if s == symbol)


def test_the_book_survives_its_journal_form() -> None:
    one = order()
    held, _ = books.apply(
        books.add(books.Book(), [one, order("QQQ", 3, "sell")]), [reply(one)], [event(1, "fill", one, 4)], 60
    )
    assert wire.loads(books.Book, wire.dumps(held)) == held


def test_a_damaged_book_is_a_state_error() -> None:
    with pytest.raises(StateError):
        wire.loads(books.Book, '{"orders": 3}')


def snapshot(*positions: Position) -> BrokerSnapshot:
    return BrokerSnapshot(Decimal(1000), Decimal(500), Decimal(500), positions, (), 0)


def test_r10_a_position_that_our_fills_do_not_explain_is_external() -> None:
    held = books.Book(holdings=(books.Holding("us", "SPY", Decimal(10), Decimal(0)),))
    truth = snapshot(Position("SPY", Decimal(10), Decimal(99)), Position("QQQ", Decimal(5), Decimal(50)))
    account = world_account({"QQQ": 0, "SPY": 1}, truth, held, books.Changes((), ()))
    assert account.external.tolist() == [True, False]
    assert account.exact == (Decimal(5), Decimal(10))


def test_r11_positions_that_cannot_be_read_are_not_flat() -> None:
    account = world_account({"SPY": 0}, None, books.Book(), books.Changes((), ()))
    assert not account.readable
    assert np.isnan(account.equity)


def test_a_fill_counts_from_the_grid_time_it_happened_in() -> None:
    one = order()
    late = BrokerEvent(1, "fill", one.client_order_id, one.symbol, Decimal(10), Decimal(100), Decimal(0), 36_003, "")
    _, changes = books.apply(books.add(books.Book(), [one]), [], [late], 60)
    assert changes.fills[0].at == 36_000
