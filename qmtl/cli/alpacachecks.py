"""The checks of `qmtl doctor` that ask Alpaca: keys, account, clock, symbols, calendar, market data.

In: the deployment and its programs, the keys of the environment. Out: `Finding`s. Nothing is sent but questions. One that fails
is a finding of its own and keeps no other from being asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from qmtl.dsl.model import AlpacaFeed, Deployment
from qmtl.dsl.program import Program
from qmtl.engine.adapters.alpaca import account
from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
from qmtl.engine.adapters.alpaca.parse import ShapeError, needed, rows
from qmtl.engine.adapters.alpaca.quotes import AlpacaQuotes
from qmtl.engine.adapters.alpaca.reading import Reader, Remarks
from qmtl.engine.adapters.alpaca.wiring import Lines
from qmtl.engine.errors import BrokerError, QmtlError
from qmtl.engine.ports import Asset, Known

from .alpacaedges import lines_of
from .checkups import Finding, moment_text
from .wiring import calendar_of, universe

_DAYS: Final = timedelta(days=14)
_Check = Callable[[Lines, Deployment, tuple[Program, ...], int], Iterator[Finding]]


def alpaca(
    deployment: Deployment, programs: tuple[Program, ...], wall: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """Everything that Alpaca says now; `wall` is our clock, epoch seconds."""
    try:
        lines = lines_of(deployment, wall)
    except QmtlError as error:
        yield Finding("keys", "failure", str(error), error.hint)
        return
    try:
        yield Finding("keys", "ok", f"there, of a {lines.kind} account" if lines.kind else "there")
        for about, otherwise, check in _CHECKS:
            try:
                yield from check(lines, deployment, programs, int(wall()))
            except QmtlError as error:
                yield Finding(about, otherwise, str(error), error.hint)
    finally:
        lines.close()


def _account(lines: Lines, deployment: Deployment, _programs: tuple[Program, ...], now: int) -> Iterator[Finding]:
    broker = AlpacaBroker(lines.trading)
    snapshot = broker.hear(Known(), now).snapshot
    what = f"account {broker.account_id}, equity {snapshot.equity:,.2f}, {len(snapshot.positions)} positions"
    if snapshot.blocked:
        yield Finding(
            "broker", "failure", f"{what}: {snapshot.blocked}", "ask the broker why; nothing is opened meanwhile"
        )
    else:
        yield Finding("broker", "ok", what)
    skew = f"ours is {snapshot.skew:+.1f} s against the broker's"
    if abs(snapshot.skew) <= deployment.clock.max_skew:
        yield Finding("clock", "ok", skew)
    else:
        yield Finding("clock", "failure", skew, "set the clock of this machine (NTP)")


def _symbols(lines: Lines, _deployment: Deployment, programs: tuple[Program, ...], _now: int) -> Iterator[Finding]:
    """What may be traded: asked beside the account, where a list that cannot be read would look like symbols that cannot be traded."""
    wanted = universe(programs)

    def read(body: Any) -> tuple[tuple[Asset, ...], frozenset[str]]:
        found = rows(body)
        if not found:
            raise ShapeError("a list without any asset")
        return account.assets(found, wanted), frozenset(str(row.get("symbol")) for row in found)

    query = {"status": "active", "asset_class": "us_equity"}
    (assets, listed), _ = _reader(lines).ask("/assets", query, read)
    unknown = [asset.symbol for asset in assets if asset.symbol not in listed]
    shut = [asset.symbol for asset in assets if not asset.tradable and asset.symbol in listed]
    if unknown:
        yield Finding(
            "symbols",
            "warning",
            f"no active stock there: {', '.join(unknown)}",
            "see whether they are spelled as the broker spells them, or take them out of `universe:`",
        )
    if shut:
        yield Finding("symbols", "warning", f"not tradable there: {', '.join(shut)}", "take them out of `universe:`")
    if not unknown and not shut:
        yield Finding("symbols", "ok", f"all {len(wanted)} are tradable there")


def _same_days(lines: Lines, deployment: Deployment, programs: tuple[Program, ...], now: int) -> Iterator[Finding]:
    """Our calendar against the broker's, over the next two weeks (R31)."""
    today = datetime.fromtimestamp(now, UTC).date()
    query = {"start": today.isoformat(), "end": (today + _DAYS).isoformat()}
    theirs, _ = _reader(lines).ask("/calendar", query, _hours)
    calendar, zone = calendar_of(deployment, programs), ZoneInfo("America/New_York")
    hours = zip(calendar.opens.tolist(), calendar.closes.tolist(), strict=True)
    local = ((datetime.fromtimestamp(o, zone), datetime.fromtimestamp(c, zone)) for o, c in hours)
    ours = {
        f"{o:%Y-%m-%d}": (f"{o:%H:%M}", f"{c:%H:%M}")
        for o, c in local
        if f"{o:%Y-%m-%d}" in theirs or _near(o.date(), today)
    }
    other = sorted(day for day in ours.keys() | theirs.keys() if ours.get(day) != theirs.get(day))
    if other:
        yield Finding(
            "calendar there", "failure", f"differs on {', '.join(other)}", "update exchange-calendars before these days"
        )
    else:
        yield Finding("calendar there", "ok", f"the same {len(theirs)} sessions in the next two weeks")


def _hours(body: Any) -> Mapping[str, tuple[str, str]]:
    """Day -> when it opens and closes, in New York."""
    return {needed(row, "date"): (needed(row, "open"), needed(row, "close")) for row in rows(body)}


def _near(day: date, today: date) -> bool:
    return today <= day <= today + _DAYS


def _quotes(lines: Lines, deployment: Deployment, programs: tuple[Program, ...], now: int) -> Iterator[Finding]:
    assert isinstance(deployment.feed, AlpacaFeed)
    symbols = universe(programs)
    quotes = AlpacaQuotes(lines.data, symbols, feed=deployment.feed.feed)
    row = quotes.quotes(now)
    newest = int(row.at.max()) if len(row.at) else 0
    if not newest:
        yield Finding(
            "market data",
            "warning",
            f"{quotes.label}: no quote of any symbol now",
            "outside sessions there may be none; ask again while the market is open",
        )
        return
    without = [symbol for symbol, at in zip(symbols, row.at.tolist(), strict=True) if not at]
    lack = f", none of {', '.join(without)}" if without else ""
    yield Finding("market data", "ok", f"{quotes.label}: newest quote of {moment_text(newest)}{lack}")


def _reader(lines: Lines) -> Reader:
    return Reader(lines.trading, BrokerError, Remarks())


#: what each is about, how bad it is when it cannot be asked, the check
_CHECKS: Final[Sequence[tuple[str, Literal["warning", "failure"], _Check]]] = (
    ("broker", "failure", _account),
    ("symbols", "warning", _symbols),
    ("calendar there", "warning", _same_days),
    ("market data", "failure", _quotes),
)
