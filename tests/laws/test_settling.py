"""Law: "from every reachable state constant inputs lead to flat or to target == current in a bounded number of ticks", and
no position that nobody manages.

States are reached by random walks through markets, broker troubles and edits of the program; then everything is held.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.trading import TradingState

from .inputs import CHAINS, NAMES, RULES
from .law import law
from .walk import Run, Seen, Walk, row_of, walks

#: longest waits added up: cooldown of a switch, side_cooldown or min_hold after it, recovery from failures; then two
#: decision ticks for each turn of sell first and buy later
BARS = (7200 + 3600 + 1200) // 900 + 12


def still(run: Run, bars: int = BARS) -> Seen:
    """The last tick of a time in which nothing moves; nothing was sent in its last three decision ticks and what followed."""
    run.row["quote"] = np.ones(len(NAMES))  # a quote that stands far from its bar for ever is no market
    ticks = list(run.constant(bars))
    for seen in ticks[-9:]:
        assert not seen.netted.orders, f"still trading after {bars} bars: {seen.netted.orders}"
        assert not seen.netted.cancels
        assert not seen.account.working
    return next(seen for seen in reversed(ticks) if seen.market.decision)


def close_enough(seen: Seen) -> np.ndarray:
    """How far target and current may be from each other: min_delta, a lot, and what the venue refused."""
    lot = float(max(seen.world.exchange.lot_size, 1)) * seen.tick.load.mark / seen.tick.load.capital
    slack = np.maximum(seen.world.orders.min_delta, lot * 1.001)
    for denied in seen.netted.denied:
        slack[seen.column(denied.symbol)] = np.inf
    return slack


@law(60)
@given(walks(), st.integers(0, 2**20), st.booleans(), st.sampled_from(["", "", "active", "reducing", "halted"]))
def test_from_every_reachable_state_constant_inputs_lead_to_flat_or_to_target_equal_to_current(
    walk: Walk, seed: int, whole: bool, trading: Any
) -> None:
    """What a trading state forbids may be left, and nothing else. `REDUCING` sends no entry and no add, so a position may stay
    smaller than its target, on its side; every reduction, every turn to the other side and every exit is done. `HALTED` sends
    protective exits only, so a wish may stay unfulfilled; but whatever must leave has left. In every state nothing is sent
    any more (`still`), so what is held does not change."""
    run = walk.end()
    run.reading = (True, None)
    run.row = row_of(run.world, seed, whole=whole)
    if trading:
        run.edit(run.world.changed(risk=replace(run.world.risk, trading=trading)))
    seen = still(run)
    load, target, enough = seen.tick.load, seen.tick.orders.target, close_enough(seen)
    assert not (load.held & seen.tick.policy.protective & np.isfinite(enough)).any(), (
        "a protective exit that is not sent"
    )
    waiting = load.held & (np.abs(target - load.current) > enough)
    if seen.tick.gate.trading == TradingState.REDUCING:
        waiting &= (np.abs(target) < np.abs(load.current)) | (target * load.current < 0)
    # without capital fractions mean nothing: only whole positions leave then
    assert seen.tick.gate.trading == TradingState.HALTED or not load.solvent or not waiting.any()


def quiet(run: Run, signal: int) -> dict[str, Any]:
    """A complete row in which every strategy says the same about every symbol."""
    row = row_of(run.world, 3, whole=True)
    row["signal"] = np.full((len(RULES), len(NAMES)), signal)
    row["size"] = np.ones((len(RULES), len(NAMES)))
    return row


@law(50)
@given(walks(), st.sampled_from(CHAINS))
def test_no_position_that_nobody_manages_all_signals_at_zero_leave_nothing(walk: Walk, chain: str) -> None:
    """Everybody says 0: whoever owns a position, in whatever chain its symbol is, it is closed."""
    run = walk.end()
    run.reading = (True, None)
    run.row = quiet(run, 0)
    held_in(run, chain)
    seen = still(run)
    assert not seen.tick.load.held.any(), "a position that nobody manages"


@law(40)
@given(walks(), st.sampled_from(CHAINS))
def test_no_position_that_nobody_manages_everybody_opposite_leaves_no_long(walk: Walk, chain: str) -> None:
    """Everybody says short: no long position stays that is worth a deadband."""
    run = walk.end()
    run.reading = (True, None)
    run.row = quiet(run, -1)
    held_in(run, chain)
    seen = still(run)
    long = seen.tick.load.held & (seen.tick.load.current > seen.world.churn.deadband)
    assert seen.tick.gate.trading == TradingState.HALTED or not long.any(), "a position that nobody manages"


def held_in(run: Run, chain: str) -> None:
    """Every symbol is in one chain (the last one if the world has no such chain)."""
    truth = np.array([[2 if name == chain else 0] for name in CHAINS])
    run.row["when"] = run.row["stay"] = np.repeat(truth, len(NAMES), axis=1)
