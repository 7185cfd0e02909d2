"""Programs put together at random, observed in blocks and row by row: nodes of all clocks and columns read one another in
ways that no shipped world does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.dsl.program import ChainPlan, FitPlan, Lane, Program, RegimePlan, StrategyPlan
from qmtl.engine.bars import MacroRow
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.kernels import OPS
from qmtl.engine.kernels.cross import CROSS
from qmtl.engine.kernels.windowed import WINDOWED

from .blockcheck import Pair, until

TRUTHS = {"and": 2, "or": 2, "not": 1, "coalesce_truth": 2, "for_bars": 1, "latch": 4, "count": 1, "breadth": 1}
NUMBERS = {
    **dict.fromkeys(("clip", "ratchet", "true_range", "atr"), 3),
    **dict.fromkeys(("add", "sub", "mul", "div", "min2", "max2", "coalesce", "crosses_above", "crosses_below"), 2),
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne"), 2),
}
MAKE_TRUTHS = {"gt", "ge", "lt", "le", "eq", "ne", "and", "or", "not", "coalesce_truth", "for_bars"}
MAKE_TRUTHS |= {"crosses_above", "crosses_below"}
LENGTHS = {*WINDOWED, "ema", "wilder", "rsi", "atr"}
UNIVERSE = tuple(f"S{index}" for index in range(7))
FEW = (1, 2, 5)


class Garden:
    """Nodes that grow at random."""

    def __init__(self, builder: Any, random: np.random.Generator) -> None:
        self.b = builder
        self.random = random
        inputs = [builder.bar(name) for name in ("close", "high", "low", "volume")]
        inputs += [builder.bar(name, "60m") for name in ("close", "high", "low")]
        inputs += [builder.bar("vix.close", "1d"), *map(builder.const, (0.0, 1.0, 101.0))]
        self.numbers: list[int] = inputs
        self.truths = [builder.truth("gt", inputs[0], inputs[4]), builder.truth("lt", inputs[7], inputs[10])]

    def grow(self, op: str | None = None, columns: tuple[int, ...] | None = None) -> int:
        """One more node that reads others."""
        op = op or str(self.random.choice(sorted(OPS)))
        few = columns is not None or self.random.random() < 0.15
        kinds = "tnn" if op == "choose" else "t" * TRUTHS[op] if op in TRUTHS else "n" * NUMBERS.get(op, 1)
        args = [self._pick(kind, op, few=few) for kind in kinds]
        symbol = any(self.b.nodes[arg].scope == "symbol" for arg in args)
        if all(self.b.nodes[arg].op == "const" for arg in args):
            return self.grow(op, columns)
        params = (int(self.random.choice([1, 2, 3, 5, 9, 14])),) if op in LENGTHS else ()
        scope = "market" if op in {"count", "breadth", "xmean"} or not symbol else "symbol"
        only = FEW if few and scope == "symbol" else None
        index = self.b.node(
            op, *args, params=params, kind="truth" if op in MAKE_TRUTHS else "num", columns=only, scope=scope
        )
        (self.truths if op in MAKE_TRUTHS else self.numbers).append(index)
        return int(index)

    def _pick(self, kind: str, op: str, *, few: bool) -> int:
        pool = self.truths if kind == "t" else self.numbers
        nodes = self.b.nodes
        fits = [index for index in pool if (few and op not in CROSS) or nodes[index].columns is None]
        if op in CROSS:  # across symbols, of which a value of the market has none
            fits = [index for index in fits if nodes[index].scope == "symbol"]
        if op in LENGTHS | {"for_bars", "true_range"}:
            fits = [index for index in fits if nodes[index].op != "const"]
        # mostly what is new, so that chains get long
        weights = np.arange(1, len(fits) + 1, dtype=float)
        return int(self.random.choice(fits, p=weights / weights.sum()))

    def whole(self, pool: list[int], *, symbol: bool = False) -> int:
        fits = [i for i in pool if self.b.nodes[i].columns is None]
        fits = [i for i in fits if not symbol or self.b.nodes[i].scope == "symbol"]
        return int(self.random.choice(fits))


def program(build: Callable[[tuple[str, ...]], Any], seed: int) -> Program:
    """A program of some sixty nodes with every kind of output."""
    random = np.random.default_rng(seed)
    garden = Garden(build(UNIVERSE), random)
    for _ in range(45):
        garden.grow()
    numbers, truths = garden.numbers, garden.truths
    signals = []
    for columns in (None, FEW, None):
        while True:
            index = garden.grow("latch", columns)
            node = garden.b.nodes[index]
            if node.columns == columns and node.scope == "symbol":
                signals.append(index)
                break

    def lane(columns: tuple[int, ...] | None, signal: int) -> Lane:
        size, stop, take = (garden.whole(numbers) for _ in range(3))
        maybe = stop if random.random() < 0.7 else None
        return Lane(columns, signal, size, maybe, take, stop_is_level=False, take_is_level=False)

    plans = (
        StrategyPlan("lanes", "trend", (lane(None, signals[0]), lane(FEW, signals[1]))),
        StrategyPlan("plain", "chop", (lane(None, signals[2]),)),
    )
    chains = (
        ChainPlan("first", garden.whole(truths), garden.whole(truths), (0,), 0.9),
        ChainPlan("last", None, None, (0, 1), 0.5),
    )
    fit = FitPlan(*(garden.whole(numbers) for _ in range(6)))
    named = tuple((f"n{i}", i) for i in (*numbers, *truths) if garden.b.nodes[i].columns is None)
    regime = RegimePlan(*(garden.whole(numbers) for _ in range(5)))
    return garden.b.program(strategies=plans, chains=chains, fit=fit, features=named, regime=regime)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_law_any_program_in_blocks_is_that_program_in_steps(
    data: st.DataObject, build: Any, generate: Callable[..., Any], calendar: SessionCalendar
) -> None:
    seed = data.draw(st.integers(0, 2**32))
    random = np.random.default_rng(seed)
    bars = generate("2025-11-24", "2025-12-03", len(UNIVERSE), data.draw(st.sampled_from([0.0, 0.0, 0.01])))
    cells, present = bars.cells.copy(), bars.present.copy()
    for value in data.draw(st.sets(st.sampled_from([np.nan, 0.0, -0.0, np.inf]))):
        cells[random.random(cells.shape) < 0.01] = value
    if data.draw(st.booleans()):
        present[:, 4] = False
    if data.draw(st.booleans()):
        present[90:, 2] = False
    if data.draw(st.booleans()):
        cells = np.round(cells)
    cells[~np.broadcast_to(present[:, np.newaxis], cells.shape)] = np.nan
    rows = list(replace(bars, cells=cells, present=present).rows())
    known = [*range(0, len(rows), 37)]
    days = [day for day in calendar.days if day < "2025-11-24"][-len(known) :]
    macros = [
        MacroRow("vix", day, rows[at].known_at, random.normal(20, 3, 5)) for day, at in zip(days, known, strict=True)
    ]
    pair = Pair.of(program(build, seed), calendar, rows=data.draw(st.sampled_from([None, 4, 11])))
    low, since = 0, 0
    for high in sorted({*data.draw(st.sets(st.integers(1, len(rows)), max_size=3)), len(rows)}):
        now = rows[high - 1].known_at
        with np.errstate(invalid="ignore"):  # prices without end in an open hour
            (pair.feed if data.draw(st.booleans()) else pair.step)(rows[low:high], until(macros, since, now))
        low, since = high, now
