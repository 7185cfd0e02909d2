"""A broker in memory that only says how things are, and fails as real ones do: for tests of reconciliation.

Each call looks at `fates`, a queue of what happens next: "ok", "lost" (done, and the answer never comes), "gone" (not done, no
answer), "down" (reads fail), "refused".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from qmtl.engine.errors import BrokerError
from qmtl.engine.orders import Attribution, Order, client_order_id
from qmtl.engine.ports import Activity, BrokerOrder, BrokerSnapshot, Known, Position, Reply, Told

ZERO = Decimal(0)
OPEN = ("ACCEPTED", "PARTIALLY_FILLED")


def order(
    symbol: str = "SPY", qty: int = 10, *, leg: str = "open", epoch: int = 900, attempt: int = 1,
    parts: Iterable[tuple[str, int]] = (("w", 0),),
) -> Order:  # fmt: skip
    """An intent; a negative quantity sells."""
    shares = tuple(Attribution(world, "s", "g", Decimal(part or qty)) for world, part in parts)
    name = client_order_id("acct", epoch, symbol, leg, attempt)
    side = "buy" if qty > 0 else "sell"
    return Order(name, symbol, side, Decimal(abs(qty)), leg, epoch, attempt, "ok", Decimal(100), epoch + 120, shares)  # type: ignore[arg-type]


@dataclass
class Venue:
    """Orders by client id, in the order they came; positions follow the fills."""

    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    by_hand: dict[str, Decimal] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)
    fates: deque[str] = field(default_factory=deque)
    sent: dict[str, int] = field(default_factory=dict)
    canceled: list[str] = field(default_factory=list)
    down: bool = False
    now: int = 900
    facts: dict[str, Any] = field(default_factory=dict)
    ended: tuple[str, ...] = ()

    account_id = "test"

    def advance(self, now: int) -> None:
        self.now = now

    def hear(self, known: Known, now: int) -> Told:
        if self.down:
            raise BrokerError("the account does not answer")
        live = tuple(o for o in self.orders.values() if o.state in OPEN)
        told = tuple(o for o in self.orders.values() if o.client_order_id in known.orders)
        fresh = tuple(a for a in self.activities if a.id > known.cursor) if known.cursor else ()
        cursor = max((a.id for a in self.activities), default="0")
        money = Decimal(100_000)
        snapshot = BrokerSnapshot(money, money, money, self.positions(), live, 0, **self.facts)
        return Told(snapshot, (), told, fresh, cursor, ended=self.ended if known.heard else ())

    def positions(self) -> tuple[Position, ...]:
        if self.down:
            raise BrokerError("the positions cannot be read")
        held = dict(self.by_hand)
        for o in self.orders.values():
            held[o.symbol] = held.get(o.symbol, ZERO) + (o.filled if o.side == "buy" else -o.filled)
        return tuple(Position(s, q, Decimal(100)) for s, q in sorted(held.items()) if q)

    def submit(self, wanted: Order, now: int) -> Reply:
        name, fate = wanted.client_order_id, self.fates.popleft() if self.fates else "ok"
        self.sent[name] = self.sent.get(name, 0) + 1
        if fate in ("ok", "lost") and name not in self.orders:
            self.orders[name] = BrokerOrder(
                name,
                wanted.symbol,
                wanted.side,
                wanted.qty,
                ZERO,
                "ACCEPTED",
                now,
                ZERO,
                now,
                "",
                f"b{len(self.orders)}",
            )
        if fate == "refused" and name not in self.orders:
            return Reply(name, "REJECTED", 403, "business", "insufficient buying power")
        if fate in ("lost", "gone"):
            raise BrokerError("no answer")
        return Reply(name, "ACCEPTED", 200, "", "")

    def cancel(self, client_order_id: str, now: int) -> Reply:
        self.canceled.append(client_order_id)
        found = self.orders.get(client_order_id)
        if found is not None and found.state in OPEN:
            self.orders[client_order_id] = replace(found, state="CANCELED", updated_at=now)
        return Reply(client_order_id, "ACCEPTED", 204, "", "")

    def lookup(self, client_order_id: str) -> BrokerOrder | None:
        if self.down:
            raise BrokerError("the order cannot be looked up")
        return self.orders.get(client_order_id)

    def traces(self, prefix: str) -> tuple[str, ...]:
        return tuple(name for name, o in self.orders.items() if name.startswith(prefix) and o.state in OPEN)

    def close(self) -> None:
        """Nothing to close."""

    def fill(self, name: str, qty: int, price: str = "100") -> None:
        """A part of an order fills."""
        found = self.orders[name]
        filled = found.filled + qty
        average = (found.average * found.filled + Decimal(price) * qty) / filled
        state = "FILLED" if filled == found.qty else "PARTIALLY_FILLED"
        self.orders[name] = replace(found, filled=filled, average=average, state=state, updated_at=self.now)
