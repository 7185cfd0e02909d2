"""Backtests made up for the report: a market, positions that are opened and closed in it, and an account that adds up.

Nothing of `engine/backtest` but its records is used, so that a page can be looked at without a run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from qmtl.engine.backtest.measures import Drawdown, Measures, Period, Share, Summary, Variant
from qmtl.engine.backtest.result import FORMAT, Costs, Marks, Notice, OrderRows, Result, Setup, Steps, WorldSteps
from qmtl.engine.backtest.trip import Trips

SYMBOLS = (
    "SPY", "QQQ", "XLK", "AAPL", "MSFT", "NVDA", "AMD", "XLC", "GOOG", "META", "XLY", "AMZN",
    "TSLA", "XLF", "JPM", "GS", "XLE", "XOM", "CVX", "XLV", "XLI", "CAT", "XLP", "COST",
)  # fmt: skip
CHAINS = ("defensive", "chop", "trend", "neutral")
STRATEGIES = (
    "roc_momentum",
    "atr_ratchet",
    "channel_breakout",
    "zscore_reversion",
    "bb_rsi_reversion",
    "bear_probability",
)
REASONS = ("order.entry", "order.close", "stop.strategy", "take.strategy", "signal.owner_exit")


@dataclass(frozen=True)
class Shape:
    """How large, and what happens in it."""

    sessions: int = 41
    bars: int = 26
    trips: int = 320
    worlds: tuple[str, ...] = ("us_core",)
    symbols: tuple[str, ...] = SYMBOLS
    chains: tuple[str, ...] = CHAINS
    start: str = "2025-10-01"
    seed: int = 7
    skill: float = 0.04
    killed: int = -1
    notices: tuple[Notice, ...] = ()
    name: str = "us_core, autumn"
    cash: float = 100_000.0


@dataclass(frozen=True)
class Made:
    result: Result
    summary: Summary
    trips: Trips


def made(shape: Shape = Shape()) -> Made:
    """A backtest of that shape; the same shape gives the same backtest."""
    rng = np.random.default_rng(shape.seed)
    days = weekdays(shape.start, shape.sessions)
    at = np.array([opened(day) + 900 * (i + 1) for day in days for i in range(shape.bars)], dtype=np.int64)
    session = np.repeat(np.arange(shape.sessions), shape.bars).astype(np.int64)
    p = regimes(rng, len(at))
    prices = market(rng, p, shape)
    orders, trips = traded(rng, prices, at, shape)
    steps = account(orders, prices, (at, session, days), shape.cash)
    worlds = tuple(world(rng, (name, i), (steps, orders, prices, p), shape) for i, name in enumerate(shape.worlds))
    setup = Setup(
        FORMAT, shape.name, tuple((name, f"{i + 10:064x}") for i, name in enumerate(shape.worlds)), "XNYS", days[0], days[-1],
        shape.cash, Costs(borrow_of=(("TSLA", 0.02),)), "files: bars/us_15m, vix/vix_daily.csv", 252.0, shape.bars, "0.1.0",
    )  # fmt: skip
    result = Result(setup, steps, worlds, orders, Marks(prices[-1]), shape.notices)
    return Made(result, summary(result, trips), trips)


def weekdays(start: str, count: int) -> tuple[str, ...]:
    day, found = date.fromisoformat(start), []
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day.isoformat())
        day += timedelta(days=1)
    return tuple(found)


def opened(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(hour=14, minute=30, tzinfo=UTC).timestamp())


def regimes(rng: np.random.Generator, count: int) -> np.ndarray:
    """[T, 4] slowly wandering probabilities; the first ticks are unknown."""
    logits = np.zeros((count, 4))
    state = np.zeros(4)
    for t in range(count):
        state = 0.985 * state + rng.normal(0, 0.22, 4)
        logits[t] = state
    weight = np.exp(logits[:, :3] + np.array([0.5, -0.4, 0.6]))
    trend = weight / weight.sum(axis=1, keepdims=True)
    p = np.column_stack((trend, 1 / (1 + np.exp(1.2 - logits[:, 3]))))
    p[: min(5, count // 4)] = np.nan
    return p


def market(rng: np.random.Generator, p: np.ndarray, shape: Shape) -> np.ndarray:
    """[T, S] prices that rise in uptrends and are wilder in high volatility."""
    known = np.nan_to_num(p, nan=0.3)
    common = (known[:, 0] - known[:, 1]) * 0.0004 + rng.normal(0, 1, len(p)) * 0.0012 * (0.5 + known[:, 3])
    own = rng.normal(0, 0.0022, (len(p), len(shape.symbols)))
    return np.exp(np.cumsum(common[:, None] + own, axis=0)) * rng.uniform(40, 500, len(shape.symbols))


def traded(rng: np.random.Generator, prices: np.ndarray, at: np.ndarray, shape: Shape) -> tuple[OrderRows, Trips]:
    """Alternating openings and closings per symbol; the last of some stay open. A trip is two orders."""
    rows = []
    each = max(1, shape.trips // len(shape.symbols)) if shape.trips else 0
    for s in range(len(shape.symbols)):
        turns = np.sort(rng.choice(len(at) - 1, size=min(2 * each, len(at) - 1), replace=False)) if each else []
        for number, (a, b) in enumerate(zip(turns[::2], turns[1::2], strict=False)):
            last = number == each - 1 and s % 5 == 0
            future = np.sign(prices[b, s] - prices[a, s])
            side = int(future if rng.random() < shape.skill else rng.choice((1, 1, -1)))
            size = shape.cash * rng.uniform(0.02, 0.06) / prices[a, s]
            rows.append((int(a), 0 if last else int(b), s, side, np.floor(size) + 0.5))
    rows.sort()
    picks = rng.integers(0, (len(shape.worlds), len(STRATEGIES), len(shape.chains), 3), (len(rows), 4))
    return orders_of(rows, picks, prices, (at, shape)), trips_of(rows, picks, prices, at)


def orders_of(rows: list, picks: np.ndarray, prices: np.ndarray, of: tuple) -> OrderRows:
    at, shape = of
    sends = []
    for (a, b, s, side, qty), (w, strategy, chain, why) in zip(rows, picks.tolist(), strict=True):
        sends.append((a, w, s, strategy, chain, 0, side * qty, False))
        if b:
            sends.append((b, w, s, strategy, chain, 1 + why, -side * qty, True))
    sends.sort(key=lambda row: row[0])
    tick, w, s, strategy, chain, why, qty, closing = (np.array(c) for c in zip(*sends, strict=True)) if sends else [np.zeros(0, int)] * 8  # fmt: skip
    price = prices[tick, s]
    return OrderRows(
        shape.worlds, shape.symbols, STRATEGIES, shape.chains, REASONS, at[tick], at[tick],
        w.astype(np.int16), s.astype(np.int64), strategy.astype(np.int16), chain.astype(np.int16), why.astype(np.int16),
        qty.astype(float), price, np.abs(qty) * price * 0.0002, price, closing.astype(bool),
    )  # fmt: skip


def trips_of(rows: list, picks: np.ndarray, prices: np.ndarray, at: np.ndarray) -> Trips:
    order = sorted(range(len(rows)), key=lambda i: (rows[i][1] == 0, rows[i][1] or rows[i][0]))
    rows, picks = [rows[i] for i in order], picks[order]
    a, b, s, side, qty = (np.array(c) for c in zip(*rows, strict=True)) if rows else [np.zeros(0, int)] * 5
    still = b == 0
    entry, out = prices[a, s], np.where(still, prices[-1, s], prices[b, s])
    fees = qty * (entry + np.where(still, 0, out)) * 0.0002
    pnl = side * qty * (out - entry) - fees
    return Trips(
        picks[:, 0].astype(np.int16), s.astype(np.int64), at[a], np.where(still, 0, at[b]), side.astype(np.int8),
        qty.astype(float), entry, out, pnl, fees, pnl / np.maximum(entry * qty, 1e-9), picks[:, 1].astype(np.int16),
        picks[:, 2].astype(np.int16), np.where(still, -1, 1 + picks[:, 3]).astype(np.int16), np.where(still, 1, 2),
        qty * (entry + np.where(still, 0, out)), fees / 2,
    )  # fmt: skip


def account(orders: OrderRows, prices: np.ndarray, of: tuple, cash: float) -> Steps:
    at, session, days = of
    tick = np.searchsorted(at, orders.sent)
    paid, fees, held = np.zeros(len(at)), np.zeros(len(at)), np.zeros(prices.shape)
    np.add.at(paid, tick, orders.qty * orders.price + orders.fee)
    np.add.at(fees, tick, orders.fee)
    np.add.at(held, (tick, orders.symbol), orders.qty)
    money = cash - paid.cumsum()
    equity = money + (held.cumsum(axis=0) * prices).sum(axis=1)
    index = (prices / prices[0]).mean(axis=1)
    return Steps(at, session, days, equity, money, fees, np.zeros(len(at)), index)


def world(rng: np.random.Generator, which: tuple[str, int], of: tuple, shape: Shape) -> WorldSteps:
    name, number = which
    steps, orders, prices, p = of
    mine = orders.world == number
    held = np.zeros(prices.shape)
    np.add.at(held, (np.searchsorted(steps.at, orders.sent[mine]), orders.symbol[mine]), orders.qty[mine])
    value = held.cumsum(axis=0) * prices / steps.equity[:, None]
    noise = np.cumsum(rng.normal(0, 0.15, (len(p), len(shape.chains))), axis=0)
    weight = np.exp(noise - noise.max(axis=1, keepdims=True))
    counts = np.floor(weight / weight.sum(axis=1, keepdims=True) * len(shape.symbols)).astype(np.int16)
    counts[:, 0] += (len(shape.symbols) - counts.sum(axis=1)).astype(np.int16)
    kill = np.zeros(len(p), dtype=np.uint8)
    if shape.killed >= 0:
        kill[shape.killed : shape.killed + shape.bars] = 122
    return WorldSteps(
        name, shape.chains, STRATEGIES, shape.symbols, steps.equity / len(shape.worlds),
        (steps.equity - shape.cash) / len(shape.worlds), np.abs(value).sum(axis=1), value.sum(axis=1),
        (held.cumsum(axis=0) != 0).sum(axis=1).astype(np.int16), kill, counts, p,
    )  # fmt: skip


def summary(result: Result, trips: Trips) -> Summary:
    account_, index = measures(result, result.steps.equity, trips), measures(result, result.steps.market, None)
    names, returns = closes(result, result.steps.equity)
    order = np.argsort(returns)
    rows = [Period(names[i], float(returns[i])) for i in order]
    some = min(5, len(rows) // 2)
    return Summary(
        "sha256:" + "ab12" * 16, account_, index, tuple((w, account_) for w, _ in result.setup.worlds),
        shares(result, trips), months(names, returns), tuple(rows[::-1][:some]), tuple(rows[:some]),
        falls(names, returns), variants(account_),
    )  # fmt: skip


def closes(result: Result, values: np.ndarray) -> tuple[list[str], np.ndarray]:
    ends = np.append(np.flatnonzero(np.diff(result.steps.session)), len(values) - 1)
    path = np.append(values[:1], values[ends])
    return [result.steps.days[i] for i in result.steps.session[ends]], path[1:] / path[:-1] - 1


def measures(result: Result, values: np.ndarray, trips: Trips | None) -> Measures:
    _, returns = closes(result, values)
    n, year, total = len(returns), result.setup.sessions_a_year, float(values[-1] / values[0] - 1)
    spread = float(returns.std(ddof=1)) if n > 1 else None
    sharpe = float(returns.mean() / spread * np.sqrt(year)) if spread and n > 2 else None
    path = np.append(1.0, np.cumprod(1 + returns))
    fall = float((path / np.maximum.accumulate(path) - 1).min())
    pnl = trips.pnl[trips.closed > 0] if trips is not None else np.zeros(0)
    lost = -float(pnl[pnl < 0].sum())
    fees = float(result.orders.fee.sum()) if trips is not None else 0.0
    cagr = (1 + total) ** (year / n) - 1
    return Measures(
        n, float(values[0]), float(values[-1]), total, cagr, spread and spread * year**0.5, sharpe,
        None if sharpe is None else float(np.sqrt(year / n * (1 + sharpe**2 / year / 2))), sharpe and sharpe * 1.3,
        fall, min(n, 12) if fall < 0 else 0, cagr / -fall if fall < 0 else None, float(returns.mean()),
        spread and spread / n**0.5, -0.21 if n > 2 else None, 4.1 if n > 2 else None, sharpe and sharpe * 0.9, len(pnl),
        float((pnl > 0).mean()) if len(pnl) else None, float(pnl[pnl > 0].sum()) / lost if lost else None,
        float(pnl.mean()) if len(pnl) else None, 42.5, 0.41, 0.12, len(result.orders.sent) if trips is not None else 0,
        fees, fees / 2, fees / 9,
    )  # fmt: skip


def shares(result: Result, trips: Trips) -> tuple[Share, ...]:
    kinds = (("chain", result.orders.chains, trips.chain), ("strategy", result.orders.strategies, trips.strategy),
             ("symbol", result.orders.symbols, trips.symbol))  # fmt: skip
    found = []
    for kind, names, index in kinds:
        for i, name in enumerate(names):
            rows = index == i
            if rows.any():
                pnl, costs = trips.pnl[rows], float((trips.fees[rows] + trips.slippage[rows]).sum())
                lost = -float(pnl[pnl < 0].sum())
                found.append(
                    Share(
                        kind, name, float(pnl.sum()), float(pnl.sum()) + costs, costs, int(trips.orders[rows].sum()), len(pnl),
                        float((pnl > 0).mean()), float(pnl[pnl > 0].sum()) / lost if lost else None, float(rows.mean() * 40),
                    )
                )  # fmt: skip
    return tuple(sorted(found, key=lambda s: (("chain", "strategy", "symbol").index(s.kind), -s.pnl)))


def months(names: list[str], returns: np.ndarray) -> tuple[Period, ...]:
    found: dict[str, float] = {}
    for name, value in zip(names, returns.tolist(), strict=True):
        found[name[:7]] = (1 + found.get(name[:7], 0.0)) * (1 + value) - 1
    return tuple(Period(name, value) for name, value in found.items())


def falls(names: list[str], returns: np.ndarray) -> tuple[Drawdown, ...]:
    if len(names) < 12:
        return ()
    return (
        Drawdown(names[2], names[6], names[11], -0.0231, 9),
        Drawdown(names[-4], names[-2], "", -0.0102, 3),
    )


def variants(account_: Measures) -> tuple[Variant, ...]:
    cost = (account_.fees + account_.slippage_paid) / account_.start_equity
    rows = []
    for label, times, extra in (
        ("costs x1", 1, 0.0),
        ("costs x2", 2, cost),
        ("costs x3", 3, 2 * cost),
        ("one bar later", 1, 0.004),
    ):
        found = replace(
            account_, total_return=account_.total_return - extra, fees=account_.fees * times,
            sharpe=None if account_.sharpe is None else account_.sharpe - 40 * extra,
        )  # fmt: skip
        rows.append(Variant(label, found))
    return tuple(rows)
