"""What a person sees of a run: a live table on a terminal, plain lines elsewhere, nothing with --quiet.

In: `TickReport`s. Out: text. Display only: whatever stands here can be left out without changing a run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qmtl.engine.orders import Order
from qmtl.engine.runtime import TickReport
from qmtl.engine.tick import market_phase
from qmtl.engine.views import SymbolView, chain_counts, symbol_views

EXCHANGE_TIME = ZoneInfo("America/New_York")
#: rows of the live table; held and wanted symbols come first
ROWS = 26
COLOURS = {"defensive": "red", "chop": "yellow", "trend": "green", "neutral": "cyan"}


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
        self.say(f"{stamp(report.now)}{progress} equity {equity} | {counts} | {_told(report)}")


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
        self._live.update(screen(report, self._recent, self._why, done, total))

    def say(self, text: str) -> None:
        """Above the table."""
        self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Give the terminal back; the last table stays."""
        self._live.stop()


def screen(report: TickReport, recent: list[str], why: Mapping[str, str], done: int, total: int) -> Group:
    """The whole live view of one tick; `why` holds the reasons of the last decision, which a follow-up does not change."""
    parts: list[Panel | Table | ProgressBar | Text] = [_header(report)]
    parts += [_table([view for tick in report.ticks for view in symbol_views(tick)], why)]
    if recent:
        parts.append(Panel(Text("\n".join(recent)), title="last orders", title_align="left", border_style="dim"))
    if total:
        parts.append(Text(f"{done} of {total} decision ticks"))
        parts.append(ProgressBar(total=total, completed=done))
    return Group(*parts)


def _header(report: TickReport) -> Text:
    tick = report.ticks[0]
    equity = f"{float(report.snapshot.equity):,.2f}" if report.snapshot else "unreadable"
    kind = "decision" if report.decision else "follow-up"
    worlds = ", ".join(t.frame.program.settings.world for t in report.ticks)
    chains = sum((chain_counts(t) for t in report.ticks), Counter[str]())
    text = Text(
        f"{stamp(report.now)}  {kind}  {market_phase(tick)}  equity {equity}  {worlds}  {report.seconds * 1e3:.1f} ms\n"
    )
    for name, count in chains.most_common():
        text.append(f" {name} {count} ", style=f"reverse {COLOURS.get(name, 'white')}")
        text.append(" ")
    return text


def _table(views: list[SymbolView], why: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("symbol", "phase", "up", "down", "chop", "vol", "chain", "strategy", "target", "held", "order", "why"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    chosen = sorted(views, key=lambda v: (not v.order, not v.held, not v.target))[:ROWS]
    for v in chosen:
        table.add_row(
            v.symbol,
            v.status.removeprefix("freshness."),
            *(_number(x) for x in v.p),
            Text(v.chain, style=COLOURS.get(v.chain, "")),
            v.strategy,
            _percent(v.target),
            _percent(v.held),
            Text(_percent(v.order), style="bold"),
            why.get(v.symbol, v.why),
        )
    if len(views) > ROWS:
        table.caption = f"and {len(views) - ROWS} more"
    return table


_NUMBERS = {"up", "down", "chop", "vol", "target", "held", "order"}


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return "" if not value or math.isnan(value) else f"{value:+.1%}"


def display(*, quiet: bool) -> Display:
    """The way to watch that fits where the output goes."""
    console = Console()
    if quiet:
        return Quiet(console)
    return LiveTable(console) if console.is_terminal else Lines(console)
