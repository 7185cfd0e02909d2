"""Orders, format version 1, and their deterministic ids.

In: `net` builds orders. Out: the journal stores them as intents before a broker sees them. Quantities and prices are
`Decimal`, already quantised by the exchange policy.

An id says where an order comes from (`Origin`), never what it is: a replay or a second runner then collides with the first
instead of doubling it. A used id is never used again: another try of the same leg is another `attempt`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from .wire import LATER

FORMAT = "qmtl.order.v1"
PREFIX = "q1-"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)


class Origin(StrEnum):
    """What decided an order: a tick, a batch of a rebalancing plan, a kill, or a person. Its `epoch` is the tick's grid time or
    the number of the batch, of the kill, of the command."""

    TICK = "tick"
    BATCH = "batch"
    KILL = "kill"
    MANUAL = "manual"


class OrderState(StrEnum):
    """Where an order is in its life; the last six are terminal."""

    INTENDED = "INTENDED"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    UNKNOWN = "UNKNOWN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_UNSENT = "EXPIRED_UNSENT"
    DENIED = "DENIED"


TERMINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
        OrderState.EXPIRED_UNSENT,
        OrderState.DENIED,
    }
)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose part of an order this is: signed quantity of one world's strategy and its generation."""

    world: str
    strategy: str
    generation: str
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """One order as it is journaled and sent.

    epoch        grid time of the tick that decided it (epoch seconds)
    origin       what decided it
    leg          "open" or "close": an order never crosses zero
    attempt      rises only after the former attempt of the same leg is terminal
    reason       reason code that caused it
    mark         price the size was computed with
    valid_until  epoch seconds after which an entry is not sent any more; 0 = no limit (exits)
    limit_price  of a limit order, else None: it never fills at a worse price
    reduce_only  carries the venue's flag of that name
    """

    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    qty: Decimal
    leg: Literal["open", "close"]
    epoch: int
    attempt: int
    reason: str
    mark: Decimal
    valid_until: int
    attribution: tuple[Attribution, ...]
    order_type: str = "market"
    time_in_force: str = "day"
    origin: Origin = field(default=Origin.TICK, metadata=LATER)
    limit_price: Decimal | None = field(default=None, metadata=LATER)
    reduce_only: bool = field(default=False, metadata=LATER)

    @property
    def signed(self) -> Decimal:
        """Quantity with the side's sign."""
        return self.qty if self.side == "buy" else -self.qty


def client_order_id(account: str, epoch: int, symbol: str, leg: str, attempt: int, origin: Origin = Origin.TICK) -> str:
    """29 characters of [a-z0-9-]: prefix + base32 of a 128-bit hash. Never of quantity, side, price, world or config
    text, so that a replay or a second runner collides instead of doubling."""
    text = "\n".join((account, origin, str(epoch), symbol, leg, str(attempt)))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    bits = int.from_bytes(digest, "big") << 2  # 130 bits are 26 letters, as base32 pads them
    return PREFIX + "".join([_PAIRS[bits >> shift & 1023] for shift in range(120, -1, -10)])
