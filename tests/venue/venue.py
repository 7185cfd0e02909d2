"""The venue: book, market, clock and faults under one lock, and what may be done with them.

In: settings, a clock, bars. Out: what routes and control call. Every public change happens inside `venue.lock` and ends
with one commit of the book (the HTTP side does both).
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from .amounts import CENT, ZERO, day_of, instant, plain
from .bars import Market, Split
from .book import Book
from .clock import Clock
from .faults import Faults
from .hours import Hours, xnys
from .matching import advance, change, finish
from .model import DONE, Asset, Order
from .money import MARGIN_FLOOR, figures
from .refusals import Refused

SPREAD = Decimal("0.0002")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a venue is started with. `account`: "margin" or "cash"; `plan`: "free" (no SIP data of the last 15 minutes) or
    "unlimited"; `rate_limit`: requests a minute of its clock that are answered, 0 = all; `exchange`: of all assets."""

    key: str = "PKTEST"
    secret: str = "test-secret"
    cash: Decimal = Decimal(100_000)
    account: str = "margin"
    plan: str = "free"
    seed: int = 0
    rate_limit: int = 0
    symbols: tuple[str, ...] = ()


@dataclass(slots=True)
class Venue:
    """One account at one broker. `now` is the moment the book has reached; the clock may be ahead of it only while time
    passes."""

    settings: Settings
    clock: Clock
    hours: Hours
    market: Market
    book: Book
    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)
    now: float = 0.0
    minute: int = 0
    in_minute: int = 0

    def tick(self) -> None:
        """On the wall clock, let the time pass that has passed."""
        if not self.clock.virtual:
            self.move(max(self.clock.now, self.now))

    def move(self, to: float) -> None:
        """Let time pass. Raises ValueError when a virtual clock would go back."""
        self.clock.move(to)
        advance(self, to)
        self.book.set_mark("clock", to)

    def asset(self, symbol: str) -> Asset | None:
        """A symbol's asset, changed by hand or by a standing fault."""
        if symbol not in self.market.symbols and symbol not in self.settings.symbols:
            return None
        asset = self.book.assets.get(symbol, Asset(symbol))
        if self.faults.state("not_tradable", symbol) is not None:
            asset = replace(asset, tradable=False)
        if self.faults.state("not_shortable", symbol) is not None:
            asset = replace(asset, shortable=False)
        if self.faults.state("hard_to_borrow", symbol) is not None:
            asset = replace(asset, easy_to_borrow=False)
        return asset

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted({*self.market.symbols, *self.settings.symbols}))

    @property
    def shorting(self) -> bool:
        """Whether the account may sell short: margin, 2,000 dollars of equity, not switched off."""
        if self.settings.account != "margin" or self.faults.state("no_shorting") is not None:
            return False
        return figures(self).equity >= MARGIN_FLOOR

    def is_open(self) -> bool:
        return self.hours.session(self.now) is not None and self.faults.state("closed") is None

    def quote(self, symbol: str, at: float) -> tuple[Decimal, Decimal]:
        """Bid and ask around the price at a moment, at least two cents apart; (0, 0) before the first bar."""
        price = self.market.price(symbol, at)
        if not price:
            return ZERO, ZERO
        half = max((price * SPREAD / 2).quantize(CENT), CENT)
        return (price - half).quantize(CENT), (price + half).quantize(CENT)

    def ask(self, symbol: str) -> Decimal:
        """What orders are checked against: the ask while the market is open, else the latest trade."""
        return self.quote(symbol, self.now)[1] if self.is_open() else self.market.price(symbol, self.now)

    def order(self, order_id: str) -> Order:
        """Raises `Refused` for an id that no order has."""
        if order_id not in self.book.orders:
            raise Refused("no_order", id=order_id)
        return self.book.orders[order_id]

    def cancel(self, order: Order) -> None:
        """Ask for a cancel. Cancelling what is cancelled already is no error; other ends are."""
        if order.status == "canceled":
            return
        if order.status in DONE:
            raise Refused("done", status=order.status)
        if order.plan.cancel_after == 0:
            finish(self, order, "canceled")
        elif order.status != "pending_cancel":
            change(self, order, status="pending_cancel", cancel_asked=self.now)

    def split(self, symbol: str, ratio: Decimal) -> None:
        """`ratio` new shares for one from now on: position, prices and open orders follow (orders are cancelled)."""
        for order in self.book.open_orders():
            if order.symbol == symbol:
                finish(self, order, "canceled", "split")
        position = self.book.positions.get(symbol)
        if position is not None:
            qty = position.qty * ratio
            self.book.hold(symbol, replace(position, qty=qty))
            self._note_split(symbol, position.qty, qty)
        splits = [*self.book.mark("splits", []), [symbol, int(self.now), str(ratio)]]
        self.book.set_mark("splits", splits)
        self.market.splits = _splits(splits)

    def _note_split(self, symbol: str, before: Decimal, after: Decimal) -> None:
        for qty in (-before, after):
            self.activity("SPLIT", {"symbol": symbol, "qty": plain(qty), "net_amount": "0"})

    def activity(self, kind: str, body: dict[str, Any]) -> None:
        """Write down something that moved the account without an order; its money must have moved already."""
        at = self.book.stamp(self.now)
        fixed = {"activity_type": kind, "date": day_of(self.now), "status": "executed", "currency": "USD"}
        self.book.record(kind, at, {**fixed, "created_at": instant(at), **body})

    def close(self) -> None:
        """Write what is only in memory and let go of the file."""
        with self.lock:
            self.book.set_mark("calls", dict(self.calls))
            self.book.close()


def _splits(rows: list[list[Any]]) -> tuple[Split, ...]:
    return tuple(Split(symbol, at, Decimal(ratio)) for symbol, at, ratio in rows)


def opened(settings: Settings, folder: Path, path: Path | None = None, now: float | None = None) -> Venue:
    """A venue on a folder of bars, new or as its book remembers it. `now` None = wall clock; a virtual clock goes on where
    the book stopped when that is later."""
    hours = xnys()
    book = Book(path, settings.seed)
    reached = book.mark("clock", None)
    clock = Clock(now if now is None or reached is None else max(now, reached))
    venue = Venue(settings, clock, hours, Market(folder, hours, _splits(book.mark("splits", []))), book)
    venue.calls.update(book.mark("calls", {}))
    venue.now = clock.now if reached is None else reached
    if reached is None:
        book.set_mark("cash", plain(settings.cash))
        book.set_mark("created", book.stamp(venue.now))
        book.set_mark("last_equity", plain(settings.cash))
    venue.move(clock.now)
    book.commit()
    return venue
