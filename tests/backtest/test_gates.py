"""Gates: every condition has its limit and its reason, and what is not known does not pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qmtl.engine.backtest.gates import (
    LiveLimits,
    LiveRun,
    PairVerdict,
    ShadowRun,
    all_trials,
    live_gate,
    pair_gate,
    passing,
    shadow_gate,
)
from qmtl.engine.backtest.metrics import Window
from qmtl.engine.backtest.pairs import Pair, daily, daily_settled, pair_history
from qmtl.engine.backtest.result import Costs, Result
from qmtl.engine.backtest.roundtrips import round_trips, trace

from .made import Sent, played, record

BARS = 4


def day_trades(won: np.ndarray, symbol: str = "A", strategy: str = "roc") -> list[Sent]:
    """One round trip a session that wins `won` money."""
    sent = []
    for day, money in enumerate(won):
        if money:
            sent.append(Sent(day * BARS, symbol, 1, 1000.0, strategy=strategy))
            sent.append(Sent(day * BARS + 1, symbol, -1, 1000.0 + money, strategy=strategy, reason="order.close"))
    return sent


def traded(*pairs: list[Sent], sessions: int) -> Result:
    sent = sorted((s for pair in pairs for s in pair), key=lambda s: s.at)
    marks = {s.symbol: 1000.0 for s in sent}
    return record(np.full(sessions * BARS, 10_000.0), BARS, sent, last=marks, costs=Costs(0.0, 0.0))


def gate(result: Result, window: Window | None = None, trials: int | None = None) -> tuple[PairVerdict, ...]:
    return pair_gate(result, pair_history(result, trace(result)), window, trials)


def good(seed: int = 1, sessions: int = 252) -> np.ndarray:
    """P&L with a yearly Sharpe ratio of about 8."""
    return np.random.default_rng(seed).normal(5.0, 10.0, sessions)


def test_a_good_pair_passes() -> None:
    (found,) = gate(traded(day_trades(good()), sessions=252))
    assert found.pair == Pair("core", "A", "roc")
    assert found.verdict.passed, found.verdict.reasons
    assert found.verdict.reasons == ()
    assert found.trades == 252
    assert found.sharpe == pytest.approx(good().mean() / good().std(ddof=1) * np.sqrt(252), rel=1e-9)
    assert found.profit_factor == pytest.approx(good()[good() > 0].sum() / -good()[good() < 0].sum())


def test_each_condition_fails_with_its_reason() -> None:
    few = good()
    few[29:] = 0.0
    (found,) = gate(traded(day_trades(few), sessions=252))
    assert "trades 29 < 30" in found.verdict.reasons

    (found,) = gate(traded(day_trades(np.random.default_rng(2).normal(-1, 10, 252)), sessions=252))
    reasons = " | ".join(found.verdict.reasons)
    for name in ("sharpe -", "profit factor 0.", "deflated sharpe "):
        assert name in reasons

    deep = good()
    deep[100:104] = -400.0  # 4 x 4 % of 10,000 in a row
    (found,) = gate(traded(day_trades(deep), sessions=252))
    assert found.max_drawdown < -0.12
    assert any(r.startswith("drawdown 1") and r.endswith("% > 12 %") for r in found.verdict.reasons)


def test_a_pair_that_never_lost_passes_the_profit_factor_and_shows_none() -> None:
    (found,) = gate(traded(day_trades(np.random.default_rng(3).uniform(1, 20, 60)), sessions=60))
    assert found.profit_factor is None
    assert found.verdict.passed
    never = [Sent(0, "A", 1, 1000.0, fee=1.0)]
    (found,) = gate(traded(never, sessions=60))
    assert "profit factor is not known" in found.verdict.reasons


def test_the_same_pair_fails_when_it_is_the_best_of_many_trials() -> None:
    """A yearly Sharpe ratio of 4 in 142 sessions: alone convincing, not as the best of 420."""
    rng = np.random.default_rng(4)
    won = rng.normal(0, 10, 142)
    won += 4 / np.sqrt(252) * won.std(ddof=1) - won.mean()
    result = traded(day_trades(won), sessions=142)
    (alone,), (many,) = gate(result, trials=1), gate(result, trials=420)
    assert alone.sharpe == pytest.approx(4.0)
    assert alone.verdict.passed
    assert not many.verdict.passed
    assert [r.split(" 0")[0] for r in many.verdict.reasons] == ["deflated sharpe"]


def test_noise_pairs_do_not_pass() -> None:
    """60 symbols x 7 strategies of noise: the best has a Sharpe ratio near 4, and nobody passes."""
    rng = np.random.default_rng(5)
    names = [(f"S{i}", f"x{j}") for i in range(60) for j in range(7)]
    pairs = [day_trades(rng.normal(0, 10, 142), symbol=f"{a}.{b}", strategy=b) for a, b in names]
    result = traded(*pairs, sessions=142)
    found = gate(result, trials=420)
    assert len(found) == 420
    assert max(p.sharpe for p in found) > 3.0
    assert [p.pair for p in found if p.verdict.passed] == []


def test_trials_are_all_pairs_of_the_universe_traded_or_not() -> None:
    result = played(1, symbols=4, worlds=("core", "other")).result
    assert all_trials(result) == 2 * 4 * 2
    history = pair_history(result, trace(result))
    default = pair_gate(result, history)
    assert default == pair_gate(result, history, None, 16)


def test_law_pairs_add_up_to_the_round_trips() -> None:
    for seed in range(20):
        result = played(seed, worlds=("core", "other"), crossing=True).result
        traced = trace(result)
        history = pair_history(result, traced)
        assert history.won.sum() == pytest.approx(round_trips(result).pnl.sum(), abs=1e-6)
        whole = Window(0, len(history.equity))
        money = daily_settled(history, whole) * history.equity
        assert money.sum() == pytest.approx(history.won.sum(), abs=1e-6)
        assert (daily(history, whole) * history.capital).sum() == pytest.approx(history.won.sum(), abs=1e-6)
        # windows in a row share the round trips out without rest
        halves = [Window(0, 3), Window(3, 6)]
        parts = sum((daily_settled(history, w) * history.equity[w.start : w.stop]).sum() for w in halves)
        assert parts == pytest.approx(history.won.sum(), abs=1e-6)


def test_a_window_knows_nothing_of_what_came_after_it() -> None:
    won = good(6, 120)
    before = gate(traded(day_trades(won), sessions=120), Window(0, 60))
    won[60:] = -300.0
    assert gate(traded(day_trades(won), sessions=120), Window(0, 60)) == before


def test_a_trip_open_over_the_end_of_a_window_does_not_count_in_it() -> None:
    sent = [Sent(0, "A", 1, 1000.0), Sent(5 * BARS, "A", -1, 1500.0)]
    result = traded(sent, sessions=8)
    history = pair_history(result, trace(result))
    assert daily(history, Window(0, 4)).tolist() == [[0.0] * 4]
    assert daily_settled(history, Window(0, 4)).tolist() == [[0.0, 0.0, 0.0, 0.05]]
    assert daily(history, Window(1, 8)).tolist() == [[0.0] * 7]  # opened before it
    (found,) = gate(result, Window(0, 4))
    assert found.trades == 0


def test_chosen_pairs_are_those_that_pass() -> None:
    result = traded(day_trades(good()), day_trades(good(9) - 8.0, "B"), sessions=252)
    history = pair_history(result, trace(result))
    assert passing(result, history, Window(0, 252)) == frozenset({Pair("core", "A", "roc")})


def test_nothing_traded_has_no_verdicts() -> None:
    assert gate(traded(sessions=10)) == ()


LIVE = LiveRun(
    sessions=60, orders=1000, failed=4, p95_latency=2.9, parity_errors=0, slippage=0.00015, modelled=0.0001, drawdown=0.05,
    sharpe=-2.0,
)  # fmt: skip


def test_the_live_gate_shows_sharpe_and_does_not_gate_on_it_below_120_sessions() -> None:
    found = live_gate(LIVE)
    assert found.passed
    (sharpe,) = [check for check in found.checks if check.name == "sharpe"]
    assert (sharpe.passed, sharpe.gating, sharpe.value) == (False, False, -2.0)
    assert live_gate(replace(LIVE, sessions=119)).passed
    assert live_gate(replace(LIVE, sessions=120)).reasons == ("sharpe -2 < 0",)
    assert live_gate(replace(LIVE, sessions=120, sharpe=0.3)).passed
    assert live_gate(replace(LIVE, sessions=120, sharpe=0.3), LiveLimits(sharpe=1.0)).reasons == ("sharpe 0.3 < 1",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"failed": 5}, "error rate 0.5 % >= 0.5 %"),
        ({"orders": 0}, "error rate is not known"),
        ({"p95_latency": 3.1}, "p95 latency in s 3.1 > 3"),
        ({"p95_latency": None}, "p95 latency in s is not known"),
        ({"parity_errors": 1}, "decisions unlike the backtest 1 > 0"),
        ({"parity_errors": None}, "decisions unlike the backtest is not known"),
        ({"slippage": 0.00021}, "slippage in bps 2.1 > 2"),
        ({"slippage": None}, "slippage in bps is not known"),
        ({"drawdown": 0.13}, "drawdown 13 % > 12 %"),
    ],
    ids=str,
)
def test_each_condition_of_the_live_gate(change: dict[str, object], reason: str) -> None:
    found = live_gate(replace(LIVE, **change))
    assert not found.passed
    assert found.reasons == (reason,)


def test_limits_that_are_met_exactly() -> None:
    assert live_gate(replace(LIVE, p95_latency=3.0, slippage=0.0002, drawdown=0.12)).passed


SHADOW = ShadowRun(sessions=5, ticks=1000, fallbacks=49, missing_regimes=0, kills=0)


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({}, ()),
        ({"sessions": 4}, ("sessions 4 < 5",)),
        ({"fallbacks": 50}, ("fallback rate 5 % >= 5 %",)),
        ({"missing_regimes": 1}, ("ticks without a regime 1 > 0",)),
        ({"kills": 1}, ("kills 1 > 0",)),
        ({"ticks": 0, "fallbacks": 0}, ("fallback rate is not known", "ticks without a regime is not known")),
    ],
    ids=str,
)
def test_the_shadow_gate(change: dict[str, int], reasons: tuple[str, ...]) -> None:
    found = shadow_gate(replace(SHADOW, **change))
    assert found.reasons == reasons
    assert found.passed is not bool(reasons)
