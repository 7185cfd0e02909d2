"""An account at Alpaca as the engine's broker: it reads and sends, and decides nothing.

In: orders, client ids, what is known already. Out: replies, and one reading of the account that fits together: orders first,
money that came or went, positions, the account last; where orders changed meanwhile, once more. So the snapshot is never older
than what is told beside it. Only a definite answer is an answer: what does not say for certain what became of an order is
UNKNOWN, and is never sent again from here (R01).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ...errors import BrokerError
from ...orders import Order, OrderState
from ...ports import Activity, Asset, BrokerOrder, BrokerSnapshot, Known, Position, Reply, Told
from . import account, refusals
from .orders import Placed, payload, placed, same, unfit
from .paging import ACTIVITIES, ended_orders, flows_after, open_orders
from .parse import Refusal, ShapeError, needed, parsed, refusal, rows, table
from .reading import Reader, Remarks, asked_skew, skew_of
from .transport import Answer, Line

#: seconds that one reading of the account may take as a whole
PATIENCE = 30.0
#: seconds after which a list of assets that could not be read is asked for again
AGAIN = 300
_ZONE = ZoneInfo("America/New_York")
_BY_CLIENT_ID = "/orders:by_client_order_id"
#: refusals after which what may be done with a symbol is read anew
_ABOUT_ASSETS = frozenset({"asset", "short", "fraction", "halted"})


@dataclass(frozen=True, slots=True)
class _Reading:
    """Orders at one moment: those that are open, of the known ones every one that the broker has, and client ids of others that were
    sent since the last reading and ended."""

    open: tuple[BrokerOrder, ...]
    known: tuple[BrokerOrder, ...]
    ended: tuple[str, ...]


class AlpacaBroker:
    """Implements `ports.Broker` over one account."""

    def __init__(self, line: Line, universe: Sequence[str] = (), *, patience: float = PATIENCE) -> None:
        """Reads the account once, to know whose it is: BrokerError when that fails. `universe`: symbols whose assets are told."""
        self._line, self._universe, self._patience = line, tuple(universe), patience
        self._remarks = Remarks()
        self._reader = Reader(line, BrokerError, self._remarks)
        self._names: dict[str, str] = {}
        self._assets: tuple[Asset, ...] = ()
        self._assets_day, self._assets_after = "", 0
        self._account_id = self._reader.ask("/account", {}, _money)[0].number

    @property
    def account_id(self) -> str:
        """The broker's number of the account."""
        return self._account_id

    def take_remarks(self) -> tuple[str, ...]:
        """What a person should hear of: states that are not known, endpoints that refuse, lists that could not be read. Each is
        told once."""
        return self._remarks.take()

    def advance(self, now: int) -> None:
        """Nothing: the market fills."""

    def hear(self, known: Known, now: int) -> Told:
        """See the module. BrokerError when any part cannot be read in time."""
        until = self._line.clock() + self._patience
        orders = self._orders(known, until)
        flows, cursor, lack = self._flows(known.cursor, now, until)
        snapshot = self._snapshot(orders.open, now, until)
        if orders.open or known.orders:
            later = replace(self._orders(replace(known, heard=0), until), ended=orders.ended)
            if later != orders:
                orders, snapshot = later, self._snapshot(later.open, now, until)
        kept = {*known.orders, *(order.client_order_id for order in orders.open)}
        self._names = {name: number for name, number in self._names.items() if name in kept}
        blocked = snapshot.blocked or lack
        return Told(replace(snapshot, blocked=blocked), (), orders.known, flows, cursor, ended=orders.ended)

    def positions(self) -> tuple[Position, ...]:
        """What is held this moment: one request."""
        return self._positions(int(self._line.wall()), self._line.clock() + self._patience)

    def submit(self, order: Order, now: int) -> Reply:  # noqa: ARG002 - the port's
        """Send it once. What Alpaca cannot take is refused here, with status 0. BrokerError in dry mode."""
        lack = unfit(order)
        if lack:
            return self._reply(order.client_order_id, OrderState.REJECTED, 0, ("business", lack))
        answer = self._line.post("/orders", payload(order))
        if 200 <= answer.status < 300:
            return self._accepted(order, answer)
        said = refusal(answer)
        if said.verdict.kind == refusals.DUPLICATE:
            return self._already_there(order, said)
        if said.verdict.label in _ABOUT_ASSETS:
            self._assets_day, self._assets_after = "", 0
        return self._refused(order.client_order_id, said)

    def cancel(self, client_order_id: str, now: int) -> Reply:  # noqa: ARG002 - the port's
        """Ask for a cancel by the broker's id, which is looked up where it is not known. BrokerError when that fails."""
        name = self._names.get(client_order_id)
        if name is None:
            found = self.lookup(client_order_id)
            if found is None:
                return self._reply(client_order_id, OrderState.REJECTED, 404, ("business", "order not found"))
            name = found.broker_id
        answer = self._line.delete(f"/orders/{name}")
        if 200 <= answer.status < 300:
            return self._reply(client_order_id, OrderState.ACCEPTED, answer.status, ("", ""))
        return self._refused(client_order_id, refusal(answer))

    def lookup(self, client_order_id: str) -> BrokerOrder | None:
        """The order of that client id; None only when Alpaca itself says that there is none: the 404 of a proxy is no answer."""
        return self._lookup(client_order_id, self._line.clock() + self._patience)

    def traces(self, prefix: str) -> tuple[str, ...]:
        """Client ids of open orders that begin with the prefix."""
        found = open_orders(self._reader, self._line.clock() + self._patience)
        return tuple(one.order.client_order_id for one in found if one.order.client_order_id.startswith(prefix))

    def refresh_assets(self) -> None:
        """Read the assets anew with the next hearing."""
        self._assets_day, self._assets_after = "", 0

    def close(self) -> None:
        """Let go of the connection; nothing is sent after it."""
        self._line.close()

    def _flows(self, after: str, now: int, until: float) -> tuple[tuple[Activity, ...], str, str]:
        """Money that came or went, the next cursor, and what is lacking. An endpoint that refuses may be gone for good: then nothing
        is opened, and exits go on (R41); without any answer the whole reading fails."""
        try:
            return *flows_after(self._reader, after, now, until), ""
        except BrokerError:
            if not self._line.refused.get(ACTIVITIES):
                raise
            return (), after, "what was paid in or out cannot be read"

    def _orders(self, known: Known, until: float) -> _Reading:
        """Open orders of everybody; known ones that are not among them from the list of ended ones, then one by one. That list goes
        back to the last reading in any case: an order of somebody else may come and fill between two ticks."""
        wanted = frozenset(known.orders)
        live = [self._noted(one) for one in open_orders(self._reader, until)]
        found = {order.client_order_id: order for order in live if order.client_order_id in wanted}
        missing, ended = wanted - found.keys(), tuple[Placed, ...]()
        if missing or known.heard:
            moments = (known.since if missing else 0, known.heard)
            since = min((moment for moment in moments if moment), default=0)
            ended = ended_orders(self._reader, since, missing, until)
            there = (one for one in ended if one.order.client_order_id in wanted)
            found.update((one.order.client_order_id, self._noted(one)) for one in there)
        for name in sorted(wanted - found.keys()):
            order = self._lookup(name, until)
            if order is not None:
                found[name] = order
        others = tuple(one.order.client_order_id for one in ended if one.order.client_order_id not in wanted)
        return _Reading(tuple(live), tuple(found[name] for name in known.orders if name in found), others)

    def _lookup(self, name: str, until: float) -> BrokerOrder | None:
        answer = self._line.get(_BY_CLIENT_ID, {"client_order_id": name}, until=until)
        if answer.status == 404:
            said = refusal(answer)
            if said.own and said.verdict.kind == refusals.NOT_FOUND:
                return None
        found = self._noted(self._reader.read(_BY_CLIENT_ID, answer, lambda body: placed(table(body))))
        if found.client_order_id != name:
            raise BrokerError(f"{_BY_CLIENT_ID} answered with another order than the one asked for")
        return found

    def _noted(self, one: Placed) -> BrokerOrder:
        self._names[one.order.client_order_id] = one.order.broker_id
        if one.remark:
            self._remarks.add(self._line.cleaned(f"order {one.order.client_order_id}: {one.remark}"))
        return one.order

    def _positions(self, now: int, until: float) -> tuple[Position, ...]:
        def read(body: Any) -> frozenset[Position]:
            found = frozenset(account.position(row, now) for row in rows(body))  # a list may repeat a row
            if len({position.symbol for position in found}) < len(found):
                raise ShapeError("two positions in one symbol")
            return found

        found, _ = self._reader.ask("/positions", {}, read, until=until)
        return tuple(sorted(found, key=lambda position: position.symbol))

    def _snapshot(self, orders: tuple[BrokerOrder, ...], now: int, until: float) -> BrokerSnapshot:
        positions = self._positions(now, until)
        money, answer = self._reader.ask("/account", {}, _money, until=until)
        if money.number != self._account_id:
            raise BrokerError(f"account {self._account_id} answered as {money.number}", "were the keys changed?")
        skew = skew_of(answer)
        return BrokerSnapshot(
            equity=money.equity,
            cash=money.cash,
            buying_power=money.buying_power,
            positions=positions,
            open_orders=orders,
            last_seq=0,
            blocked=money.blocked,
            skew=skew if skew == skew else asked_skew(self._reader, until),  # noqa: PLR0124 - NaN differs from itself
            assets=self._known_assets(now, until),
            shorts=money.shorts,
        )

    def _known_assets(self, now: int, until: float) -> tuple[Asset, ...]:
        """The universe's assets, read once a day of New York. While they cannot be read, those of yesterday hold; without any
        nothing may be opened, which stops no exit."""
        day = datetime.fromtimestamp(now, _ZONE).date().isoformat()
        if not self._universe or day == self._assets_day or now < self._assets_after:
            return self._assets
        query = {"status": "active", "asset_class": "us_equity"}
        try:
            self._assets, _ = self._reader.ask("/assets", query, self._listed, until=until)
            self._assets_day = day
        except BrokerError as error:
            self._assets_after = now + AGAIN
            self._assets = self._assets or account.locked(self._universe)
            self._remarks.add(f"what may be traded on {day} could not be read: {error}", "assets", day)
        return self._assets

    def _listed(self, body: Any) -> tuple[Asset, ...]:
        found = rows(body)
        if not found:
            raise ShapeError("a list without any asset")
        return account.assets(found, self._universe)

    def _accepted(self, order: Order, answer: Answer) -> Reply:
        """A success is one when it names the order; all else in it may be missing or new."""
        name = order.client_order_id
        try:
            body = table(parsed(answer.body))
            number, echoed = needed(body, "id"), body.get("client_order_id") or name
        except ShapeError as error:
            return self._reply(name, OrderState.UNKNOWN, answer.status, ("unknown", f"accepted or not: {error}"))
        if echoed != name:
            return self._reply(
                name, OrderState.UNKNOWN, answer.status, ("unknown", "the answer is about another order")
            )
        self._names[name] = number
        return self._reply(name, OrderState.ACCEPTED, answer.status, ("", ""))

    def _already_there(self, order: Order, said: Refusal) -> Reply:
        """The client id was used: it is this order, or it is another one's (R03)."""
        name = order.client_order_id
        try:
            found = self.lookup(name)
        except BrokerError as error:
            return self._reply(name, OrderState.UNKNOWN, said.status, ("unknown", f"{said.text}; {error}"))
        if found is None:
            return self._reply(name, OrderState.UNKNOWN, said.status, ("unknown", f"{said.text}; and it is not found"))
        if not same(order, found):
            what = f"{found.side} {found.qty} {found.symbol} has this client id already"
            return self._reply(name, OrderState.REJECTED, said.status, ("mismatch", what))
        if found.state == OrderState.REJECTED:
            return self._reply(name, OrderState.REJECTED, said.status, ("business", found.detail))
        return self._reply(name, OrderState.ACCEPTED, said.status, ("", "it was there already"))

    def _refused(self, name: str, said: Refusal) -> Reply:
        """Refused for certain only in Alpaca's own words; a page of something in between says nothing about the order."""
        kind = said.verdict.kind
        if kind in (refusals.SERVER, refusals.RATE):
            return self._reply(name, OrderState.UNKNOWN, said.status, ("server", said.text))
        if not said.own or kind == refusals.UNKNOWN:
            return self._reply(name, OrderState.UNKNOWN, said.status, ("unknown", said.text))
        error = "auth" if kind == refusals.AUTH else "business"
        if said.verdict.label in (refusals.UNLISTED, refusals.FORM):
            self._remarks.add(
                self._line.cleaned(f"an order was refused for itself, or for no known reason: {said.text}"),
                "order",
                said.words,
            )
        return self._reply(name, OrderState.REJECTED, said.status, (error, said.text))

    def _reply(self, name: str, state: OrderState, status: int, why: tuple[str, str]) -> Reply:
        """`why`: error and detail."""
        return Reply(name, str(state), status, why[0], self._line.cleaned(why[1]))


def _money(body: Any) -> account.Money:
    row: Mapping[str, Any] = table(body)
    return account.money(row)
