"""What a case sets up beside the regime: bars, daily series, charts, signals, positions, the account.

In: the maps of a case or step. Out: values of `model.py`. The schema has checked shapes; here names, series and what
contradicts itself are checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import nan
from typing import Final

from ..diagnostics import Label, problem
from ..section import Section, decimal, flag, number, whole, word
from ..source import Span
from ..tree import Entry, Map, Scalar
from ..units import duration, money, ratio
from .model import Answer, Bars, BrokerMark, Chart, Held, Leg, MarketSeries, Readings, Series, Signal, Working
from .names import ALL, Names, by_symbol, place_of
from .series import PRICE, VALUE, VOLUME, Limit, read_series

RATE: Final = "15m"
SIDES: Final = {"long": 1, "short": -1, "flat": 0}
CHART: Final = ("trend15", "trend60", "mom15", "mom60", "vol_score", "overext")
_FIELDS: Final = {"close": PRICE, "open": PRICE, "high": PRICE, "low": PRICE, "volume": VOLUME}


def read_bars(section: Section, names: Names) -> tuple[Bars, ...]:
    """Bars by symbol; `all` stands for every symbol of the universe that is not named."""
    node = section.node.get("bars")
    found: dict[str, Bars] = {}
    places: dict[str, Span] = {}
    spread: Entry | None = None
    for entry in node if isinstance(node, Map) else ():
        symbol, _, rate = entry.key.partition("@")
        if rate and rate != RATE:
            message = f"bars of a case are {RATE} bars, not {rate}"
            help_text = f"write `{symbol}@{RATE}`; 60m bars are built from them"
            section.found.problems.append(problem("Q0405", message, entry.key_span, help=help_text))
        elif symbol in places:
            labels = (Label(places[symbol], "first here"),)
            message = f"`{symbol}` has bars twice"
            section.found.problems.append(problem("Q0807", message, entry.key_span, label="again", labels=labels))
        elif symbol == ALL:
            spread = entry
        elif names.symbol(symbol, entry.key_span):
            places[symbol] = entry.key_span
            bars = _bars(section, entry, symbol)
            found |= {symbol: bars} if bars else {}
    if spread is not None:
        others = [symbol for symbol in names.universe if symbol not in places]
        bars = _bars(section, spread, ALL)
        found |= {symbol: _for(bars, symbol) for symbol in others} if bars else {}
    return tuple(found.values())


def _for(bars: Bars, symbol: str) -> Bars:
    return Bars(symbol, bars.close, bars.open, bars.high, bars.low, bars.volume, bars.path)


def _bars(section: Section, entry: Entry, symbol: str) -> Bars | None:
    path = f"{section.at('bars')}.{entry.key}"
    section.found.origins[path] = entry.key_span
    fields: dict[str, Series | None] = {}
    entries = entry.value.entries if isinstance(entry.value, Map) else (Entry("close", entry.key_span, entry.value),)
    for field in entries:
        if field.key in _FIELDS and isinstance(field.value, Scalar):
            fields[field.key] = _series(section, field.value, _FIELDS[field.key])
    close = fields.pop("close", None)
    if close is None:
        return None
    return Bars(symbol, close, **fields, path=path)


def _series(section: Section, scalar: Scalar, limit: Limit) -> Series | None:
    series, problems = read_series(scalar, limit)
    section.found.problems.extend(problems)
    return series


def read_market(section: Section) -> tuple[MarketSeries, ...]:
    """Daily closes of market series such as `vix.close`."""
    node = section.node.get("market")
    found = []
    for entry in node if isinstance(node, Map) else ():
        path = f"{section.at('market')}.{entry.key}"
        section.found.origins[path] = place_of(entry)
        series = _series(section, entry.value, VALUE) if isinstance(entry.value, Scalar) else None
        if series is not None:
            found.append(MarketSeries(entry.key.partition(".")[0], series, path))
    return tuple(found)


def read_chart(section: Section, names: Names) -> tuple[Chart, ...] | None:
    """Chart-fit inputs, for all symbols and by symbol; None when the case says nothing of charts."""
    node = section.node.get("chart")
    if not isinstance(node, Map):
        return None
    shared = _inputs(Map(tuple(e for e in node if e.key in CHART), node.span))
    own = Map(tuple(e for e in node if e.key not in CHART), node.span)
    charts = dict.fromkeys(names.present, shared) if shared else {}
    for symbol, entry in by_symbol(own, names):
        if isinstance(entry.value, Map):
            charts[symbol] = tuple(dict((*shared, *_inputs(entry.value))).items())
    return tuple(Chart(symbol, inputs) for symbol, inputs in charts.items())


def _inputs(node: Map) -> tuple[tuple[str, float], ...]:
    values = ((e.key, number(e.value.value)) for e in node if e.key in CHART and isinstance(e.value, Scalar))
    return tuple((name, value) for name, value in values if value is not None)


def read_signals(section: Section, names: Names) -> tuple[Signal, ...] | None:
    """What strategies say, by symbol and strategy; None when the case says nothing of signals."""
    node = section.node.get("signals")
    if not isinstance(node, Map):
        return None
    return tuple(
        _signal(section, symbol, inner)
        for symbol, entry in by_symbol(node, names)
        for inner in (entry.value.entries if isinstance(entry.value, Map) else ())
        if names.strategy(inner.key, inner.key_span)
    )


def _signal(section: Section, symbol: str, entry: Entry) -> Signal:
    if isinstance(entry.value, Scalar):
        return Signal(symbol, entry.key, SIDES.get(str(entry.value.value)))
    inner = Section(entry.value if isinstance(entry.value, Map) else Map((), entry.key_span), entry.key, section.found)
    return Signal(
        symbol,
        entry.key,
        SIDES.get(inner.value("side", word, "flat")),
        inner.value("size", ratio, 1.0),
        _distance(inner, "stop"),
        _distance(inner, "take"),
    )


def _distance(section: Section, key: str) -> float | None:
    scalar = section.scalar(key)
    if scalar is None:
        return None
    return nan if scalar.value == "missing" else number(scalar.value)


def read_positions(section: Section, names: Names) -> tuple[Held, ...]:
    """Positions before the first tick."""
    node, bars = section.node.get("positions"), section.node.get("bars")
    # bars with a mistake in them have their own message
    said = {entry.key.partition("@")[0] for entry in bars} if isinstance(bars, Map) else set()
    held = []
    for symbol, entry in by_symbol(node, names):
        path = f"{section.at('positions')}.{entry.key}"
        section.found.origins[path] = place_of(entry)
        position = _held(section, names, symbol, entry)
        if position.average_price is None and symbol not in names.present and not said & {symbol, ALL}:
            message = f"`{symbol}` holds a position but has no bars, so nobody knows its price"
            help_text = f"give it `bars: {{{symbol}: 100}}`, or the position an `entry` price"
            section.found.problems.append(problem("Q0807", message, entry.key_span, help=help_text))
        held.append(position)
    return tuple(held)


def _held(section: Section, names: Names, symbol: str, entry: Entry) -> Held:
    path = f"{section.at('positions')}.{entry.key}"
    if isinstance(entry.value, Scalar):
        return Held(symbol, ratio(entry.value.value) or 0.0, None, path=path)
    inner = Section(entry.value if isinstance(entry.value, Map) else Map((), entry.key_span), path, section.found)
    owner = inner.scalar("owner")
    if owner is not None and owner.value != "selected":
        names.strategy(str(owner.value), owner.span)
    size, qty = _how_much(inner, entry.key_span)
    return Held(
        symbol,
        size,
        qty,
        owner="" if owner is None or owner.value == "selected" else str(owner.value),
        average_price=inner.value("entry", number, None),
        opened=inner.value("opened", duration, 86_400),
        same_generation=inner.value("generation", word, "same") == "same",
        stop=inner.value("stop", number, None),
        take=inner.value("take", number, None),
        external=inner.value("external", flag, False),
        path=path,
    )


def _how_much(section: Section, key: Span) -> tuple[float | None, Decimal | None]:
    """(fraction, shares) of which exactly one is said."""
    size, qty = section.value("size", ratio, None), section.value("qty", decimal, None)
    entries = [entry for entry in section.node if entry.key in {"size", "qty"}]
    if len(entries) == 2:
        labels = (Label(entries[0].key_span, "and here"),)
        message = "the size is said twice, as a fraction and in shares"
        section.found.problems.append(problem("Q0807", message, entries[1].key_span, labels=labels))
    elif not entries:
        section.found.problems.append(
            problem("Q0202", "`size` or `qty` is missing", key, help="`size: 20%` or `qty: 100`")
        )
    return size, qty


def read_working(section: Section, names: Names) -> tuple[Working, ...]:
    """Orders of ours that are open before the first tick."""
    working = []
    for inner in section.section("account").sections("working"):
        symbol = inner.scalar("symbol")
        if symbol is not None and names.symbol(str(symbol.value), symbol.span):
            size, qty = _how_much(inner, symbol.span)
            since = inner.value("since", duration, 60)
            working.append(Working(str(symbol.value), size, qty, _leg(inner), since))
    return tuple(working)


def read_readings(section: Section, names: Names) -> Readings:
    """What the account shows at a tick."""
    account = section.section("account")
    answers = []
    for inner in account.sections("answers"):
        symbol = inner.scalar("symbol")
        if symbol is not None and names.symbol(str(symbol.value), symbol.span):
            error, count = inner.value("error", word, "none"), inner.value("count", whole, 1)
            answers.append(Answer(str(symbol.value), _leg(inner), error, count))
    equity, power = account.value("equity", money, None), account.value("buying_power", money, None)
    return Readings(
        None if equity is None else float(equity),
        None if power is None else float(power),
        account.value("readable", flag, True),
        tuple(answers),
        float(account.value("flows", money, Decimal(0))),
        tuple(_marks(account, names)),
    )


def _marks(account: Section, names: Names) -> Iterator[BrokerMark]:
    for symbol, entry in by_symbol(account.node.get("marks"), names):
        if isinstance(entry.value, Map):
            inner = Section(entry.value, entry.key, account.found)
            yield BrokerMark(symbol, inner.value("price", number, nan), inner.value("age", duration, 0))
        elif isinstance(entry.value, Scalar):
            yield BrokerMark(symbol, number(entry.value.value) or nan)


def read_quotes(section: Section, names: Names) -> tuple[tuple[str, float], ...]:
    """The newest quote of each symbol."""
    pairs = (
        (symbol, number(entry.value.value))
        for symbol, entry in by_symbol(section.node.get("quotes"), names)
        if isinstance(entry.value, Scalar)
    )
    return tuple((symbol, price) for symbol, price in pairs if price is not None)


def _leg(section: Section) -> Leg:
    return "close" if section.value("leg", word, "open") == "close" else "open"
