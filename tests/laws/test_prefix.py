"""Removing future bars changes nothing, and neither does a restart: observe, decide, net, send and fill over a prefix of the
bars equal the same prefix of the longer run, to the bit of the state.
"""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.program import Program
from qmtl.engine.cases.feed import CaseFeed

from .law import law
from .runners import RUNNERS, account, compiled, live, runtime_over
from .scenes import LIVELY, LIVELY_WORLD, SHORT, SYMBOLS, calendar, first_bars, rows_of, walk_of
from .shelf import Shelf

BARS = 70


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return compiled(tmp_path_factory.mktemp("lively"), LIVELY_WORLD, SHORT + LIVELY)


def drawn(seed: int, bars: int = BARS) -> tuple[np.ndarray, np.ndarray]:
    """(closes, volumes) with a missing bar here and there."""
    close = walk_of(seed, bars)
    close[np.random.default_rng(seed + 1).random(close.shape) < 0.02] = np.nan
    return close, np.full_like(close, 1000.0)


@law(5)
@given(seed=st.integers(0, 2**20), cut=st.integers(40, BARS - 4), scale=st.floats(0.7, 1.4))
def test_removing_or_replacing_future_bars_changes_nothing(lively: Program, seed: int, cut: int, scale: float) -> None:
    close, volume = drawn(seed)
    other = close.copy()
    other[cut:] *= scale
    long, short, elsewhere = (
        live(lively, rows, calendar())
        for rows in (rows_of(close, volume), rows_of(close, volume)[:cut], rows_of(other, volume))
    )
    # at the end of the last bar the next one opens, and an order from before may fill at that: the prefix has no such open
    known = int(first_bars(cut)[1][-1])
    before = [tick for tick in short.ticks if tick[0] < known]
    assert len(before) >= cut - 1
    for run in (long, elsewhere):
        assert [tick for tick in run.ticks if tick[0] < known] == before
    assert [fill for fill in long.fills if fill.at < known] == [fill for fill in short.fills if fill.at < known]


@law(5)
@given(seed=st.integers(0, 2**20), restarts=st.sets(st.integers(1, 90), min_size=2, max_size=8))
def test_a_restart_of_both_states_changes_nothing(lively: Program, seed: int, restarts: set[int]) -> None:
    rows = rows_of(*drawn(seed))
    assert live(lively, rows, calendar(), restarts) == live(lively, rows, calendar())


@pytest.mark.parametrize("runner", list(RUNNERS.values())[1:], ids=list(RUNNERS)[1:])
@pytest.mark.parametrize("seed", range(3))
def test_every_runner_has_the_fills_of_the_live_one(lively: Program, runner: object, seed: int) -> None:
    rows = rows_of(*drawn(seed, 150))
    assert callable(runner)
    assert runner(lively, rows, calendar()).fills == live(lively, rows, calendar()).fills


def test_r44_an_exception_inside_the_risk_gate_journals_nothing_and_sends_nothing(
    lively: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the very tick that would have sent orders: the exception ends it before anything is stored or leaves."""
    rows = rows_of(*drawn(1))
    first = next(now for now, _, orders in live(lively, rows, calendar()).ticks if orders != "()")
    with closing(account(lively, CaseFeed(SYMBOLS, rows, calendar()), calendar())) as broker:
        runtime = runtime_over(lively, rows, (broker, Shelf()), calendar())
        for row in rows:
            if row.known_at == first:
                break
            runtime.tick(row.known_at)
        shelf, before = runtime.edges.journal, broker.snapshot(first)
        assert isinstance(shelf, Shelf)
        stored = len(shelf.entries)
        monkeypatch.setattr("qmtl.engine.stages.orders.judge", broken)
        with pytest.raises(ZeroDivisionError):
            runtime.tick(first)
        assert len(shelf.entries) == stored
        assert broker.snapshot(first) == before
        assert not broker.snapshot(first).open_orders


def broken(*_: object) -> None:
    """A gate that fails."""
    raise ZeroDivisionError


def test_the_scene_is_lively(lively: Program) -> None:
    """Something happens in it: entries, exits, reversals, in several chains."""
    ran = live(lively, rows_of(*drawn(1, 150)), calendar())
    assert len(ran.fills) > 40
    reasons = {word.split("'")[1] for _, _, orders in ran.ticks for word in orders.split("reason=")[1:]}
    assert reasons >= {"order.entry", "order.reverse", "order.second_leg", "signal.owner_exit", "stop.strategy"}
