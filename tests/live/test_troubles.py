"""Pitfalls R32 and R35 to R41 on the real thing: clocks, late ticks, outages, limits and refusals of the broker."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from qmtl.cli.permits import settings_of
from qmtl.engine.orders import OrderState
from qmtl.engine.projections import Projections
from qmtl.engine.reasons import Reason
from qmtl.engine.ticks import WallTimes

from .market import moment
from .rig import Rig, held, orders

Build = Callable[..., Any]
POST = {"method": "POST", "path": "/v2/orders"}


# ---- R32: closed and halted


@pytest.mark.parametrize("words", [None, "market is closed", "trading paused in AAA"])
def test_r32_what_is_closed_or_halted_cools_down_and_never_kills(place: Build, words: str | None) -> None:
    """Nine refusals in a row are nine quarters of an hour, each after a cooldown; other symbols trade, and it ends by itself."""
    here = place(AAA="+", BBB="00+")
    run = here.rig()
    if words is None:
        here.venue.fault({"do": "halted", "match": {"symbol": "AAA"}})
    else:
        match = {"method": "POST", "symbol": "AAA"}
        here.venue.fault({"do": "refuse", "as": "halted", "words": {"message": words}, "times": 0, "match": match})
    run.tick("09:45", times=4)
    assert here.venue.calls()["POST /v2/orders"] == 1  # no loop
    for quarter in range(1, 9):
        run.tick(_quarter(quarter), times=2)
        assert not run.world.gate.kill
    assert here.venue.calls()["POST /v2/orders"] == 10
    assert sorted(run.ledger()) == ["BBB"]
    assert {(r.state, r.error) for r in run.replies() if r.error} == {("REJECTED", "business")}
    here.venue.heal()
    run.tick(_quarter(9), times=2)
    assert sorted(run.ledger()) == ["AAA", "BBB"]


def _quarter(number: int) -> str:
    minutes = 9 * 60 + 45 + 15 * number
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def test_r32_a_close_that_no_calendar_knows_loses_nothing_and_kills_nothing(place: Build) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    here.venue.fault({"do": "closed"})
    for quarter in range(4):
        run.tick(_quarter(quarter), times=4)
        assert not run.world.gate.kill
    assert held(here.venue) == run.ledger() == {}
    here.venue.heal()
    run.tick(_quarter(4), times=2)
    assert sorted(run.ledger()) == ["AAA", "BBB"]
    assert run.ledger() == held(here.venue)


def test_r32_an_exit_in_a_halt_is_tried_on_told_and_done_when_the_halt_ends(place: Build) -> None:
    here = place(AAA="+0")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.fault({"do": "halted", "match": {"symbol": "AAA"}})
    run.tick("10:00", times=14)
    assert any("cannot close AAA: the exit was refused 3 times in a row" in text for text in run.told.said)
    assert not run.world.gate.kill
    assert here.venue.calls()["POST /v2/orders"] <= 1 + 14  # one try a tick at most
    here.venue.heal()
    run.tick("10:14", times=3)
    assert held(here.venue) == run.ledger() == {}


# ---- R35 to R37: time


def test_r35_a_clock_that_is_off_blocks_entries_and_no_exit(place: Build) -> None:
    here = place(AAA="+0", BBB="0+")
    run = here.rig()
    run.tick("09:45", times=2)
    for seconds in (30, -30):
        here.venue.heal()
        here.venue.fault({"do": "clock_skew", "seconds": seconds})
        run.tick("10:00" if seconds > 0 else "10:05")
        assert run.world.account.blocked == Reason.CLOCK_SKEW
    assert [(o.symbol, o.leg) for o in run.intents().values()] == [("AAA", "open"), ("AAA", "close")]
    assert run.told.reports[2].ticks[0].orders.reason[1] == Reason.CLOCK_SKEW
    here.venue.heal()
    here.venue.fault({"do": "clock_skew", "seconds": 3})  # less than max_skew
    run.tick("10:15", times=2)
    assert sorted(run.ledger()) == ["BBB"]


def test_r35_seconds_are_counted_by_a_clock_that_nobody_sets(place: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's clock jumps by days between two orders of a tick: its deadline does not notice."""
    here = place(AAA="+", BBB="+")
    run = here.rig()
    run.set(deadline=20.0)
    broker, real = run.runtime.edges.broker, time.time
    inner = type(broker).submit

    def submit(self: Any, order: Any, now: int) -> Any:
        monkeypatch.setattr(time, "time", lambda: real() + 500_000)
        return inner(self, order, now)

    monkeypatch.setattr(type(broker), "submit", submit)
    run.tick("09:45")
    assert len(orders(here.venue)) == 2


class _Live:
    """A wall clock from the venue's moment on; the venue's goes with it."""

    def __init__(self, run: Rig) -> None:
        self.run, self._from, self._began = run, run.now, time.monotonic()

    def __call__(self) -> float:
        self.run.move(self._from + time.monotonic() - self._began)
        return self.run.now


def _on_a_wall_clock(run: Rig, seconds: float) -> Sequence[tuple[float, float, int]]:
    """Let the real loop tick by the real times for so long: (began, ended, grid time) of each tick."""
    clock, ticks = _Live(run), []
    inner, until = run.runtime.tick, time.monotonic() + seconds

    def tick(now: int) -> Any:
        began = clock()
        report = inner(now)
        ticks.append((began, clock(), now))
        if time.monotonic() > until:
            run.session.stopped.set()
        return report

    run.runtime.tick = tick  # type: ignore[method-assign]
    projections = Projections(run.out, durable=False)
    run.session._loop(run.runtime, WallTimes(1, run.session.stopped, clock), projections, run.opened)
    projections.close()
    return ticks


def test_r36_ticks_never_overlap_and_those_that_were_missed_coalesce(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig(interval=1)
    for path in ("/v2/positions", "/v2/stocks/quotes/latest"):  # two seconds each: one tick takes more than four
        here.venue.fault({"do": "hang", "match": {"method": "GET", "path": path, "nth": 2}})
    ticks = _on_a_wall_clock(run, 8.0)
    for (_, ended, _), (began, _, _) in itertools.pairwise(ticks):
        assert began >= ended
    times = [now for _, _, now in ticks]
    assert times == sorted(set(times))
    assert max(b - a for a, b in itertools.pairwise(times)) >= 2  # what was missed is left out
    assert all(began - now < 1.0 for began, _, now in ticks[1:])  # each is the newest there is


def test_r36_a_tick_that_is_late_sends_nothing_more_and_the_next_one_goes_on(place: Build) -> None:
    """The first of three orders takes all the time there is; its answer and the other two are settled a tick later."""
    here = place(AAA="+", BBB="+", CCC="+")
    run = here.rig()
    assert settings_of(run.deployment).deadline == 48.0
    run.set(deadline=0.8)
    here.venue.fault({"do": "accept_then_hang", "match": POST})
    sent = run.tick("09:45").netted.orders
    assert len(sent) == 3
    assert len(orders(here.venue)) == 1
    states = {t.order.client_order_id: t.state for t in run.runtime.progress.book.orders}
    assert list(states.values()) == [OrderState.INTENDED] * 3
    run.tick()
    assert [o["client_order_id"] for o in orders(here.venue)] == [o.client_order_id for o in sent]
    assert all(o["posts"] == 1 for o in orders(here.venue))
    run.tick("10:00", times=2)
    assert run.ledger() == held(here.venue)


def test_r36_prices_and_positions_are_looked_at_again_before_anything_is_sent(
    place: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quote of AAA is four percent from the bar that was decided on; BBB is bought by hand between reading and sending."""
    here = place(AAA="+g", BBB="+", CCC="+")
    here.edit("collar: 50%", "collar: 2%")
    run = here.rig()
    broker = run.runtime.edges.broker
    inner = type(broker).positions

    def positions(self: Any) -> Any:
        here.venue.manual(do="trade", symbol="BBB", qty="3", price="102")
        return inner(self)

    monkeypatch.setattr(type(broker), "positions", positions)
    report = run.tick("09:45")
    assert run.why("AAA") == Reason.DENIED_COLLAR
    assert sorted(o.symbol for o in report.netted.orders) == ["BBB", "CCC"]
    assert [o["symbol"] for o in orders(here.venue)] == ["CCC"]
    monkeypatch.undo()


def test_r37_in_an_outage_calls_are_few_and_the_loop_sleeps(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig(interval=1)
    before = sum(here.venue.calls().values())
    here.venue.fault({"do": "503", "match": {"path": "/v2/*"}, "times": 0})
    ticks = _on_a_wall_clock(run, 4.0)
    asked = sum(here.venue.calls().values()) - before
    assert 3 <= len(ticks) <= 6
    assert asked <= 4 * len(ticks)
    assert any("the account cannot be read" in text for text in run.told.said)
    assert sum("the account cannot be read" in text for text in run.told.said) == 1


def test_r37_without_any_network_a_tick_ends_and_the_loop_sleeps(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig(interval=1)
    here.venue.fault({"do": "drop_before", "match": {"path": "/v2/*"}, "times": 0})
    assert len(_on_a_wall_clock(run, 3.0)) <= 5
    here.venue.heal()


# ---- R38 to R41: limits and refusals


def _virtual(run: Rig) -> None:
    """Requests are counted by the venue's minutes."""
    assert run.opened.lines is not None
    for line in (run.opened.lines.trading, run.opened.lines.data):
        line._budget._clock = run.wall  # type: ignore[attr-defined]
        line._budget._sleep = lambda _seconds: None  # type: ignore[attr-defined]


def test_r38_after_a_429_nobody_asks_before_the_broker_says_so(place: Build) -> None:
    here = place(AAA="+0")
    run = here.rig()
    _virtual(run)
    run.tick("09:45", times=2)
    here.venue.fault({"do": "429", "retry_after": 150, "match": {"path": "/v2/orders"}})
    run.tick("10:00")
    asked = {name: n for name, n in here.venue.calls().items() if "stocks" not in name}
    run.tick(times=2)
    assert {name: n for name, n in here.venue.calls().items() if "stocks" not in name} == asked
    assert any("the broker refuses requests for now (429)" in one.text for one in run.last.troubles)
    assert not run.world.gate.kill
    run.tick(times=3)
    assert run.last.snapshot is not None
    run.tick("10:15", times=2)
    assert held(here.venue) == run.ledger() == {}


def test_r38_a_limit_that_others_use_too_is_never_overrun(place: Build) -> None:
    """Somebody else takes most of the minute: the program waits its turn, and the broker has to refuse nothing."""
    from ..venue.made import call

    here = place(AAA="+0", rate_limit=40)
    run = here.rig(requests=40)
    _virtual(run)
    run.tick("09:45")
    refused = []
    for minute in range(1, 4):
        here.venue.move(moment("09:45") + 60 * minute)
        refused += [a for a in (call(here.venue, "GET", "/v2/account") for _ in range(33)) if a.status == 429]
        run.tick(moment_text(minute))
    assert refused == []
    assert not any("429" in text for text in run.told.said)
    run.tick("10:00", times=2)
    assert held(here.venue) == run.ledger() == {}


def moment_text(minute: int) -> str:
    return f"09:{45 + minute:02d}"


BUSINESS = (
    "buying_power",
    "wash",
    "no_short_account",
    "not_tradable",
    "day_trade",
    "intraday_margin",
    "suspended",
    "min_cost",
)


@pytest.mark.parametrize("refusal", BUSINESS)
def test_r39_a_refusal_for_business_rests_its_symbol_and_is_no_error_of_authentication(
    place: Build, refusal: str
) -> None:
    here = place(AAA="+", BBB="0+")
    here.edit("min_delta:", "reject_cooldown: 20, min_delta:")
    run = here.rig()
    here.venue.fault({"do": "refuse", "as": refusal, "times": 0, "match": {"method": "POST", "symbol": "AAA"}})
    for quarter in range(6):
        run.tick(_quarter(quarter), times=2)
        assert not run.world.gate.kill
    assert sorted(run.ledger()) == ["BBB"]
    assert here.venue.calls()["POST /v2/orders"] == 1 + 3  # every second quarter: 20 ticks of rest
    assert {(r.state, r.error) for r in run.replies() if r.error} == {("REJECTED", "business")}


def test_r39_a_403_that_nobody_knows_is_told_and_kills_nothing(place: Build) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    match = {"method": "POST", "symbol": "AAA"}
    here.venue.fault(
        {"do": "refuse", "as": "blocked", "words": {"message": "the moon is in the wrong house"}, "match": match}
    )
    run.tick("09:45", times=2)
    assert any("the moon is in the wrong house" in text for text in run.told.said)
    run.tick("10:00", times=2)
    assert not run.world.gate.kill
    assert sorted(run.ledger()) == ["AAA", "BBB"]


def test_r39_keys_that_are_refused_are_an_error_of_authentication(place: Build) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    here.venue.fault({"do": "refuse", "as": "unauthorized", "match": POST})
    run.tick("09:45", times=2)
    assert run.world.gate.kill == Reason.KILL_AUTH
    run.tick("10:00", times=2)
    assert orders(here.venue) == []


def test_r40_sells_go_first_and_buys_are_cut_to_the_buying_power_there_is(place: Build) -> None:
    """A cash account that is all in two symbols: what is sold pays for nothing before it has filled."""
    here = place(AAA="+0", BBB="+", CCC="0+", account="cash", cash="50000")
    here.edit("max_symbol: 20%", "max_symbol: 50%")
    here.edit("max_total: 80%", "max_total: 100%")
    run = here.rig()
    run.tick("09:45", times=2)
    money = run.last.snapshot
    assert money is not None
    assert money.buying_power < 500
    report = run.tick("10:00")
    assert (report.netted.orders[0].symbol, report.netted.orders[0].side) == ("AAA", "sell")
    assert all(o.qty * o.mark <= money.buying_power for o in report.netted.orders if o.side == "buy")
    run.tick()
    run.tick("10:15", times=2)
    assert sorted(run.ledger()) == ["BBB"]  # what was sold has not settled yet
    run.tick("2025-11-25 10:00", times=2)
    assert sorted(run.ledger()) == ["BBB", "CCC"]
    assert all(post["refused"] == 0 for post in here.venue.book()["posts"].values())
    equity = float(run.last.snapshot.equity) if run.last.snapshot else 0.0
    for symbol, qty in held(here.venue).items():
        assert float(qty) * 102 <= equity * 0.5 * 1.05, symbol  # what is held is trimmed beyond the tolerance only
    assert Decimal(here.venue.book()["cash"]) >= 0


@pytest.mark.parametrize(
    "path", ["/v2/account/activities", "/v2/stocks/bars", "/v2/stocks/quotes/latest", "/v2/assets"]
)
def test_r41_an_endpoint_that_is_gone_is_told_opens_nothing_and_keeps_exits_possible(place: Build, path: str) -> None:
    """AAA is stopped by the broker's own price while the endpoint refuses everything."""
    here = place(AAA="hhd", BBB="0000+")
    here.edit("position_stop: 50%", "position_stop: 4%")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.fault({"do": "refuse", "as": "no_endpoint", "times": 0, "match": {"method": "GET", "path": path}})
    run.crash()
    run = here.rig()
    run.tick("10:00", times=5)
    run.tick("10:15", times=4)
    run.tick("10:31", times=20)
    assert "AAA" not in held(here.venue), path
    assert run.ledger() == held(here.venue)
    if path != "/v2/stocks/quotes/latest":
        run.tick("11:00", times=2)
        assert orders(here.venue, "BBB") == []
    assert any("endpoint" in text or "again" in text or "could not be read" in text for text in run.told.said), (
        run.told.said
    )


def test_r41_answers_of_another_shape_are_errors_and_no_facts(place: Build) -> None:
    here = place(AAA="+0")
    run = here.rig()
    run.tick("09:45", times=2)
    before = run.ledger()
    for path in ("/v2/account", "/v2/positions", "/v2/orders"):
        for fault in ("html_200", "truncated_json"):
            here.venue.fault({"do": fault, "match": {"method": "GET", "path": path}, "times": 0})
            run.tick()
            assert run.last.snapshot is None
            assert run.ledger() == before
            here.venue.heal()
    run.tick("10:00", times=2)
    assert held(here.venue) == run.ledger() == {}
