"""What the venue remembers: orders, positions, activities. Frozen values; the book replaces them.

Times of the life of an order are epoch nanoseconds (every change of the book has its own), moments of the market
(`since`, `live_from`, `expires`) are epoch seconds of the venue's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final

from .amounts import ZERO

#: an order in one of these may still change; Alpaca lists it as open
OPEN: Final = frozenset(
    {
        "new",
        "partially_filled",
        "done_for_day",
        "pending_cancel",
        "pending_replace",
        "accepted",
        "pending_new",
        "accepted_for_bidding",
        "stopped",
        "suspended",
        "calculated",
        "held",
    }
)
DONE: Final = frozenset({"filled", "canceled", "expired", "replaced", "rejected"})
#: orders in these may trade
WORKING: Final = frozenset({"new", "partially_filled", "pending_cancel"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fault has in store for one order. `parts` > 1: it fills in so many parts, one a clock step; `delay` seconds
    before it may fill; `reject`: it is rejected at the next clock step; `cancel_after` seconds a cancel takes, -1 = for
    ever, 0 = at once."""

    parts: int = 1
    delay: float = 0
    reject: bool = False
    cancel_after: float = 0


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `qty` is None for a notional order; `reserve` is the price a share that it blocks buying power with,
    0 when it only closes; `parent` the order whose leg this is; `foreign`: placed by hand."""

    id: str
    seq: int
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    status: str
    qty: Decimal | None
    notional: Decimal | None
    since: float
    live_from: float
    expires: float
    created_at: int
    submitted_at: int
    updated_at: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    extended_hours: bool = False
    order_class: str = ""
    position_intent: str = ""
    reserve: Decimal = ZERO
    filled_qty: Decimal = ZERO
    filled_cost: Decimal = ZERO
    filled_at: int = 0
    expired_at: int = 0
    canceled_at: int = 0
    failed_at: int = 0
    replaced_at: int = 0
    replaced_by: str = ""
    replaces: str = ""
    parent: str = ""
    triggered: bool = False
    cancel_asked: float = -1
    part_price: Decimal = ZERO
    parts_done: int = 0
    plan: Plan = Plan()
    foreign: bool = False
    reason: str = ""

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    @property
    def left(self) -> Decimal:
        """Shares not yet filled; 0 for a notional order."""
        return ZERO if self.qty is None else self.qty - self.filled_qty

    @property
    def closes(self) -> bool:
        """Whether it only reduces a position."""
        return self.position_intent.endswith("close")

    @property
    def fractional(self) -> bool:
        return self.qty is None or self.qty != self.qty.to_integral_value()


@dataclass(frozen=True, slots=True)
class Position:
    """Signed `qty`, and what it cost together (signed as well); `opened` is the session in which it was opened."""

    symbol: str
    qty: Decimal
    cost: Decimal
    opened: str

    @property
    def average(self) -> Decimal:
        return self.cost / self.qty


@dataclass(frozen=True, slots=True)
class Activity:
    """A fill or a movement of money or shares. `body` is the reply, without the id that orders it."""

    seq: int
    id: str
    kind: str
    at: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asset:
    """What may be done with a symbol."""

    symbol: str
    status: str = "active"
    tradable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True
    fractionable: bool = True
    marginable: bool = True
    exchange: str = "NASDAQ"


_AMOUNTS: Final = frozenset(
    item.name for kind in (Order, Position) for item in fields(kind) if "Decimal" in str(item.type)
)


def to_plain(value: Order | Position | Activity | Asset) -> dict[str, Any]:
    """Fields as JSON can hold them: Decimals as texts."""
    out: dict[str, Any] = {}
    for item in fields(value):
        field = getattr(value, item.name)
        if isinstance(field, Plan):
            field = {part.name: getattr(field, part.name) for part in fields(field)}
        out[item.name] = str(field) if isinstance(field, Decimal) else field
    return out


def to_order(row: dict[str, Any]) -> Order:
    return Order(**{**_amounts(row), "plan": Plan(**row["plan"])})


def to_position(row: dict[str, Any]) -> Position:
    return Position(**_amounts(row))


def _amounts(row: dict[str, Any]) -> dict[str, Any]:
    return {name: Decimal(value) if name in _AMOUNTS and value is not None else value for name, value in row.items()}
