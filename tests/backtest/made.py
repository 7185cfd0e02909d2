"""Backtests made by hand for the tests of what is computed from them.

`record` makes one out of an equity curve and a list of orders; `played` plays random orders on random prices with an account of
its own, in decimals, so that what is computed from the columns can be held against books that were kept while it happened.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from qmtl.engine.backtest.result import (
    FORMAT,
    Costs,
    Marks,
    Notice,
    OrderRows,
    Result,
    Setup,
    Steps,
    WorldSteps,
)

#: Monday 2025-01-06, 09:30 in New York
MONDAY = int(dt.datetime(2025, 1, 6, 14, 30, tzinfo=dt.UTC).timestamp())
BAR = 900
DAY = 86_400


@dataclass(frozen=True)
class Sent:
    """An order as a test writes it; `at` counts ticks, `fill` False leaves it unfilled."""

    at: int
    symbol: str
    qty: float
    price: float
    fee: float = 0.0
    world: str = "core"
    strategy: str = "roc"
    chain: str = "trend"
    reason: str = "order.entry"
    fill: bool = True


def sessions(count: int) -> tuple[str, ...]:
    """ISO days of `count` weekdays."""
    days, day = [], dt.date(2025, 1, 6)
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day.isoformat())
        day += dt.timedelta(days=1)
    return tuple(days)


def ticks(count: int, bars: int) -> np.ndarray:
    """Times of `bars` decision ticks in each of `count` sessions: ends of 15m bars."""
    opens = [int(dt.datetime.fromisoformat(f"{day}T14:30:00+00:00").timestamp()) for day in sessions(count)]
    return np.array([start + BAR * (i + 1) for start in opens for i in range(bars)], dtype=np.int64)


def order_rows(sent: list[Sent], at: np.ndarray, symbols: tuple[str, ...] = ()) -> OrderRows:
    """Columns of orders; name tables in order of appearance, `symbols` first."""

    def names(what: str, first: tuple[str, ...] = ()) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*first, *(n for s in sent if (n := getattr(s, what)))]))

    tables = {
        "worlds": names("world"),
        "symbols": names("symbol", symbols),
        "strategies": names("strategy"),
        "chains": names("chain"),
        "reasons": names("reason"),
    }

    def index(what: str, table: str, kind: type = np.int16) -> np.ndarray:
        return np.array([tables[table].index(n) if (n := getattr(s, what)) else -1 for s in sent], dtype=kind)

    when = np.array([at[s.at] for s in sent], dtype=np.int64)
    fill = np.array([s.fill for s in sent], dtype=bool)
    return OrderRows(
        **tables,
        sent=when,
        filled=np.where(fill, when, 0),
        world=index("world", "worlds"),
        symbol=index("symbol", "symbols", np.int64),
        strategy=index("strategy", "strategies"),
        chain=index("chain", "chains"),
        reason=index("reason", "reasons"),
        qty=np.array([s.qty for s in sent], dtype=np.float64),
        price=np.array([s.price if s.fill else 0.0 for s in sent], dtype=np.float64),
        fee=np.array([s.fee if s.fill else 0.0 for s in sent], dtype=np.float64),
        mark=np.array([s.price for s in sent], dtype=np.float64),
        closing=np.array([s.reason == "order.close" for s in sent], dtype=bool),
    )


def setup(name: str = "test", days: tuple[str, ...] = ("2025-01-06",), **more: Any) -> Setup:
    """A setup on XNYS with 252 sessions a year."""
    values: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "worlds": (("core", "p" * 8),),
        "calendar": "XNYS",
        "start": days[0],
        "end": days[-1],
        "cash": 100_000.0,
        "costs": Costs(),
        "source": "made by hand",
        "sessions_a_year": 252.0,
        "bars_a_session": 26,
        "version": "0",
    }
    return Setup(**{**values, **more})


def record(
    equity: np.ndarray, bars: int, sent: list[Sent] = (), *, last: dict[str, float] | None = None, **more: Any
) -> Result:
    """A backtest of one world with the whole account whose equity is given per tick, `bars` ticks a session."""
    equity = np.asarray(equity, dtype=np.float64)
    count = len(equity) // bars
    at, days = ticks(count, bars), sessions(count)
    last = last or {}
    orders = order_rows(list(sent), at, tuple(last))
    zeros = np.zeros(len(equity))
    steps = Steps(
        at=at,
        session=np.repeat(np.arange(count), bars),
        days=days,
        equity=equity,
        cash=equity,
        fees=zeros,
        borrow=more.pop("borrow", zeros),
        market=np.linspace(1.0, 1.1, len(equity)),
    )
    world = WorldSteps(
        world="core",
        chains=("trend", "chop"),
        strategies=orders.strategies or ("roc",),
        universe=orders.symbols or ("AAA",),
        capital=equity,
        pnl=equity - equity[:1],
        gross=np.full(len(equity), 0.5),
        net=np.full(len(equity), 0.25),
        names=np.ones(len(equity), dtype=np.int16),
        kill=np.zeros(len(equity), dtype=np.uint8),
        in_chain=np.ones((len(equity), 2), dtype=np.int16),
        p=np.full((len(equity), 4), 0.25),
    )
    marks = Marks(np.array([last.get(name, np.nan) for name in orders.symbols], dtype=np.float64))
    return Result(
        setup(days=days or sessions(1), cash=float(equity[:1].sum()), **more), steps, (world,), orders, marks, ()
    )


def of_returns(returns: np.ndarray, **more: Any) -> Result:
    """A backtest with these session returns: two ticks a session, the first as the close before."""
    closes = 100_000.0 * np.concatenate(([1.0], np.cumprod(1.0 + np.asarray(returns, dtype=np.float64))))
    return record(np.stack((closes[:-1], closes[1:]), axis=1).reshape(-1), 2, **more)


@dataclass
class Books:
    """Truth kept while playing: P&L of each world and of each (world, symbol), costs."""

    cash: Decimal = Decimal(100_000)
    held: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    spent: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    fees: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    borrow: Decimal = Decimal(0)

    def pnl(self, key: tuple[str, str], mark: Decimal) -> Decimal:
        """Money won with a symbol, costs paid."""
        return self.held[key] * mark - self.spent[key]


@dataclass(frozen=True)
class Played:
    """A backtest and the books of it."""

    result: Result
    books: Books
    pnl: dict[tuple[str, str], float]


def played(
    seed: int,
    *,
    days: int = 6,
    bars: int = 5,
    symbols: int = 4,
    worlds: tuple[str, ...] = ("core",),
    busy: float = 0.4,
    crossing: bool = False,
) -> Played:
    """Random orders on random prices: adds, reductions, closes, now and then one unfilled; none crosses zero unless `crossing`."""
    rng, costs, books = np.random.default_rng(seed), Costs(), Books()
    names = tuple(f"S{i}" for i in range(symbols))
    at = ticks(days, bars)
    price = {n: [Decimal(int(rng.integers(2_000, 40_000))) / 100] for n in names}
    for n in names:
        for _ in range(len(at)):
            moved = price[n][-1] * Decimal(float(np.exp(rng.normal(0, 0.01))))
            price[n].append(max(round(moved, 2), Decimal("0.01")))
    share = Decimal(1) / len(worlds)
    sent: list[Sent] = []
    equity, cash, fees, borrow = [], [], [], []
    per_world: dict[str, list[tuple[float, float, float]]] = {w: [] for w in worlds}
    was_fees = was_borrow = Decimal(0)
    for t in range(len(at)):
        marks = {n: price[n][t] for n in names}
        charge = sum((-q * marks[k[1]] for k, q in books.held.items() if q < 0), Decimal(0)) * Decimal("0.00001")
        books.cash, books.borrow = books.cash - charge, books.borrow + charge
        worth = sum((q * marks[k[1]] for k, q in books.held.items()), Decimal(0))
        equity.append(books.cash + worth)
        cash.append(books.cash)
        fees.append(books.fees - was_fees)
        borrow.append(books.borrow - was_borrow)
        was_fees, was_borrow = books.fees, books.borrow
        for w in worlds:
            own = [(q * marks[k[1]], books.pnl(k, marks[k[1]])) for k, q in books.held.items() if k[0] == w]
            capital = share * equity[-1]
            gross = sum((abs(v) for v, _ in own), Decimal(0)) / capital
            net = sum((v for v, _ in own), Decimal(0)) / capital
            won = sum((p for _, p in own), Decimal(0)) - books.borrow * share
            per_world[w].append((float(won), float(gross), float(net)))
        if t % bars == bars - 1:
            continue
        for w in worlds:
            for n in names:
                if rng.random() >= busy:
                    continue
                sent.append(_trade(rng, books, (w, n, t, price[n][t]), costs, crossing=crossing))
    marks = {n: price[n][len(at) - 1] for n in names}
    result = _result(at, days, bars, names, sent, (equity, cash, fees, borrow), per_world)
    pnl = {k: float(books.pnl(k, marks[k[1]])) for k in list(books.held)}
    last = Marks(np.array([float(marks[n]) for n in names]))
    return Played(Result(result.setup, result.steps, result.worlds, result.orders, last, result.notices), books, pnl)


def _trade(
    rng: np.random.Generator, books: Books, what: tuple[str, str, int, Decimal], costs: Costs, *, crossing: bool
) -> Sent:
    world, symbol, t, opened = what
    held = books.held[(world, symbol)]
    qty = Decimal(int(rng.integers(1, 300))) / 10 * (1 if rng.random() < 0.5 else -1)
    too_much = held * qty < 0 and abs(qty) > abs(held) and not crossing
    if (held and rng.random() < 0.4) or too_much:
        qty = -held
    slip = Decimal(str(costs.slippage))
    paid = round(opened * (1 + slip if qty > 0 else 1 - slip), 6)
    fee = round(abs(qty) * paid * Decimal(str(costs.fee)), 6)
    fill = rng.random() > 0.05
    closes = held + qty == 0
    if fill:
        books.held[(world, symbol)] += qty
        books.spent[(world, symbol)] += qty * paid + fee
        books.cash -= qty * paid + fee
        books.fees += fee
        books.slippage += abs(qty) * abs(paid - opened)
    strategy = ("roc", "zscore", "")[int(rng.choice(3, p=[0.5, 0.45, 0.05]))]
    return Sent(
        t, symbol, float(qty), float(paid), float(fee), world, strategy, ("trend", "chop")[int(rng.integers(2))],
        "order.close" if closes else "order.entry", fill,
    )  # fmt: skip


def _result(at: Any, days: int, bars: int, names: Any, sent: Any, account: Any, per_world: Any) -> Result:
    equity, cash, fees, borrow = (np.array([float(x) for x in column]) for column in account)
    rng = np.random.default_rng(days)
    steps = Steps(
        at,
        np.repeat(np.arange(days), bars),
        sessions(days),
        equity,
        cash,
        fees,
        borrow,
        1.0 + 0.01 * rng.random(len(at)),
    )
    orders = order_rows(sent, at, names)
    worlds = []
    for number, (world, rows) in enumerate(per_world.items()):
        pnl, gross, net = (np.array(column) for column in zip(*rows, strict=True))
        p = rng.random((len(at), 4))
        p[0] = np.nan
        worlds.append(
            WorldSteps(
                world, ("trend", "chop") if number == 0 else ("chop", "defensive"), ("roc", "zscore"), names,
                equity / len(per_world), pnl, gross, net, rng.integers(0, 4, len(at)).astype(np.int16),
                np.zeros(len(at), dtype=np.uint8), rng.integers(0, 4, (len(at), 2)).astype(np.int16), p,
            )
        )  # fmt: skip
    notices = (Notice("freshness.stale", int(at[0]), 3, "core", names[0], "the last bar is old"),)
    made = setup(days=sessions(days), worlds=tuple((w, "p" * 8) for w in per_world))
    return Result(made, steps, tuple(worlds), orders, Marks(np.full(len(names), np.nan)), notices)


def same(a: Any, b: Any) -> bool:
    """Equal to the bit, arrays and their types included."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b
