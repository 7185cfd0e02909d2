"""The paper broker: embedded, persistent, deterministic. It knows nothing of the engine but orders and the feed.

In: orders through `ports.Broker`, and the feed's opens and closes. Out: fills, positions, cash.

* An order sent at t fills at the open of the first bar of its symbol that starts at or after t, worsened by the
  slippage; the fee is taken from cash. `advance(now)` fills with opens that started by `now`; nothing else does. So an
  order of the 10:00 tick fills at the 10:00 open, seen by the next `advance`, and one sent at 10:01 at the next bar.
* A limit order fills at the first such open at which it would pay no more (or get no less) than its limit; one that is to
  fill at once (`ioc`) ends at the first open beyond it.
* Day orders end at the close of the session they were sent in (outside of sessions: of the next one).
* equity = cash + quantity x mark, to the cent; mark = last close known by the snapshot's time, or the average price before
  any. The average price is kept to a millionth.
* buying power = cash - 1.5 x what shorts are worth - what working opening orders reserve (buys: notional and costs;
  shorts: half their notional). A short's proceeds are in the cash, so half of its worth is the margin.
* A short pays for each night, when the next session opens (event "borrow": what it paid is its price).
* Refused at once, as a real broker would, with the code in `detail`: unknown symbol, a kind of order or a time in force that
  the policy does not have, a limit price off its step, a quantity off the lot or outside of what the policy takes, too small a
  notional (what closes a whole position may have any size where the policy says so), shorting where the policy has none, more
  than is held, an order against a working one of the other side, too little buying power. A refused order is stored and found
  by `lookup`; its reply says REJECTED and no event follows.
* A client id counts once: the same order again is answered with that order, another one under its id is refused.

Every submission or advance that changes something is one durable commit; `batch()` joins several submissions in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import numpy as np

from qmtl.dsl.exchange import ExchangePolicy, rules_for
from qmtl.dsl.model import PaperBroker as PaperSettings

from ..bars import Floats, OpenRow
from ..errors import BrokerError
from ..orderrules import Ask, refusal, wrong_kind
from ..orders import Order, OrderState
from ..paperrules import (
    EXACT,
    ZERO,
    Tariff,
    average_after,
    buying_power,
    exact_sum,
    fill_fee,
    fill_price,
    in_cents,
    night_cost,
    nights,
    refused_opening,
    reserve,
    spendable,
    within_limit,
)
from ..ports import BarFeed, BrokerEvent, BrokerOrder, BrokerSnapshot, Known, Position, Reply, Told
from .paper_store import PaperOrder, PaperStore
from .sessions import Sessions

#: a close is looked for among the bars of ten days, and may be known up to six hours late
_LOOK_BACK, _LOOK_AHEAD = 864_000, 21_600


class PaperAccount:
    """Implements `ports.Broker` over a feed."""

    def __init__(
        self,
        path: Path | str,
        account_id: str,
        feed: BarFeed,
        sessions: Sessions,
        *,
        policy: ExchangePolicy,
        settings: PaperSettings,
    ) -> None:
        """`path` may be ":memory:"; the starting cash counts only for a new file. BrokerError as `PaperStore`."""
        self._account_id, self._feed, self._sessions, self._policy = account_id, feed, sessions, policy
        self._tariff = Tariff.of(settings.fee, settings.slippage, settings.borrow, settings.borrow_by_symbol)
        self._store = PaperStore(path, account_id, settings.cash)
        self._rules: dict[str, ExchangePolicy] = {}
        self._columns = {symbol: i for i, symbol in enumerate(feed.symbols)}
        self._marks: Floats = np.full(len(feed.symbols), np.nan)
        self._marked_until = -1
        self._power, self._power_at = ZERO, (-1, -1)
        self._exact_marks: dict[str, Decimal] = {}
        self._scanned_until: dict[str, int] = {}
        self._opens: list[int] = sessions.opens.tolist()
        #: nights up to here are paid for: shorts that are held were opened, or paid for, no later
        self._charged = max((e.at for e in self._store.events(0) if e.kind in ("fill", "borrow")), default=-1)

    @property
    def account_id(self) -> str:
        """As given."""
        return self._account_id

    def seed(self, positions: Sequence[Position], cash: Decimal) -> None:
        """Start from these positions and this cash instead of an empty account: for an account without orders."""
        with self._store.commit():
            for position in positions:
                self._store.put_position(position)
            self._store.put_cash(cash)

    def advance(self, now: int) -> None:
        """Fill what can be filled with opens that started by `now`, expire day orders whose session is over, and charge
        shorts for the nights that ended."""
        if self._store.working:
            self._work_off(now)
        if self._charged >= 0:  # before the first fill there is nothing to pay for
            for session, opened, days in nights(self._opens, self._charged, now):
                self._charge(session, opened, days)
        self._charged = max(self._charged, now)

    def _work_off(self, now: int) -> None:
        working = self._store.working
        fills: list[tuple[PaperOrder, OpenRow]] = []
        waiting = dict(working)
        missed: list[tuple[PaperOrder, OpenRow]] = []
        for row in self._feed.opens(min(self._seen(paper) for paper in working.values()), now):
            for name, paper in list(waiting.items()):
                opened = self._open_of(paper, row) if self._seen(paper) < row.start < paper.expires_at else None
                if opened is None:
                    continue
                fits = self._fits(paper, opened)
                if fits or paper.at_once:
                    (fills if fits else missed).append((paper, row))
                    del waiting[name]
        expired = [paper for paper in waiting.values() if paper.expires_at <= now]
        if fills or missed or expired:
            with self._store.commit():
                for paper, row in fills:
                    self._fill(paper, row)
                for paper, row in missed:
                    self._end(paper, "expired", row.start, "it could not fill at once")
                for paper in expired:
                    self._end(paper, "expired", paper.expires_at, "the session closed")
        self._scanned_until = {name: max(now, self._seen(paper)) for name, paper in self._store.working.items()}

    def _charge(self, session: int, opened: int, days: int) -> None:
        """Take what shorts pay for a night, at their closes of the session before it."""
        shorts = [position for position in self._store.positions.values() if position.qty < 0]
        if not shorts:
            return
        closes = self._closes(int(self._sessions.closes[session]))
        store = self._store
        with store.commit():
            for position in sorted(shorts, key=lambda p: p.symbol):
                worth = EXACT.multiply(-position.qty, closes.get(position.symbol, position.average_price))
                cost = night_cost(position.symbol, worth, days, self._tariff)
                if cost:
                    store.put_cash(exact_sum(store.cash, -cost))
                    number = store.last_seq + 1
                    store.put_event(
                        BrokerEvent(number, "borrow", "", position.symbol, ZERO, cost, ZERO, opened, f"{days} days")
                    )

    def _closes(self, close: int) -> dict[str, Decimal]:
        """Closes of the newest bars that ended by the close of a session; bars of the days before stand in."""
        found: Floats = np.full(len(self._columns), np.nan)
        for row in self._feed.rows(close - _LOOK_BACK, close + _LOOK_AHEAD):
            if row.end <= close:
                np.copyto(found, row.values[3], where=row.present)
        prices = zip(self._columns, found.tolist(), strict=True)
        return {symbol: Decimal(repr(price)) for symbol, price in prices if price == price}  # noqa: PLR0124 - not NaN

    def snapshot(self, now: int) -> BrokerSnapshot:
        """The account with positions at their marks of `now`."""
        store = self._store
        equity = exact_sum(store.cash, *(self._worth(p, now) for p in store.positions.values()))
        return BrokerSnapshot(
            equity=in_cents(equity),
            cash=store.cash,
            buying_power=spendable(self._buying_power(now)),
            positions=self.positions(),
            open_orders=tuple(paper.order for paper in store.working.values()),
            last_seq=store.last_seq,
        )

    def hear(self, known: Known, now: int) -> Told:
        """New events from the account's own log, and its state."""
        return Told(self.snapshot(now), self._store.events(known.last_seq), numbered=True)

    def positions(self) -> tuple[Position, ...]:
        """What is held; nothing fills between two calls of `advance`."""
        return tuple(self._store.positions[symbol] for symbol in sorted(self._store.positions))

    def traces(self, prefix: str) -> tuple[str, ...]:
        """Client ids of all orders that something happened to."""
        names = (event.client_order_id for event in self._store.events(0))
        return tuple(dict.fromkeys(name for name in names if name.startswith(prefix)))

    def events(self, after_seq: int) -> tuple[BrokerEvent, ...]:
        """Fills, cancels and expiries numbered above `after_seq`, in order."""
        return self._store.events(after_seq)

    def submit(self, order: Order, now: int) -> Reply:
        """Accept or refuse an order, durably; a client id that is known is answered with its order."""
        known = self._store.find(order.client_order_id)
        if known is not None:
            return _known(known, order)
        status, detail = self._refusal(order, now)
        state = OrderState.REJECTED if detail else OrderState.ACCEPTED
        entry = BrokerOrder(order.client_order_id, order.symbol, order.side, order.qty, ZERO, str(state), now)
        at_once = order.time_in_force == "ioc" and order.limit_price is not None
        with self._store.commit():
            self._store.put_order(PaperOrder(entry, self._session_close(now), detail, order.limit_price, at_once))
        if not detail:
            self._reserve_more(order, now)
        return Reply(order.client_order_id, str(state), status, "business" if detail else "", detail)

    def cancel(self, client_order_id: str, now: int) -> Reply:
        """Cancel a working order after filling what could be filled by `now`; the event tells that it happened."""
        self.advance(now)
        paper = self._store.working.get(client_order_id)
        if paper is not None:
            with self._store.commit():
                self._end(paper, "canceled", now, "")
            return Reply(client_order_id, str(OrderState.ACCEPTED), 200, "", "")
        ended = self._store.find(client_order_id)
        status, why = (404, "order not found") if ended is None else (422, f"order is already {ended.order.state}")
        return Reply(client_order_id, str(OrderState.REJECTED), status, "business", why)

    def lookup(self, client_order_id: str) -> BrokerOrder | None:
        """The order of that client id in any state, refused ones included."""
        paper = self._store.find(client_order_id)
        return None if paper is None else paper.order

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Join the submissions inside into one durable commit; their replies hold once the block has ended."""
        with self._store.commit():
            yield

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def _seen(self, paper: PaperOrder) -> int:
        """Opens up to this moment are of no use to an order: they were before it, or lacked its symbol."""
        return self._scanned_until.get(paper.order.client_order_id, paper.order.submitted_at - 1)

    def _open_of(self, paper: PaperOrder, row: OpenRow) -> Decimal | None:
        column = self._columns.get(paper.order.symbol)
        if column is None:  # the feed no longer has the symbol: nothing to fill with
            return None
        price = float(row.prices[column])
        return None if np.isnan(price) else Decimal(repr(price))

    def _fits(self, paper: PaperOrder, opened: Decimal) -> bool:
        """Whether an order may fill at an open, as far as its limit goes."""
        return paper.limit is None or within_limit(opened, 1 if paper.signed > 0 else -1, paper.limit, self._tariff)

    def _fill(self, paper: PaperOrder, row: OpenRow) -> None:
        opened = self._open_of(paper, row)
        assert opened is not None
        signed = paper.signed
        price = fill_price(opened, 1 if signed > 0 else -1, self._tariff)
        notional = EXACT.multiply(signed, price)
        fee = fill_fee(notional, self._tariff)
        store, name, symbol = self._store, paper.order.client_order_id, paper.order.symbol
        store.put_cash(exact_sum(store.cash, -notional, -fee))
        store.put_position(_after(store.positions.get(symbol), symbol, signed, price))
        store.put_order(paper.to(OrderState.FILLED, paper.order.qty))
        store.put_event(BrokerEvent(store.last_seq + 1, "fill", name, symbol, signed, price, fee, row.start, ""))

    def _end(self, paper: PaperOrder, kind: str, at: int, detail: str) -> None:
        store = self._store
        store.put_order(paper.to(OrderState.CANCELED if kind == "canceled" else OrderState.EXPIRED))
        name, symbol = paper.order.client_order_id, paper.order.symbol
        store.put_event(BrokerEvent(store.last_seq + 1, kind, name, symbol, paper.signed, ZERO, ZERO, at, detail))

    def _refusal(self, order: Order, now: int) -> tuple[int, str]:
        """HTTP-like status and reason; the reason is "" for an order that is accepted."""
        position = self._store.positions.get(order.symbol)
        held = position.qty if position is not None else ZERO
        same = [p.signed for p in self._store.working.values() if p.order.symbol == order.symbol]
        if order.symbol not in self._columns:
            return 422, f"asset {order.symbol} not found"
        rules, opens = self._rules_of(order.symbol), held * order.signed >= 0
        mark = self._mark(order.symbol, now) or order.mark
        free = abs(exact_sum(held, *same))
        ask = Ask(order.qty, order.side, opens, not opens and order.qty == free, mark)
        status, why = wrong_kind(rules, order, ask)
        if why:
            return status, why
        if any(left * order.signed < 0 for left in same):
            return 403, "opposite side order exists"
        if not opens and order.qty > free:
            return 403, f"insufficient qty available: {free} of {order.qty}"
        status, why = refusal(rules, ask)
        if why or not opens:
            return status, why
        side = 1 if order.side == "buy" else -1
        return refused_opening(rules, self._tariff, (side, order.qty, mark), self._buying_power(now))

    def _rules_of(self, symbol: str) -> ExchangePolicy:
        if symbol not in self._rules:
            self._rules[symbol] = rules_for(self._policy, symbol)
        return self._rules[symbol]

    def _buying_power(self, now: int) -> Decimal:
        """Summed once per moment; an accepted order is taken off it, so that many orders of a tick cost one sum."""
        if self._power_at != (now, self._store.version):
            self._power, self._power_at = self._summed_power(now), (now, self._store.version)
        return self._power

    def _reserve_more(self, order: Order, now: int) -> None:
        """Take a just stored opening order off the known buying power."""
        held, mark = self._store.positions.get(order.symbol), self._mark(order.symbol, now)
        if self._power_at != (now, self._store.version - 1) or mark is None:
            return
        if held is None or held.qty * order.signed > 0:
            self._power = exact_sum(self._power, -self._reserve(order.signed, mark))
        self._power_at = (now, self._store.version)

    def _summed_power(self, now: int) -> Decimal:
        store, reserved = self._store, []
        for paper in store.working.values():
            held = store.positions.get(paper.order.symbol)
            mark = self._mark(paper.order.symbol, now)
            if mark is not None and (held is None or held.qty * paper.signed > 0):
                reserved.append(self._reserve(paper.signed, mark))
        return buying_power(store.cash, (self._worth(p, now) for p in store.positions.values() if p.qty < 0), reserved)

    def _reserve(self, signed: Decimal, mark: Decimal) -> Decimal:
        return reserve(1 if signed > 0 else -1, EXACT.multiply(abs(signed), mark), self._tariff)

    def _worth(self, position: Position, now: int) -> Decimal:
        mark = self._mark(position.symbol, now)
        return EXACT.multiply(position.qty, position.average_price if mark is None else mark)

    def _mark(self, symbol: str, now: int) -> Decimal | None:
        """The last close known by `now`; rows are read once each, a restart reads them again from the start."""
        if now > self._marked_until:
            for row in self._feed.rows(self._marked_until, now):
                np.copyto(self._marks, row.values[3], where=row.present)
                self._exact_marks.clear()
            self._marked_until = now
        known = self._exact_marks.get(symbol)
        if known is None:
            mark = float(self._marks[self._columns[symbol]]) if symbol in self._columns else float("nan")
            if np.isnan(mark):
                return None
            known = self._exact_marks[symbol] = Decimal(repr(mark))
        return known

    def _session_close(self, now: int) -> int:
        closes = self._sessions.closes
        number = int(np.searchsorted(closes, now, side="right"))
        return int(closes[min(number, len(closes) - 1)])

    def deposit(self, amount: Decimal, now: int) -> None:
        """Pay money in, or take it out (negative): a flow, neither profit nor loss. BrokerError when there is not so much."""
        store = self._store
        cash = exact_sum(store.cash, amount)
        if not amount or cash < 0:
            raise BrokerError(f"{amount} cannot be paid into {store.cash} of cash", "name another amount")
        with store.commit():
            store.put_cash(cash)
            store.put_event(BrokerEvent(store.last_seq + 1, "flow", "", "", ZERO, amount, ZERO, now, ""))


def _known(known: PaperOrder, order: Order) -> Reply:
    stored = known.order
    if (stored.symbol, stored.side, stored.qty) != (order.symbol, order.side, order.qty):
        return Reply(order.client_order_id, str(OrderState.REJECTED), 422, "business", "client_order_id must be unique")
    if stored.state == OrderState.REJECTED:
        return Reply(order.client_order_id, str(OrderState.REJECTED), 403, "business", known.detail)
    return Reply(order.client_order_id, str(OrderState.ACCEPTED), 200, "", "")


def _after(position: Position | None, symbol: str, signed: Decimal, price: Decimal) -> Position:
    """The position after a fill: the average moves when it grows and stays when it shrinks."""
    if position is None:
        return Position(symbol, signed, price)
    average = average_after(position.qty, position.average_price, signed, price)
    return Position(symbol, exact_sum(position.qty, signed), average)
