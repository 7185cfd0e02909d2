"""A tiny broker in memory: fills at the next chance, in parts, late or never; refuses, loses answers, cancels slowly.

In: what net sent, and a `Fate` that says how it goes. Out: the account as decide sees it. Its fates depend on a seed and
on the symbol, never on the order in which things are asked, so that two runs that send the same see the same. Whatever
net sends is checked here as a real broker would: an order that doubles, crosses zero or sells more than is held fails.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

import numpy as np

from qmtl.engine.frame import Frame
from qmtl.engine.market import Account, Fill, OrderResult, WorkingOrder
from qmtl.engine.net import Netted
from qmtl.engine.orders import Order

from .inputs import account_of

ZERO = Decimal(0)
Reading = tuple[bool, float | None]
#: chances of a troubled broker, and of a slow one: an order fills at once, fills in part, a cancel comes too late
USUAL = (0.6, 0.25, 0.3)
SLOW = (0.1, 0.35, 0.6)


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to orders in one tick. `faithful`: everything is accepted, filled and cancelled at once."""

    seed: int = 0
    faithful: bool = True
    slow: bool = False

    @property
    def chances(self) -> tuple[float, float, float]:
        """At once, in part, too late."""
        return SLOW if self.slow else USUAL

    def chance(self, salt: str) -> float:
        """A number in [0, 1) that belongs to this seed and salt."""
        return zlib.crc32(f"{self.seed} {salt}".encode()) / 2**32


@dataclass(slots=True)
class Live:
    """An order of ours that is not terminal; `left` signed; `lost` is an order whose answer never came."""

    order: Order
    left: Decimal
    canceling: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose position: from the first opening fill from flat."""

    strategy: str
    generation: str
    side: int
    since: int


@dataclass(slots=True)
class Exchange:
    """Positions of ours, trades by hand, money, working orders, and what decide has not heard yet. `ours` is what our fills add
    up to, `paid` what a share of it cost, `manual` what the broker holds beyond it or lacks; `flat` was not there at the reading
    before."""

    cash: float = 100_000.0
    leverage: float = 4.0
    ours: dict[str, Decimal] = field(default_factory=dict)
    manual: dict[str, Decimal] = field(default_factory=dict)
    average: dict[str, float] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    live: dict[str, Live] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    opened: list[tuple[int, str, int, Order]] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    results: list[OrderResult] = field(default_factory=list)
    flows: float = 0.0
    unwinds: bool = False  # external positions may be closed
    paid: dict[str, float] = field(default_factory=dict)
    flat: frozenset[str] = frozenset()

    def copy(self) -> Exchange:
        """The same account, to go on from twice."""
        lives = {name: Live(one.order, one.left, one.canceling, one.lost) for name, one in self.live.items()}
        return Exchange(
            self.cash, self.leverage, dict(self.ours), dict(self.manual), dict(self.average), dict(self.owners), lives,
            set(self.used), list(self.opened), list(self.fills), list(self.results), self.flows, self.unwinds,
            dict(self.paid), self.flat,
        )  # fmt: skip

    def held(self, symbol: str) -> Decimal:
        """What the broker holds, trades by hand included."""
        return self.ours.get(symbol, ZERO) + self.manual.get(symbol, ZERO)

    def own(self, symbol: str) -> Decimal:
        """What is ours of that: no more than our fills say and than is there, and nothing on the other side."""
        ours, held = self.ours.get(symbol, ZERO), self.held(symbol)
        return min(ours, held, key=abs) if ours * held > 0 else ZERO

    def equity(self, marks: Mapping[str, float]) -> float:
        """Cash and positions at their marks."""
        symbols = {*self.ours, *self.manual}
        return self.cash + sum(float(self.held(symbol)) * marks[symbol] for symbol in symbols)

    def deposit(self, money: float) -> None:
        """Money in (or out)."""
        self.cash += money
        self.flows += money

    def by_hand(self, symbol: str, qty: Decimal, price: float) -> None:
        """Somebody trades on the same account."""
        self._book(symbol, qty, price)
        self.manual[symbol] = self.manual.get(symbol, ZERO) + qty

    def trade(self, now: int, prices: Mapping[str, float], fate: Fate) -> None:
        """What happened to the working orders since the last tick; everything ends with the session (`close`)."""
        whole, part, missed = fate.chances
        for name, one in list(self.live.items()):
            symbol = one.order.symbol
            luck = 0.0 if fate.faithful else fate.chance(f"fill {symbol}")
            if one.lost:
                self._find(name, one, fate)
                continue
            late = one.canceling and not fate.faithful and fate.chance(f"cancel {symbol}") < missed
            if one.canceling and not late:
                self._end(name, one, "CANCELED")
            elif luck < whole:
                self._fill(one, one.left, now, prices[symbol])
            elif luck < whole + part:
                some = (one.left * Decimal("0.4")).to_integral_value(rounding=ROUND_DOWN)
                self._fill(one, some, now, prices[symbol])
            if not one.left:
                self._end(name, one, "FILLED")

    def close(self) -> None:
        """The session is over: day orders expire."""
        for name, one in list(self.live.items()):
            self._end(name, one, "EXPIRED")

    def submit(self, netted: Netted, now: int, fate: Fate) -> None:
        """Cancels, then orders, each checked as a broker would check it."""
        for cancel in netted.cancels:
            assert cancel.client_order_id in self.live, "a cancel of an order that is not working"
            self.live[cancel.client_order_id].canceling = True
        for order in netted.orders:
            self._checked(order)
            self.used.add(order.client_order_id)
            luck = 1.0 if fate.faithful else fate.chance(f"submit {order.symbol}")
            if luck < 0.05:
                self._say(order, "REJECTED", "business")
            elif luck < 0.053:
                self._say(order, "REJECTED", "auth")
            elif luck < 0.09:
                self._say(order, "UNKNOWN", "unknown")
                self.live[order.client_order_id] = Live(order, order.signed, lost=True)
            else:
                self._say(order, "ACCEPTED", "")
                self.live[order.client_order_id] = Live(order, order.signed)

    def account(
        self,
        frame: Frame,
        marks: Mapping[str, float],
        now: int,
        reading: Reading = (True, None),
        *,
        marked: bool = False,
    ) -> Account:
        """The account as of now; what was said is not said again. Unreadable: nothing is heard, all is said later. `reading`:
        readable, and the equity that is shown instead of the true one; `marked`: with the broker's own marks."""
        readable, equity = reading
        symbols = frame.names.symbols
        working = tuple(
            WorkingOrder(name, one.order.symbol, one.left, one.order.leg, one.order.epoch, one.order.attempt)
            for name, one in self.live.items()
            if one.order.symbol in symbols
        )
        if not readable:
            return account_of(frame, readable=False, equity=math.nan, cash=math.nan, buying_power=0.0, working=working)
        self._write_off(symbols)
        worth = self.equity(marks)
        gross = sum(abs(float(self.held(symbol))) * marks[symbol] for symbol in {*self.ours, *self.manual})
        gross += sum(
            abs(float(one.left)) * marks[one.order.symbol] for one in self.live.values() if one.order.leg == "open"
        )
        external = np.array([bool(self.manual.get(symbol)) for symbol in symbols])
        account = account_of(
            frame,
            held={symbol: self.held(symbol) for symbol in symbols},
            average=self.average,
            external=external,
            ours=tuple(self.ours.get(symbol, ZERO) for symbol in symbols) if external.any() else None,
            own=np.array([float(self.own(symbol)) for symbol in symbols]) if external.any() else None,
            own_average=np.array([self.paid.get(symbol, math.nan) for symbol in symbols]) if external.any() else None,
            equity=worth if equity is None else equity,
            cash=self.cash,
            buying_power=max(self.leverage * worth - gross, 0.0),
            flows=self.flows,
            working=working,
            broker_mark=np.array([marks[symbol] for symbol in symbols]) if marked else None,
            marked_at=np.full(len(symbols), now) if marked else None,
            fills=tuple(fill for fill in self.fills if fill.symbol in symbols),
            results=tuple(result for result in self.results if result.symbol in symbols),
        )
        self.fills, self.results, self.flows = [], [], 0.0
        return account

    def _checked(self, order: Order) -> None:
        symbol, held = order.symbol, self.held(order.symbol)
        assert order.client_order_id not in self.used, "a client id was used twice"
        assert all(one.order.symbol != symbol for one in self.live.values()), "a second live order in a symbol"
        own = abs(self.own(symbol))
        assert self.unwinds or not self.manual.get(symbol) or order.leg == "close", "opened beside what is not ours"
        assert self.unwinds or not self.manual.get(symbol) or order.qty <= own, "an external position was traded"
        assert order.qty > 0, "an order of nothing"
        if order.leg == "close":
            assert held * order.signed < 0, "a closing order on the wrong side"
            assert order.qty <= abs(held), "more was sold than is held"
        else:
            assert held * order.signed >= 0, "an opening order that crosses zero"

    def _find(self, name: str, one: Live, fate: Fate) -> None:
        """An order whose answer was lost: the broker has it after all, or it never came there."""
        if fate.faithful or fate.chance(f"found {one.order.symbol}") < 0.5:
            one.lost = False
            self._say(one.order, "ACCEPTED", "")
        else:
            self._end(name, one, "EXPIRED_UNSENT")

    def _fill(self, one: Live, qty: Decimal, now: int, price: float) -> None:
        if not qty:
            return
        order, symbol, part = one.order, one.order.symbol, one.order.attribution[0]
        before, after = self.ours.get(symbol, ZERO), self.held(symbol) + qty
        mine = self._ours_after(order, qty)
        if mine and not before:
            self.owners[symbol] = Owner(part.strategy, part.generation, 1 if qty > 0 else -1, now)
            self.opened.append((now, symbol, 1 if qty > 0 else -1, order))
        self._book(symbol, qty, price)
        self.ours[symbol], self.manual[symbol] = mine, after - mine
        if abs(mine) > abs(before):
            self.paid[symbol] = (self.paid.get(symbol, 0.0) * float(before) + price * float(qty)) / float(mine)
        if not mine:
            self.owners.pop(symbol, None)
        one.left -= qty
        self.fills.append(
            Fill(
                order.client_order_id,
                symbol,
                qty,
                Decimal(repr(price)),
                now,
                part.world,
                part.strategy,
                part.generation,
            )
        )

    def _ours_after(self, order: Order, qty: Decimal) -> Decimal:
        """What is ours after a fill. A closing one takes from that first and never turns it around, as the book does it."""
        before = self.ours.get(order.symbol, ZERO)
        if order.leg == "open":
            return before + qty
        if before * qty >= 0:
            return before
        return before + qty if abs(qty) < abs(before) else ZERO

    def _write_off(self, symbols: tuple[str, ...]) -> None:
        """What two readings in a row do not show, and nothing of ours works for or filled in, is not ours any more."""
        busy = {one.order.symbol for one in self.live.values()} | {fill.symbol for fill in self.fills}
        flat = frozenset(symbol for symbol in symbols if not self.held(symbol))
        for symbol in (flat & self.flat) - busy:
            self.ours[symbol] = self.manual[symbol] = ZERO
            self.owners.pop(symbol, None)
        self.flat = flat

    def _book(self, symbol: str, qty: Decimal, price: float) -> None:
        """Cash and the average price, which an add moves and a reduction leaves."""
        old = self.held(symbol)
        new = old + qty
        if not old or (old > 0) != (new > 0):
            self.average[symbol] = price
        elif abs(new) > abs(old):
            paid = self.average[symbol] * float(abs(old)) + price * float(abs(qty))
            self.average[symbol] = paid / float(abs(new))
        self.cash -= float(qty) * price

    def _end(self, name: str, one: Live, outcome: str) -> None:
        self._say(one.order, outcome, "")
        del self.live[name]

    def _say(self, order: Order, outcome: str, error: str) -> None:
        self.results.append(OrderResult(order.client_order_id, order.symbol, outcome, error, "", order.leg))
