"""What a person has to hear about the account and its edges, one line for each thing that is wrong. Pure.

In: what a tick heard. Out: `Trouble`s; who shows them repeats what lasts. An intent that has not ended and cannot go on is a
named block: the symbol, the order and why, so that nothing is ever stuck in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..orders import OrderState
from ..ports import BrokerSnapshot
from .book import Book
from .lifecycle import OPEN_QUESTIONS, Tracked
from .reconcile import Reconciled

#: an order that should have ended is told of after this many ticks
_LONG: Final = 6


@dataclass(frozen=True, slots=True)
class Trouble:
    """`kind` names what is wrong, the same one as long as it lasts; `text` says it to a person."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A symbol in which nothing can be opened because of an order of ours. `kind`: "unknown" (nobody knows whether the broker
    has it), "stuck" (it should have ended), "unsent" (journaled and not sent yet). `since` epoch seconds."""

    symbol: str
    kind: str
    client_order_id: str
    since: int


def blocks(book: Book, now: int, interval: int) -> tuple[Block, ...]:
    """The named blocks of a book, by the order they were sent."""
    return tuple(block for t in book.orders if (block := _block(t, now, interval)) is not None)


def troubles_of(
    heard: Reconciled, feed: str, unreadable: tuple[str, ...], now: int, interval: int
) -> tuple[Trouble, ...]:
    """Everything wrong at one tick; `feed` says what a feed did not answer, "" = all did; `unreadable` are commands that cannot
    be understood."""
    return (
        *_unread(heard.error, feed),
        *(Trouble(f"command {one}", f"{one} is no command: take it away") for one in unreadable),
        *_runners(heard.runners),
        *(_account(heard.snapshot) if heard.snapshot is not None else ()),
        *(_told(block, now) for block in blocks(heard.book, now, interval) if block.kind != "unsent"),
    )


def _block(tracked: Tracked, now: int, interval: int) -> Block | None:
    order = tracked.order
    if tracked.state is OrderState.UNKNOWN or tracked.lost:
        kind = "unknown"
    elif tracked.state in OPEN_QUESTIONS:
        if now <= order.epoch:  # sent with this very tick: its answer is stored with the next one
            return None
        kind = "unsent"
    elif now - order.epoch > _LONG * interval:
        kind = "stuck"
    else:
        return None
    return Block(order.symbol, kind, order.client_order_id, order.epoch)


def _told(block: Block, now: int) -> Trouble:
    minutes = (now - block.since) // 60
    what = {
        "unknown": "nobody knows whether the broker has it: nothing is opened there until a lookup says so",
        "stuck": "it should have ended by now: look at it at the broker, and cancel it there if need be",
    }[block.kind]
    return Trouble(
        f"{block.kind} {block.client_order_id}",
        f"order {block.client_order_id} in {block.symbol}, {minutes} min old: {what}",
    )


def _unread(broker: str, feed: str) -> Iterator[Trouble]:
    if broker:
        yield Trouble("broker", f"the account cannot be read, so nothing is sent: {broker}")
    if feed:
        yield Trouble("feed", f"the feed does not answer, so nothing new is decided; exits go on: {feed}")


def _runners(names: tuple[str, ...]) -> Iterator[Trouble]:
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Trouble(
            "runner",
            f"the broker has order {names[0]}{more}, which this journal never sent: another runner trades this account; stop it,"
            " then lift the kill with `qmtl resume`",
        )


def _account(snapshot: BrokerSnapshot) -> Iterator[Trouble]:
    if snapshot.blocked:
        yield Trouble("blocked", f"nothing is opened in this account, only exits go: {snapshot.blocked}")
