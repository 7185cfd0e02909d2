"""What has to hold after any number of kills and faults: the laws, from the venue's book and the run's journal.

In: both, as they are when everything has come to rest. Out: `Verdict`; each count that is not 0 comes with a sentence.

doubled      orders of ours for the same decision (epoch, symbol, leg) of which more than one traded; client ids under which the venue
             has more than one order
lost         fills of ours at the venue that the journal does not have, and intents that never ended and are no named block
unexplained  orders with our prefix that no journal has as an intent; intents filled by more than their quantity; symbols in
             which ledger + external is not what the venue holds
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from qmtl.engine import wire
from qmtl.engine.execution.troubles import blocks
from qmtl.engine.journal import codec
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.orders import PREFIX, Order
from qmtl.engine.ports import BrokerEvent, Reply
from qmtl.engine.record import TickHeader
from qmtl.engine.storedbook import read_book

ENDS = {"FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_UNSENT", "DENIED"}
_TOLD = {"canceled": "CANCELED", "rejected": "REJECTED", "expired": "EXPIRED"}


@dataclass(frozen=True)
class Verdict:
    """Counts, and what was wrong. `intents` and `orders` say how much there was to go wrong."""

    doubled: int
    lost: int
    unexplained: int
    intents: int
    orders: int
    fills: int
    blocked: int
    wrong: tuple[str, ...]

    @property
    def well(self) -> bool:
        return not (self.doubled or self.lost or self.unexplained)


def judged(book: dict[str, Any], journal: Path, world: str = "us_core") -> Verdict:
    """The verdict on one venue and one journal."""
    with JournalReader(journal) as reader:
        intents = {s.entry.key: wire.loads(Order, s.entry.payload) for s in reader.read("intent")}
        events = [e for s in reader.read("event") for e in wire.loads_all(BrokerEvent, s.entry.payload)]
        replies = [r for s in reader.read("reply") for r in wire.loads_all(Reply, s.entry.payload)]
        record = codec.last_record(reader, f"tick:{world}")
        assert record is not None
        head = wire.typed(TickHeader, record.header)
        ours = read_book(reader, head.book)
    theirs = [o for o in book["orders"] if o["client_order_id"].startswith(PREFIX)]
    doubled = _doubled(theirs, intents)
    named = {block.client_order_id for block in blocks(ours, head.now + 86_400, 60)}
    lost = [*_unheard(theirs, events), *_unended(intents, events, replies, named)]
    unexplained = [*_unknown(theirs, intents), *_unequal(book, ours.ledger)]
    fills = sum(1 for e in events if e.kind == "fill")
    return Verdict(
        len(doubled),
        len(lost),
        len(unexplained),
        len(intents),
        len(theirs),
        fills,
        len(named),
        (*doubled, *lost, *unexplained),
    )


def _doubled(theirs: list[dict[str, Any]], intents: dict[str, Order]) -> list[str]:
    ids = Counter(o["client_order_id"] for o in theirs)
    found = [f"{n} orders under {name}" for name, n in ids.items() if n > 1]
    traded = defaultdict(list)
    for o in theirs:
        intent = intents.get(o["client_order_id"])
        if intent is not None and Decimal(o["filled_qty"]):
            traded[intent.epoch, intent.symbol, intent.leg].append(o["client_order_id"])
    return found + [f"{key}: {names} all traded" for key, names in traded.items() if len(names) > 1]


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
