"""Worlds made by hand for the tests of decide and net: programs with dummy nodes, market rows, accounts, a tiny broker.

Nothing here compiles text or computes an indicator: decide reads columns only, so columns are what the tests write.
Every array that goes into decide is made read-only, so a stage that writes to its input fails.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import EntryGuardSettings, ExchangePolicy, Settings
from qmtl.dsl.program import FORMAT, ChainPlan, FitPlan, GuardPlan, Lane, Program, RegimePlan, StrategyPlan
from qmtl.engine.decide import decide
from qmtl.engine.frame import Frame, build_frame
from qmtl.engine.market import Account, Fill, Market, OrderResult, SessionTimes, WorkingOrder
from qmtl.engine.net import Netted, net
from qmtl.engine.orders import Order
from qmtl.engine.reasons import Reason
from qmtl.engine.state import DecideState, initial
from qmtl.engine.tick import Tick

#: Tuesday 2025-10-28, 09:30 in New York
OPEN = int(dt.datetime(2025, 10, 28, 13, 30, tzinfo=dt.UTC).timestamp())
CLOSE = OPEN + 23_400
DAY = 86_400


def locked(value: Any) -> Any:
    """The same record with every array read-only."""
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if isinstance(item, np.ndarray):
            item.setflags(write=False)
    return value


def at(hhmm: str, day: int = 0) -> int:
    """Epoch seconds of an exchange time on the test day plus `day` days."""
    hours, minutes = hhmm.split(":")
    return OPEN + (int(hours) * 60 + int(minutes) - 570) * 60 + day * DAY


def session(now: int) -> SessionTimes:
    """The session that contains or precedes `now`; every day of the week is one."""
    start = OPEN + (now - OPEN) // DAY * DAY
    day = dt.datetime.fromtimestamp(start, tz=dt.UTC).date()
    year, week, _ = day.isocalendar()
    return SessionTimes(start, start + 23_400, day.isoformat(), f"{year}-W{week:02d}")


def program(symbols: int = 4, strategies: tuple[str, ...] = ("alpha", "beta"), **more: Any) -> Program:
    """A program without nodes. `more`: styles, chains (name, strategies, exposure), allowed, until, generations, guards,
    stop ("none", "distance", "level"), take, and any field of Settings."""
    width = len(strategies)
    styles = more.pop("styles", ("trend",) * width)
    chains = more.pop("chains", (("main", tuple(range(width)), 1.0),))
    stop, take = more.pop("stop", "none"), more.pop("take", "none")
    allowed = more.pop("allowed", None)
    until = more.pop("until", None)
    generations = more.pop("generations", None)
    guards = more.pop("guards", ())
    universe = more.pop("universe", tuple(f"S{i:03d}" for i in range(symbols)))
    symbols = len(universe)
    lane = Lane(
        None, 0, 0, None if stop == "none" else 0, None if take == "none" else 0, stop == "level", take == "level"
    )
    more.setdefault("exchange", ExchangePolicy("test", min_notional=Decimal(1)))
    settings = Settings(world="lab", calendar="XNYS", universe=universe, bars=("15m", "60m"), **more)
    return Program(
        format=FORMAT,
        program_id="00",
        settings=settings,
        nodes=(),
        strategies=tuple(StrategyPlan(name, style, (lane,)) for name, style in zip(strategies, styles, strict=True)),
        regime=RegimePlan(0, 0, 0, 0, 0),
        chains=tuple(
            ChainPlan(name, None if k == len(chains) - 1 else 0, None, tuple(rows), exposure)
            for k, (name, rows, exposure) in enumerate(chains)
        ),
        fit=FitPlan(0, 0, 0, 0, 0, 0),
        guards=tuple(GuardPlan(guard, 0) for guard in guards),
        allowed=allowed or tuple((True,) * symbols for _ in strategies),
        allowed_until=until or tuple(("",) * symbols for _ in strategies),
        generations=generations
        or tuple(tuple(f"{row + 1:016x}{i:016x}" for i in range(symbols)) for row in range(width)),
        features=(),
        warmup=(),
    )


def frame(*arguments: Any, **more: Any) -> Frame:
    """`program`, as a frame of 60 s ticks."""
    return build_frame(program(*arguments, **more))


def guard(block: str = "long_entries", on_missing: str = "block", *, value: bool = False) -> EntryGuardSettings:
    """An entry guard."""
    return EntryGuardSettings("guard", block, on_missing, value)


def market(of: Frame, now: int, **columns: Any) -> Market:
    """A calm row at `now`: regime known, nothing signalled, all marks 100, decision tick on the quarter of an hour.
    `columns` overrides any field; scalars are spread to the shape."""
    s, n, k, g = of.symbols, of.strategies, len(of.exposure), len(of.program.guards)
    times = session(now)
    shapes = {
        "mark": (s,), "behind_15m": (s,), "behind_60m": (s,), "p": (4, s), "p_reason": (s,), "confidence": (s,),
        "when": (k, s), "stay": (k, s), "signal": (n, s), "signal_known": (n, s), "signal_reason": (n, s), "size": (n, s),
        "stop": (n, s), "take": (n, s), "guards": (g, s), "fit": (6, s), "features": (0, s),
    }  # fmt: skip
    kinds = {
        "behind_15m": np.int32, "behind_60m": np.int32, "p_reason": np.uint8, "when": np.uint8, "stay": np.uint8,
        "signal": np.int8, "signal_known": np.bool_, "signal_reason": np.uint8, "guards": np.uint8,
    }  # fmt: skip
    values: dict[str, Any] = {
        "mark": 100.0, "behind_15m": 0, "behind_60m": 0, "p": np.array([[0.5], [0.2], [0.3], [0.1]]), "p_reason": 0,
        "confidence": 0.5, "when": np.array([[0]] * (k - 1) + [[2]]), "stay": np.array([[0]] * (k - 1) + [[2]]),
        "signal": 0, "signal_known": True, "signal_reason": 0, "size": 1.0, "stop": math.nan, "take": math.nan,
        "guards": 0, "fit": np.array([[0.002], [0.003], [0.01], [0.01], [0.1], [0.5]]), "features": 0.0,
    }  # fmt: skip
    scalars: dict[str, Any] = {
        "session": times,
        "decision": (now - times.open_at) % 900 == 0,
        "regular_hours": times.open_at <= now < times.close_at,
        "bar_start": now // 900 * 900 - 900,
        "bar_end": now // 900 * 900,
    }
    if columns.get("shadow") is not None:
        shapes["shadow"] = (5, s)
    for name, value in columns.items():
        (scalars if name in scalars else values)[name] = value
    arrays = {
        name: np.broadcast_to(np.asarray(values[name]), shape).astype(kinds.get(name, np.float64)).copy()
        for name, shape in shapes.items()
    }
    return locked(Market(**scalars, **arrays))


def account(of: Frame, **fields: Any) -> Account:
    """An account of 100,000 without positions; `qty` maps symbols to Decimals and sets exact and average price (100)."""
    held = {symbol: Decimal(qty) for symbol, qty in fields.pop("qty", {}).items()}
    exact = tuple(held.get(symbol, Decimal(0)) for symbol in of.names.symbols)
    qty = np.array([float(value) for value in exact])
    average = fields.pop("average_price", 100.0)
    defaults: dict[str, Any] = {
        "readable": True, "equity": 100_000.0, "cash": 100_000.0, "buying_power": 200_000.0, "flows": 0.0, "others": 0.0, "qty": qty,
        "average_price": np.where(qty != 0, average, np.nan), "exact": exact, "external": np.zeros(of.symbols, dtype=bool),
        "working": (), "fills": (), "results": (),
    }  # fmt: skip
    return locked(Account(**{**defaults, **fields}))


def fill(symbol: str, qty: object, now: int, strategy: str = "alpha", **more: Any) -> Fill:
    """A fill at 100 of an order of `strategy`."""
    return Fill(
        client_order_id=more.get("client_order_id", "q1-x"), symbol=symbol, qty=Decimal(str(qty)), price=Decimal(100), at=now,
        world="lab", strategy=strategy, generation=more.get("generation", ""),
    )  # fmt: skip


def holding(
    of: Frame, qty: dict[str, object], now: int, strategy: str = "alpha", state: DecideState | None = None
) -> DecideState:
    """The state after positions of `strategy` opened at `now` by fills, decided by today's generation."""
    row = of.strategy_index.get(strategy, -1)
    generations = {
        s: of.mix_labels[i] if strategy == "@mix" else of.program.generations[row][i]
        for i, s in enumerate(of.names.symbols)
    }
    fills = tuple(fill(s, q, now, strategy, generation=generations[s]) for s, q in qty.items())
    rows = account(of, qty=qty, fills=fills)
    quiet = market(of, now, decision=False)
    return locked(decide(of, state or locked(initial(of)), quiet, rows, now)[0])


def why(tick: Tick, symbol: int = 0, step: str = "persist") -> Reason:
    """The reason of a step for a symbol's column."""
    return Reason(int(getattr(tick, step).reason[symbol]))


class Broker:
    """Fills at the next tick at the mark; `fills` says how much of each order (1 = all). Positions, average price, cash."""

    def __init__(self, of: Frame, cash: float = 100_000.0) -> None:
        self.frame, self.cash, self.state = of, cash, locked(initial(of))
        self.qty: dict[str, Decimal] = {}
        self.average: dict[str, float] = {}
        self.open: list[tuple[Order, Decimal]] = []
        self.sent: list[Order] = []
        self.results: tuple[OrderResult, ...] = ()

    def step(self, now: int, share: float = 1.0, **columns: Any) -> tuple[Tick, Netted]:
        """One tick: fills of what was sent, decide, net, submit and cancel."""
        row = market(self.frame, now, **columns)
        fills = self._fill(row, now, share)
        seen = self._account(row, fills, now)
        self.results = ()
        state, tick = decide(self.frame, self.state, row, seen, now)
        self.state = locked(state)
        netted = net((tick,), seen, "lab-account")
        gone = {cancel.client_order_id for cancel in netted.cancels}
        self.open = [pair for pair in self.open if pair[0].client_order_id not in gone]
        self.open += [(order, order.signed) for order in netted.orders]
        self.sent += netted.orders
        return tick, netted

    def _fill(self, row: Market, now: int, share: float) -> tuple[Fill, ...]:
        fills, rest = [], []
        for order, remaining in self.open:
            price = float(row.mark[self.frame.index[order.symbol]])
            part = (
                (remaining * Decimal(str(share))).to_integral_value(rounding="ROUND_DOWN") if share < 1 else remaining
            )
            if part:
                self._book(order.symbol, part, price)
                owner = order.attribution[0]
                fills.append(
                    Fill(
                        order.client_order_id,
                        order.symbol,
                        part,
                        Decimal(str(price)),
                        now,
                        "lab",
                        owner.strategy,
                        owner.generation,
                    )
                )
            if remaining - part:
                rest.append((order, remaining - part))
        self.open = rest
        return tuple(fills)

    def _book(self, symbol: str, qty: Decimal, price: float) -> None:
        old = self.qty.get(symbol, Decimal(0))
        new = old + qty
        assert not (old and new and (old > 0) != (new > 0)), "an order crossed zero"
        if new == 0:
            self.average.pop(symbol, None)
        elif old == 0 or abs(new) > abs(old):
            before = self.average.get(symbol, 0.0) * float(abs(old))
            self.average[symbol] = (before + price * float(abs(qty))) / float(abs(new))
        self.qty[symbol] = new
        self.cash -= float(qty) * price

    def _account(self, row: Market, fills: tuple[Fill, ...], now: int) -> Account:
        names = self.frame.names.symbols
        exact = tuple(self.qty.get(symbol, Decimal(0)) for symbol in names)
        qty = np.array([float(value) for value in exact])
        equity = self.cash + float((qty * np.nan_to_num(row.mark)).sum())
        working = tuple(
            WorkingOrder(order.client_order_id, order.symbol, left, order.leg, order.epoch, 1)
            for order, left in self.open
        )
        average = np.array([self.average.get(symbol, math.nan) for symbol in names])
        return locked(
            Account(
                readable=True, equity=equity, cash=self.cash, buying_power=max(2 * equity, 0.0), flows=0.0, others=0.0, qty=qty,
                average_price=average, exact=exact, external=np.zeros(len(names), dtype=bool), working=working, fills=fills,
                results=self.results,
            )
        )  # fmt: skip


class Lab:
    """What the tests import: the functions of this file under one name."""

    OPEN, CLOSE, DAY = OPEN, CLOSE, DAY
    at, session, program, frame, guard = (
        staticmethod(at),
        staticmethod(session),
        staticmethod(program),
        staticmethod(frame),
        staticmethod(guard),
    )
    market, account, fill, holding = (
        staticmethod(market),
        staticmethod(account),
        staticmethod(fill),
        staticmethod(holding),
    )
    why, locked = staticmethod(why), staticmethod(locked)
    Broker = Broker

    @staticmethod
    def decide(
        of: Frame, now: int, state: DecideState | None = None, holds: Account | None = None, **columns: Any
    ) -> Tick:
        """The Tick of one decide over a hand-made row."""
        return decide(of, state or locked(initial(of)), market(of, now, **columns), holds or account(of), now)[1]

    @staticmethod
    def book(
        of: Frame, current: dict[str, float], now: int, strategy: str = "alpha", mark: float = 100.0
    ) -> tuple[DecideState, Account]:
        """A state and an account that hold signed fractions of 100,000 since `now`."""
        qty = {symbol: str(Decimal(str(round(part * 100_000 / mark, 6)))) for symbol, part in current.items()}
        return holding(of, qty, now, strategy), account(of, qty=qty)


@pytest.fixture(scope="session")
def lab() -> type[Lab]:
    """Hand-made worlds."""
    return Lab
