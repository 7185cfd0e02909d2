"""Where a run stands, read from its journal while it runs: what `qmtl status`, `orders` and `positions` print.

In: a journal (a reader of it), and how a program becomes bytes again. Out: frozen values as of the last tick; nothing is asked of the
broker, so that looking never uses up the run's requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from qmtl.dsl.program import Program

from . import wire
from .continuity import busy
from .execution.book import Book
from .execution.ledger import own_part
from .execution.phases import Phase, phases
from .execution.troubles import Block, Moment, blocks, differing, patience
from .frame import build_frame, generation_label, strategy_label
from .journal import codec
from .orders import Order, OrderState
from .ports import BrokerEvent, JournalView, Reply
from .reasons import Reason
from .record import (
    AccountIdentity,
    LastTick,
    last_account,
    last_feed,
    last_tick,
    stored_columns,
    tick_stream,
    ticked_program,
    worlds_of,
)
from .storedbook import read_book
from .tick import PolicyLabel
from .trading import TradingState
from .withdrawal import last_withdrawal

_ENDS = {"canceled": OrderState.CANCELED, "expired": OrderState.EXPIRED, "rejected": OrderState.REJECTED}


@dataclass(frozen=True, slots=True)
class WorldStanding:
    """One world: `trading` as `TradingState` says it and why, its kill ("" = none) and since when, losses as fractions of its
    capital."""

    world: str
    program_id: str
    trading: str
    trading_why: str
    kill: str
    killed_at: int
    recover_at: int
    flatten: bool
    day_loss: float
    week_loss: float
    chains: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class PositionStanding:
    """One position at the broker: signed quantity, how much of it is ours and how much is somebody else's, what the run believes
    the whole of it is worth, and whose ours is. `external`: it is not ours, or not all of it, or less is there than is ours.
    `since` epoch seconds, 0 = not known."""

    symbol: str
    world: str
    qty: Decimal
    ours: Decimal
    theirs: Decimal
    average: float
    mark: float
    value: float
    profit: float
    phase: str
    external: bool
    owner: str
    generation: str
    policy: str
    since: int
    stop: float
    take: float


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """One order of ours: what it is, where it stands, why it was sent. `block` names why it holds up its symbol, "" = it does not."""

    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    filled: Decimal
    state: str
    leg: str
    sent_at: int
    reason: str
    world: str
    strategy: str
    block: str
    detail: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A run as of its last tick. `readable` False: the broker could not be read then, so positions are those of before.
    `withdrawn_mode`: the lesser mode that the text asks for since, and nothing is sent under it, "" = none; `withdrawn_worlds` may
    not trade real money any more. `differs` are (symbol, ours by our fills, the account's) where somebody else traded in ours."""

    account: AccountIdentity | None
    mode: str
    now: int
    tick: int
    interval: int
    source: str
    readable: bool
    equity: Decimal | None
    cash: Decimal | None
    buying_power: Decimal | None
    blocked: str
    worlds: tuple[WorldStanding, ...]
    positions: tuple[PositionStanding, ...]
    orders: tuple[OrderStanding, ...]
    blocks: tuple[Block, ...]
    withdrawn_mode: str = ""
    withdrawn_worlds: tuple[str, ...] = ()
    differs: tuple[tuple[str, Decimal, Decimal], ...] = ()


def standing(journal: JournalView, decode: Callable[[bytes], Program]) -> Standing | None:
    """The run as of its last tick; None before the first one. JournalError or StateError when the journal cannot be read."""
    last = {name: tick for name in worlds_of(journal) if (tick := last_tick(journal, name)) is not None}
    if not last:
        return None
    programs = {name: ticked_program(journal, tick.header, decode) for name, tick in last.items()}
    withdrawal = last_withdrawal(journal)
    head = max((tick.header for tick in last.values()), key=lambda header: header.now)
    book = read_book(journal, head.book)
    feed = last_feed(journal)
    interval = feed.interval if feed is not None else 60
    columns = {name: _columns(journal, name) for name in last}
    money = head.account
    held = [p for name in last for p in _positions(programs[name], last[name], columns[name], book)]
    ages = (programs[name].settings.orders.cancel_after for name in last)
    named = blocks(book, Moment(head.now, interval, patience(ages)))
    return Standing(
        account=last_account(journal),
        mode=head.mode,
        now=head.now,
        tick=head.number,
        interval=interval,
        source=head.source,
        readable=money is not None,
        equity=money.equity if money else None,
        cash=money.cash if money else None,
        buying_power=money.buying_power if money else None,
        blocked=Reason(head.blocked).code if head.blocked else "",
        worlds=tuple(_world(programs[name], last[name], columns[name]) for name in sorted(last)),
        positions=tuple(sorted(held, key=lambda p: p.symbol)),
        orders=_working(book, named),
        blocks=named,
        withdrawn_mode=withdrawal.mode,
        withdrawn_worlds=withdrawal.worlds,
        differs=tuple(differing(book, {p.symbol: p.qty for p in held})) if money is not None else (),
    )


def unfinished(journal: JournalView) -> tuple[str, ...]:
    """Symbols of which the journal holds something of ours or has an order working, sorted; no program is read for it."""
    heads = [tick.header for name in worlds_of(journal) if (tick := last_tick(journal, name)) is not None]
    if not heads:
        return ()
    return busy(read_book(journal, max(heads, key=lambda header: header.now).book))


def orders_since(journal: JournalView, since: int, working: Sequence[OrderStanding]) -> tuple[OrderStanding, ...]:
    """Every order decided after a moment (epoch seconds), oldest first; `working` are those that have not ended."""
    live = {one.client_order_id: one for one in working}
    ends = _ends(journal, since)
    rows = []
    for stored in journal.read("intent", since):
        order = wire.loads(Order, stored.entry.payload)
        row = live.get(order.client_order_id)
        if row is None:
            filled, state, detail = ends.get(order.client_order_id, (Decimal(0), "", ""))
            full = str(OrderState.FILLED) if filled == order.qty else state or str(OrderState.EXPIRED_UNSENT)
            row = _row(order, filled, full, "", detail)
        rows.append(row)
    return tuple(rows)


def _ends(journal: JournalView, since: int) -> Mapping[str, tuple[Decimal, str, str]]:
    """Id -> (filled, last state told, why) from answers and events."""
    ends: dict[str, tuple[Decimal, str, str]] = {}
    for stored in journal.read("reply", since - 1):
        for reply in wire.loads_all(Reply, stored.entry.payload):
            filled, _, _ = ends.get(reply.client_order_id, (Decimal(0), "", ""))
            ends[reply.client_order_id] = filled, reply.state, reply.detail
    for stored in journal.read("event", since - 1):
        for event in wire.loads_all(BrokerEvent, stored.entry.payload):
            filled, _, detail = ends.get(event.client_order_id, (Decimal(0), "", ""))
            if event.kind == "fill":
                ends[event.client_order_id] = filled + abs(event.qty), str(OrderState.PARTIALLY_FILLED), detail
            elif event.kind in _ENDS:
                ends[event.client_order_id] = filled, str(_ENDS[event.kind]), event.detail
    return ends


def _columns(journal: JournalView, world: str) -> Mapping[str, Any]:
    record = codec.last_record(journal, tick_stream(world))
    assert record is not None
    return stored_columns(record)


def _world(program: Program, last: LastTick, columns: Mapping[str, Any]) -> WorldStanding:
    why, kill = int(columns["gate.why"]), int(columns["gate.kill"])
    counts = np.bincount(columns["chain.chain"][columns["chain.chain"] >= 0], minlength=len(program.chains)).tolist()
    return WorldStanding(
        world=program.settings.world,
        program_id=last.header.program_id,
        trading=TradingState(int(columns["gate.trading"])).text,
        trading_why=Reason(why).code if why else "",
        kill=Reason(kill).code if kill else "",
        killed_at=int(columns["gate.killed_at"]),
        recover_at=int(columns["gate.recover_at"]),
        flatten=bool(columns.get("gate.flatten", 0)),
        day_loss=float(columns["gate.day_loss"]),
        week_loss=float(columns["gate.week_loss"]),
        chains=tuple((chain.name, count) for chain, count in zip(program.chains, counts, strict=True) if count),
    )


def _positions(program: Program, last: LastTick, columns: Mapping[str, Any], book: Book) -> Iterator[PositionStanding]:
    frame, header = build_frame(program), last.header
    exact, ours, doing = dict(header.exact), dict(book.ledger), phases(book)
    labels = {int(label): label.text for label in PolicyLabel}
    for i in np.flatnonzero(columns["state.qty"]).tolist():
        symbol, qty = program.settings.universe[i], float(columns["state.qty"][i])
        owner, average, mark = (
            int(columns["load.owner"][i]),
            float(columns["load.average"][i]),
            float(columns["load.mark"][i]),
        )
        amount = exact.get(symbol, Decimal(repr(qty))).normalize() + 0
        own = own_part(amount, ours.get(symbol, Decimal(0)))
        yield PositionStanding(
            symbol=symbol,
            world=program.settings.world,
            qty=amount,
            ours=own,
            theirs=amount - own,
            average=average,
            mark=mark,
            value=qty * mark,
            profit=qty * (mark - average) if math.isfinite(average) else math.nan,
            phase=str(doing.get(symbol, Phase.OPEN)),
            external=bool(columns["load.external"][i]),
            owner=strategy_label(frame, owner),
            generation=generation_label(frame, owner, i),
            policy=labels[int(columns["policy.label"][i])],
            since=int(columns["load.side_opened_at"][i]),
            stop=float(columns["target.stop_level"][i]),
            take=float(columns["target.take_level"][i]),
        )


def _working(book: Book, named: Sequence[Block]) -> tuple[OrderStanding, ...]:
    kinds = {block.client_order_id: block.kind for block in named}
    return tuple(_row(t.order, t.filled, str(t.state), kinds.get(t.order.client_order_id, ""), "") for t in book.orders)


def _row(order: Order, filled: Decimal, state: str, block: str, detail: str) -> OrderStanding:
    part = order.attribution[0]
    return OrderStanding(
        order.client_order_id, order.symbol, order.side, order.qty, filled, state, order.leg, order.epoch, order.reason,
        part.world, part.strategy, block, detail,
    )  # fmt: skip
