"""Hot reload: an edited program keeps what it shares with the old one, column by symbol name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.program import Lane, Program, StrategyPlan
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import StateError
from qmtl.engine.observe import Observer

Edit = Callable[[tuple[str, ...], int], Program]


@pytest.fixture
def edited(build: Any) -> Edit:
    """A program of which only the length of one average is edited."""

    def make(universe: tuple[str, ...], length: int) -> Program:
        b = build(universe)
        few = tuple(index for index, symbol in enumerate(universe) if symbol in {"S1", "S4"})
        close, hour = b.bar("close"), b.bar("close", "60m")
        named = {
            "ema": b.node("ema", close, params=(30,)),
            "edited": b.node("ema", close, params=(length,)),
            "hour": b.node("ema", hour, params=(3,)),
            "mean": b.node("xmean", close, scope="market"),
            "rank": b.node("xrank", close),
        }
        # an edited node and an unchanged one that share a window
        named["shared"] = b.node("highest", named["ema"], params=(length,))
        named["kept"] = b.node("sma", named["ema"], params=(5,))
        named["mean_z"] = b.node("ema", named["mean"], params=(4,))
        lane = b.node("rsi", close, params=(8,), columns=few)
        features = tuple(named.items())
        one = b.const(1.0)
        lanes = (
            Lane(None, named["ema"], one, named["ema"], None, stop_is_level=False, take_is_level=False),
            Lane(few, lane, one, lane, None, stop_is_level=False, take_is_level=False),
        )
        return b.program(features=features, strategies=(StrategyPlan("s", "trend", lanes),))

    return make


def feature(observer: Observer, name: str) -> Any:
    names = [known for known, _ in observer.program.features]
    return observer.market(observer.memory.known_at, decision=True).features[names.index(name)]


def pair(edited: Edit, calendar: SessionCalendar, bars: Any, new: Program) -> tuple[Observer, Observer]:
    """An old observer with long history and a new one warmed up over the end of it."""
    old, fresh = Observer(edited(bars.symbols, 20), calendar, 0), Observer(new, calendar, 0)
    columns = [bars.symbols.index(symbol) for symbol in new.settings.universe]
    for index, row in enumerate(bars.rows()):
        old.feed(row)
        if index >= len(bars.starts) - 70:
            fresh.feed(replace(row, values=row.values[:, columns], present=row.present[columns]))
    return old, fresh


def test_unchanged_nodes_keep_their_state_and_new_ones_their_warm_up(
    edited: Edit, calendar: SessionCalendar, generate: Any
) -> None:
    bars = generate("2025-10-01", "2025-10-21", 6, 0.1)
    old, fresh = pair(edited, calendar, bars, edited(bars.symbols, 25))
    warmed = {name: feature(fresh, name).copy() for name in ("ema", "edited", "mean_z")}
    assert not np.array_equal(warmed["ema"], feature(old, "ema"))
    fresh.adopt(old)
    for name in ("ema", "hour", "mean", "mean_z", "rank"):
        assert np.array_equal(feature(fresh, name), feature(old, name)), name
    assert np.array_equal(feature(fresh, "edited"), warmed["edited"])
    stop = [observer.market(old.memory.known_at, decision=True).stop for observer in (fresh, old)]
    assert np.array_equal(*stop)
    assert np.array_equal(fresh.memory.last_end["60m"], old.memory.last_end["60m"])


def test_adopting_oneself_changes_nothing(edited: Edit, calendar: SessionCalendar, generate: Any) -> None:
    bars = generate("2025-10-01", "2025-10-10", 6, 0.1)
    old, fresh = pair(edited, calendar, bars.part(0, 150), edited(bars.symbols, 20))
    fresh.adopt(old)
    assert fresh.snapshot() == old.snapshot()
    for row in bars.part(150, 190).rows():
        old.feed(row)
        fresh.feed(row)
    assert fresh.snapshot() == old.snapshot()


def test_a_restart_after_an_adoption_gives_the_same_bits(
    edited: Edit, calendar: SessionCalendar, generate: Any
) -> None:
    bars = generate("2025-10-01", "2025-10-21", 6, 0.1)
    old, fresh = pair(edited, calendar, bars.part(0, 200), edited(bars.symbols, 25))
    fresh.adopt(old)
    assert np.array_equal(feature(fresh, "kept"), feature(old, "kept"))
    again = Observer(fresh.program, calendar, 0)
    again.restore(fresh.snapshot())
    for row in bars.part(200, 300).rows():
        fresh.feed(row)
        again.feed(row)
        assert np.array_equal(feature(again, "shared"), feature(fresh, "shared"), equal_nan=True)
    assert again.snapshot() == fresh.snapshot()


def test_columns_go_by_symbol_when_the_universe_changes(edited: Edit, calendar: SessionCalendar, generate: Any) -> None:
    bars = generate("2025-10-01", "2025-10-21", 6, 0.1)
    universe = ("S5", "S1", "S4")
    old, fresh = pair(edited, calendar, bars, edited(universe, 20))
    across = feature(fresh, "mean_z").copy()
    fresh.adopt(old)
    columns = [5, 1, 4]
    for name in ("ema", "edited", "hour"):
        assert np.array_equal(feature(fresh, name), feature(old, name)[columns]), name
    assert np.array_equal(feature(fresh, "mean_z"), across), "a mean over other symbols is another mean"
    stop = [observer.market(old.memory.known_at, decision=True).stop[0] for observer in (fresh, old)]
    assert np.array_equal(stop[0][1:], stop[1][[1, 4]])


def test_a_new_symbol_keeps_its_own_warm_up(edited: Edit, calendar: SessionCalendar, generate: Any) -> None:
    bars = generate("2025-10-01", "2025-10-21", 6)
    small = replace(bars, cells=bars.cells[:, :, :5], present=bars.present[:, :5], symbols=bars.symbols[:5])
    old, fresh = Observer(edited(small.symbols, 20), calendar, 0), Observer(edited(bars.symbols, 20), calendar, 0)
    for row, both in zip(small.rows(), bars.rows(), strict=True):
        old.feed(row)
        if row.start >= bars.starts[-70]:
            fresh.feed(both)
    warmed = feature(fresh, "ema").copy()
    fresh.adopt(old)
    assert np.array_equal(feature(fresh, "ema")[:5], feature(old, "ema"))
    assert feature(fresh, "ema")[5] == warmed[5]


def test_both_must_stand_at_the_same_bar(edited: Edit, calendar: SessionCalendar, generate: Any) -> None:
    bars = generate("2025-10-01", "2025-10-10", 6)
    old, fresh = pair(edited, calendar, bars, edited(bars.symbols, 25))
    behind = Observer(edited(bars.symbols, 25), calendar, 0)
    behind.feed(next(bars.rows()))
    before = behind.snapshot()
    with pytest.raises(StateError, match="stands at"):
        behind.adopt(old)
    assert behind.snapshot() == before
    blank = Observer(edited(bars.symbols, 25), calendar, 0)
    fresh_before = fresh.snapshot()
    fresh.adopt(blank)
    assert fresh.snapshot() == fresh_before
    blank.adopt(old)
    assert np.array_equal(feature(blank, "ema"), feature(old, "ema"))
    assert np.isnan(feature(blank, "edited")).all()
