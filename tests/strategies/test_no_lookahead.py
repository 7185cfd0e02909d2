"""For each built-in strategy: the value at t is the same whether or not bars after t exist (R22, R27).

The bars come from files, as they do in a run: one folder ends at t, the other goes on, and the last rows of the second are
not what happened but whatever hypothesis draws. What differs at t or before would be a reader that looks ahead: the feed,
the 60m bars made of 15m bars, a window, the daily series.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.dsl.compile import compile_world
from qmtl.dsl.parser import parse_file
from qmtl.dsl.textfiles import read_source
from qmtl.engine.adapters.files import FilesBars

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ("SPY", "XLE")
FIRST, LAST = 960, 1400
WORLD = """
version: 1
world: alone
calendar: XNYS
universe: [{symbols}]
chains:
  - {{name: all, otherwise: true, strategies: [{strategy}]}}
allowlist: all
"""


def shipped() -> list[str]:
    """Names of all strategies in the folder, so that a new one is tested without a word here."""
    sources = [read_source(path)[0] for path in sorted((ROOT / "strategies").glob("*.qmtl"))]
    found = [d for source in sources if source for d in parse_file(source)[0]]
    return [d.name.name for d in found if d.kind == "strategy"]


@pytest.fixture(scope="module")
def tables(data: Path) -> dict[str, pd.DataFrame]:
    return {symbol: pd.read_csv(data / "us_15m" / f"{symbol}.csv.gz") for symbol in SYMBOLS}


def written(folder: Path, tables: dict[str, pd.DataFrame]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for symbol, table in tables.items():
        table.to_csv(folder / f"{symbol}.csv", index=False)
    return folder


def another_future(tables: dict[str, pd.DataFrame], cut: str, drawn: Any) -> dict[str, pd.DataFrame]:
    """The same bars up to `cut`, then four of another market: other prices, perhaps a missing bar."""
    made = {}
    for symbol, table in tables.items():
        past, future = table[table.timestamp < cut], table[table.timestamp >= cut].head(4).copy()
        scale = drawn.draw(st.floats(0.2, 5))
        future[["open", "high", "low", "close"]] *= scale
        if drawn.draw(st.booleans()):
            future = future.drop(index=future.index[drawn.draw(st.integers(0, 3))])
        made[symbol] = pd.concat([past, future])
    return made


@pytest.mark.parametrize("strategy", shipped())
def test_a_value_is_the_same_whether_or_not_later_bars_exist(
    strategy: str, tables: dict[str, pd.DataFrame], data: Path, calendar: Any, watch: Callable[..., Any], tmp_path: Path
) -> None:
    world = tmp_path / "alone.yaml"
    world.write_text(WORLD.format(symbols=", ".join(SYMBOLS), strategy=strategy))
    compiled = compile_world(world)
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    vix = data / "vix" / "vix_daily_cboe.csv"
    stamps = sorted(set(tables["SPY"].timestamp))

    def columns(folder: Path) -> Any:
        bars = FilesBars(folder, SYMBOLS, calendar)
        return watch(compiled.program, list(bars.rows(0, bars.span()[1])), vix, calendar)

    @settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cut=st.integers(FIRST, LAST), drawn=st.data())
    def holds(cut: int, drawn: Any) -> None:
        past = {symbol: table[table.timestamp < stamps[cut]] for symbol, table in tables.items()}
        without = columns(written(tmp_path / "without", past))
        with_later = columns(written(tmp_path / "with", another_future(tables, stamps[cut], drawn)))
        known = len(without.ends)
        assert known >= FIRST - 2
        assert np.isfinite(without.signal[-1]).any(), "warmed up: there is a value to compare"
        np.testing.assert_array_equal(with_later.ends[:known], without.ends)
        for column in ("signal", "size", "stop", "take", "p"):
            now, then = getattr(without, column), getattr(with_later, column)[:known]
            np.testing.assert_array_equal(now, then, err_msg=column)

    holds()
