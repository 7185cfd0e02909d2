"""Law: ledger + external = broker, after every event, whatever is traded here, by hand, split or unwound (R10, R12, R16)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine import wire
from qmtl.engine.execution import book as books
from qmtl.engine.execution.account import world_account
from qmtl.engine.execution.ledger import Borrowed, Holding, Traded, after, averages, own_part, quantities
from qmtl.engine.execution.splits import Seen, corrections
from qmtl.engine.market import Account
from qmtl.engine.orders import Attribution, Order
from qmtl.engine.paperrules import average_after
from qmtl.engine.ports import BrokerEvent, BrokerSnapshot, Position

from ..thorough import often

SPY, COLUMN = "SPY", {"SPY": 0}
ZERO = Decimal(0)


@dataclass
class World:
    """A broker with one position, our book of it, and what the tick before saw."""

    qty: Decimal = ZERO
    average: Decimal = ZERO
    paid: Decimal = ZERO
    seq: int = 0
    book: books.Book = field(default_factory=books.Book)
    seen: Seen = field(default_factory=lambda: Seen(0.0, float("nan"), 100.0))

    def trade(self, qty: Decimal, price: Decimal) -> None:
        """Shares change hands at the broker."""
        self.average = average_after(self.qty, self.average, qty, price) if self.qty + qty else ZERO
        self.qty += qty

    def tick(self, events: list[BrokerEvent] | None = None) -> books.Changes:
        """What the runtime does with the broker's answer, and what has to hold after it."""
        position = () if not self.qty else (Position(SPY, self.qty, self.average),)
        answer = BrokerSnapshot(ZERO, ZERO, ZERO, position, (), self.seq)
        self.book, changes = books.apply(self.book, [], events or [], 60)
        found = corrections(answer, self.book, changes, lambda _: self.seen)
        self.book = books.settled(self.book, found) if found else self.book
        splits = {c.symbol: c.shares for c in found if c.why == "split"}
        account = world_account(COLUMN, answer, self.book, changes, splits=splits)
        ours = dict(self.book.ledger).get(SPY, ZERO)
        assert bool(account.external[0]) == (ours != self.qty)
        self._holds(account, ours)
        if not self.qty and not changes.fills and not self.book.orders and not self.seen.qty:
            assert ours == 0
        self.seen = Seen(float(account.qty[0]), float(account.average_price[0]), 100.0)
        return changes

    def _holds(self, account: Account, ours: Decimal) -> None:
        """What is ours of the position: as much as our fills say, as much as is there, never on the other side. What it cost
        lies between the prices that were paid."""
        if not account.external[0]:
            assert account.own is None
            return
        assert account.own is not None
        assert account.own_average is not None
        own = min(abs(ours), abs(self.qty)) if ours * self.qty > 0 else ZERO
        assert float(account.own[0]) == float(own) * (1 if self.qty > 0 else -1)
        if ours:
            assert abs(float(account.own_average[0]) - float(self.paid)) < 1e-6 * float(self.paid)

    def leave(self, price: Decimal) -> None:
        """An exit of what is ours and still there."""
        ours = dict(self.book.ledger).get(SPY, ZERO)
        self.ours(-own_part(self.qty, ours), "close", price)

    def ours(self, qty: Decimal, leg: str, price: Decimal) -> None:
        """An order of ours, filled at once."""
        name = f"q1-{self.seq}"
        side = "buy" if qty > 0 else "sell"
        part = (Attribution("w", "s", "g", qty),)
        order = Order(name, SPY, side, abs(qty), leg, 900, 1, "ok", price, 0, part)  # type: ignore[arg-type]
        self.book = books.add(self.book, [order])
        held = dict(self.book.ledger).get(SPY, ZERO)
        self.paid = average_after(held, self.paid, qty, price) if leg == "open" else self.paid
        self.seq += 1
        self.trade(qty, price)
        self.tick([BrokerEvent(self.seq, "fill", name, SPY, qty, price, ZERO, 900, "")])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(1, 50)),
        st.tuples(st.just("close"), st.integers(1, 100)),
        st.tuples(st.just("unwind"), st.just(0)),
        st.tuples(st.just("leave"), st.just(0)),
        st.tuples(st.just("by hand"), st.integers(-60, 60)),
        st.tuples(st.just("split"), st.sampled_from([2, 3, 10])),
        st.tuples(st.just("deposit"), st.integers(-5, 5)),
    ),
    max_size=14,
)


@settings(max_examples=often(300), deadline=None)
@given(STEPS, st.integers(20, 400))
def test_r10_law_ledger_and_external_are_what_the_broker_has(steps: list[tuple[str, int]], price: int) -> None:
    world, cost = World(), Decimal(price)
    for kind, number in steps:
        ours, before = dict(world.book.ledger).get(SPY, ZERO), world.qty
        if kind == "open" and ours == world.qty:  # entries are blocked beside what is not ours
            world.ours(Decimal(number), "open", cost)
            assert dict(world.book.ledger).get(SPY, ZERO) == ours + number
        elif kind == "close" and ours == world.qty and ours:
            world.ours(-min(Decimal(number), ours), "close", cost)
            assert dict(world.book.ledger).get(SPY, ZERO) == ours - min(Decimal(number), ours)
        elif kind == "unwind" and world.qty and ours != world.qty:
            world.ours(-world.qty, "close", cost)
            assert abs(dict(world.book.ledger).get(SPY, ZERO)) == max(abs(ours) - abs(before), 0) or before * ours < 0
            world.tick()
            world.tick()
            assert not world.book.ledger
        elif kind == "leave" and own_part(world.qty, ours):
            theirs = world.qty - own_part(world.qty, ours)
            world.leave(cost)
            assert world.qty == theirs
            assert dict(world.book.ledger).get(SPY, ZERO) == ours - own_part(before, ours)
            world.tick()
            world.tick()
            assert not dict(world.book.ledger) or world.qty
        elif kind == "by hand" and number:
            world.trade(Decimal(number), cost)
            world.tick()
            assert dict(world.book.ledger).get(SPY, ZERO) == ours
            world.tick()
            assert dict(world.book.ledger).get(SPY, ZERO) == (ours if world.qty else ZERO)
        elif kind == "split" and world.qty:
            world.qty, world.average = world.qty * number, world.average / number
            cost /= number
            world.paid /= number
            world.tick()
            assert dict(world.book.ledger).get(SPY, ZERO) == ours * number
            assert world.qty == before * number
        elif kind == "deposit" and number:
            world.seq += 1
            amount = Decimal(1000 * number)
            changes = world.tick([BrokerEvent(world.seq, "flow", "", "", ZERO, amount, ZERO, 900, "")])
            assert changes.flows == amount
            assert dict(world.book.ledger).get(SPY, ZERO) == ours


def test_r10_a_close_of_more_than_is_ours_takes_the_rest_from_the_external_part() -> None:
    world = World()
    world.ours(Decimal(100), "open", Decimal(50))
    world.trade(Decimal(50), Decimal(60))
    world.tick()
    assert world.book.ledger == ((SPY, Decimal(100)),)
    cash = dict(world.book.cash)[SPY]
    world.ours(Decimal(-60), "close", Decimal(70))
    assert world.book.ledger == ((SPY, Decimal(40)),)
    world.ours(Decimal(-90), "close", Decimal(70))
    assert world.book.ledger == ()
    # only what was ours counts as the world's money
    assert dict(world.book.cash)[SPY] == cash + 100 * 70


def test_r12_a_partial_close_of_an_external_position_leaves_the_ledger_at_zero() -> None:
    world = World()
    world.trade(Decimal(50), Decimal(60))
    world.tick()
    world.ours(Decimal(-20), "close", Decimal(60))
    assert world.book.ledger == ()
    world.ours(Decimal(-30), "close", Decimal(60))
    assert world.book.ledger == ()
    assert world.qty == 0


def test_external_positions_in_no_column_count_at_the_brokers_mark_or_their_average() -> None:
    """In symbols of no world and of other worlds; what is ours there counts for nothing here."""
    ours = Position("QQQ", Decimal(5), Decimal(300))
    marked, plain = (
        Position("TLT", Decimal(10), Decimal(90), Decimal(95), 60),
        Position("GLD", Decimal(-2), Decimal(180)),
    )
    answer = BrokerSnapshot(ZERO, ZERO, ZERO, (ours, marked, plain), (), 0)
    book = books.Book(holdings=(books.Holding("w", "QQQ", Decimal(5), ZERO),))
    account = world_account(COLUMN, answer, book, books.Changes((), ()))
    assert account.elsewhere == 950 - 360
    assert not account.external.any()
    here = world_account({"TLT": 0, "GLD": 1}, answer, book, books.Changes((), ()))
    assert here.elsewhere == 0
    assert here.external.all()
    assert (float(here.broker_mark[0]), int(here.marked_at[0])) == (95.0, 60)  # type: ignore[index]


def test_r28_corrections_come_back_from_text_and_in_their_order() -> None:
    """As `read_book` puts them together: by the event after which they happened."""
    bought = Traded("w", SPY, Decimal(10), Decimal(50), ZERO, "open")
    split = books.Correction(SPY, "split", 10.0, Decimal(10), Decimal(100), ZERO, 5)
    sold = Traded("w", SPY, Decimal(-40), Decimal(5), ZERO, "close")
    assert quantities(after((), [bought, split, sold])) == ((SPY, Decimal(60)),)
    assert wire.loads(books.Correction, wire.dumps(split)) == split


def test_r16_what_is_left_of_ours_keeps_what_it_cost() -> None:
    """Over adds, reductions, nights of a short, splits and hands; shares whose fills the journal does not have cost nothing known."""
    bought = [Traded("w", SPY, Decimal(q), Decimal(p), Decimal(1), "open") for q, p in ((30, 50), (10, 70))]
    (held,) = after((), bought)
    assert (held.cost, averages([held])) == (2200, {SPY: 55})
    (held,) = after([held], [Traded("w", SPY, Decimal(-10), Decimal(90), ZERO, "close"), Borrowed(SPY, Decimal(3))])
    assert averages([held]) == {SPY: 55}
    (held,) = after([held], [books.Correction(SPY, "split", 10.0, Decimal(30), Decimal(300), ZERO, 9)])
    assert averages([held]) == {SPY: Decimal("5.5")}
    (held,) = after([held], [books.Correction(SPY, "closed_elsewhere", 1.0, Decimal(300), ZERO, Decimal(1), 9)])
    assert (held.cost, averages([held])) == (0, {})
    (short,) = after((), [Traded("w", SPY, Decimal(-4), Decimal(50), ZERO, "open")])
    assert averages([short]) == {SPY: 50}
    assert averages([Holding("w", SPY, Decimal(5), ZERO)]) == {}


def test_what_is_ours_of_a_position_in_no_column_is_no_external_value() -> None:
    """Of another world's position somebody bought two more; of a third he sold a part."""
    answer = BrokerSnapshot(
        ZERO, ZERO, ZERO, (Position("QQQ", Decimal(7), Decimal(300)), Position("TLT", Decimal(4), Decimal(90))), (), 0
    )
    book = books.Book(holdings=(Holding("w", "QQQ", Decimal(5), ZERO), Holding("w", "TLT", Decimal(9), ZERO)))
    assert world_account(COLUMN, answer, book, books.Changes((), ())).elsewhere == 600
