"""Positions of which others hold a part, or took one away: what is ours is sized, protected and counted by itself (R10, R42, R47)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import PositionPolicy, RiskLimits
from qmtl.engine.alerts import alerts_of
from qmtl.engine.market import OrderResult, WorkingOrder
from qmtl.engine.net import net
from qmtl.engine.reasons import Reason
from qmtl.engine.tick import CLOSE_LEG, NO_LEG
from qmtl.engine.tickview import policy_labels
from qmtl.engine.views import symbol_views

HOUR = 3600


def mixed(lab: Any, of: Any, held: object, ours: object, paid: float = 100.0, **more: Any) -> Any:
    """An account that holds so much of the first symbol, of which our fills explain so much."""
    there, ledger = Decimal(str(held)), Decimal(str(ours))
    own = min(there, ledger, key=abs) if there * ledger > 0 else Decimal(0)
    width = of.symbols
    return lab.account(
        of,
        qty={"S000": held},
        external=np.array([True] + [False] * (width - 1)),
        ours=(ledger, *[Decimal(0)] * (width - 1)),
        own=np.array([float(own)] + [0.0] * (width - 1)),
        own_average=np.array([paid] + [np.nan] * (width - 1)),
        **more,
    )


def orders(tick: Any, account: Any) -> list[tuple[Decimal, str]]:
    return [(order.signed, order.reason) for order in net([tick], account, "lab").orders]


@pytest.mark.parametrize(
    ("held", "sent"),
    [("101", -100), ("100.5", -100), ("60", -60), ("12.5", "-12.5"), ("-40", None), ("-101", None)],
)
@pytest.mark.parametrize("side", [1, -1])
def test_r47_a_stop_sends_what_is_ours_and_no_more_than_is_there(lab: Any, side: int, held: str, sent: object) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.10 * side}, lab.at("09:46"))
    account = mixed(lab, of, Decimal(held) * side, 100 * side)
    tick = lab.decide(of, lab.at("10:15"), state, account, signal=side, mark=100 - 6 * side)
    expected = [] if sent is None else [(Decimal(str(sent)) * side, Reason.POSITION_STOP.code)]
    assert orders(tick, account) == expected
    assert policy_labels(tick)[0] == "external/ignore"


@pytest.mark.parametrize("cause", ["owner", "disabled", "flatten", "take"])
def test_r42_no_protective_exit_waits_for_what_others_hold(lab: Any, cause: str) -> None:
    symbols = {"allowed": ((False,), (False,))} if cause == "disabled" else {}
    of = lab.frame(1, take="distance", risk=RiskLimits(on_kill="flatten"), **symbols)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    if cause == "take":
        state = lab.locked(replace(state, take_distance=np.array([3.0])))
    refused = OrderResult("q1-x", "S000", "REJECTED", "auth", "", "open")
    account = mixed(lab, of, 101, 100, results=(refused,) if cause == "flatten" else ())
    rows = {"signal": 0} if cause == "owner" else {"signal": 1, "mark": 104.0 if cause == "take" else 100.0}
    tick = lab.decide(of, lab.at("10:15"), state, account, **rows)
    reason = {
        "owner": Reason.OWNER_EXIT,
        "disabled": Reason.UNWIND,
        "flatten": Reason.FLATTEN,
        "take": Reason.TAKE,
    }[cause]
    assert orders(tick, account) == [(-100, reason.code)]


def test_r47_too_small_for_any_band_and_under_a_halt_it_still_leaves(lab: Any) -> None:
    of = lab.frame(1, risk=RiskLimits(trading="halted"))
    state, _ = lab.book(of, {"S000": 0.0001}, lab.at("09:46"))
    account = mixed(lab, of, "500.1", "0.1")
    tick = lab.decide(of, lab.at("10:15"), state, account, signal=0)
    assert orders(tick, account) == [(Decimal("-0.1"), Reason.OWNER_EXIT.code)]


@pytest.mark.parametrize("held", [140, 60])
def test_r10_a_manual_trade_is_neither_corrected_nor_added_to(lab: Any, held: int) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    account = mixed(lab, of, held, 100)
    for size in (0.10, 0.15):
        tick = lab.decide(of, lab.at("12:00"), state, account, signal=1, size=size)
        assert tick.orders.leg[0] == NO_LEG
        assert tick.load.current[0] * tick.load.capital == pytest.approx(100 * min(held, 100))
    assert lab.why(tick, 0, "policy") is Reason.EXTERNAL


def test_what_is_ours_is_reduced_and_turned_like_any_position_and_only_to_flat(lab: Any) -> None:
    """A strategy that wants less, or the other side: ours goes, nothing is opened after it."""
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    account = mixed(lab, of, 140, 100, equity=104_000.0)
    less = lab.decide(of, lab.at("12:00"), state, account, signal=1, size=0.05)
    assert orders(less, account) == [(-50, Reason.REDUCE.code)]
    turned = lab.decide(of, lab.at("12:00"), state, account, signal=-1, size=0.10)
    assert orders(turned, account) == [(-100, Reason.CLOSE.code)]
    assert turned.orders.pending[0] == 0


@pytest.mark.parametrize("held", [101, 60])
def test_unwind_only_takes_the_whole_position_once_it_is_certain(lab: Any, held: int) -> None:
    """Until then exits of ours go by themselves."""
    of = lab.frame(1, position_policy=PositionPolicy(external="unwind_only"))
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    account = mixed(lab, of, held, 100)
    first = lab.decide(of, lab.at("10:15"), state, account, signal=1, mark=90.0)
    assert orders(first, account) == [(-min(held, 100), Reason.POSITION_STOP.code)]
    quiet = lab.decide(of, lab.at("10:15"), state, account, signal=1, size=0.10)
    again = lab.decide(of, lab.at("10:16"), lab.locked(quiet.after), account, signal=1, size=0.10)
    assert orders(again, account) == [(-held, Reason.UNWIND_EXTERNAL.code)]


def test_world_capital_leaves_out_what_is_theirs_and_nothing_of_ours(lab: Any) -> None:
    of = lab.frame(2, capital=0.5)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    for held, outside in ((140, 4_000), (60, 0), (-40, -4_000)):
        tick = lab.decide(of, lab.at("10:15"), state, mixed(lab, of, held, 100), signal=1)
        assert tick.load.capital == 0.5 * (100_000 - outside), held
        assert tick.load.outside[0] * tick.load.capital == pytest.approx(outside)
        assert symbol_views(tick)[0].held * tick.load.capital == pytest.approx(held * 100)
        assert symbol_views(tick)[0].external * tick.load.capital == pytest.approx(outside)


def test_what_others_hold_takes_room_under_the_caps_beside_ours(lab: Any) -> None:
    of = lab.frame(5)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    account = mixed(lab, of, 300, 100, equity=120_000.0)
    tick = lab.decide(of, lab.at("10:00"), state, account, signal=1)
    assert tick.load.capital == 100_000
    assert float(tick.orders.target[1:].sum()) == pytest.approx(0.60 - 0.30)


def test_an_excess_of_ours_is_trimmed_and_theirs_is_not_counted_for_it(lab: Any) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.20}, lab.at("09:46"))
    account = mixed(lab, of, 220, 200, equity=102_000.0)
    tick = lab.decide(of, lab.at("10:01"), state, account, signal=1)
    assert orders(tick, account) == [(-50, Reason.TRIM.code)]
    small = mixed(lab, of, 400, 100, equity=130_000.0)
    assert not orders(lab.decide(of, lab.at("10:01"), state, small, signal=1), small)


def test_r16_levels_count_from_what_we_paid(lab: Any) -> None:
    """The broker's average is of both; stop and take stay where they were, also where only the distance is remembered."""
    of = lab.frame(1, stop="distance")
    state, holds = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    state = lab.locked(replace(state, stop_distance=np.array([3.0])))
    alone = lab.decide(of, lab.at("10:15"), state, holds, signal=1, mark=98.0)
    for broker in (90.0, 120.0):
        account = mixed(lab, of, 400, 100, average_price=broker)
        tick = lab.decide(of, lab.at("10:15"), state, account, signal=1, mark=98.0)
        assert tick.target.stop_level[0] == alone.target.stop_level[0] == 97.0
        assert not tick.target.stopping[0]
        assert tick.after.average[0] == broker  # which a split is told by
    unknown = mixed(lab, of, 400, 100, paid=np.nan, average_price=99.0)
    assert lab.decide(of, lab.at("10:15"), state, unknown, signal=1, mark=98.0).target.stop_level[0] == 96.0


def test_a_working_exit_of_ours_is_enough_and_one_of_less_is_not(lab: Any) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    for left, cancel in ((-100, 0), (-99, int(Reason.CANCEL_EXIT))):
        exit_ = WorkingOrder("q1-exit", "S000", Decimal(left), "close", lab.at("10:14"), 1)
        account = mixed(lab, of, 130, 100, working=(exit_,))
        tick = lab.decide(of, lab.at("10:15"), state, account, signal=0)
        assert tick.orders.cancel[0] == cancel
        assert tick.orders.leg[0] == NO_LEG


def test_a_position_that_opens_while_somebody_buys_has_its_owner_and_its_exits(lab: Any) -> None:
    """Our entry fills, and at the same tick the broker shows one share more."""
    of = lab.frame(1)
    fill = lab.fill("S000", 100, lab.at("10:01"))
    account = mixed(lab, of, 101, 100, fills=(fill,))
    opened = lab.decide(of, lab.at("10:01"), None, account, signal=1, decision=False)
    assert (opened.after.owner[0], opened.after.side[0]) == (0, 1)
    account = mixed(lab, of, 101, 100)
    tick = lab.decide(of, lab.at("10:15"), lab.locked(opened.after), account, signal=1, mark=90.0)
    assert tick.orders.leg[0] == CLOSE_LEG
    assert orders(tick, account) == [(-100, Reason.POSITION_STOP.code)]


def test_after_ours_is_closed_the_rest_is_nobodys_business(lab: Any) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    sold = lab.fill("S000", -100, lab.at("10:15"))
    account = mixed(lab, of, 1, 0, fills=(sold,))
    tick = lab.decide(of, lab.at("10:16"), state, account, signal=0, decision=False)
    assert (tick.after.owner[0], tick.after.side[0]) == (-1, 0)
    assert not tick.load.held[0]
    later = lab.decide(of, lab.at("10:30"), lab.locked(tick.after), mixed(lab, of, 1, 0), signal=1)
    assert later.orders.leg[0] == NO_LEG


def test_an_account_that_cannot_be_read_sends_nothing_and_forgets_nothing(lab: Any) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    seen = lab.decide(of, lab.at("10:00"), state, mixed(lab, of, 140, 100), signal=1, size=0.10)
    blind = lab.decide(of, lab.at("10:15"), lab.locked(seen.after), lab.account(of, readable=False), signal=0)
    assert blind.orders.leg[0] == NO_LEG
    account = mixed(lab, of, 140, 100)
    back = lab.decide(of, lab.at("10:30"), lab.locked(blind.after), account, signal=0)
    assert orders(back, account) == [(-100, Reason.OWNER_EXIT.code)]


def test_a_kill_says_that_all_is_closed_when_it_is_and_names_what_stays(lab: Any) -> None:
    of = lab.frame(1, risk=RiskLimits(on_kill="flatten"))
    state, _ = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    refused = OrderResult("q1-x", "S000", "REJECTED", "auth", "", "open")
    killed = lab.decide(of, lab.at("10:15"), state, mixed(lab, of, 101, 100, results=(refused,)), signal=1)
    assert [text.partition(",")[0] for text in alerts_of(killed, HOUR)] == [
        "is killed: kill.auth; everything that is ours is to be closed"
    ]
    half = mixed(lab, of, 51, 50, fills=(lab.fill("S000", -50, lab.at("10:15")),))
    waiting = lab.decide(of, lab.at("10:16"), lab.locked(killed.after), half, signal=1, decision=False)
    assert alerts_of(waiting, HOUR) == ()
    rest = mixed(lab, of, 1, 0, fills=(lab.fill("S000", -50, lab.at("10:16")),))
    done = lab.decide(of, lab.at("10:17"), lab.locked(waiting.after), rest, signal=1, decision=False)
    assert alerts_of(done, HOUR) == ("holds nothing of its own any more; what is not ours stays: S000",)
    after = lab.decide(of, lab.at("10:18"), lab.locked(done.after), mixed(lab, of, 1, 0), signal=1, decision=False)
    assert alerts_of(after, HOUR) == ()
