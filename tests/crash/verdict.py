"""What has to hold after any number of kills and faults: the laws, from the venue's book and the run's journal.

In: both, as they are when everything has come to rest. Out: `Verdict`; each count that is not 0 comes with a sentence.

doubled      client ids under which the venue has more than one order; orders that traded although an earlier one of the same symbol and
             leg traded too, the journal did not have all that the earlier one ever traded when the later was decided, and no order of the
             other side traded between them (an order that was given up, refused or an open question and is there after all); orders
             that left more in a symbol than one wish allows: after each fill of a buy the venue holds at most what the journal had of
             the symbol when the order was decided and its quantity more, after each fill of a sale at least that much less
lost         orders of ours at the venue of whose fills the journal has another sum; intents that never ended and are no named block
unexplained  orders with our prefix without an intent in the journal, now or at the moment of a kill; orders that are not what their
             intent says; symbols in which ledger + external is not what the venue holds
blocked      named blocks that are left after the quiet ticks at the end

None of these looks at ids to tell what is one decision: an id is made of the decision, and a venue refuses a used one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from qmtl.engine import wire
from qmtl.engine.execution.troubles import Moment, blocks
from qmtl.engine.journal import codec
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.orders import PREFIX, Order
from qmtl.engine.ports import BrokerEvent, Reply
from qmtl.engine.record import TickHeader
from qmtl.engine.storedbook import read_book

_NOTHING = Decimal(0)
ENDS = {"FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_UNSENT", "DENIED"}
_TOLD = {"canceled": "CANCELED", "rejected": "REJECTED", "expired": "EXPIRED"}


@dataclass(frozen=True)
class Verdict:
    """Counts, and what was wrong. `intents`, `orders` and `fills` say how much there was to go wrong."""

    doubled: int
    lost: int
    unexplained: int
    blocked: int
    intents: int
    orders: int
    fills: int
    wrong: tuple[str, ...]

    @property
    def well(self) -> bool:
        return not (self.doubled or self.lost or self.unexplained or self.blocked)


@dataclass(frozen=True)
class _Heard:
    """The fills that the journal has, each with the tick that heard of it: (epoch, client id, symbol, signed shares)."""

    fills: tuple[tuple[int, str, str, Decimal], ...]

    def of(self, name: str, by: int) -> Decimal:
        """What an order had traded as far as the journal knew at a tick, unsigned."""
        return sum((abs(qty) for at, who, _, qty in self.fills if who == name and at <= by), _NOTHING)

    def held(self, symbol: str, by: int) -> Decimal:
        """What the journal had of a symbol at a tick."""
        return sum((qty for at, _, what, qty in self.fills if what == symbol and at <= by), _NOTHING)


def judged(book: dict[str, Any], journal: Path, early: tuple[str, ...] = (), world: str = "us_core") -> Verdict:
    """The verdict on one venue and one journal; `early` was found at the kills (`without_intent`)."""
    with JournalReader(journal) as reader:
        intents = _intents(reader)
        told = [(s.entry.epoch, e) for s in reader.read("event") for e in wire.loads_all(BrokerEvent, s.entry.payload)]
        replies = [r for s in reader.read("reply") for r in wire.loads_all(Reply, s.entry.payload)]
        record = codec.last_record(reader, f"tick:{world}")
        assert record is not None
        head = wire.typed(TickHeader, record.header)
        ours = read_book(reader, head.book)
    events = [event for _, event in told]
    heard = _Heard(tuple((at, e.client_order_id, e.symbol, e.qty) for at, e in told if e.kind == "fill"))
    theirs = [o for o in book["orders"] if o["client_order_id"].startswith(PREFIX)]
    stuck = {b.client_order_id: f"{b.symbol}: {b.kind} {b.client_order_id}" for b in blocks(ours, Moment(head.now, 60))}
    doubled = [*_same_id(theirs), *_unheard_of(theirs, intents, heard), *_too_much(book, intents, heard)]
    lost = [*_unheard(theirs, events), *_unended(intents, events, replies, set(stuck))]
    unexplained = [*early, *_unknown(theirs, intents), *_unequal(book, ours.ledger)]
    counts = (len(doubled), len(lost), len(unexplained), len(stuck), len(intents), len(theirs), len(heard.fills))
    return Verdict(*counts, (*doubled, *lost, *unexplained, *stuck.values()))


def without_intent(book: dict[str, Any], journal: Path, where: str) -> tuple[str, ...]:
    """Orders of ours at the venue that the journal of a killed run does not have: what is not committed must not leave."""
    there = [o["client_order_id"] for o in book["orders"] if o["client_order_id"].startswith(PREFIX)]
    if not there:
        return ()
    with JournalReader(journal) as reader:
        known = {s.entry.key for s in reader.read("intent")}
    return tuple(f"killed at {where}: order {name} left before its intent" for name in there if name not in known)


def _intents(reader: JournalReader) -> dict[str, Order]:
    return {s.entry.key: wire.loads(Order, s.entry.payload) for s in reader.read("intent")}


def _same_id(theirs: list[dict[str, Any]]) -> list[str]:
    ids = Counter(o["client_order_id"] for o in theirs)
    return [f"{n} orders under {name}" for name, n in ids.items() if n > 1]


def _unheard_of(theirs: list[dict[str, Any]], intents: dict[str, Order], heard: _Heard) -> list[str]:
    """See `doubled`, the second of its three."""
    traded: dict[str, list[tuple[int, Order, Decimal]]] = defaultdict(list)
    for place, o in enumerate(theirs):
        intent = intents.get(o["client_order_id"])
        if intent is not None and Decimal(o["filled_qty"]):
            traded[intent.symbol].append((place, intent, Decimal(o["filled_qty"])))
    found = []
    for symbol, orders in traded.items():
        by_time = sorted(orders, key=lambda one: one[1].epoch)
        for number, (there, later, _) in enumerate(by_time):
            for here, earlier, filled in by_time[:number]:
                known = heard.of(earlier.client_order_id, later.epoch)
                if (earlier.leg, earlier.side) != (later.leg, later.side) or known == filled:
                    continue
                between = range(min(here, there) + 1, max(here, there))
                if not any(place in between and other.side != later.side for place, other, _ in orders):
                    names = f"{later.client_order_id} and {earlier.client_order_id}"
                    found.append(f"{symbol}: {names} traded; {known} of {filled} was known of the earlier one")
    return found


def _too_much(book: dict[str, Any], intents: dict[str, Order], heard: _Heard) -> list[str]:
    """See `doubled`, the third of its three: one sentence an order."""
    names = {o["id"]: o["client_order_id"] for o in book["orders"]}
    held: dict[str, Decimal] = defaultdict(Decimal)
    found: dict[str, str] = {}
    for fill in book["fills"]:
        symbol, name = fill["symbol"], names[fill["order_id"]]
        held[symbol] += Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
        order = intents.get(name)
        if order is None:
            continue
        wished = heard.held(symbol, order.epoch) + order.signed
        if (held[symbol] - wished) * (1 if order.side == "buy" else -1) > 0:
            found[name] = f"{symbol}: {held[symbol]} held after a fill of {name}, which was to leave {wished}"
    return list(found.values())


def _unheard(theirs: list[dict[str, Any]], events: list[BrokerEvent]) -> list[str]:
    heard: dict[str, Decimal] = defaultdict(Decimal)
    for event in events:
        if event.kind == "fill":
            heard[event.client_order_id] += abs(event.qty)
    return [
        f"{o['client_order_id']} filled {o['filled_qty']}, and we heard of {heard[o['client_order_id']]}"
        for o in theirs
        if Decimal(o["filled_qty"]) != heard[o["client_order_id"]]
    ]


def _unended(intents: dict[str, Order], events: list[BrokerEvent], replies: list[Reply], named: set[str]) -> list[str]:
    last: dict[str, str] = {}
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for reply in replies:
        last[reply.client_order_id] = reply.state
    for event in events:
        filled[event.client_order_id] += abs(event.qty) if event.kind == "fill" else Decimal(0)
        if event.kind in _TOLD:
            last[event.client_order_id] = _TOLD[event.kind]
    return [
        f"intent {name} stands at {last.get(name, 'INTENDED')} and is no named block"
        for name, order in intents.items()
        if filled[name] != order.qty and last.get(name, "") not in ENDS and name not in named
    ]


def _unknown(theirs: list[dict[str, Any]], intents: dict[str, Order]) -> list[str]:
    unknown = [f"order {o['client_order_id']} has no intent" for o in theirs if o["client_order_id"] not in intents]
    for o in theirs:
        intent = intents.get(o["client_order_id"])
        if intent is not None and (o["symbol"], o["side"], Decimal(o["qty"])) != (
            intent.symbol,
            intent.side,
            intent.qty,
        ):
            unknown.append(f"order {o['client_order_id']} is not what its intent says")
        if intent is not None and Decimal(o["filled_qty"]) > intent.qty:
            unknown.append(f"order {o['client_order_id']} filled more than was ordered")
    return unknown


def _unequal(book: dict[str, Any], ledger: tuple[tuple[str, Decimal], ...]) -> list[str]:
    """Ledger + external = broker, with what hands traded for external."""
    external: dict[str, Decimal] = defaultdict(Decimal)
    for o in book["orders"]:
        if not o["client_order_id"].startswith(PREFIX):
            external[o["symbol"]] += Decimal(o["filled_qty"]) * (1 if o["side"] == "buy" else -1)
    ours = dict(ledger)
    held = {symbol: Decimal(p["qty"]) for symbol, p in book["positions"].items()}
    return [
        f"{symbol}: ledger {ours.get(symbol, 0)} + external {external[symbol]} is not {held.get(symbol, 0)}"
        for symbol in sorted(ours.keys() | held.keys() | external.keys())
        if ours.get(symbol, Decimal(0)) + external[symbol] != held.get(symbol, Decimal(0))
    ]


def comparable(book: dict[str, Any]) -> dict[str, Any]:
    """The venue's book without what a kill may change: numbers of tries, ids and times of the venue's own."""
    orders = sorted(
        (
            o["client_order_id"], o["symbol"], o["side"], o["qty"], o["filled_qty"], o["filled_avg_price"], o["status"],
        )
        for o in book["orders"]
    )  # fmt: skip
    return {"orders": orders, "positions": book["positions"], "cash": book["cash"]}
