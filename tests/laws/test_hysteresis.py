"""Chains: "in the current chain every comparison of prob type is loosened toward true; a higher chain pre-empts without
hysteresis" - and so probability noise smaller than h never flips a chain back (R49).

The chains are those of decisions.md, compiled; the probabilities are given to the graph as columns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.program import Program
from qmtl.engine.decide import decide
from qmtl.engine.frame import build_frame
from qmtl.engine.observe import Observer
from qmtl.engine.state import initial

from .inputs import account_of
from .law import law
from .runners import compiled
from .scenes import LIVELY, SHORT, SYMBOLS, calendar, rows_of

H = 0.07
DAY = 26
WORLD = """
version: 1
world: four
calendar: XNYS
universe: [AAA, BBB, CCC, DDD]
chains:
  - name: defensive
    when: >-
      p_high_vol >= 0.40 and p_trend_down >= p_trend_up
      or p_trend_down >= 0.45 and p_trend_down > p_trend_up
    strategies: [behind_line]
    exposure: 40%
  - {name: chop, when: p_chop >= 0.50, strategies: [lean_back], exposure: 40%}
  - {name: trend, when: p_trend_up >= 0.55 and p_trend_down < 0.40, strategies: [run_along], exposure: 90%}
  - {name: neutral, otherwise: true, strategies: [run_along], exposure: 65%}
allowlist: all
"""
Paths = np.ndarray  # [T, 4, S] of p_trend_up, p_trend_down, p_chop, p_high_vol


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Program]:
    """The world with a hysteresis."""
    made = {
        h: compiled(tmp_path_factory.mktemp("four"), WORLD + f"hysteresis: {h}\n", SHORT + LIVELY, regime_given=True)
        for h in (0.0, H)
    }
    return made.__getitem__


def chains_of(program: Program, paths: Paths) -> np.ndarray:
    """[T, S] chain index of each symbol after each bar."""
    frame, observer = build_frame(program), Observer(program, calendar(), 0)
    flat, state, found = account_of(frame), initial(frame), []
    prices = np.full((len(paths), len(SYMBOLS)), 100.0)
    for row, p in zip(rows_of(prices, prices), paths, strict=True):
        observer.memory.graph.given[:4], observer.memory.graph.given[4] = p, 0.5
        observer.feed(row)
        state, tick = decide(frame, state, observer.market(row.end, decision=True), flat, row.end)
        found.append(tick.chain.chain.copy())
    return np.array(found)


def holds(chain: int, p: np.ndarray, h: float) -> bool:
    """The predicates of the text, every comparison loosened by h."""
    up, down, chop, high = p.tolist()
    if chain == 0:
        stressed = high >= 0.40 - h and down >= up - h
        return stressed or (down >= 0.45 - h and down > up - h)
    if chain == 1:
        return chop >= 0.50 - h
    return chain == 3 or (up >= 0.55 - h and down < 0.40 + h)


def by_the_text(paths: Paths, h: float) -> np.ndarray:
    """[T, S] as decisions.md says it: the first chain that holds, the current one with hysteresis."""
    found = np.empty((len(paths), paths.shape[2]), dtype=int)
    for s in range(paths.shape[2]):
        current = -1
        for t, p in enumerate(paths[:, :, s]):
            current = next(k for k in range(4) if holds(k, p, 0.0) or (k == current and holds(k, p, h)))
            found[t, s] = current
    return found


def drawn(seed: int, bars: int) -> Paths:
    """Probabilities that walk about, as sluggish as hypothesis likes."""
    rng = np.random.default_rng(seed)
    pace = rng.choice([0.02, 0.1, 0.5])
    level = np.cumsum(rng.normal(0, pace, (bars, 3, len(SYMBOLS))), axis=0)
    raised = np.exp(level)
    high = 1 / (1 + np.exp(-np.cumsum(rng.normal(0, pace, (bars, 1, len(SYMBOLS))), axis=0)))
    return np.concatenate((raised / raised.sum(axis=1, keepdims=True), high), axis=1)


@law(12)
@given(seed=st.integers(0, 2**20), h=st.sampled_from([0.0, H]))
def test_the_chain_is_the_first_that_holds_with_hysteresis_for_the_current_one(
    programs: Callable[[float], Program], seed: int, h: float
) -> None:
    paths = drawn(seed, 2 * DAY)
    assert chains_of(programs(h), paths).tolist() == by_the_text(paths, h).tolist()


#: (chain, p at a threshold of it, what wobbles: how p moves per unit of noise)
EDGES = {
    "p_high_vol >= 0.40": (0, (0.2, 0.4, 0.4, 0.40), (0, 0, 0, 1)),
    "p_trend_down >= p_trend_up": (0, (0.35, 0.35, 0.3, 0.6), (-0.5, 0.5, 0, 0)),
    "p_trend_down >= 0.45": (0, (0.15, 0.45, 0.4, 0.1), (0, 1, -1, 0)),
    "p_trend_down > p_trend_up": (0, (0.48, 0.48, 0.04, 0.1), (-0.5, 0.5, 0, 0)),
    "p_chop >= 0.50": (1, (0.3, 0.2, 0.50, 0.1), (-1, 0, 1, 0)),
    "p_trend_up >= 0.55": (2, (0.55, 0.1, 0.35, 0.1), (1, 0, -1, 0)),
    "p_trend_down < 0.40": (2, (0.59, 0.40, 0.01, 0.1), (0, 1, -1, 0)),
}


def wobbling(edge: str, noise: np.ndarray) -> Paths:
    _, centre, way = EDGES[edge]
    path = np.array(centre)[None] + noise[:, None] * np.array(way)[None]
    return np.repeat(path[:, :, None], len(SYMBOLS), axis=2)


@pytest.mark.parametrize("edge", EDGES)
@law(6)
@given(seed=st.integers(0, 2**20), amplitude=st.floats(0.01, 0.99))
def test_r49_noise_smaller_than_h_around_a_threshold_never_flips_a_chain_back(
    programs: Callable[[float], Program], edge: str, seed: int, amplitude: float
) -> None:
    """On every threshold, the secondary ones too: once in, the chain is kept; without hysteresis it would be left."""
    limit = 0.0099 if edge == "p_trend_down < 0.40" else H  # there p_chop has only 1 % to give
    noise = np.random.default_rng(seed).uniform(-1, 1, DAY) * amplitude * limit
    chain = EDGES[edge][0]
    found = chains_of(programs(H), wobbling(edge, noise))[:, 0] == chain
    entered = int(found.argmax()) if found.any() else len(found)
    assert found[entered:].all()


@pytest.mark.parametrize("edge", EDGES)
def test_without_hysteresis_the_same_noise_flips_it_all_day(programs: Callable[[float], Program], edge: str) -> None:
    """What the law above looks at is there to be seen."""
    limit = 0.0099 if edge == "p_trend_down < 0.40" else H
    noise = np.random.default_rng(2).uniform(-1, 1, DAY) * limit * 0.99
    found = chains_of(programs(0.0), wobbling(edge, noise))[:, 0]
    assert np.count_nonzero(np.diff(found)) >= 5
    kept = chains_of(programs(H), wobbling(edge, noise))[:, 0]
    assert np.count_nonzero(np.diff(kept)) <= 1


@law(8)
@given(seed=st.integers(0, 2**20))
def test_r49_small_noise_around_any_point_switches_at_most_three_times_however_long(
    programs: Callable[[float], Program], seed: int
) -> None:
    """Noise of a quarter of h on every probability at once: a chain may be pre-empted by those above it, and is never left."""
    rng = np.random.default_rng(seed)
    paths = np.repeat(drawn(seed, 1), 2 * DAY, axis=0)
    paths += rng.uniform(-1, 1, paths.shape) * H / 4 * 0.99
    found = chains_of(programs(H), paths)
    assert (np.diff(found, axis=0) <= 0).all(), "only chains above pre-empt"
    assert (np.count_nonzero(np.diff(found, axis=0), axis=0) <= 3).all()


def test_r49_switches_a_day_are_bounded_on_noisy_probabilities(programs: Callable[[float], Program]) -> None:
    """Noise of a standard deviation of half of h around the edges of the text: less than one switch in two hours, and at most
    a third of those without hysteresis."""
    rng = np.random.default_rng(8)
    counts = {}
    for h in (0.0, H):
        switches = 0
        for edge in EDGES:
            limit = 0.005 if edge == "p_trend_down < 0.40" else H / 2
            paths = wobbling(edge, np.clip(rng.normal(0, limit, 4 * DAY), -2 * limit, 2 * limit))
            switches += int(np.count_nonzero(np.diff(chains_of(programs(h), paths)[:, 0])))
        counts[h] = switches / (4 * len(EDGES))
    assert counts[H] < 3.25, "switches a day"
    assert counts[H] <= counts[0.0] / 3
