"""decide: the thirteen steps of a tick, for one world.

In: frame (the program as arrays), state, market row, account, grid time. Out: the next state and the Tick with every
step's columns and reasons. Pure: no clock, network, randomness, files or globals, and nothing that comes in is written
to; that is what makes live, paper, backtest and replay one thing. Read STAGES from top to bottom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .frame import Frame
from .market import Account, Market
from .stages import (
    allowlist,
    chain,
    churn,
    freshness,
    load,
    orders,
    persist,
    policy,
    regime,
    risk,
    select,
    signals,
    target,
)
from .state import DecideState
from .tick import Tick, start

Stage = Callable[[Frame, Tick], Tick]

STAGES: Final[tuple[tuple[str, Stage], ...]] = (
    ("load", load.run),  # fills, positions, working orders and capital, as columns
    ("freshness", freshness.run),  # missing, stale, outside_rth or active
    ("regime", regime.run),  # are the probabilities known
    ("chain", chain.run),  # first chain that holds, with hysteresis
    ("allowlist", allowlist.run),  # which of its strategies are enabled here today
    ("signals", signals.run),  # signal x size, and the owner's own view
    ("select", select.run),  # the strategy that speaks, and its raw target
    ("target", target.run),  # caps, breadth, exposure, guards, stops
    ("churn", churn.run),  # small, near and hasty changes are held back
    ("policy", policy.run),  # positions of other owners and generations
    ("orders", orders.run),  # kill switch, last clip, deltas, one live order per symbol
    ("risk", risk.run),  # what the broker answered
    ("persist", persist.run),  # the next state
)


def decide(frame: Frame, state: DecideState, market: Market, account: Account, now: int) -> tuple[DecideState, Tick]:
    """The next state and the Tick of grid time `now` (epoch seconds). Shapes as in `market` and `state`.

    On a tick without a new bar (`market.decision` False) fills, protective exits, cancels and second legs only."""
    tick = start(frame, state, market, account, now)
    for _, stage in STAGES:
        tick = stage(frame, tick)
    return tick.after, tick
