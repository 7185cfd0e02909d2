"""The life of one order: a table of states that may follow each other, and nothing outside of it. Pure.

In: an order and what is known of it. Out: the same order in its next state, or StateError: an illegal transition is an error,
never a guess (R17).

    INTENDED ──> SUBMITTED ──> ACCEPTED ──> PARTIALLY_FILLED ──> FILLED, CANCELED, EXPIRED
        │            │            └───────────────────────────> FILLED, CANCELED, REJECTED, EXPIRED
        └────────────┴──> UNKNOWN ──> any of these, or EXPIRED_UNSENT

INTENDED is journaled and not known to be sent. SUBMITTED is received and not accepted yet: the word of brokers that say so, which
none here does. UNKNOWN was sent, and no answer says for certain what became of it: it is
looked up by its id until one does. EXPIRED_UNSENT was looked for and is not there; it is watched for the rest of the
session, and adopted if it shows up after all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from ..errors import StateError
from ..orders import TERMINAL, Order, OrderState

_S = OrderState
_OPEN_ENDS = {_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.REJECTED, _S.EXPIRED}

#: state -> states that may follow it
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    _S.INTENDED: frozenset({_S.SUBMITTED, _S.ACCEPTED, _S.UNKNOWN, _S.DENIED, _S.EXPIRED_UNSENT, *_OPEN_ENDS}),
    _S.SUBMITTED: frozenset({_S.ACCEPTED, _S.UNKNOWN, _S.EXPIRED_UNSENT, *_OPEN_ENDS}),
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.SUBMITTED, _S.EXPIRED_UNSENT, *_OPEN_ENDS}),
    _S.ACCEPTED: frozenset(_OPEN_ENDS),
    _S.PARTIALLY_FILLED: frozenset(_OPEN_ENDS - {_S.REJECTED}),
    **{state: frozenset() for state in TERMINAL},
}
#: states in which nobody knows whether the broker has the order
OPEN_QUESTIONS = frozenset({_S.INTENDED, _S.SUBMITTED, _S.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Tracked:
    """One order and where it stands. `filled` is unsigned and cumulative, `cost` the money of it (unsigned, without fees).
    `parts` is how much of it each entry of the attribution got, () before the first fill. `missed` counts the lookups since
    it was last sent that did not find it, `missed_at` is when the first of them was (epoch seconds); both are 0 once an answer
    came. `bound` is the account's signed quantity of the symbol that it was decided on, None = not known. `again` is when it was
    sent once more (epoch seconds), 0 = never: it ages from there."""

    order: Order
    state: OrderState
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    parts: tuple[Decimal, ...] = ()
    missed: int = 0
    missed_at: int = 0
    bound: Decimal | None = None
    again: int = 0

    def to(self, state: OrderState) -> Tracked:
        """The same order in its next state; StateError for a transition that the table does not have. What was found is not
        missed any more."""
        if state is self.state:
            return self
        if state not in TRANSITIONS[self.state]:
            raise StateError(f"order {self.order.client_order_id}: {self.state} cannot become {state}")
        if state in OPEN_QUESTIONS:
            return replace(self, state=state)
        return replace(self, state=state, missed=0, missed_at=0)

    def with_fill(self, qty: Decimal, price: Decimal) -> Tracked:
        """After a fill of `qty` (unsigned) at `price`; StateError for more than was ordered."""
        filled = self.filled + qty
        if filled > self.order.qty:
            raise StateError(f"order {self.order.client_order_id}: {filled} filled of {self.order.qty}")
        state = _S.FILLED if filled == self.order.qty else _S.PARTIALLY_FILLED
        parts = apportioned(self.order, self.parts, qty)
        return replace(self.to(state), filled=filled, cost=self.cost + qty * price, parts=parts)

    def not_found(self, now: int) -> Tracked:
        """After a lookup at `now` that did not find it."""
        return replace(self, missed=self.missed + 1, missed_at=self.missed_at or now)

    def sent_again(self, now: int) -> Tracked:
        """Lookups of before say nothing about an order that was sent since."""
        return replace(self, missed=0, missed_at=0, again=now)

    def adopted(self) -> Tracked:
        """The one way back: an order that was given up as never sent is at the broker after all."""
        if self.state is not _S.EXPIRED_UNSENT:
            raise StateError(f"order {self.order.client_order_id}: {self.state} is not adopted")
        return replace(self, state=_S.ACCEPTED, missed=0, missed_at=0)

    @property
    def since(self) -> int:
        """When it was sent the last time (epoch seconds)."""
        return max(self.again, self.order.epoch)

    @property
    def lost(self) -> bool:
        """Nobody knows whether the broker has it, and a lookup did not find it."""
        return self.missed > 0 and self.state in OPEN_QUESTIONS

    @property
    def left(self) -> Decimal:
        """What remains, with the side's sign."""
        left = self.order.qty - self.filled
        return left if self.order.side == "buy" else -left


def check_attempt(order: Order, tracked: Iterable[Tracked]) -> None:
    """StateError when another attempt of the same leg is still alive: the next one may rise only after its end."""
    for other in tracked:
        mine, theirs = order, other.order
        same = (mine.origin, mine.epoch, mine.symbol, mine.leg) == (
            theirs.origin,
            theirs.epoch,
            theirs.symbol,
            theirs.leg,
        )
        if same and other.state not in TERMINAL:
            raise StateError(
                f"order {mine.client_order_id}: attempt {mine.attempt} while attempt {theirs.attempt} is {other.state}"
            )


def apportioned(order: Order, parts: tuple[Decimal, ...], qty: Decimal) -> tuple[Decimal, ...]:
    """How much each entry of the attribution has after `qty` more was filled: whole multiples of the finest digit in the
    order and the fill, each fill to those that have the largest part still due, ties by world name. Nobody ever loses what
    a fill gave, and the parts add up to what was filled."""
    shares = order.attribution
    if len(shares) == 1:
        return ((parts[0] if parts else Decimal(0)) + qty,)
    had = parts or (Decimal(0),) * len(shares)
    weights = [abs(share.qty) for share in shares]
    due = [w * (sum(had, qty)) / sum(weights, Decimal(0)) - h for w, h in zip(weights, had, strict=True)]
    atom = Decimal(1).scaleb(min(_exponent(order.qty), _exponent(qty)))
    given = [max(d, Decimal(0)) // atom * atom for d in due]
    rest = qty - sum(given, Decimal(0))
    by_need = sorted(range(len(shares)), key=lambda i: (given[i] - due[i], shares[i].world, i))
    while rest < 0:  # some are owed less than nothing: those that were given most give back
        last = max((i for i in by_need if given[i] > 0), key=lambda i: (given[i] - due[i], shares[i].world))
        given[last], rest = given[last] - atom, rest + atom
    for number in range(int(rest / atom)):
        i = by_need[number % len(by_need)]
        given[i] += atom
    return tuple(h + g for h, g in zip(had, given, strict=True))


def _exponent(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return min(exponent, 0) if isinstance(exponent, int) else 0
