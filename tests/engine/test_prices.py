"""Which price is believed: splits that the account explains, gaps that nobody does, and whose price judges a stop."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import Freshness
from qmtl.engine.frame import build_frame
from qmtl.engine.market import Account
from qmtl.engine.pricealerts import price_alerts
from qmtl.engine.prices import judged, lifted, rescaled
from qmtl.engine.reasons import Reason
from qmtl.engine.state import FIELDS, DecideState, decode, encode, initial
from qmtl.engine.tick import CLOSE_LEG, NO_LEG
from qmtl.engine.tickview import counters, reasons_of


def opened(lab: Any, of: Any, now: int, **columns: Any) -> DecideState:
    """The state after 20 shares at 500 of the first symbol, opened at `now`; stop 15 and take 40 away."""
    rows = {"mark": 500.0, "stop": 15.0, "take": 40.0, "signal": 1, **columns}
    before = lab.decide(of, now - 60, holds=lab.account(of), **rows).after
    fill = lab.fill("S000", 20, now, generation=of.program.generations[0][0])
    holds = lab.account(of, qty={"S000": 20}, average_price=500.0, fills=(fill,))
    after = lab.decide(of, now, lab.locked(before), holds, **{**rows, "decision": False}).after
    return lab.locked(after)


def split_account(lab: Any, of: Any, shares: float, **more: Any) -> Account:
    """The account after a split of the first symbol."""
    row = np.ones(of.symbols)
    row[0] = shares
    qty = {"S000": str(int(20 * shares))}
    return lab.account(of, qty=qty, average_price=500.0 / shares, split=row, **more)


def later(lab: Any, of: Any, shares: float) -> Account:
    """The same account on a later tick."""
    return replace(split_account(lab, of, shares), split=None)


@pytest.mark.parametrize("shares", [10.0, 2.0, 1.5, 0.1])
def test_r28_split_overnight_causes_no_stop_and_no_rebalancing(lab: Any, shares: float) -> None:
    """The account and the first bar of the new session show it at the same tick."""
    of = lab.frame(2, stop="distance", take="distance")
    state = opened(lab, of, lab.at("15:30"))
    fraction = lab.decide(
        of, lab.at("15:45"), state, lab.account(of, qty={"S000": 20}, average_price=500.0), mark=500.0
    )
    rows = {"mark": np.array([500.0 / shares, 500.0]), "signal": 1, "size": 0.1}
    tick = lab.decide(of, lab.at("09:45", 1), lab.locked(fraction.after), split_account(lab, of, shares), **rows)
    assert tick.load.current[0] == pytest.approx(fraction.load.current[0])
    assert not tick.load.external[0]
    assert tick.orders.leg[0] == NO_LEG
    assert not tick.target.stopping.any()
    assert tick.after.gap_at[0] == 0
    assert tick.target.stop_level[0] == pytest.approx(485.0 / shares)
    assert tick.target.take_level[0] == pytest.approx(540.0 / shares)
    assert tick.load.owner[0] == 0
    assert ("load", "position.split") in reasons_of(tick, "S000")


def test_r28_a_split_scales_every_price_that_is_remembered(lab: Any) -> None:
    of = lab.frame(2)
    priced = [f.name for f in FIELDS if f.unit.startswith("price")]
    assert len(priced) == 8
    state = replace(initial(of), qty=np.array([20.0, 5.0]), **{name: np.array([500.0, 300.0]) for name in priced})
    after = rescaled(state, np.array([10.0, 1.0]))
    for name in priced:
        assert getattr(after, name).tolist() == [50.0, 300.0], name
    assert after.qty.tolist() == [200.0, 5.0]


def test_r28_a_split_that_the_account_shows_before_the_first_bar(lab: Any) -> None:
    """Until a bar of the new shares closes, the price of the old ones is divided; nothing is opened meanwhile."""
    of = lab.frame(1, stop="distance", take="distance")
    state = opened(lab, of, lab.at("15:30"))
    tick = lab.decide(of, lab.at("09:31", 1), state, split_account(lab, of, 10.0), mark=500.0, signal=1, decision=False)
    assert tick.load.mark[0] == 50.0
    assert tick.load.current[0] == pytest.approx(state.qty[0] * 500 / 100_000)
    assert tick.orders.leg[0] == NO_LEG
    assert (tick.after.mark_scale[0], tick.after.gap_at[0]) == (10.0, 0)
    again = lab.decide(of, lab.at("09:32", 1), lab.locked(tick.after), later(lab, of, 10.0), mark=500.0, decision=False)
    assert again.load.mark[0] == 50.0
    rows = {"mark": 500.0, "signal": 1, "stop": 1.5, "behind_15m": 1}
    lagging = lab.decide(of, lab.at("09:45", 1), lab.locked(again.after), later(lab, of, 10.0), **rows)
    assert lagging.freshness.active[0]
    assert not lagging.target.may_enter[0]
    rows = {"mark": 49.0, "signal": 1, "stop": 1.5}
    first = lab.decide(of, lab.at("09:45", 1), lab.locked(again.after), later(lab, of, 10.0), **rows)
    assert first.load.mark[0] == 49.0
    assert first.after.mark_scale[0] == 1.0
    assert first.target.may_enter[0]
    assert not first.target.stopping.any()


def test_r28_a_bar_that_shows_the_split_before_the_account_does(lab: Any) -> None:
    of = lab.frame(1, stop="distance", take="distance")
    state = opened(lab, of, lab.at("15:30"))
    unknown = lab.account(of, qty={"S000": 20}, average_price=500.0)
    tick = lab.decide(of, lab.at("09:45", 1), state, unknown, mark=50.0, signal=0)
    assert lab.why(tick, 0, "freshness") is Reason.GAP
    assert tick.orders.leg[0] == NO_LEG
    assert tick.after.gap_at[0] == lab.at("09:45", 1)
    told = lab.decide(
        of, lab.at("09:46", 1), lab.locked(tick.after), split_account(lab, of, 10.0), mark=50.0, decision=False
    )
    assert told.after.gap_at[0] == 0
    assert told.load.mark[0] == 50.0
    assert told.after.mark_scale[0] == 1.0
    assert told.target.stop_level[0] == pytest.approx(48.5)


def test_r28_a_real_stop_after_a_split_is_a_stop(lab: Any) -> None:
    of = lab.frame(1, stop="distance", take="distance")
    state = opened(lab, of, lab.at("15:30"))
    tick = lab.decide(of, lab.at("09:45", 1), state, split_account(lab, of, 10.0), mark=48.4, signal=1)
    assert lab.why(tick, 0, "orders") is Reason.STOP
    assert tick.orders.closing[0]


def test_r28_a_line_that_jumped_with_the_price_is_not_followed(lab: Any) -> None:
    """A strategy that gives its stop as a price makes it of bars of both kinds of shares after a split."""
    of = lab.frame(1, stop="level")
    state = opened(lab, of, lab.at("15:30"), stop=480.0, take=math.nan)
    held = lab.account(of, qty={"S000": 20}, average_price=500.0)
    before = lab.decide(of, lab.at("15:45"), state, held, mark=500.0, signal=1, stop=481.0)
    assert before.target.stop_level[0] == 481.0
    tick = lab.decide(
        of, lab.at("09:45", 1), lab.locked(before.after), split_account(lab, of, 10.0), mark=50.0, signal=1, stop=440.0
    )
    assert tick.target.stop_level[0] == pytest.approx(48.1)
    assert not tick.target.stopping.any()
    calm = lab.decide(
        of, lab.at("10:00", 1), lab.locked(tick.after), later(lab, of, 10.0), mark=50.0, signal=1, stop=48.5
    )
    assert calm.target.stop_level[0] == 48.5


def test_r28_formulas_that_still_see_the_old_shares_move_nothing(lab: Any) -> None:
    """Three bars of 15m and one of 60m make four bars: so long signals and lines count for nothing, and stops do."""
    program = replace(lab.program(1, stop="distance", take="distance"), warmup=(("15m", 3), ("60m", 1), ("1d", 50)))
    of = build_frame(program)
    state = opened(lab, of, lab.at("15:30"))
    tick = lab.decide(of, lab.at("09:45", 1), state, split_account(lab, of, 10.0), mark=50.0, signal=-1)
    assert tick.after.settling[0] == 4
    for number, clock in enumerate(("10:00", "10:15", "10:30")):
        tick = lab.decide(of, lab.at(clock, 1), lab.locked(tick.after), later(lab, of, 10.0), mark=50.0, signal=-1)
        assert lab.why(tick, 0, "freshness") is Reason.SETTLING
        assert tick.orders.leg[0] == NO_LEG
        assert tick.after.settling[0] == 3 - number
    stopped = lab.decide(of, lab.at("10:45", 1), lab.locked(tick.after), later(lab, of, 10.0), mark=48.0, signal=-1)
    assert lab.why(stopped, 0, "orders") is Reason.STOP
    rows = {"mark": 50.0, "signal": -1, "stop": 1.5}
    free = lab.decide(of, lab.at("10:45", 1), lab.locked(tick.after), later(lab, of, 10.0), **rows)
    assert free.after.settling[0] == 0
    assert lab.why(free, 0, "orders") is Reason.REVERSE


@pytest.mark.parametrize("price", [299.0, 701.0, 5_000.0, 5.0])
def test_r28_an_unexplained_gap_pauses_the_symbol(lab: Any, price: float) -> None:
    """No entry, no stop, no owner's exit, no rebalancing; the position keeps its size at the price that was believed."""
    of = lab.frame(2, stop="distance", take="distance")
    state = opened(lab, of, lab.at("15:30"))
    held = lab.account(of, qty={"S000": 20}, average_price=500.0)
    calm = lab.decide(of, lab.at("15:45"), state, held, mark=500.0, signal=1)
    for signal in (1, 0, -1):
        rows = {"mark": np.array([price, 500.0]), "signal": signal}
        tick = lab.decide(of, lab.at("09:45", 1), lab.locked(calm.after), held, **rows)
        assert lab.why(tick, 0, "freshness") is Reason.GAP
        assert tick.orders.leg[0] == NO_LEG
        assert not tick.target.may_enter[0]
        assert tick.load.current[0] == calm.load.current[0]
        assert tick.load.mark[0] == 500.0
        assert tick.after.mark[0] == 500.0
        assert not tick.target.stopping.any()
        assert tick.freshness.active[1]
        assert counters(tick).paused == 1
    quiet = lab.decide(of, lab.at("09:46", 1), lab.locked(tick.after), held, mark=np.array([price, 500.0]))
    assert quiet.after.gap_at[0] == lab.at("09:45", 1)


@pytest.mark.parametrize("price", [301.0, 699.0])
def test_a_move_within_the_bound_is_a_price(lab: Any, price: float) -> None:
    of = lab.frame(1)
    state = lab.decide(of, lab.at("15:45"), mark=500.0).after
    tick = lab.decide(of, lab.at("09:45", 1), lab.locked(state), mark=price, signal=1)
    assert tick.freshness.active[0]
    assert tick.load.mark[0] == tick.after.mark[0] == price


def test_the_bound_is_the_worlds_own(lab: Any) -> None:
    of = lab.frame(1, freshness=Freshness(max_gap=0.1))
    state = lab.decide(of, lab.at("15:45"), mark=500.0).after
    assert lab.decide(of, lab.at("09:45", 1), lab.locked(state), mark=449.0).load.gap_at[0]
    assert not lab.decide(of, lab.at("09:45", 1), lab.locked(state), mark=451.0).load.gap_at[0]


def test_r28_the_pause_ends_when_the_price_comes_back(lab: Any) -> None:
    of = lab.frame(1, stop="distance", take="distance")
    state = opened(lab, of, lab.at("15:30"))
    held = lab.account(of, qty={"S000": 20}, average_price=500.0)
    bad = lab.decide(of, lab.at("09:45", 1), state, held, mark=5.0, signal=1)
    back = lab.decide(of, lab.at("10:00", 1), lab.locked(bad.after), held, mark=498.0, signal=1)
    assert back.after.gap_at[0] == 0
    assert back.freshness.active[0]
    assert any("trades S000 again" in alert for alert in price_alerts(back, again=False))


def test_r28_the_pause_ends_when_a_person_says_so(lab: Any) -> None:
    of = lab.frame(1)
    state = lab.decide(of, lab.at("15:45"), mark=500.0).after
    paused = lab.decide(of, lab.at("09:45", 1), lab.locked(state), mark=250.0, signal=1)
    assert paused.orders.leg[0] == NO_LEG
    said = lifted(paused.after, [0])
    tick = lab.decide(of, lab.at("10:00", 1), lab.locked(said), mark=250.0, signal=1)
    assert tick.freshness.active[0]
    assert tick.load.mark[0] == tick.after.mark[0] == 250.0
    assert tick.orders.leg[0] != NO_LEG


def test_r28_unwind_and_a_stop_that_was_reached_before_act_while_paused(lab: Any) -> None:
    of = lab.frame(1, stop="distance", take="distance")
    state = opened(lab, of, lab.at("15:30"))
    held = lab.account(of, qty={"S000": 20}, average_price=500.0)
    stopping = lab.decide(of, lab.at("15:45"), state, held, mark=484.0, signal=1)
    assert lab.why(stopping, 0, "orders") is Reason.STOP
    gone = lab.decide(of, lab.at("09:45", 1), lab.locked(stopping.after), held, mark=100.0, signal=1)
    assert gone.orders.leg[0] == CLOSE_LEG
    assert lab.why(gone, 0, "orders") is Reason.STOP
    disabled = lab.frame(1, stop="distance", take="distance", allowed=((False,), (False,)))
    tick = lab.decide(disabled, lab.at("09:45", 1), state, held, mark=100.0, signal=1)
    assert lab.why(tick, 0, "freshness") is Reason.GAP
    assert lab.why(tick, 0, "orders") is Reason.UNWIND
    assert tick.orders.closing[0]


def test_r28_neither_a_line_nor_a_cap_moves_a_paused_position(lab: Any) -> None:
    """The strategy's line rises above the price that is believed, and the position is above its cap: both wait."""
    of = lab.frame(1, stop="level")
    state = opened(lab, of, lab.at("15:30"), stop=480.0, take=math.nan)
    big = lab.account(of, qty={"S000": 40}, average_price=500.0)
    calm = lab.decide(of, lab.at("15:46"), state, big, mark=500.0, signal=1, stop=490.0)
    assert lab.why(calm, 0, "orders") is Reason.TRIM
    tick = lab.decide(of, lab.at("09:46", 1), lab.locked(calm.after), big, mark=900.0, signal=1, stop=510.0)
    assert lab.why(tick, 0, "freshness") is Reason.GAP
    assert not tick.target.stopping.any()
    assert tick.orders.leg[0] == NO_LEG


def test_r28_a_line_that_sees_both_kinds_of_shares_is_not_followed_however_near(lab: Any) -> None:
    program = replace(lab.program(1, stop="level"), warmup=(("15m", 30),))
    of = build_frame(program)
    state = opened(lab, of, lab.at("15:30"), stop=480.0, take=math.nan)
    tick = lab.decide(of, lab.at("09:45", 1), state, split_account(lab, of, 10.0), mark=50.0, signal=1, stop=51.0)
    assert tick.target.stop_level[0] == pytest.approx(48.0)
    assert not tick.target.stopping.any()


def test_r28_a_gap_survives_restarts_and_outside_hours(lab: Any) -> None:
    of = lab.frame(1)
    state = lab.decide(of, lab.at("15:45"), mark=500.0).after
    paused = lab.decide(of, lab.at("15:50"), lab.locked(state), mark=250.0, decision=False).after
    night = lab.decide(
        of, lab.at("20:00"), lab.locked(decode(encode(paused, of), of)), mark=250.0, decision=False
    ).after
    tick = lab.decide(of, lab.at("09:45", 1), lab.locked(night), mark=250.0, signal=1)
    assert tick.after.gap_at[0] == lab.at("15:50")
    assert lab.why(tick, 0, "freshness") is Reason.GAP


def test_a_gap_and_its_end_are_told(lab: Any) -> None:
    of = lab.frame(1)
    state = lab.decide(of, lab.at("15:45"), mark=500.0).after
    tick = lab.decide(of, lab.at("09:45", 1), lab.locked(state), mark=250.0)
    told = price_alerts(tick, again=False)
    moved = "has paused S000: its price went from 500 to 250 and no split explains it"
    assert told == (f"{moved}; `qmtl resume --symbol S000` when the price is right",)
    after = lab.decide(of, lab.at("10:00", 1), lab.locked(tick.after), mark=250.0)
    assert price_alerts(after, again=False) == ()
    assert price_alerts(after, again=True) == told


def test_prices_without_gaps_or_splits_are_the_feeds_own_row(lab: Any) -> None:
    of = lab.frame(3)
    state = lab.decide(of, lab.at("15:45"), mark=500.0).after
    newest = np.array([501.0, 499.0, 500.0])
    prices = judged(state, newest, lab.at("16:00"), 0.4)
    assert prices.mark is newest
    assert prices.believed is newest
    assert not prices.gap_at.any()


# ---- whose price judges a stop


def blind_tick(lab: Any, mark: float, age: int, **more: Any) -> Any:
    """A position of 20 at 500 whose bars are nine behind at 12:00, and what the broker says of it."""
    of = lab.frame(1, stop="distance")
    state = opened(lab, of, lab.at("09:46"), take=math.nan)
    now = lab.at("12:00")
    holds = lab.account(
        of,
        qty={"S000": 20},
        average_price=500.0,
        broker_mark=np.array([mark]),
        marked_at=np.array([now - age if mark == mark else 0]),
    )
    return lab.decide(of, now, state, holds, mark=500.0, signal=1, behind_15m=9, **more)


def test_a_stale_symbol_with_a_stop_uses_the_brokers_mark_while_it_is_young(lab: Any) -> None:
    tick = blind_tick(lab, 480.0, 30 * 60)
    assert lab.why(tick, 0, "orders") is Reason.STOP
    assert tick.orders.closing[0]
    assert counters(tick).stop_blind == 0


@pytest.mark.parametrize(("mark", "age"), [(480.0, 30 * 60 + 1), (math.nan, 0), (250.0, 0)])
def test_an_old_a_missing_and_an_unbelievable_mark_leave_the_stop_blind(lab: Any, mark: float, age: int) -> None:
    tick = blind_tick(lab, mark, age)
    assert lab.why(tick, 0, "target") is Reason.STOP_BLIND
    assert tick.orders.leg[0] == NO_LEG
    assert counters(tick).stop_blind == 1
    assert any("cannot judge the stops of S000" in alert for alert in price_alerts(tick, again=True))


def test_a_mark_of_the_broker_that_reaches_no_stop_is_not_blind(lab: Any) -> None:
    tick = blind_tick(lab, 499.0, 60)
    assert lab.why(tick, 0, "target") is not Reason.STOP_BLIND
    assert tick.orders.leg[0] == NO_LEG


def test_a_fresh_bar_counts_more_than_the_brokers_mark(lab: Any) -> None:
    of = lab.frame(1, stop="distance")
    state = opened(lab, of, lab.at("09:46"), take=math.nan)
    now = lab.at("12:00")
    marks = {"broker_mark": np.array([400.0]), "marked_at": np.array([now])}
    holds = lab.account(of, qty={"S000": 20}, average_price=500.0, **marks)
    tick = lab.decide(of, now, state, holds, mark=500.0, signal=1)
    assert not tick.target.stopping.any()


def test_a_mark_from_before_the_entry_stops_nothing(lab: Any) -> None:
    of = lab.frame(1, stop="distance")
    now = lab.at("12:00")
    state = opened(lab, of, now - 120, take=math.nan)
    marks = {"broker_mark": np.array([480.0]), "marked_at": np.array([now - 180])}
    holds = lab.account(of, qty={"S000": 20}, average_price=500.0, **marks)
    tick = lab.decide(of, now, state, holds, mark=500.0, signal=1, behind_15m=9)
    assert not tick.target.stopping.any()


def test_a_bar_of_another_symbol_makes_no_older_bar_of_this_one_newer(lab: Any) -> None:
    """One bar behind is fresh, but its bar ended before the entry: it stops nothing (active from the entry bar on)."""
    of = lab.frame(2, stop="distance")
    state = opened(lab, of, lab.at("11:50"), take=math.nan)
    holds = lab.account(of, qty={"S000": 20}, average_price=500.0)
    rows = {"mark": np.array([480.0, 500.0]), "signal": 1, "behind_15m": np.array([1, 0])}
    assert not lab.decide(of, lab.at("12:00"), state, holds, **rows).target.stopping.any()
    assert lab.decide(of, lab.at("12:00"), state, holds, **{**rows, "behind_15m": 0}).target.stopping[0] == Reason.STOP
