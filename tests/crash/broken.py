"""Programs that are broken on purpose, and a network that holds an order back: what shows that the judge sees what it counts.

In: names, of a life that is about to run. Out: the loaded program with that defect put into it. Nothing here is used where kills are
counted. Each defect is one that was once made, or that a rule of the specification forbids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final


def _hasty() -> None:
    """A failed lookup counts as "not there", and "not there" as never sent, at once."""
    from qmtl.engine.errors import BrokerError
    from qmtl.engine.execution import reconcile
    from qmtl.engine.execution.decisions import Looked, Verdict

    honest = reconcile.verdict

    def look_up(broker: Any, name: str) -> Looked:
        try:
            return Looked(broker.lookup(name))
        except BrokerError:
            return Looked(None)

    def hasty(tracked: Any, looked: Looked, now: int, valid: int) -> Verdict:
        return Verdict.GIVE_UP if looked.order is None else honest(tracked, looked, now, valid)

    assert reconcile._look_up
    reconcile._look_up = look_up
    reconcile.verdict = hasty


def _early() -> None:
    """Orders leave before they are in the journal."""
    from qmtl.engine import wire
    from qmtl.engine.journal.sqlite import SqliteJournal
    from qmtl.engine.orders import Order
    from qmtl.engine.runtime import Runtime

    append, tick = SqliteJournal.append, Runtime.tick
    runs: list[Runtime] = []

    def noted(run: Runtime, now: int) -> Any:
        runs[:] = [run]
        return tick(run, now)

    def sent_first(journal: SqliteJournal, entries: Any) -> Any:
        for entry in entries:
            if entry.stream == "intent":
                runs[0].edges.broker.submit(wire.loads(Order, entry.payload), entry.epoch)
        return append(journal, entries)

    Runtime.tick, SqliteJournal.append = noted, sent_first  # type: ignore[method-assign]


def _deaf() -> None:
    """The fills of one order are never heard."""
    from qmtl.engine.execution import reconcile

    honest, unheard = reconcile.differences, list[str]()

    def deaf(book: Any, told: Any) -> Any:
        news = honest(book, told)
        filled = [event.client_order_id for event in news.events if event.kind == "fill"]
        unheard.extend(filled[:1] if not unheard else ())
        kept = (e for e in news.events if e.kind != "fill" or e.client_order_id not in unheard)
        return replace(news, events=tuple(kept))

    reconcile.differences = deaf


def _careless() -> None:
    """What was given up as never sent is not watched."""
    from qmtl.engine.execution import book

    assert book.watching
    book.watching = lambda kept, given_up, now: kept


class _Held:
    """The first entry hangs in the network: the program gets no answer, and the broker gets the order later."""

    def __init__(self, *, ticks: int) -> None:
        """Delivered after so many ticks, lookups without an answer until then; 0: after the tick in which the program gave it up,
        lookups answered."""
        from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
        from qmtl.engine.adapters.alpaca.transport import Answer, Line
        from qmtl.engine.runtime import Runtime

        self.ticks, self.age, self.name, self.over, self.call = ticks, 0, "", False, ()
        ask, tick, submit = Line._ask, Runtime.tick, AlpacaBroker.submit

        def submitted(broker: Any, order: Any, now: int) -> Any:
            if order.leg == "open" and not self.name:
                self.name = order.client_order_id
            return submit(broker, order, now)

        def asked(line: Any, method: str, path: str, data: Any, until: Any) -> Any:
            held = not self.over and isinstance(data, dict) and data.get("client_order_id", "") == self.name
            if not (held and self.name) or (method == "GET" and not self.ticks):
                return ask(line, method, path, data, until)
            if method == "POST":
                self.call = self.call or (line, method, path, dict(data), None)
            return Answer(0, failure="no answer in time")

        def ticked(run: Any, now: int) -> Any:
            report = tick(run, now)
            self.age += bool(self.call)
            there = self.name in {tracked.order.client_order_id for tracked in run.progress.book.orders}
            if self.call and not self.over and (self.age > self.ticks if self.ticks else not there):
                self.over = True
                answer = ask(*self.call)
                assert answer.status == 200, answer.body
            return report

        AlpacaBroker.submit, Line._ask, Runtime.tick = submitted, asked, ticked  # type: ignore[method-assign]


BREAKS: Final[dict[str, Callable[[], object]]] = {
    "hasty": _hasty,
    "early": _early,
    "deaf": _deaf,
    "careless": _careless,
    # not the program but the network
    "late": lambda: _Held(ticks=2),
    "very late": lambda: _Held(ticks=0),
}
