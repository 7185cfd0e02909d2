"""1 to 6: load, freshness, regime, chain, allowlist, signals."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import Regime, RiskLimits
from qmtl.engine.decide import decide
from qmtl.engine.reasons import Reason
from qmtl.engine.state import GONE, NOBODY, initial
from qmtl.engine.tickview import market_phase


# 1. load
def test_a_side_opens_at_the_first_fill_from_flat_and_only_there(lab: Any) -> None:
    of = lab.frame(1)
    first = lab.holding(of, {"S000": 50}, lab.at("10:00"))
    assert (first.owner.tolist(), first.side.tolist(), first.side_opened_at.tolist()) == ([0], [1], [lab.at("10:00")])
    assert int(first.generation[0]) == int(of.generation[0, 0])
    later = lab.account(of, qty={"S000": 80}, fills=(lab.fill("S000", 30, lab.at("10:30")),))
    add, _ = decide(of, first, lab.market(of, lab.at("10:31")), later, lab.at("10:31"))
    assert add.side_opened_at.tolist() == [lab.at("10:00")]
    part = lab.account(of, qty={"S000": 20}, fills=(lab.fill("S000", -60, lab.at("11:00")),))
    less, _ = decide(of, add, lab.market(of, lab.at("11:01")), part, lab.at("11:01"))
    assert (less.side_opened_at.tolist(), less.owner.tolist()) == ([lab.at("10:00")], [0])  # R16
    gone = lab.account(of, fills=(lab.fill("S000", -20, lab.at("11:30")),))
    flat, _ = decide(of, less, lab.market(of, lab.at("11:31")), gone, lab.at("11:31"))
    assert (flat.owner.tolist(), flat.side.tolist(), flat.side_opened_at.tolist()) == ([NOBODY], [0], [0])
    assert (flat.last_side.tolist(), flat.last_opened_at.tolist()) == ([1], [lab.at("10:00")])


def test_closed_and_reopened_within_one_tick_is_a_new_side(lab: Any) -> None:
    of = lab.frame(1)
    state = lab.holding(of, {"S000": 50}, lab.at("10:00"))
    now = lab.at("11:00")
    fills = (lab.fill("S000", -50, now), lab.fill("S000", -10, now, "beta"))
    after, _ = decide(of, state, lab.market(of, now), lab.account(of, qty={"S000": -10}, fills=fills), now)
    assert (after.owner.tolist(), after.side.tolist(), after.side_opened_at.tolist()) == ([1], [-1], [now])


def test_fractional_dust_of_float_sums_is_not_a_position(lab: Any) -> None:
    of = lab.frame(1)
    state = lab.holding(of, {"S000": "0.3"}, lab.at("10:00"))
    fills = tuple(lab.fill("S000", "-0.1", lab.at("11:00")) for _ in range(3))
    after, _ = decide(of, state, lab.market(of, lab.at("11:01")), lab.account(of, fills=fills), lab.at("11:01"))
    assert after.owner.tolist() == [NOBODY]


def test_a_fill_of_a_strategy_that_is_gone_has_an_owner_nobody_speaks_for(lab: Any) -> None:
    of = lab.frame(1)
    assert lab.holding(of, {"S000": 50}, lab.at("10:00"), "former").owner.tolist() == [GONE]


def test_closed_by_hand_is_flat(lab: Any) -> None:
    of = lab.frame(1)
    state = lab.holding(of, {"S000": 50}, lab.at("10:00"))
    after, _ = decide(of, state, lab.market(of, lab.at("10:16")), lab.account(of), lab.at("10:16"))
    assert (after.owner.tolist(), after.side.tolist()) == ([NOBODY], [0])


def test_r11_unreadable_positions_are_not_flat(lab: Any) -> None:
    of = lab.frame(2)
    state = lab.holding(of, {"S000": 50}, lab.at("10:00"))
    blind = lab.account(of, readable=False, equity=math.nan)
    after, tick = decide(
        of, state, lab.market(of, lab.at("11:00"), signal=np.array([[-1, 1], [0, 0]])), blind, lab.at("11:00")
    )
    assert (after.owner.tolist(), after.qty.tolist()) == ([0, NOBODY], [50.0, 0.0])
    assert not tick.orders.leg.any()
    assert not tick.orders.cancel.any()


def test_capital_leaves_external_positions_out_and_never_trades_them(lab: Any) -> None:
    of = lab.frame(2, capital=0.5)
    holds = lab.account(of, qty={"S000": 200}, external=np.array([True, False]))
    tick = lab.decide(of, lab.at("10:00"), None, holds, signal=1)
    assert tick.load.capital == 0.5 * (100_000 - 20_000)
    assert tick.orders.leg.tolist()[0] == 0
    assert tick.orders.target[0] == tick.load.outside[0] == 0.5
    assert lab.why(tick, 0, "policy") is Reason.EXTERNAL


@pytest.mark.parametrize("reading", [math.nan, 0.0, -5.0, 70_000.0, 140_000.0])
def test_r45_a_strange_equity_needs_a_second_reading(lab: Any, reading: float) -> None:
    of = lab.frame(1)
    first, _ = decide(of, lab.locked(initial(of)), lab.market(of, lab.at("09:45")), lab.account(of), lab.at("09:45"))
    strange = lab.account(of, equity=reading)
    second, tick = decide(of, first, lab.market(of, lab.at("10:00"), signal=1), strange, lab.at("10:00"))
    assert (tick.load.equity, tick.load.trusted) == (100_000.0, False)
    assert not tick.orders.leg.any()
    assert lab.why(tick, 0, "orders") is Reason.EQUITY_DOUBT
    _, tick = decide(of, second, lab.market(of, lab.at("10:01")), strange, lab.at("10:01"))
    assert tick.load.trusted == (not math.isnan(reading))


def test_a_deposit_is_no_jump(lab: Any) -> None:
    of = lab.frame(1)
    first, _ = decide(of, lab.locked(initial(of)), lab.market(of, lab.at("09:45")), lab.account(of), lab.at("09:45"))
    rich = lab.account(of, equity=190_000.0, flows=90_000.0)
    after, tick = decide(of, first, lab.market(of, lab.at("10:00")), rich, lab.at("10:00"))
    assert tick.load.trusted
    assert float(after.day_anchor) == 190_000.0
    assert tick.gate.day_loss == 0.0


# 2. freshness
@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"behind_15m": 2}, Reason.NONE),
        ({"behind_15m": 3}, Reason.STALE),
        ({"behind_60m": 2}, Reason.STALE),
        ({"behind_15m": -1}, Reason.MISSING),
        ({"mark": math.nan}, Reason.MISSING),
        ({"regular_hours": False}, Reason.OUTSIDE_RTH),
    ],
)
def test_r20_r21_no_entries_without_fresh_bars(lab: Any, columns: dict[str, Any], why: Reason) -> None:
    of = lab.frame(1)
    tick = lab.decide(of, lab.at("10:00"), signal=1, **columns)
    assert lab.why(tick, 0, "freshness") is why
    assert tick.orders.leg.any() == (why is Reason.NONE)


def test_stale_symbols_may_still_exit(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    assert lab.decide(of, lab.at("11:00"), state, holds, signal=0, behind_15m=9).orders.closing[0]


def test_r34_the_session_is_half_open(lab: Any) -> None:
    of = lab.frame(1)
    open_tick, close_tick = lab.decide(of, lab.OPEN), lab.decide(of, lab.CLOSE, regular_hours=True)
    assert (open_tick.freshness.outside, close_tick.freshness.outside) == (False, True)
    assert (market_phase(open_tick), market_phase(close_tick)) == ("regular", "outside_rth")


# 3. regime
def test_r29_missing_regime_stays_missing_and_blocks_entries(lab: Any) -> None:
    chains = (("calm", (0,), 1.0), ("rest", (1,), 0.5))
    of = lab.frame(1, chains=chains, regime=Regime(neutral_after=2))
    state, held = lab.locked(initial(of)), []
    for i, known in enumerate([True, False, False, False, True]):
        now = lab.at("10:00") + i * 900
        p = 0.25 if known else math.nan
        state, tick = decide(
            of, state, lab.market(of, now, p=p, when=np.array([[2], [2]]), signal=1), lab.account(of), now
        )
        held.append((int(tick.chain.chain[0]), lab.why(tick, 0, "regime"), bool(tick.orders.leg.any())))
    assert held == [
        (0, Reason.NONE, True),
        (0, Reason.REGIME_MISSING, False),
        (1, Reason.REGIME_NEUTRAL, False),
        (1, Reason.REGIME_NEUTRAL, False),
        (0, Reason.NONE, True),
    ]


# 4. chain
@pytest.mark.parametrize(
    ("current", "when", "stay", "chosen", "certain"),
    [
        (-1, (0, 2, 2), (0, 0, 2), 1, True),
        (1, (0, 0, 2), (0, 2, 2), 1, True),  # hysteresis keeps the current one
        (2, (0, 0, 2), (0, 2, 2), 2, True),  # stay of another chain means nothing
        (1, (2, 0, 2), (0, 2, 2), 0, True),  # a higher one pre-empts
        (1, (1, 0, 2), (0, 2, 2), 1, False),  # a higher one is unknown: entries wait
        (1, (0, 0, 2), (0, 1, 2), 1, False),  # the current one is unknown: it stays
        (2, (1, 2, 2), (0, 0, 2), 1, False),  # certainly not the current one
        (-1, (1, 1, 2), (0, 0, 2), 2, False),
    ],
)
def test_r49_chains_with_hysteresis(
    lab: Any, current: int, when: tuple[int, ...], stay: tuple[int, ...], chosen: int, certain: bool
) -> None:
    of = lab.frame(1, chains=tuple((name, (0,), 1.0) for name in ("first", "second", "rest")))
    state = lab.locked(replace(initial(of), chain=np.array([current], dtype=np.int16)))
    tick = lab.decide(of, lab.at("10:00"), state, when=np.array(when)[:, None], stay=np.array(stay)[:, None], signal=1)
    assert (int(tick.chain.chain[0]), bool(tick.chain.certain[0])) == (chosen, certain)
    assert tick.orders.leg.any() == certain


def test_chains_rest_on_follow_up_ticks(lab: Any) -> None:
    of = lab.frame(1, chains=(("first", (0,), 1.0), ("rest", (0,), 1.0)))
    tick = lab.decide(of, lab.at("10:01"), when=2)
    assert int(tick.chain.chain[0]) == -1


# 5. allowlist
def test_r48_nothing_matched_is_nothing_traded(lab: Any) -> None:
    of = lab.frame(
        3, chains=(("main", (0,), 1.0), ("rest", (), 1.0)), allowed=((True, False, False), (True, True, False))
    )
    tick = lab.decide(of, lab.at("10:00"), signal=1, when=np.array([[2, 2, 0], [2, 2, 2]]))
    assert [lab.why(tick, i, "allowlist") for i in range(3)] == [Reason.NONE, Reason.DISABLED, Reason.CHAIN_EMPTY]
    assert tick.orders.leg.tolist() == [1, 0, 0]
    assert tick.allowlist.disabled.tolist() == [False, True, False]
    assert tick.allowlist.hit_rate == 0.5


def test_a_disabled_symbol_stays_with_its_owner(lab: Any) -> None:
    of = lab.frame(1, chains=(("main", (0,), 1.0), ("rest", (1,), 1.0)), allowed=((False,), (True,)))
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"), "beta")
    tick = lab.decide(of, lab.at("11:00"), state, holds, signal=1, when=2, size=0.1)
    assert tick.allowlist.disabled[0]
    assert tick.orders.target[0] == pytest.approx(0.1)
    assert tick.after.owner.tolist() == [1]


# 6. signals
def test_a_strategy_whose_stop_is_unknown_does_not_enter(lab: Any) -> None:
    of = lab.frame(2, ("alpha",), stop="distance")
    tick = lab.decide(of, lab.at("10:00"), signal=1, stop=np.array([[2.0, math.nan]]))
    assert tick.orders.leg.tolist() == [1, 0]


def test_a_latch_holds_until_the_signal_has_left_the_side(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    state = lab.locked(replace(initial(of), latch=np.array([[1]], dtype=np.int8)))
    entered = []
    for i, (signal, known) in enumerate([(1, True), (0, False), (1, True), (0, True), (1, True)]):
        now = lab.at("10:00") + i * 900
        state, tick = decide(of, state, lab.market(of, now, signal=signal, signal_known=known), lab.account(of), now)
        entered.append(bool(tick.orders.leg.any()))
    assert entered == [False, False, False, False, True]


def test_a_latch_blocks_its_side_only(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    state = lab.locked(replace(initial(of), latch=np.array([[1]], dtype=np.int8)))
    assert lab.decide(of, lab.at("10:00"), state, signal=-1).orders.leg.any()


def test_quantities_stay_exact(lab: Any) -> None:
    of = lab.frame(1)
    assert lab.account(of, qty={"S000": "0.1"}).exact == (Decimal("0.1"),)


@pytest.mark.parametrize(
    ("blend", "confidence", "given"), [(0.0, 0.5, 0.4), (0.5, 0.5, 0.3), (1.0, 0.5, 0.2), (1.0, math.nan, 0.4)]
)
def test_r50_exposure_may_follow_the_confidence_of_the_regime(
    lab: Any, blend: float, confidence: float, given: float
) -> None:
    """exposure x (1 - blend x (1 - confidence)); a confidence that is unknown sells nothing."""
    of = lab.frame(
        1, chains=(("main", (0,), 0.4),), regime=Regime(confidence_blend=blend), risk=RiskLimits(max_symbol=0.5)
    )
    tick = lab.decide(of, lab.at("10:00"), signal=1, size=0.5, confidence=confidence)
    assert tick.chain.exposure.tolist() == pytest.approx([given])
    assert tick.target.target.tolist() == pytest.approx([0.5 * given])
