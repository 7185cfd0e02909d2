"""Changes of chains: counted, timed from when the new chain first held, and what was won before and after (R50)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from qmtl.engine.backtest.switches import WINDOW, SwitchTape

NAMES = ("fall", "chop", "rest")


def tape() -> SwitchTape:
    settings = SimpleNamespace(world="w")
    return SwitchTape(SimpleNamespace(names=SimpleNamespace(chains=NAMES), program=SimpleNamespace(settings=settings)))


def when(first: int, width: int = 1) -> np.ndarray:
    """Truths in which `first` is the first chain that holds."""
    truth = np.zeros((3, width), dtype=np.uint8)
    truth[first] = truth[2] = 2
    return truth


def test_r50_lag_counts_from_the_first_bar_on_which_the_new_chain_held() -> None:
    of = tape()
    firsts = [2, 2, 1, 1, 1, 1]  # chop holds from bar 2 on, hysteresis keeps `rest` until bar 4
    chains = [2, 2, 2, 2, 1, 1]
    for first, chain in zip(firsts, chains, strict=True):
        of.note(np.array([chain], dtype=np.int16), when(first), np.zeros(1), np.full(1, 100.0))
    (switch,) = of.switches()
    assert (switch.former, switch.chain, switch.count, switch.lag) == ("rest", "chop", 1, 2.0)


def test_r50_money_before_and_after_is_what_was_held_times_the_move() -> None:
    of = tape()
    rows = 3 * WINDOW
    mark = 100.0 + np.arange(rows)  # one unit a bar
    at = WINDOW + 5
    for i in range(rows):
        chain = np.array([2 if i < at else 1, 2], dtype=np.int16)
        qty = np.array([10.0 if i < at else -3.0, 1000.0])
        of.note(chain, when(2 if i < at else 1, 2), qty, np.full(2, mark[i]))
    (switch,) = of.switches()
    assert switch.count == 1
    assert switch.before == 10.0 * WINDOW
    assert switch.after == -3.0 * WINDOW


def test_what_comes_after_the_last_change_counts_as_far_as_it_goes_across_blocks() -> None:
    of = tape()
    rows = 700  # more than two blocks of rows
    for i in range(rows):
        chain = np.array([i // 100 % 3], dtype=np.int16)
        of.note(chain, when(i // 100 % 3), np.ones(1), np.full(1, float(i + 1)))
    found = {(s.former, s.chain): s for s in of.switches()}
    assert {pair: s.count for pair, s in found.items()} == {
        ("fall", "chop"): 2, ("chop", "rest"): 2, ("rest", "fall"): 2,
    }  # fmt: skip
    assert all(s.before == 2 * WINDOW for s in found.values())
    assert found["fall", "chop"].after == 2 * WINDOW


def test_a_symbol_without_a_price_or_a_first_chain_counts_nothing() -> None:
    of = tape()
    for chain, mark in ((-1, 0.0), (1, 0.0), (1, 50.0), (2, 60.0)):
        of.note(np.array([chain], dtype=np.int16), when(2), np.array([7.0]), np.array([mark]))
    (switch,) = of.switches()
    assert (switch.former, switch.chain, switch.before) == ("chop", "rest", 70.0)
