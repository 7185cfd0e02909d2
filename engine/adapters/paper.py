"""The paper broker: embedded, persistent, deterministic. It knows nothing of the engine but orders and the feed.

In: orders through `ports.Broker`, and the feed's opens and closes. Out: fills, positions, cash.

* An order sent at t fills at the open of the first bar of its symbol that starts at or after t, worsened by the
  slippage; the fee is taken from cash. `advance(now)` fills with opens that started by `now`; nothing else does. So an
  order of the 10:00 tick fills at the 10:00 open, seen by the next `advance`, and one sent at 10:01 at the next bar.
* Day orders end at the close of the session they were sent in (outside of sessions: of the next one).
* equity = cash + quantity x mark; mark = last close known by the snapshot's time, or the average price before any.
* buying power = cash - 1.5 x what shorts are worth - what working opening orders reserve (buys: notional and costs;
  shorts: half their notional). A short's proceeds are in the cash, so half of its worth is the margin.
* Refused at once, as a real broker would, with the code in `detail`: unknown symbol, a quantity off the lot, too small a
  notional (openings only: what is held can always be closed), shorting where the policy has none, more than is held,
  an order against a working one of the other side, too little buying power. A refused order is stored and found by
  `lookup`; its reply says REJECTED and no event follows.
* A client id counts once: the same order again is answered with that order, another one under its id is refused.

Every submission or advance that changes something is one durable commit; `batch()` joins several submissions in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path

import numpy as np

from qmtl.dsl.model import ExchangePolicy
from qmtl.dsl.model import PaperBroker as PaperSettings

from ..bars import Floats, OpenRow
from ..orders import Order, OrderState
from ..ports import BarFeed, BrokerEvent, BrokerOrder, BrokerSnapshot, Position, Reply
from .paper_store import PaperOrder, PaperStore
from .sessions import Sessions

ZERO = Decimal(0)
#: prices and fees are kept to a millionth of the currency; no sum of them is ever rounded
_MILLIONTH = Decimal("0.000001")
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_AVERAGE = Context(prec=28, rounding=ROUND_HALF_EVEN)
_SHORT_MARGIN = Decimal("0.5")


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
        self._fee, self._slippage = Decimal(str(settings.fee)), Decimal(str(settings.slippage))
        self._store = PaperStore(path, account_id, settings.cash)
        self._columns = {symbol: i for i, symbol in enumerate(feed.symbols)}
        self._marks: Floats = np.full(len(feed.symbols), np.nan)
        self._marked_until = -1
        self._power, self._power_at = ZERO, (-1, -1)
        self._exact_marks: dict[str, Decimal] = {}
        self._scanned_until: dict[str, int] = {}

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
        """Fill what can be filled with opens that started by `now`, then expire day orders whose session is over."""
        working = self._store.working
        if not working:
            return
        fills: list[tuple[PaperOrder, OpenRow]] = []
        waiting = dict(working)
        for row in self._feed.opens(min(self._seen(paper) for paper in working.values()), now):
            for name, paper in list(waiting.items()):
                if self._seen(paper) < row.start < paper.expires_at and self._open_of(paper, row) is not None:
                    fills.append((paper, row))
                    del waiting[name]
        expired = [paper for paper in waiting.values() if paper.expires_at <= now]
        if fills or expired:
            with self._store.commit():
                for paper, row in fills:
                    self._fill(paper, row)
                for paper in expired:
                    self._end(paper, "expired", paper.expires_at, "the session closed")
        self._scanned_until = {name: max(now, self._seen(paper)) for name, paper in self._store.working.items()}

    def snapshot(self, now: int) -> BrokerSnapshot:
        """The account with positions at their marks of `now`."""
        store = self._store
        equity = _sum(store.cash, *(self._worth(p, now) for p in store.positions.values()))
        return BrokerSnapshot(
            equity=equity,
            cash=store.cash,
            buying_power=self._buying_power(now),
            positions=tuple(store.positions[symbol] for symbol in sorted(store.positions)),
            open_orders=tuple(paper.order for paper in store.working.values()),
            last_seq=store.last_seq,
        )

    def events(self, after_seq: int) -> Sequence[BrokerEvent]:
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
        with self._store.commit():
            self._store.put_order(PaperOrder(entry, self._session_close(now), detail))
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

    def _fill(self, paper: PaperOrder, row: OpenRow) -> None:
        opened = self._open_of(paper, row)
        assert opened is not None
        signed = paper.signed
        against = self._slippage if signed > 0 else -self._slippage
        price = _EXACT.multiply(opened, 1 + against).quantize(_MILLIONTH, context=_EXACT)
        notional = _EXACT.multiply(signed, price)
        fee = _EXACT.multiply(abs(notional), self._fee).quantize(_MILLIONTH, context=_EXACT)
        store, name, symbol = self._store, paper.order.client_order_id, paper.order.symbol
        store.put_cash(_sum(store.cash, -notional, -fee))
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
        policy, position = self._policy, self._store.positions.get(order.symbol)
        held = position.qty if position is not None else ZERO
        same = [p.signed for p in self._store.working.values() if p.order.symbol == order.symbol]
        if order.symbol not in self._columns:
            return 422, f"asset {order.symbol} not found"
        if order.order_type != "market" or order.time_in_force != "day":
            return 422, f"{order.order_type}/{order.time_in_force} orders are not supported"
        if order.qty <= 0 or (not policy.fractional and order.qty % policy.lot_size):
            return 422, f"qty {order.qty} is not a positive multiple of {policy.lot_size}"
        if any(left * order.signed < 0 for left in same):
            return 403, "opposite side order exists"
        if held * order.signed < 0:
            free = abs(_sum(held, *same))
            return (200, "") if order.qty <= free else (403, f"insufficient qty available: {free} of {order.qty}")
        return self._refused_opening(order, now)

    def _refused_opening(self, order: Order, now: int) -> tuple[int, str]:
        policy = self._policy
        mark = self._mark(order.symbol, now) or order.mark
        notional = _EXACT.multiply(order.qty, mark)
        if notional < policy.min_notional:
            return 403, f"notional {notional} is below the minimum of {policy.min_notional}"
        short = order.side == "sell"
        if short and not policy.shorting:
            return 403, "account is not allowed to short"
        if short and order.qty % 1 and policy.fractional:
            return 422, "fractional orders cannot be sold short"
        power, need = self._buying_power(now), self._reserve(order.side, notional)
        return (403, f"insufficient buying power: {power:.2f} of {need:.2f}") if need > power else (200, "")

    def _reserve(self, side: str, notional: Decimal) -> Decimal:
        if side == "sell":
            return _EXACT.multiply(notional, _SHORT_MARGIN)
        return _EXACT.multiply(notional, 1 + self._fee + self._slippage)

    def _buying_power(self, now: int) -> Decimal:
        """Summed once per moment; an accepted order is taken off it, so that many orders of a tick cost one sum."""
        if self._power_at != (now, self._store.version):
            self._power, self._power_at = self._summed_power(now), (now, self._store.version)
        return max(self._power, ZERO)

    def _reserve_more(self, order: Order, now: int) -> None:
        """Take a just stored opening order off the known buying power."""
        held, mark = self._store.positions.get(order.symbol), self._mark(order.symbol, now)
        if self._power_at != (now, self._store.version - 1) or mark is None:
            return
        if held is None or held.qty * order.signed > 0:
            self._power = _sum(self._power, -self._reserve(order.side, _EXACT.multiply(order.qty, mark)))
        self._power_at = (now, self._store.version)

    def _summed_power(self, now: int) -> Decimal:
        store = self._store
        power = store.cash
        for position in store.positions.values():
            if position.qty < 0:
                power = _sum(power, _EXACT.multiply(self._worth(position, now), 1 + _SHORT_MARGIN))
        for paper in store.working.values():
            held = store.positions.get(paper.order.symbol)
            mark = self._mark(paper.order.symbol, now)
            if mark is not None and (held is None or held.qty * paper.signed > 0):
                power = _sum(power, -self._reserve(paper.order.side, _EXACT.multiply(abs(paper.signed), mark)))
        return power

    def _worth(self, position: Position, now: int) -> Decimal:
        mark = self._mark(position.symbol, now)
        return _EXACT.multiply(position.qty, position.average_price if mark is None else mark)

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
    qty = _sum(position.qty, signed)
    if position.qty * signed < 0:
        crossed = qty * position.qty < 0
        return Position(symbol, qty, price) if crossed else replace(position, qty=qty)
    cost = _sum(_EXACT.multiply(position.qty, position.average_price), _EXACT.multiply(signed, price))
    return Position(symbol, qty, _AVERAGE.divide(cost, qty))


def _sum(first: Decimal, *rest: Decimal) -> Decimal:
    for value in rest:
        first = _EXACT.add(first, value)
    return first
