"""Somebody trades by hand in a symbol in which the program holds a position: what is ours is still protected, what is not is left
alone (R10, R42, R47)."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from qmtl.cli.holdings import positions
from qmtl.engine.reasons import Reason

from .market import moment
from .rig import Rig, held, orders

Build = Callable[..., Any]
#: what hands do to a long and a short position: add to it, and take a part of it
HANDS = {"AAA": 1, "BBB": -50, "CCC": -1, "DDD": 50}


def by_hand(here: Any, price: str) -> None:
    for symbol, qty in HANDS.items():
        here.venue.manual(do="trade", symbol=symbol, qty=str(qty), price=price)


def exits(run: Rig, since: str) -> dict[str, Decimal]:
    """Signed quantity of each exit decided since then; a symbol has one."""
    found = [o for o in run.intents().values() if o.epoch >= moment(since)]
    assert {o.leg for o in found} == {"close"}
    assert len({o.symbol for o in found}) == len(found)
    return {o.symbol: o.signed for o in found}


def test_r42_a_kill_that_flattens_closes_what_is_ours_beside_what_hands_did(place: Build, kill: Build) -> None:
    here = place(AAA="+", BBB="+", CCC="-", DDD="-")
    run = here.rig()
    run.tick("09:45", times=2)
    ours = run.ledger()
    assert sorted(ours) == sorted(HANDS)
    by_hand(here, "100")
    run.tick("09:48")
    kill(run.out, "--flatten")
    run.tick("09:50", times=2)
    assert any("is killed: kill.operator; everything that is ours is to be closed" in text for text in run.told.said)
    assert not any("nothing of its own" in text for text in run.told.said)
    run.tick("10:00", times=4)
    taken = {"BBB": Decimal(-50), "DDD": Decimal(50)}
    assert exits(run, "09:50") == {s: -(q + taken.get(s, 0)) for s, q in ours.items()}
    assert held(here.venue) == {"AAA": 1, "CCC": -1}
    assert run.ledger() == {}
    told = [text for text in run.told.said if "holds nothing of its own any more" in text]
    assert len(told) == 1
    assert told[0].endswith("what is not ours stays: AAA, CCC")
    run.tick("10:15", times=2)
    assert held(here.venue) == {"AAA": 1, "CCC": -1}


def test_r47_a_stop_closes_what_is_ours_beside_what_hands_did_also_after_a_restart(place: Build) -> None:
    here = place(AAA="hdd", BBB="hdd", CCC="-++", DDD="-++")
    here.edit("position_stop: 50%", "position_stop: 4%")
    run = here.rig()
    run.tick("09:45", times=2)
    ours = run.ledger()
    by_hand(here, "104")
    run.tick("09:50")
    run.crash()
    run = here.rig()
    run.tick("10:00", times=4)
    reasons = {o.symbol: o.reason for o in run.intents().values() if o.leg == "close"}
    assert reasons == dict.fromkeys(HANDS, Reason.POSITION_STOP.code)
    taken = {"BBB": Decimal(-50), "DDD": Decimal(50)}
    assert exits(run, "10:00") == {s: -(q + taken.get(s, 0)) for s, q in ours.items()}
    run.tick("10:15", times=2)
    assert held(here.venue) == {"AAA": 1, "CCC": -1}
    assert not {"AAA", "CCC"} & run.ledger().keys()
    assert not [o for o in orders(here.venue, "AAA") if o["status"] == "new"]


@pytest.mark.parametrize(("letters", "stops"), [("hdd", True), ("+++", False)])
def test_r16_a_stop_counts_from_what_we_paid_and_not_from_what_others_did(
    place: Build, letters: str, stops: bool
) -> None:
    """Bought at 110: 300 more by hand at 105 bring the broker's average so low that 105 is no loss of 4 %. Bought at 102: 300
    more at 110 bring it so high that 102 is one, for whoever paid that."""
    here = place(AAA=letters)
    here.edit("position_stop: 50%", "position_stop: 4%")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.manual(do="trade", symbol="AAA", qty="300", price="105" if stops else "110")
    run.tick("10:00", times=3)
    average = float(run.world.account.average_price[0])
    assert (float(run.world.load.mark[0]) / average - 1 <= -0.04) != stops
    assert bool(exits(run, "10:00") if stops else run.last.netted.orders) == stops
    assert held(here.venue)["AAA"] == 300 + (0 if stops else run.ledger()["AAA"])


def test_positions_and_state_tell_what_is_ours_and_what_is_not(place: Build) -> None:
    here = place(AAA="+", BBB="+")
    run = here.rig()
    run.tick("09:45", times=2)
    ours = run.ledger()
    for symbol, qty in (("AAA", "4"), ("BBB", "-50"), ("CCC", "7")):
        here.venue.manual(do="trade", symbol=symbol, qty=qty, price="102")
    run.tick("09:50")
    said = CliRunner().invoke(positions, ["--out", str(run.out), "--json"])
    found = {p["symbol"]: p for p in json.loads(said.output)["positions"]}
    shares = {s: (Decimal(p["qty"]), Decimal(p["ours"]), Decimal(p["theirs"])) for s, p in found.items()}
    left = ours["BBB"] - 50
    assert shares == {"AAA": (ours["AAA"] + 4, ours["AAA"], 4), "BBB": (left, left, 0), "CCC": (7, 0, 7)}
    table = CliRunner().invoke(positions, ["--out", str(run.out)]).output
    rows = {row.split()[0]: row for row in table.splitlines()[1:-1]}
    assert "tiny/level and external" in rows["AAA"]
    assert "tiny/level" not in rows["CCC"]
    capital = run.world.load.capital
    assert capital == pytest.approx(float(run.last.snapshot.equity) - (4 * 102 + 7 * 100), rel=1e-6)  # type: ignore[union-attr]
    state = json.loads((run.out / "state.json").read_text())["worlds"]["tiny"]["positions"]
    assert state["AAA"]["external"] == pytest.approx(4 * 102 / capital, rel=1e-6)
    assert state["AAA"]["held"] == pytest.approx(float(ours["AAA"] + 4) * 102 / capital, rel=1e-6)
    assert "external" not in state["BBB"]
    assert state["CCC"]["held"] == state["CCC"]["external"] == state["CCC"]["target"] > 0
