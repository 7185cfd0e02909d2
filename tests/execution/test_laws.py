"""Laws of execution over random lives: whatever is lost, late or told twice, the book ends as the broker has it, and never more is
traded than was wished for (R01, R05, R12, R17)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.engine import wire
from qmtl.engine.execution import book as books
from qmtl.engine.execution.ledger import Holding, after
from qmtl.engine.execution.lifecycle import OPEN_QUESTIONS, Tracked, apportioned
from qmtl.engine.execution.phases import MOVES, Phase, check_moves, phases
from qmtl.engine.execution.reconcile import Rules, reconcile
from qmtl.engine.execution.send import ALWAYS, submit_all
from qmtl.engine.orders import Order, OrderState
from qmtl.engine.ports import Reply
from qmtl.engine.storedbook import StoredBook

ZERO = Decimal(0)
Make = Callable[..., Order]


@settings(max_examples=300)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=5),
    st.lists(st.integers(1, 20), min_size=1, max_size=12),
    st.sampled_from(["1", "0.1", "0.001"]),
)
def test_law_a_fill_is_parted_to_the_last_digit_and_nobody_loses_what_he_had(
    order_of: Any, shares: list[int], fills: list[int], atom: str
) -> None:
    unit = Decimal(atom)
    total = sum(shares)
    one = order_of(qty=total, parts=[(f"w{i}", share) for i, share in enumerate(shares)])
    one = wire.typed(Order, {**_plain(one), "qty": str(total * unit)})
    had: tuple[Decimal, ...] = ()
    filled = ZERO
    for step in fills:
        qty = min(step * unit, one.qty - filled)
        if not qty:
            break
        now, filled = apportioned(one, had, qty), filled + qty
        assert sum(now) == filled
        assert all(a >= b for a, b in zip(now, had or (ZERO,) * len(now), strict=True))
        assert all(part % unit == 0 for part in now)
        due = [Decimal(share) * filled / total for share in shares]
        assert all(
            abs(part - fair) < len(shares) for part, fair in zip(now, due, strict=True)
        )  # whole shares stay whole
        had = now


def _plain(order: Order) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(wire.dump(order))
    return found


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(["SPY", "QQQ"]), st.sampled_from(["ok", "lost", "gone", "refused"])),
        st.tuples(st.just("fill"), st.integers(0, 3), st.integers(1, 10)),
        st.tuples(st.just("cancel"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("tick"), st.sampled_from([60, 60, 60, 900]), st.booleans()),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("hour"), st.just(0), st.just(0)),
        st.tuples(st.just("late"), st.integers(0, 3), st.just(0)),
    ),
    max_size=30,
)


class Life:
    """A desk that trades, forgets its answers, and writes its book down and reads it again."""

    def __init__(self, venue: Any, make: Make) -> None:
        self.venue, self.make = venue, make
        self.book, self.replies, self.now = books.EMPTY, (), 900
        self.intents: dict[str, Order] = {}
        self.events: list[Any] = []
        self.before: dict[str, Phase] = {}
        self.wished: dict[str, Decimal] = {}
        self.gone: set[str] = set()

    def send(self, symbol: str, fate: str) -> None:
        held = dict(self.book.ledger).get(symbol, ZERO)
        order = self.make(
            symbol=symbol, qty=int(-held) if held else 10, leg="close" if held else "open", epoch=self.now
        )
        if order.client_order_id in self.intents or any(t.order.symbol == symbol for t in self.book.orders):
            return
        check_moves(self.book, [order])
        self.intents[order.client_order_id] = order
        self.wished[order.client_order_id] = held + order.signed
        self.gone |= {order.client_order_id} if fate == "gone" else set()
        self.book = books.add(self.book, [order])
        self.venue.fates.append(fate)
        self.replies = (*self.replies, *submit_all(self.venue, self.book.orders[-1:], self.now, ALWAYS))
        self.venue.fates.clear()

    def tick(self, seconds: int, *, down: bool) -> None:
        self.now, self.venue.down = self.now + seconds, down
        done = reconcile(self.venue, self.book, self.replies, self.now, Rules(60, ALWAYS, self.intents.__contains__))
        self.book, self.replies = done.book, ()
        self.events += done.events
        assert done.runners == ()
        now = phases(self.book)
        for symbol in {*now, *self.before}:
            was, is_now = self.before.get(symbol, Phase.FLAT), now.get(symbol, Phase.FLAT)
            assert was == is_now or is_now in _reachable(was), (symbol, was, is_now)
        self.before = now
        self.venue.down = False

    def restart(self) -> None:
        """What a crash leaves: intents, events, and where each order stood in the last header."""
        self.replies = ()
        stored = wire.loads(StoredBook, wire.dumps(StoredBook.of(self.book)))
        lives = {name: Tracked(order, OrderState.INTENDED) for name, order in self.intents.items()}
        holdings: tuple[Holding, ...] = ()
        for event in self.events:
            if event.kind == "fill":
                was = lives[event.client_order_id]
                lives[event.client_order_id] = was.with_fill(abs(event.qty), event.price)
                holdings = after(holdings, books.parts_of(was, lives[event.client_order_id], event))
        assert holdings == self.book.holdings
        for kept, tracked in zip(stored.orders, self.book.orders, strict=True):
            life = lives[kept.client_order_id]
            assert (life.filled, life.cost, life.parts) == (tracked.filled, tracked.cost, tracked.parts)

    def arrives(self, number: int) -> None:
        """An order that the network held back is there after all; not one after which its symbol was traded again, of which nobody
        could say any more which of the two was wished for."""
        newest = {order.symbol: name for name, order in self.intents.items()}
        held_back = [name for name in newest.values() if name in self.gone - self.venue.orders.keys()]
        if held_back:
            name = held_back[number % len(held_back)]
            self.venue.fates.clear()
            self.venue.submit(self.intents[name], self.now)

    def check(self, name: str) -> None:
        """No fill leaves more than the book had of the symbol when the order was sent, and the order more."""
        order, held = self.intents[name], {p.symbol: p.qty for p in self.venue.positions()}
        over = held.get(order.symbol, ZERO) - self.wished[name]
        assert over * (1 if order.side == "buy" else -1) <= 0, (order.symbol, held, self.wished[name])

    def nth(self, number: int) -> str | None:
        names = list(self.venue.orders)
        return names[number % len(names)] if names else None


def _reachable(was: Phase) -> frozenset[Phase]:
    """A tick may hear of two moves at once: an entry that filled and whose exit was sent, an exit that filled."""
    once = MOVES[was]
    return once | frozenset(two for one in once for two in MOVES[one])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS)
def test_law_the_book_ends_as_the_broker_has_it(
    new_venue: Any, order_of: Make, steps: list[tuple[str, Any, Any]]
) -> None:
    life = Life(new_venue(), order_of)
    for kind, first, second in steps:
        name = life.nth(first) if kind in ("fill", "cancel") else None
        if kind == "send":
            life.send(first, second)
        elif kind == "tick":
            life.tick(first, down=second)
        elif kind == "restart":
            life.restart()
        elif kind == "hour":  # what nobody answered for is given up
            for _ in range(4):
                life.tick(900, down=False)
        elif kind == "late":
            life.arrives(first)
        elif name is not None:
            _at_the_venue(life, kind, name, second)
    for _ in range(8):
        life.tick(60, down=False)
    _lawful(life)


def _at_the_venue(life: Life, kind: str, name: str, qty: int) -> None:
    there = life.venue.orders[name]
    if kind == "cancel":
        life.venue.cancel(name, life.now)
    elif kind == "fill" and there.state in ("ACCEPTED", "PARTIALLY_FILLED"):
        life.venue.fill(name, min(qty, int(there.qty - there.filled)))
        life.check(name)


def _lawful(life: Life) -> None:
    held = {p.symbol: p.qty for p in life.venue.positions()}
    assert dict(life.book.ledger) == held
    assert set(life.venue.orders) <= set(life.intents)
    heard: dict[str, Decimal] = {}
    for event in life.events:
        if event.kind == "fill":
            heard[event.client_order_id] = heard.get(event.client_order_id, ZERO) + abs(event.qty)
    assert heard == {n: o.filled for n, o in life.venue.orders.items() if o.filled}
    assert all(t.state not in OPEN_QUESTIONS for t in life.book.orders)
    assert not [reply for reply in life.replies if isinstance(reply, Reply)]
