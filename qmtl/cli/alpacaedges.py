"""The edges of a deployment at Alpaca: account, bars, quotes. Imported only by a run that needs them.

In: the deployment, keys of the environment, what the person acknowledged. Out: open edges. Real money needs, together: `mode: live`,
`allow_live: true` in each world (both checked with the text), and the number of the account on the command line, equal to the
one that the broker says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from qmtl.dsl.model import AlpacaBroker as AlpacaSettings
from qmtl.dsl.model import AlpacaFeed, Deployment
from qmtl.dsl.program import Program
from qmtl.engine.adapters.alpaca.bars import AlpacaBars
from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
from qmtl.engine.adapters.alpaca.quotes import AlpacaQuotes
from qmtl.engine.adapters.alpaca.transport import Limits
from qmtl.engine.adapters.alpaca.wiring import Lines, open_lines
from qmtl.engine.adapters.vixfile import NoMacro, WatchedVixFile
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import BrokerError
from qmtl.engine.ports import JournalView, MacroFeed, QuoteFeed
from qmtl.engine.record import tick_stream
from qmtl.engine.runtime import Edges


def lines_of(deployment: Deployment, wall: Callable[[], float] = time.time) -> Lines:
    """The two lines of a deployment. BrokerError when keys are missing, or key, mode and address do not belong together."""
    broker, feed = deployment.broker, deployment.feed
    assert isinstance(broker, AlpacaSettings)
    assert isinstance(feed, AlpacaFeed)
    return open_lines(
        os.environ,
        deployment.mode,
        url=broker.url,
        data_url=feed.url,
        a_minute=broker.requests_per_minute,
        limits=Limits(deadline=float(broker.timeout)),
        wall=wall,
    )


def account_of(lines: Lines, deployment: Deployment, symbols: Sequence[str], acknowledged: str) -> AlpacaBroker:
    """The account, read once to know whose it is. BrokerError when that fails, or when live trading was not acknowledged for this
    very account."""
    broker = AlpacaBroker(lines.trading, symbols)
    if deployment.mode == "live" and broker.account_id != acknowledged:
        said = f"--acknowledge-live says {acknowledged}" if acknowledged else "--acknowledge-live was not given"
        raise BrokerError(
            f"{said}, and the keys are of account {broker.account_id}",
            f"check the keys; when real money shall be traded: --acknowledge-live {broker.account_id}",
        )
    return broker


def market_of(
    lines: Lines, deployment: Deployment, programs: Sequence[Program], calendar: SessionCalendar, journal: JournalView
) -> tuple[AlpacaBars, MacroFeed, QuoteFeed | None]:
    """Bars, daily series and quotes; what the journal holds already is history to them."""
    feed = deployment.feed
    assert isinstance(feed, AlpacaFeed)
    symbols = tuple(symbol for program in programs for symbol in program.settings.universe)
    bars, macro = journal.last("bars"), journal.last("macro")
    ticks = (journal.last(tick_stream(program.settings.world)) for program in programs)
    market = AlpacaBars(
        lines.data,
        symbols,
        calendar,
        feed=feed.feed,
        adjustment=feed.adjustment,
        delay=feed.delay,
        served=int(bars.entry.key) if bars else 0,
        last=max((tick.entry.epoch for tick in ticks if tick is not None), default=0),
    )
    day = macro.entry.key.partition("@")[2] if macro else ""
    series = WatchedVixFile(Path(feed.vix), day) if feed.vix else NoMacro()
    return market, series, AlpacaQuotes(lines.data, symbols, feed=feed.feed) if feed.quotes else None


def remarks_of(edges: Edges) -> tuple[str, ...]:
    """What account, bars and quotes have to say to a person, each once."""
    spoken = (edges.broker, edges.feed, edges.quotes)
    return tuple(
        text
        for edge in spoken
        if isinstance(edge, AlpacaBroker | AlpacaBars | AlpacaQuotes)
        for text in edge.take_remarks()
    )
