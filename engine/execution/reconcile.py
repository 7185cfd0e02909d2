"""Reconciliation: the book and the broker, once at each tick and before anything is decided. The only I/O of its three parts:
`differ` says what is different, `decisions` what to do about an order that nobody answered for.

In: the book, a broker, what may leave. Out: `Reconciled`: the book as it is now, what happened, and the broker's reading. A
failed query is never an empty answer: without a reading the book stays as it was, and nothing is decided on it (R11).

The order of the steps:

1. hear     one reading: orders, fills, money, positions
2. look up  orders whose answer was lost, and those that were given up lately, by their ids
3. settle   send again what may still be sent on the grounds it was decided on, give up what three lookups did not find
4. apply    answers and fills to the book; splits and what others closed are the caller's next step
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..errors import BrokerError
from ..orders import OrderState
from ..ports import Broker, BrokerEvent, BrokerOrder, BrokerSnapshot, Known, Reply, Told
from . import book as books
from .book import Book, Changes
from .conditions import conditions_of
from .decisions import Looked, Verdict, verdict
from .differ import Differences, differences, found
from .grounds import Grounds, lacking
from .lifecycle import OPEN_QUESTIONS, Tracked
from .send import Permit, submit

#: an order's own clock and the broker's may differ: orders are asked for from this long before the first was sent
_EARLIER = 3_600
#: `Reply.error` where an id of ours has other content at the broker
MISMATCH: Final = "mismatch"
#: most watched orders that are looked up in one tick
_WATCHED = 8


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run reconciles: seconds between ticks, what may leave, whether the journal has an intent of that id. `look` False: no
    order of ours can be at the broker (a dry run). `max_skew`: seconds that our clock may be off the broker's. `in_time` says
    whether this tick may still ask about another order: a silent broker must not hold up everything else (R36)."""

    interval: int
    permit: Permit
    knows: Callable[[str], bool]
    look: bool = True
    max_skew: float = math.inf
    in_time: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class Reconciled:
    """After reconciliation: `snapshot` None = the broker could not be read. `replies` and `events` are new and belong into the
    journal; `runners` are client ids of ours that another runner must have sent; `error` says what could not be read."""

    book: Book
    changes: Changes
    snapshot: BrokerSnapshot | None
    replies: tuple[Reply, ...] = ()
    events: tuple[BrokerEvent, ...] = ()
    others: frozenset[str] = frozenset()
    runners: tuple[str, ...] = ()
    error: str = ""


def reconcile(broker: Broker, book: Book, replies: Sequence[Reply], now: int, rules: Rules) -> Reconciled:
    """All four steps; `replies` are answers that the tick before got and the book does not know yet."""
    before, book_before = books.apply(book, replies, (), rules.interval), book
    book = before[0]
    try:
        broker.advance(now)
        told = broker.hear(_known(book, now, rules), now)
    except BrokerError as error:
        return Reconciled(_watching(book, book_before, replies, now), before[1], None, error=str(error))
    settled = settle(broker, book, _ids(told), now, rules, told) if rules.look else Settled(book)
    watched = _watched(broker, book, _ids(told), now, rules) if rules.look else ()
    told = replace(told, orders=(*told.orders, *settled.orders, *watched))
    book = books.adopting(settled.book, differences(settled.book, told).back)
    news = differences(book, told)
    fresh = _once((*settled.replies, *news.found, *_mismatches(book, news)))
    kept, changes = books.apply(book, fresh, news.events, rules.interval)
    kept = _watching(_watching(kept, book_before, replies, now), book, fresh, now)
    return Reconciled(
        replace(kept, cursor=told.cursor or kept.cursor, heard=now),
        Changes(changes.fills, (*before[1].results, *changes.results), changes.flows),
        told.snapshot,
        fresh,
        news.events,
        news.others,
        _runners(news, (*replies, *fresh), rules) if rules.look else (),
    )


def finish(broker: Broker, book: Book, answered: frozenset[str], now: int, rules: Rules) -> Settled:
    """The open questions of a run that ended in the middle of a tick; `answered` are no questions. What the broker never saw is sent,
    on the grounds it was decided on; when the account cannot be read, nothing is."""
    if all(t.state not in OPEN_QUESTIONS or t.order.client_order_id in answered for t in book.orders):
        return Settled(book)
    try:
        told = broker.hear(_known(book, now, rules), now)
    except BrokerError:
        told = None
    return settle(broker, book, answered, now, rules, told)


def certain(replies: Sequence[Reply]) -> frozenset[str]:
    """Ids of orders whose answer says what became of them."""
    return frozenset(reply.client_order_id for reply in replies if reply.state != OrderState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Settled:
    """Open questions after a round of lookups: the book with their counters, answers, orders that were found."""

    book: Book
    replies: tuple[Reply, ...] = ()
    orders: tuple[BrokerOrder, ...] = ()


def settle(broker: Broker, book: Book, answered: frozenset[str], now: int, rules: Rules, told: Told | None) -> Settled:
    """Look up every order whose answer was lost (a crash after the commit, a timeout), exits first, and do as `decisions` says (R01, R05).
    `told` None: the account could not be read, and nothing is sent."""
    grounds: Grounds | None = None
    kept: dict[str, Tracked] = {t.order.client_order_id: t for t in book.orders}
    replies: list[Reply] = []
    orders: list[BrokerOrder] = []
    for before in sorted(book.orders, key=lambda t: t.order.leg != "close"):
        tracked, name = before, before.order.client_order_id
        if tracked.state in OPEN_QUESTIONS and name not in answered:
            looked = _look_up(broker, name) if rules.in_time() else Looked(None, answered=False)
            tracked = tracked.not_found(now) if looked.answered and looked.order is None else tracked
            what = verdict(tracked, looked, now, rules.interval)
            if looked.order is not None:
                orders.append(looked.order)
                replies += [reply] if (reply := _answer(tracked, looked.order, what)) is not None else []
            elif what is Verdict.SEND and told is not None:
                grounds = grounds or _grounds(book, told, rules)
                sent = None if lacking(tracked, grounds) else submit(broker, tracked, now, rules.permit)
                tracked = tracked if sent is None else tracked.sent_again(now)
                replies += [] if sent is None else [sent]
            elif what is Verdict.GIVE_UP:
                replies.append(Reply(name, OrderState.EXPIRED_UNSENT, 0, "", _LATE))
        kept[name] = tracked
    return Settled(replace(book, orders=tuple(kept.values())), tuple(replies), tuple(orders))


_LATE = "not sent in time; the next decision asks anew"


def _answer(tracked: Tracked, order: BrokerOrder, what: Verdict) -> Reply | None:
    return _mismatch(tracked.order.client_order_id) if what is Verdict.MISMATCH else found(tracked, order)


def _grounds(book: Book, told: Told, rules: Rules) -> Grounds:
    """What the account is like before anything is sent again."""
    news = differences(book, told)
    runners = _runners(news, (), rules)
    now = conditions_of(told.snapshot, news.others, runners, (0, False), rules.max_skew)
    return Grounds.of(told.snapshot.positions, now, book.orders)


def _known(book: Book, now: int, rules: Rules) -> Known:
    names = tuple(t.order.client_order_id for t in book.orders if t.state not in OPEN_QUESTIONS)
    since = min((t.order.epoch for t in book.orders), default=0)
    heard = (book.heard or now) if rules.look else 0
    return Known(book.last_seq, book.cursor, names, max(since - _EARLIER, 0), heard)


def _ids(told: Told) -> frozenset[str]:
    return frozenset(o.client_order_id for o in (*told.orders, *told.snapshot.open_orders))


def _look_up(broker: Broker, name: str) -> Looked:
    try:
        return Looked(broker.lookup(name))
    except BrokerError:
        return Looked(None, answered=False)


def _watched(broker: Broker, book: Book, there: frozenset[str], now: int, rules: Rules) -> tuple[BrokerOrder, ...]:
    """Orders that were given up and are at the broker after all; a few each tick, in turn, so that each is asked for."""
    names = [t.order.client_order_id for t in book.watched if t.order.client_order_id not in there]
    first = now // rules.interval * _WATCHED % len(names) if len(names) > _WATCHED else 0
    asked = (*names[first:], *names[:first])[:_WATCHED]
    looked = (_look_up(broker, name) for name in asked if rules.in_time())
    return tuple(one.order for one in looked if one.order is not None)


def _mismatches(book: Book, news: Differences) -> list[Reply]:
    """Refusals of open orders of ours whose id stands at the broker with something else; one that works stays as it is."""
    asked = {t.order.client_order_id for t in book.orders if t.state in OPEN_QUESTIONS}
    return [_mismatch(order.client_order_id) for order in news.mismatched if order.client_order_id in asked]


def _mismatch(name: str) -> Reply:
    return Reply(name, OrderState.REJECTED, 422, MISMATCH, "the broker has another order under this id")


def _runners(news: Differences, replies: Sequence[Reply], rules: Rules) -> tuple[str, ...]:
    """Ids that only another runner can have sent. One that the journal knows is ours and ended: an old answer shows it. One of ours
    that has other content at the broker was used by somebody else, whoever says so: a list, or the refusal of ours."""
    unknown = (name for name in news.strangers if not rules.knows(name))
    wrong = (order.client_order_id for order in news.mismatched)
    refused = (reply.client_order_id for reply in replies if reply.error == MISMATCH)
    return tuple(dict.fromkeys((*unknown, *wrong, *refused)))


def _once(replies: Sequence[Reply]) -> tuple[Reply, ...]:
    """Each answer once; the first stands."""
    return tuple({reply.client_order_id: reply for reply in reversed(replies)}.values())[::-1]


def _watching(kept: Book, before: Book, replies: Sequence[Reply], now: int) -> Book:
    """The book with the orders of `before` on its watch list that these answers end as never sent. Those that were looked for may
    have been sent all the same; the others were stopped here."""
    ended = {reply.client_order_id for reply in replies if reply.state == OrderState.EXPIRED_UNSENT}
    gone = (t for t in before.orders if t.missed and t.order.client_order_id in ended)
    return books.watching(kept, (replace(t, state=OrderState.EXPIRED_UNSENT) for t in gone), now)
