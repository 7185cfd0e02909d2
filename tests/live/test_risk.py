"""Pitfalls R42 to R47 on the real thing: kills, exits, readings of the account that are wrong, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from qmtl.cli.status import status
from qmtl.engine.adapters.commands import CommandFiles
from qmtl.engine.reasons import Reason

from .market import moment
from .rig import Rig, calls, held, orders

Build = Callable[..., Any]


def sent(run: Rig) -> list[tuple[str, str]]:
    """(symbol, leg) of every intent, by the time it was decided."""
    return [(o.symbol, o.leg) for o in sorted(run.intents().values(), key=lambda o: o.epoch)]


def test_r42_after_a_kill_only_verified_exits_and_cancels_leave(place: Build, kill: Build) -> None:
    here = place(AAA="+++0", BBB="0+", CCC="00+", DDD="-")
    run = here.rig()
    run.tick("09:45", times=2)
    run.tick("10:01")  # BBB's entry comes between two openings and rests
    assert [o["status"] for o in orders(here.venue, "BBB")] == ["new"]
    bought = held(here.venue)
    kill(run.out)
    run.tick()
    assert [o["status"] for o in orders(here.venue, "BBB")] == ["canceled"]
    run.tick("10:15", times=2)
    assert held(here.venue) == bought
    run.tick("10:30", times=3)
    assert held(here.venue) == run.ledger() == {"DDD": bought["DDD"]}
    exits = [o for o in run.intents().values() if o.epoch >= moment("10:02")]
    assert [(o.symbol, o.side, o.qty) for o in exits] == [("AAA", "sell", bought["AAA"])]


@pytest.mark.parametrize("cause", ["consecutive failures", "authentication", "another runner"])
def test_r42_no_cause_of_a_kill_blocks_the_exit(place: Build, cause: str) -> None:
    here = place(AAA="++0", BBB="0+", CCC="0+", DDD="0+")
    run = here.rig()
    run.tick("09:45", times=2)
    fault = {
        "consecutive failures": {"do": "500", "times": 6},
        "authentication": {"do": "refuse", "as": "unauthorized"},
    }
    if cause == "another runner":
        here.venue.manual(do="order", symbol="DDD", side="buy", qty="5", type="limit", limit_price="50",
                          client_order_id=f"q1-{'b' * 26}")  # fmt: skip
    else:
        here.venue.fault({**fault[cause], "match": {"method": "POST"}})
    run.tick("10:00", times=2)
    assert run.world.gate.kill
    run.tick("10:15", times=2)
    assert "AAA" not in held(here.venue)
    assert run.ledger() == {s: q for s, q in held(here.venue).items() if s != "DDD" or cause != "another runner"}


@pytest.mark.parametrize("at", ["10:02", "10:14"])
def test_r43_a_flatten_cancels_all_confirms_and_then_closes_and_nothing_refills(
    place: Build, kill: Build, at: str
) -> None:
    """BBB's entry rests, and its cancel takes two minutes: at 10:14 it fills before the cancel gets through."""
    here = place(AAA="++", BBB="0+")
    here.edit("min_delta:", "cancel_after: 60, min_delta:")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.fault({"do": "slow_cancel", "seconds": 120, "match": {"symbol": "BBB"}})
    run.tick("10:01")
    assert [o["status"] for o in orders(here.venue, "BBB")] == ["new"]
    kill(run.out, "--flatten")
    run.tick(at)
    assert sum(calls(here.venue, "DELETE").values()) == 1
    assert ("BBB", "close") not in sent(run)
    for _ in range(34):
        run.tick()
        working = [o["symbol"] for o in orders(here.venue) if o["status"] in ("new", "pending_cancel")]
        assert len(set(working)) == len(working)  # never an exit beside an entry that may still fill
    assert held(here.venue) == run.ledger() == {}
    filled = Decimal(orders(here.venue, "BBB")[0]["filled_qty"])
    assert bool(filled) == (at == "10:14")
    assert (("BBB", "close") in sent(run)) == bool(filled)
    run.tick("11:00", times=2)
    assert held(here.venue) == {}
    assert not [o for o in orders(here.venue) if o["status"] == "new"]


def test_r44_an_exception_in_the_risk_gate_sends_nothing_and_loses_no_kill(
    place: Build, kill: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(AAA="+", BBB="0+", CCC="00+")
    run = here.rig()
    run.tick("09:45", times=2)
    before, written = here.venue.calls(), run.opened.journal.last("tick:tiny")
    kill(run.out, "--flatten")
    with monkeypatch.context() as patch:
        patch.setattr("qmtl.engine.stages.orders.judge", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.tick("10:00")
    after = here.venue.calls()
    assert {k: n for k, n in after.items() if not k.startswith("GET")} == {
        k: n for k, n in before.items() if not k.startswith("GET")
    }
    assert run.opened.journal.last("tick:tiny") == written
    assert [c.kind for c in CommandFiles(run.out).take()] == ["kill"]
    run.crash()
    again = here.rig()
    again.tick("10:05")
    assert again.world.gate.kill == Reason.KILL_OPERATOR
    again.tick("10:15", times=3)
    assert held(here.venue) == again.ledger() == {}


def test_r44_an_exception_while_a_kill_is_carried_out_sends_nothing_either(
    place: Build, kill: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    run.tick("09:45", times=2)
    kill(run.out)
    monkeypatch.setattr("qmtl.engine.killswitch._kill", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.tick("10:00")
    assert len(orders(here.venue)) == 1


# ---- R45: false trips


def test_r45_money_that_is_paid_in_or_out_trips_nothing(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    run.tick("09:45", times=2)
    for number, (deed, amount) in enumerate((("withdraw", "30000"), ("deposit", "90000"), ("withdraw", "9000"))):
        here.venue.manual(do=deed, amount=amount)
        run.tick(f"09:5{number}", times=1)
        assert abs(run.world.gate.day_loss) < 0.002
        assert not run.world.gate.kill
        assert run.world.load.trusted
    assert run.runtime.progress.book.flows == 51_000


@pytest.mark.parametrize("print_", ["0", "-5", "NaN", "45000"])
def test_r45_one_bad_print_of_equity_trips_nothing_and_trades_nothing(
    place: Build, monkeypatch: pytest.MonkeyPatch, print_: str
) -> None:
    """The venue keeps its books; so the reading is spoiled after it came over the line."""
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    run.tick("09:45", times=2)
    broker = run.runtime.edges.broker
    inner = type(broker).hear

    def hear(self: Any, *arguments: Any) -> Any:
        told = inner(self, *arguments)
        return replace(told, snapshot=replace(told.snapshot, equity=Decimal(print_)))

    monkeypatch.setattr(type(broker), "hear", hear)
    run.tick("10:00")
    assert not run.last.netted.orders
    monkeypatch.undo()
    run.tick(times=2)
    assert not run.world.gate.kill
    assert run.ledger() == held(here.venue)
    run.tick("10:15", times=2)
    assert sorted(run.ledger()) == ["AAA", "BBB"]


def test_r45_a_day_without_a_trade_trips_nothing(place: Build) -> None:
    here = place()
    run = here.rig()
    for hour in range(10, 17):
        run.tick(f"{hour}:00", times=2)
        assert not run.world.gate.kill
        assert run.world.gate.trading == 0 or hour == 16
    assert orders(here.venue) == []


# ---- R46: who is told


def test_r46_a_halt_is_told_again_and_again_also_after_restarts(place: Build, kill: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    run.tick("09:45", times=2)
    kill(run.out)
    run.tick()
    assert sum("is killed: kill.operator" in text for text in run.told.said) == 1
    for hour in range(10, 16):
        run.tick(f"{hour}:50")
    again = [text for text in run.told.said if "is still killed" in text]
    assert len(again) == 6
    run.crash()
    run = here.rig()
    run.tick("15:55")
    assert any("is still killed" in text for text in run.told.said)


def test_r46_somebody_outside_sees_a_run_that_is_dead_old_or_killed(place: Build, kill: Build) -> None:
    here = place(AAA="+")
    run = here.rig()

    def look(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(status, ["--out", str(run.out), *more])
        return done.exit_code, done.output

    assert look()[0] == 1
    run.tick("09:45", times=2)
    assert look() == (0, look()[1])
    assert look()[1].endswith("all is well\n")
    code, text = look("--max-age", "180")  # the venue's days are long ago
    assert (code, "look       the last tick was at 2025-11-24 14:46Z" in text) == (1, True)
    kill(run.out)
    run.tick()
    code, text = look()
    assert (code, "world tiny is halted: kill.operator" in text) == (1, True)
    run.crash()
    code, text = look()
    assert (code, "no run is alive here" in text) == (1, True)


# ---- R47: exits pass everything


def test_r47_a_stop_passes_every_band_of_the_churn_guard(place: Build) -> None:
    here = place(AAA="hd")
    here.edit("{min_target: 1%, deadband: 1%, side_cooldown: 15m, min_hold: 15m}",
              "{min_target: 15%, deadband: 19%, side_cooldown: 9d, min_hold: 9d}")  # fmt: skip
    here.edit("min_delta: 0.5%", "min_delta: 5%")
    here.edit("position_stop: 50%", "position_stop: 4%")
    run = here.rig()
    run.tick("09:45", times=2)
    run.tick("10:00", times=2)
    assert held(here.venue) == run.ledger() == {}
    assert sent(run) == [("AAA", "open"), ("AAA", "close")]


def test_r47_exits_go_by_the_brokers_positions_whatever_has_a_target(place: Build) -> None:
    """AAA leaves the allowlist, so nobody targets it any more; its position is closed all the same."""
    here = place(AAA="+", BBB="+")
    run = here.rig()
    run.tick("09:45", times=2)
    here.edit("allowlist: all", "allowlist: {BBB: [level], CCC: [level], DDD: [level]}")
    run.tick("10:00", times=2)
    assert sorted(held(here.venue)) == ["BBB"]
    assert run.ledger() == held(here.venue)


def test_r47_a_stop_is_reached_by_the_brokers_price_where_the_feed_is_silent(place: Build) -> None:
    here = place(AAA="hhd")
    here.edit("position_stop: 50%", "position_stop: 4%")
    here.edit("exchange:", "freshness: {stale_15m_bars: 0}\nexchange:")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.fault({"do": "refuse", "as": "no_endpoint", "times": 0, "match": {"path": "/v2/stocks/bars"}})
    run.tick("10:15", times=20)
    run.tick("10:46", times=20)
    assert held(here.venue) == run.ledger() == {}


def test_r47_dust_is_closed_to_the_last_share(place: Build) -> None:
    """Two shares of an entry filled, far below every band; the exit sells exactly these."""
    here = place(AAA="+0")
    run = here.rig()
    here.venue.fault({"do": "partial_fills", "parts": 100, "match": {"symbol": "AAA"}})
    run.tick("09:45", times=4)
    dust = held(here.venue)["AAA"]
    assert 0 < dust * 102 < 500
    run.tick("10:00", times=2)
    assert held(here.venue) == run.ledger() == {}
    assert [o.qty for o in run.intents().values() if o.leg == "close"] == [dust]
