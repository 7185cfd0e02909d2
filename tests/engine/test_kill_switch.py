"""The "Kill switch" section of decisions.md, sentence by sentence, and the pitfalls about it.

day -2 %, week -5 %, reached counts as over          test_the_shipped_limits_are_reached_exactly
two readings at least a tick apart                   test_a_loss_needs_two_readings_a_tick_apart
in regular hours                                     test_losses_outside_regular_hours_do_not_fire
before the orders step                               test_r07_the_tick_of_a_kill_opens_nothing
3 in a row                                           test_r39_three_failures_in_a_row
5 in 5 minutes                                       test_a_success_ends_the_row_but_not_the_window
> 20 % of >= 20                                      test_the_share_of_failures_has_sharp_edges
any 401                                              test_one_auth_error_kills_and_does_not_recover
business rejects count nothing                       test_r39_business_rejects_and_denials_never_kill
... and cool entries for 3 ticks                     test_a_business_reject_cools_entries_for_three_ticks
... but no exits                                     test_a_refused_exit_is_tried_next_tick_and_alerts_after_three
UNKNOWN and 5xx once per order                       test_an_order_that_fails_twice_counts_once
DENIED never                                         test_r39_business_rejects_and_denials_never_kill
day anchor: the previous session's close             test_r13_anchors_are_the_previous_close_and_survive_restarts
week anchor: last close of the previous ISO week     test_anchors_follow_iso_weeks_over_dst_and_the_turn_of_the_year
exchange time                                        test_anchors_follow_iso_weeks_over_dst_and_the_turn_of_the_year
minus flows                                          test_money_that_comes_overnight_is_no_profit_and_no_loss
persisted                                            test_r13_a_restart_in_a_drawdown_keeps_the_limit_that_was
capital moved between worlds is a flow               not yet: worlds get no capital while they run
world kill: its own ledger                           test_a_worlds_loss_limit_counts_its_own_losses_only
account kill: of the deployment                      not yet: there are no limits of an account
killed: cancel, confirm, verified exits only         test_r42_r43_killed_cancels_first_then_allows_verified_exits_only
flatten when declared                                test_r43_a_kill_cancels_confirms_and_then_flattens
loss and auth kills need `qmtl resume`               test_loss_kills_wait_for_resume_and_fire_again_after_a_further_loss
... which records who and why                        test_r13_a_loss_kill_holds_over_restarts_until_somebody_lifts_it
... a further loss of its size                       test_loss_kills_wait_for_resume_and_fire_again_after_a_further_loss
... or at the next anchor                            test_after_resume_the_next_anchor_counts_again
... the same limit                                   test_resume_lifts_the_limit_that_killed_and_no_other
others recover after 5, 10, 20 minutes               test_failure_kills_recover_after_5_10_20_minutes_and_the_fourth_waits_for_a_person
... at most three times a day                        test_the_next_exchange_day_recovers_again
equity of 0, NaN or a jump: a second reading         test_r45_a_strange_equity_needs_a_second_reading
... without a kill in between                        test_r45_one_bad_print_kills_nothing
deposits and withdrawals are not P&L                 test_flows_are_no_losses
an exception in the gate: no orders                  test_r44_an_exception_in_the_gate_sends_and_stores_nothing
a halt is told again (R46)                           test_r46_a_halt_is_told_again_and_again
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import RiskLimits
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.decide import decide
from qmtl.engine.killswitch import resume, week_number
from qmtl.engine.market import OrderResult
from qmtl.engine.reasons import Reason
from qmtl.engine.state import RING, decode, encode, initial

TESTS = Path(__file__).resolve().parents[1]


class Days:
    """One symbol, one account without a broker: equity and results are given, the state goes on over encoded bytes."""

    def __init__(self, lab: Any, **settings: Any) -> None:
        self.lab, self.of = lab, lab.frame(1, ("alpha",), **settings)
        self.state = lab.locked(initial(self.of))
        self.serial = 0

    def tick(self, now: int, equity: float = 100_000.0, **more: Any) -> Any:
        columns = {name: more.pop(name) for name in ("signal", "decision", "mark", "session") if name in more}
        holds = self.lab.account(self.of, equity=equity, **more)
        state, tick = decide(self.of, self.state, self.lab.market(self.of, now, **columns), holds, now)
        self.state = self.lab.locked(decode(encode(state, self.of), self.of))
        return tick

    def results(self, count: int, error: str, outcome: str = "REJECTED", leg: str = "open") -> tuple[OrderResult, ...]:
        self.serial += count
        return tuple(OrderResult(f"q1-{self.serial - i}", "S000", outcome, error, "", leg) for i in range(count))


def killed(tick: Any) -> Reason:
    return Reason(int(tick.gate.kill))


def test_every_test_of_the_table_exists() -> None:
    texts = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    missing = [name for name in re.findall(r"\btest_\w+$", __doc__ or "", re.MULTILINE) if f"def {name}(" not in texts]
    assert not missing


# ---- limits


@pytest.mark.parametrize(("equity", "week"), [(98_000.0, False), (98_000.01, False), (95_000.0, True)])
def test_the_shipped_limits_are_reached_exactly(lab: Any, equity: float, week: bool) -> None:
    days = Days(lab, risk=RiskLimits() if not week else RiskLimits(daily_loss=-0.5))
    days.tick(lab.at("09:45"))
    days.tick(lab.at("10:00"), equity)
    expected = Reason.KILL_WEEK if week else Reason.KILL_DAY if equity == 98_000.0 else Reason.NONE
    assert killed(days.tick(lab.at("10:01"), equity)) is expected


def test_r07_the_tick_of_a_kill_opens_nothing(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    days.tick(lab.at("10:14"), 97_000.0)
    tick = days.tick(lab.at("10:15"), 97_000.0, signal=1)
    assert (tick.gate.fired, tick.orders.leg.any()) == (True, False)
    assert lab.why(tick, 0, "orders") is Reason.KILL_DAY


def test_a_first_reading_of_friday_is_confirmed_on_monday_for_the_week_only(lab: Any) -> None:
    """The day's anchor is new, so the day's reading is forgotten; ISO weeks: the test day is a Tuesday."""
    days = Days(lab, risk=RiskLimits(daily_loss=-0.05, weekly_loss=-0.05))
    days.tick(lab.at("09:45"))
    days.tick(lab.at("15:59"), 94_900.0)
    tick = days.tick(lab.at("09:31", 1), 94_900.0, decision=False)
    assert killed(tick) is Reason.KILL_WEEK
    assert tick.gate.day_breach_at == 0


# ---- failures


@pytest.mark.parametrize(
    ("failures", "orders", "kill"), [(4, 20, False), (5, 20, True), (5, 19, False), (8, 40, False)]
)
def test_the_share_of_failures_has_sharp_edges(lab: Any, failures: int, orders: int, kill: bool) -> None:
    days = Days(lab, risk=RiskLimits(max_failures=50, max_consecutive_failures=50))
    answers = days.results(orders - failures, "", "ACCEPTED") + days.results(failures, "server")
    assert killed(days.tick(lab.at("10:00"), results=answers)) is (Reason.KILL_RATE if kill else Reason.NONE)


@pytest.mark.parametrize(("error", "outcome"), [("business", "REJECTED"), ("", "DENIED"), ("", "EXPIRED_UNSENT")])
def test_r39_business_rejects_and_denials_never_kill(lab: Any, error: str, outcome: str) -> None:
    days = Days(lab)
    for minute in range(20):
        tick = days.tick(lab.at("10:00") + minute * 60, results=days.results(10, error, outcome))
        assert killed(tick) is Reason.NONE
    assert (tick.gate.consecutive, int(tick.gate.ring_failures.sum())) == (0, 0)


def test_an_order_that_fails_twice_counts_once(lab: Any) -> None:
    """UNKNOWN first, a 5xx when it is asked about: one failure of one order."""
    days = Days(lab)
    (lost,) = days.results(1, "unknown", "UNKNOWN")
    for minute, error in enumerate(("unknown", "server", "server", "unknown")):
        tick = days.tick(lab.at("10:00") + minute * 60, results=(replace(lost, error=error),))
    assert (killed(tick), tick.gate.consecutive) == (Reason.NONE, 1)


def test_a_long_window_forgets_nothing_that_is_inside_it(lab: Any) -> None:
    """More ticks with answers than the ring has buckets, all within the window: they share buckets."""
    days = Days(lab, risk=RiskLimits(failure_window=6 * 3600, max_failures=90, max_consecutive_failures=500))
    now = lab.at("09:31")
    for _ in range(89):
        answers = days.results(1, "server") + days.results(4, "", "ACCEPTED")
        tick = days.tick(now, results=answers, decision=False)
        now += 120
    assert killed(tick) is Reason.NONE
    assert int(np.count_nonzero(tick.gate.ring_at)) <= RING
    assert killed(days.tick(now, results=days.results(1, "server"), decision=False)) is Reason.KILL_FAILURES


def test_a_long_window_forgets_what_is_behind_it(lab: Any) -> None:
    days = Days(lab, risk=RiskLimits(failure_window=3 * 3600, max_failures=3, max_consecutive_failures=500))
    for clock, kill in (("09:31", False), ("09:35", False), ("12:45", False), ("12:46", False), ("12:47", True)):
        answers = days.results(1, "server")
        assert bool(days.tick(lab.at(clock), results=answers, decision=False).gate.kill) == kill


def test_the_next_exchange_day_recovers_again(lab: Any) -> None:
    days = Days(lab)
    now = lab.at("10:00")
    for _ in range(4):
        days.tick(now, results=days.results(3, "server"))
        days.tick(now + 2_000)
        now += 3_000
    assert int(days.state.recover_at) == 0  # the fourth waits for a person
    days.state = lab.locked(resume(days.state, now))
    days.tick(now + 60, results=days.results(3, "server"))
    assert int(days.state.recover_at) == 0  # and so does a fifth on the same day
    days.state = lab.locked(resume(days.state, now))
    morning = lab.at("10:00", 1)
    days.tick(morning, results=days.results(3, "server"))
    assert int(days.state.recover_at) == morning + 300


# ---- anchors


def test_anchors_follow_iso_weeks_over_dst_and_the_turn_of_the_year(lab: Any) -> None:
    """Every session of half a year with both changes of New York's clocks: anchors are the closes before, by ISO date and week."""
    calendar = SessionCalendar("XNYS", "2025-10-20", "2026-04-01")
    days = Days(lab, risk=RiskLimits(daily_loss=-1.0, weekly_loss=-1.0))
    day, closes = dt.date(2025, 10, 21), {}
    offsets = set()
    while day < dt.date(2026, 3, 28):
        times = calendar.times(int(dt.datetime(day.year, day.month, day.day, 23, tzinfo=dt.UTC).timestamp()))
        if times.day == day.isoformat():
            offsets.add(times.open_at % 86_400)
            for now in (times.open_at + 900, times.close_at):
                equity = 100_000.0 + 10.0 * len(closes) + (5.0 if now == times.close_at else 0.0)
                tick = days.tick(now, equity, session=times, decision=True)
                if closes:
                    before = max(closes)
                    assert tick.gate.day_anchor == closes[before]
                    earlier = [d for d in closes if d.isocalendar()[:2] < day.isocalendar()[:2]]
                    assert tick.gate.week_anchor == (closes[max(earlier)] if earlier else 100_000.0)
                year, week, _ = day.isocalendar()
                assert (week_number(times), tick.gate.week) == (year * 100 + week, year * 100 + week)
            closes[day] = equity
        day += dt.timedelta(days=1)
    assert len(closes) > 100
    assert len(offsets) == 2  # the open moved by an hour, twice
    assert {d.isocalendar()[:2] for d in (dt.date(2025, 12, 31), dt.date(2026, 1, 2))} == {(2026, 1)}


def test_money_that_comes_overnight_is_no_profit_and_no_loss(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    days.tick(lab.at("16:00"), 99_000.0)
    tick = days.tick(lab.at("09:31", 1), 149_000.0, flows=50_000.0, decision=False)
    assert (tick.gate.day_anchor, tick.gate.week_anchor) == (149_000.0, 150_000.0)
    assert tick.gate.day_loss == 0.0
    days.tick(lab.at("10:00", 1), 149_000.0 * 0.98)
    assert killed(days.tick(lab.at("10:01", 1), 149_000.0 * 0.98)) is Reason.KILL_DAY


def test_a_withdrawal_does_not_hide_a_loss(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    days.tick(lab.at("10:00"), 78_400.0, flows=-20_000.0)  # 80,000 is left of which 2 % are lost
    assert killed(days.tick(lab.at("10:01"), 78_400.0)) is Reason.KILL_DAY


def test_r13_a_restart_in_a_drawdown_keeps_the_limit_that_was(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    days.tick(lab.at("10:00"), 98_500.0)
    again = Days(lab)  # another process, from the bytes of the first
    again.state = lab.locked(decode(encode(days.state, days.of), again.of))
    assert killed(again.tick(lab.at("10:15"), 98_000.0)) is Reason.NONE
    assert killed(again.tick(lab.at("10:16"), 98_000.0)) is Reason.KILL_DAY


def test_r14_a_realised_loss_counts_after_a_restart_with_nothing_held(lab: Any) -> None:
    """1.5 % are lost and everything is flat; the process that starts then has half a percent left for the day, not two."""
    days = Days(lab)
    days.tick(lab.at("09:45"))
    days.tick(lab.at("10:00"), 98_500.0)
    assert not days.state.qty.any()
    again = Days(lab)
    again.state = lab.locked(decode(encode(days.state, days.of), again.of))
    for minute, equity in (("10:15", 98_200.0), ("10:16", 98_200.0), ("10:30", 97_900.0)):
        assert killed(again.tick(lab.at(minute), equity)) is Reason.NONE
    assert killed(again.tick(lab.at("10:31"), 97_900.0)) is Reason.KILL_DAY


def test_money_that_comes_with_an_unreadable_equity_is_no_loss(lab: Any) -> None:
    """The levels move with the deposit, so what is believed of the equity has to move with it."""
    days = Days(lab)
    days.tick(lab.at("09:45"))
    tick = days.tick(lab.at("10:00"), float("nan"), flows=50_000.0)
    assert (tick.load.equity, tick.gate.day_level, tick.gate.day_loss) == (150_000.0, 150_000.0, 0.0)
    tick = days.tick(lab.at("10:01"), 149_900.0)
    assert tick.load.trusted
    assert tick.gate.day_loss == pytest.approx(-100 / 150_000)


# ---- resume


def lost(days: Days, lab: Any, equity: float) -> Reason:
    days.tick(lab.at("09:45"))
    days.tick(lab.at("10:00"), equity)
    kill = killed(days.tick(lab.at("10:01"), equity))
    days.state = lab.locked(resume(days.state, lab.at("10:02")))
    return kill


def test_after_resume_the_next_anchor_counts_again(lab: Any) -> None:
    days = Days(lab)
    assert lost(days, lab, 97_900.0) is Reason.KILL_DAY
    days.tick(lab.at("16:00"), 97_000.0)
    tick = days.tick(lab.at("09:45", 1), 97_000.0)
    assert (tick.gate.day_anchor, tick.gate.day_level) == (97_000.0, 97_000.0)
    days.tick(lab.at("10:00", 1), 95_060.0)
    assert killed(days.tick(lab.at("10:01", 1), 95_060.0)) is Reason.KILL_DAY


def test_resume_lifts_the_limit_that_killed_and_no_other(lab: Any) -> None:
    """A daily kill that is lifted leaves the week's 5 % where they were: 2 % and 3.1 % are more than that."""
    days = Days(lab)
    assert lost(days, lab, 97_900.0) is Reason.KILL_DAY
    tick = days.tick(lab.at("10:03"), 97_900.0)
    assert (tick.gate.day_level, tick.gate.week_level) == (97_900.0, 100_000.0)
    days.tick(lab.at("16:00"), 96_000.0)
    days.tick(lab.at("10:00", 1), 95_000.0)
    assert killed(days.tick(lab.at("10:01", 1), 95_000.0)) is Reason.KILL_WEEK


def test_a_week_that_broke_while_the_day_had_killed_kills_after_resume(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    for clock, equity in (("10:00", 97_900.0), ("10:01", 97_900.0), ("10:15", 94_000.0), ("10:16", 94_000.0)):
        assert killed(days.tick(lab.at(clock), equity)) in (Reason.NONE, Reason.KILL_DAY)
    days.state = lab.locked(resume(days.state, lab.at("10:17")))
    assert killed(days.tick(lab.at("10:18"), 94_000.0)) is Reason.KILL_WEEK
    days.state = lab.locked(resume(days.state, lab.at("10:19")))
    assert killed(days.tick(lab.at("10:20"), 94_000.0)) is Reason.NONE


def test_a_weekly_kill_that_is_lifted_takes_its_days_with_it(lab: Any) -> None:
    days = Days(lab)
    assert lost(days, lab, 94_000.0) is Reason.KILL_WEEK
    for clock in ("10:03", "10:04", "10:15"):
        assert killed(days.tick(lab.at(clock), 94_000.0)) is Reason.NONE
    days.tick(lab.at("10:30"), 92_100.0)
    assert killed(days.tick(lab.at("10:31"), 92_100.0)) is Reason.KILL_DAY


@pytest.mark.parametrize("error", ["auth", "server"])
def test_resume_of_other_kills_moves_no_limit(lab: Any, error: str) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    days.tick(lab.at("10:00"), 98_500.0, results=days.results(3, error))
    days.state = lab.locked(resume(days.state, lab.at("10:02")))
    tick = days.tick(lab.at("10:03"), 98_000.0)
    assert (tick.gate.day_level, tick.gate.week_level, killed(tick)) == (100_000.0, 100_000.0, Reason.NONE)
    assert killed(days.tick(lab.at("10:04"), 98_000.0)) is Reason.KILL_DAY


# ---- readings


@pytest.mark.parametrize("bad", [float("nan"), 0.0, -1.0, 70_000.0, 1_000_000.0])
def test_r45_one_bad_print_kills_nothing(lab: Any, bad: float) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    for minute in range(0, 40, 2):
        doubtful = days.tick(lab.at("10:00") + minute * 60, bad, decision=False)
        assert Reason(doubtful.gate.why) is Reason.EQUITY_DOUBT
        assert killed(days.tick(lab.at("10:01") + minute * 60, 100_000.0, decision=False)) is Reason.NONE
    assert float(days.state.day_level) == 100_000.0
