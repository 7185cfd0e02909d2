"""Trades by hand beside ours: "a manual trade becomes external and is never corrected"; entries there are blocked, exits are not
(R10, R42, R47). What is ours of a position leaves, as much of it as is there, and what others hold stays as it is.

The exchange of the walks refuses whatever takes more than that; see `exchange.Exchange._checked`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.model import RiskLimits
from qmtl.engine.market import OrderResult
from qmtl.engine.reasons import Reason

from .exchange import Fate
from .inputs import Link, Rule, World, at
from .law import law
from .walk import Move, Run, Seen, Walk, row_of, walks

CAUSES = ("stop", "owner", "disabled", "kill")
#: shares added on our side, or taken from it and perhaps beyond; so few are added that what is ours stays within its cap although
#: world capital shrinks
HANDS = st.lists(st.integers(-260, 90).filter(bool), min_size=1, max_size=3)


def holding(side: int, *, unwinds: bool = False) -> Run:
    """A run that has 150 shares of AA (or is short of them), bought at 100 by the one strategy of its world."""
    world = World(
        symbols=("AA",),
        rules=(Rule("alpha"),),
        chains=(Link("one", ("alpha",)),),
        risk=RiskLimits(max_symbol=0.3, on_kill="flatten", daily_loss=-0.9, weekly_loss=-0.9),
        external="unwind_only" if unwinds else "ignore",
    )
    run = Run(world, now=at("10:00"), row=row_of(world, 1, whole=True))
    run.row |= {
        "signal": np.full_like(run.row["signal"], side),
        "size": np.full_like(run.row["size"], 0.15),
        "when": np.zeros_like(run.row["when"]),
        "stay": np.zeros_like(run.row["stay"]),
    }
    for minute in (0, 1):
        run.now = at(f"10:0{minute}")
        run.tick(Fate())
    assert run.exchange.held("AA") == 150 * side
    return run


def begins(run: Run, cause: str, side: int) -> str:
    """Let a reason for an exit come up, and say what its orders will be called."""
    if cause == "stop":
        run.marks["AA"] = 100.0 * (1 - 0.06 * side)
        return Reason.POSITION_STOP.code
    if cause == "owner":
        run.row["signal"] = np.zeros_like(run.row["signal"])
        return Reason.OWNER_EXIT.code
    if cause == "disabled":
        run.edit(run.world.changed(banned=frozenset({("AA", "alpha")})))
        return Reason.UNWIND.code
    run.exchange.results.append(OrderResult("elsewhere", "AA", "REJECTED", "auth", "", "open"))
    return Reason.FLATTEN.code


@law(60)
@given(st.sampled_from([1, -1]), HANDS, st.sampled_from(CAUSES), st.integers(0, 2**20), st.booleans())
def test_r42_r47_trades_by_hand_block_no_exit_and_are_not_touched(
    side: int, hands: list[int], cause: str, seed: int, faithful: bool
) -> None:
    """Whatever hands did before: ours leaves by its own reason whatever troubles the broker has at first, and theirs stays to the
    share."""
    run = holding(side)
    for number, qty in enumerate(hands):
        run.exchange.by_hand("AA", Decimal(qty * side), 100.0)
        run.now = at("10:02") + 60 * number
        assert not run.tick(Fate()).netted.orders
    ours = run.exchange.own("AA")
    theirs = run.exchange.held("AA") - ours
    why, sent = begins(run, cause, side), Decimal(0)
    for minute in range(20):
        run.now = at("10:15") + 60 * minute
        troubled = not faithful and minute < 8
        seen = run.tick(Fate(seed + minute, faithful=not troubled), decision=minute in (0, 15))
        assert {order.reason for order in seen.netted.orders} <= {why}
        sent += sum((order.signed for order in seen.netted.orders), Decimal(0))
        assert run.exchange.held("AA") - run.exchange.own("AA") == theirs
    assert bool(sent) == bool(ours)
    assert not run.exchange.own("AA")
    assert run.exchange.held("AA") == theirs


@law(30)
@given(st.sampled_from([1, -1]), st.integers(-260, 260).filter(bool), st.sampled_from(CAUSES))
def test_unwind_only_closes_what_others_hold_too(side: int, qty: int, cause: str) -> None:
    run = holding(side, unwinds=True)
    run.exchange.by_hand("AA", Decimal(qty), 100.0)
    begins(run, cause, side)
    for minute in range(6):
        run.now = at("10:15") + 60 * minute
        run.tick(Fate(), decision=minute == 0)
    assert run.exchange.held("AA") == 0


@law(40)
@given(walks())
def test_nothing_is_opened_beside_what_is_not_ours_and_no_exit_takes_more_than_ours(walk: Walk) -> None:
    """On any path; what is ours is counted here from fills, in shares. World capital leaves out theirs alone."""
    for seen in walk.ticks():
        for order in seen.netted.orders:
            i = seen.column(order.symbol)
            held, fills = seen.account.exact[i], (seen.account.ours or seen.account.exact)[i]
            if not seen.account.external[i]:
                continue
            assert order.leg == "close"
            own = min(abs(held), abs(fills)) if held * fills > 0 else Decimal(0)
            assert order.qty <= (abs(held) if seen.world.external == "unwind_only" else own)
            assert order.signed * held < 0


def test_the_walks_see_exits_beside_what_is_not_ours() -> None:
    """The law above looks at something."""
    found = 0
    for seed in range(12):
        run = holding(1)
        for number in range(40):
            what = ("bar", "smooth", "hand", "minute")[(seed + number * 7 + number // 5) % 4]
            for seen in run.go(Move(what, seed * 1000 + number)):
                found += _mixed_exits(seen)
    assert found >= 5


def _mixed_exits(seen: Seen) -> int:
    return sum(bool(seen.account.external[seen.column(order.symbol)]) for order in seen.netted.orders)


def test_a_hand_that_takes_its_trade_back_leaves_everything_as_it_was() -> None:
    """Owner, clocks and levels: `replace` of the quantity is all that happened in between."""
    run = holding(1)
    before = run.state
    assert before is not None
    for minute, qty in ((2, 40), (3, -40)):
        run.exchange.by_hand("AA", Decimal(qty), 100.0)
        run.now = at(f"10:0{minute}")
        run.tick(Fate(), decision=False)
    after = run.state
    assert after is not None
    for name in ("owner", "generation", "side", "side_opened_at", "last_opened_at", "stop_level", "stopping", "qty"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)
    assert replace(after, now=before.now).side[0] == 1
