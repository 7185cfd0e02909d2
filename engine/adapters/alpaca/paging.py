"""Lists of Alpaca that do not come at once: open orders, orders that ended, money that came or went.

In: a reader, what is known already, and the moment by which all must be told. Out: all of it, or BrokerError. Lists end where a
page brings nothing new, not where a page is short: pages may be shorter than asked for. They overlap by the moment they turn at,
because several orders share one moment. Every list has a most number of pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import BrokerError
from ...ports import Activity
from .account import FLOWS, Flow, flow
from .orders import Placed, placed
from .parse import NANO, ShapeError, nanoseconds, rows, second, stamp
from .reading import MOST_PAGES, Reader

PAGE = 500
FLOW_PAGE = 100
ACTIVITIES = "/account/activities"
#: activities may be entered late; so far back they are compared one by one
OVERLAP = 3 * 86_400 * NANO
#: clocks differ: orders are asked for from a bit before the first was sent
SLACK = 60
_MICRO = 1000


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where activities are known: the newest moment of entry, and marks of those of the last days before it."""

    newest: int
    marks: frozenset[str]

    @classmethod
    def read(cls, text: str) -> Cursor:
        """From `str`; BrokerError for a text that is none."""
        moment, _, marks = text.partition(" ")
        try:
            return cls(nanoseconds(moment), frozenset(marks.split(".")) - {""})
        except ShapeError as error:
            raise BrokerError(
                f"{text[:60]!r} is no cursor of activities", "the journal holds another broker's"
            ) from error

    def __str__(self) -> str:
        return f"{stamp(self.newest)} {'.'.join(sorted(self.marks))}"


def open_orders(reader: Reader, until: float) -> tuple[Placed, ...]:
    """All orders that may still fill, of everybody, newest first."""

    def next_page(found: Mapping[str, Placed]) -> dict[str, str] | None:
        oldest = min((one.sent for one in found.values() if one.sent), default=None)
        return None if oldest is None else {"until": stamp(oldest + _MICRO)}

    query = {"status": "open", "limit": str(PAGE), "direction": "desc", "nested": "false"}
    found, ended = _orders(reader, query, next_page, until)
    if not ended:
        raise BrokerError(f"/orders has no end after {MOST_PAGES} pages")
    return tuple(found.values())


def ended_orders(reader: Reader, since: int, wanted: frozenset[str], until: float) -> tuple[Placed, ...]:
    """Orders of everybody that ended, among those sent after `since` (epoch seconds), oldest first. Not all of them, where so many
    ended that the list has too many pages. While one of the `wanted` client ids is missing, a short page is not the last one."""

    def next_page(found: Mapping[str, Placed]) -> dict[str, str] | None:
        if len(found) % PAGE and wanted <= {one.order.client_order_id for one in found.values()}:
            return None
        return {"after": stamp(max(one.sent for one in found.values()) - _MICRO)}

    after = stamp((since - SLACK) * NANO)
    query = {"status": "closed", "limit": str(PAGE), "direction": "asc", "nested": "false", "after": after}
    found, _ = _orders(reader, query, next_page, until)
    return tuple(found.values())


def flows_after(reader: Reader, text: str, now: int, until: float) -> tuple[tuple[Activity, ...], str]:
    """Money that came or went after the cursor `text`, oldest first, and the next cursor. Without a cursor nothing is news."""
    cursor = Cursor.read(text) if text else Cursor(now * NANO, frozenset())
    floor = cursor.newest - OVERLAP
    found: dict[str, Flow] = {}
    query = {"activity_types": ",".join(FLOWS), "after": second(floor), "direction": "asc", "page_size": str(FLOW_PAGE)}
    seen: set[str] = set()
    for _ in range(MOST_PAGES):
        page, _ = reader.ask(ACTIVITIES, query, _flow_rows, until=until)
        fresh = [(name, one) for name, one in page if name not in seen]
        if not fresh:
            return _news(found.values(), cursor, floor, first=not text)
        seen.update(name for name, _ in fresh)
        found.update((name, one) for name, one in fresh if one is not None)
        query = {**query, "page_token": page[-1][0]}
    raise BrokerError(f"{ACTIVITIES} has no end after {MOST_PAGES} pages")


def _news(found: Iterable[Flow], cursor: Cursor, floor: int, *, first: bool) -> tuple[tuple[Activity, ...], str]:
    near = sorted((one for one in found if one.entered >= floor), key=lambda one: (one.entered, one.name))
    fresh = () if first else tuple(one.activity for one in near if _mark(one.name) not in cursor.marks)
    newest = max((one.entered for one in near), default=cursor.newest)
    newest = newest if first and near else max(newest, cursor.newest)
    marks = frozenset(_mark(one.name) for one in near if one.entered >= newest - OVERLAP)
    return fresh, str(Cursor(newest, marks))


def _mark(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


def _flow_rows(body: Any) -> list[tuple[str, Flow | None]]:
    return [(str(row.get("id")), flow(row)) for row in rows(body)]


def _order_rows(body: Any) -> list[Placed]:
    return [placed(row) for row in rows(body)]


def _orders(
    reader: Reader,
    query: dict[str, str],
    next_page: Callable[[Mapping[str, Placed]], dict[str, str] | None],
    until: float,
) -> tuple[dict[str, Placed], bool]:
    """All pages, by the broker's id, and whether the list came to an end. An order that changed between two pages is taken as the
    later one says."""
    found: dict[str, Placed] = {}
    for _ in range(MOST_PAGES):
        page, _ = reader.ask("/orders", query, _order_rows, until=until)
        fresh = [one for one in page if one.order.broker_id not in found]
        found.update((one.order.broker_id, one) for one in page)
        if not fresh:
            if len(page) >= PAGE:
                raise BrokerError(f"more than {PAGE} orders were sent in one microsecond; /orders cannot be paged")
            return found, True
        turn = next_page(found)
        if turn is None:
            return found, True
        query = {**query, **turn}
    return found, False
