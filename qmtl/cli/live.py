"""What a person sees of a run: a live table on a terminal, plain lines elsewhere, nothing with --quiet.

In: `TickReport`s. Out: text. Display only: whatever stands here can be left out without changing a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live

from qmtl.engine.orders import Order
from qmtl.engine.runtime import TickReport
from qmtl.engine.views import chain_counts, not_active, symbol_views

from .livetable import Screen

EXCHANGE_TIME = ZoneInfo("America/New_York")


class Display(Protocol):
    """One of the three ways to watch."""

    def start(self) -> None: ...

    def show(self, report: TickReport, done: int, total: int) -> None:
        """One finished tick; `done` of `total` decision ticks, total 0 when endless."""
        ...

    def say(self, text: str) -> None:
        """A message between two ticks, such as the diagnostics of a broken edit."""
        ...

    def stop(self) -> None: ...


def stamp(now: int) -> str:
    """Grid time for people: UTC, and New York where most of the worlds trade."""
    moment = datetime.fromtimestamp(now, UTC)
    return f"{moment:%Y-%m-%d %H:%M}Z ({moment.astimezone(EXCHANGE_TIME):%a %H:%M} New York)"


def order_text(order: Order) -> str:
    """`buy 12 SPY @ 671.20 open roc_momentum (reason)`."""
    part = order.attribution[0]
    return f"{order.side} {order.qty} {order.symbol} @ {order.mark:.2f} {order.leg} {part.strategy} ({order.reason})"


class Quiet:
    """Says nothing but messages."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def start(self) -> None:
        """Nothing to do."""

    def show(self, report: TickReport, done: int, total: int) -> None:
        """Nothing to do."""

    def say(self, text: str) -> None:
        """Messages are never left out."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing to do."""


class Lines(Quiet):
    """A line per tick that did something, and one per session otherwise: for pipes, files and CI."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._session = ""

    def show(self, report: TickReport, done: int, total: int) -> None:
        """Ticks with orders, fills or a new session."""
        session = report.ticks[0].market.session.day
        if not (report.netted.orders or report.netted.denied or report.changes.fills) and session == self._session:
            return
        self._session = session
        chains = sum((chain_counts(tick) for tick in report.ticks), Counter[str]())
        counts = " ".join(f"{name}:{count}" for name, count in chains.most_common())
        equity = f"{float(report.snapshot.equity):,.0f}" if report.snapshot else "unreadable"
        progress = f" {done}/{total}" if total else ""
        told = " | ".join((f"equity {equity}", counts, *_states(report), _told(report)))
        self.say(f"{stamp(report.now)}{progress} {told}")


def _states(report: TickReport) -> Iterator[str]:
    """Worlds that do not trade as usual."""
    for tick in report.ticks:
        if state := not_active(tick):
            yield f"{tick.frame.program.settings.world} {state}"


def _told(report: TickReport) -> str:
    parts = [order_text(order) for order in report.netted.orders]
    parts += [f"filled {fill.qty:+} {fill.symbol} @ {fill.price:.2f}" for fill in report.changes.fills]
    parts += [f"denied {denied.symbol}: {denied.reason}" for denied in report.netted.denied]
    return "; ".join(parts) or "no orders"


class LiveTable(Quiet):
    """The live table: header, symbols, the last orders, a progress bar in replays."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live = Live(console=console, refresh_per_second=8, transient=False)
        self._recent: list[str] = []
        self._why: dict[str, str] = {}

    def start(self) -> None:
        """Take the terminal."""
        self._live.start()

    def show(self, report: TickReport, done: int, total: int) -> None:
        """Replace the table."""
        for order in report.netted.orders:
            self._recent.append(f"{stamp(report.now)[:17]} {order_text(order)}")
        self._recent = self._recent[-6:]
        if report.decision:
            views = (view for tick in report.ticks for view in symbol_views(tick))
            self._why = {view.symbol: view.why for view in views}
        self._live.update(Screen(report, stamp(report.now), tuple(self._recent), self._why, done, total))

    def say(self, text: str) -> None:
        """Above the table."""
        self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Give the terminal back; the last table stays."""
        self._live.stop()


def display(*, quiet: bool) -> Display:
    """The way to watch that fits where the output goes."""
    console = Console()
    if quiet:
        return Quiet(console)
    return LiveTable(console) if console.is_terminal else Lines(console)
