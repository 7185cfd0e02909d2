"""Exits are not entries: "Protective exits come from *broker* positions and bypass deadband, min_target, min_delta,
min_hold and the open-order filter. They still respect: outside_rth, halts, one live order per symbol, the exact broker
quantity." And legacy_hold never adds, unwind_only ends flat.

What is due is worked out in `due` from prices, signals, lines, allowlist and fills alone.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.model import RiskLimits

from .due import Due, own_of
from .exchange import Fate, Live
from .inputs import BAR, NAMES, Link, Rule, World, at
from .law import law
from .walk import Move, Run, Seen, Walk, row_of, walks


def left_alone(one: Live, seen: Seen) -> bool:
    """A working exit of ours with enough quantity and younger than two ticks."""
    held = own_of(seen, seen.column(one.order.symbol))
    young = seen.now - one.order.epoch < seen.world.orders.cancel_after * seen.frame.interval
    return one.order.leg == "close" and abs(one.left) >= abs(held) and young


@law(120)
@given(walks())
def test_r42_r47_a_protective_exit_is_never_blocked(walk: Walk) -> None:
    """Not by deadband, min_target, min_delta, min_hold, cooldowns, a kill, a working order or somebody who trades by hand in the
    symbol: it is sent with the broker's exact quantity, or with what is ours of it, or it is working already, or what stands in its way is being cancelled."""
    watch = Due()
    for seen in walk.ticks():
        assert_sent(seen, watch.see(seen))


@law(60)
@given(walks(), st.integers(0, 2**20), st.sampled_from([0, 3, 12]))
def test_r47_nothing_is_too_small_for_a_protective_exit(walk: Walk, seed: int, minutes: int) -> None:
    """The same, where every position has become dust: a deposit of a hundred times the account."""
    run, watch = walk.run(), Due()
    for move in walk.moves:
        for seen in run.go(move):
            watch.see(seen)
    run.exchange.deposit(10_000_000.0)
    for what in ("minute",) * minutes + ("bar", "slow", "bar"):
        for seen in run.go(Move(what, seed)):
            assert_sent(seen, watch.see(seen))


@law(60)
@given(walks())
def test_a_stop_or_take_is_in_force_where_its_level_was_reached_and_nowhere_else(walk: Walk) -> None:
    """Distances and lines that move: neither is one forgotten over edits, nights, restarts and trades by hand, nor does one
    act that was not reached, or of another position. What is not ours at a tick that could be read means nothing."""
    watch = Due()
    for seen in walk.ticks():
        watch.see(seen)
        stopping = {symbol for symbol, held in watch.positions.items() if held.stopping}
        found = {seen.world.symbols[i] for i in np.flatnonzero(seen.tick.target.stopping)}
        known = set(seen.world.symbols if seen.account.readable else watch.positions)
        columns = {symbol: seen.column(symbol) for symbol in known}
        ours = {symbol for symbol, i in columns.items() if not seen.account.external[i] or own_of(seen, i)}
        assert found & ours == stopping & ours


def assert_sent(seen: Seen, due: dict[str, str]) -> None:
    """Every exit that is due is on its way."""
    if not (seen.market.regular_hours and seen.account.readable):
        assert not seen.netted.orders
        return
    canceled = {cancel.client_order_id for cancel in seen.netted.cancels}
    orders = {order.symbol: order for order in seen.netted.orders}
    working = {one.order.symbol: one for one in seen.working}
    for symbol, why in due.items():
        one = working.get(symbol)
        if one is not None:
            kept = left_alone(one, seen) and (one.order.client_order_id not in canceled or seen.tick.gate.fired)
            assert kept or one.order.client_order_id in canceled, f"{symbol}: {why} waits for a working order"
            continue
        assert symbol in orders, f"{symbol}: {why} is not sent"
        assert orders[symbol].leg == "close"
        assert orders[symbol].signed in whole(seen, symbol), f"{symbol}: {why} in part"


def whole(seen: Seen, symbol: str) -> set[Decimal]:
    """What an exit may be: what is ours of the position; what others hold goes with it only where the text says so."""
    i = seen.column(symbol)
    unwound = seen.account.external[i] and seen.world.external == "unwind_only"
    return {-own_of(seen, i)} | ({-seen.account.exact[i]} if unwound else set())


@law(30)
@given(st.integers(0, 2**20), st.sampled_from([1, -1]), st.lists(st.floats(0.9, 1.1), min_size=2, max_size=5))
def test_a_stop_that_was_reached_stays_in_force_until_flat(seed: int, side: int, after: list[float]) -> None:
    """The exit hangs at the broker, fills in part or is lost, and the price comes back: it still leaves."""
    world = World(symbols=("AA",), rules=(Rule("alpha"),), chains=(Link("one", ("alpha",)),))
    run = Run(world, now=at("10:00"), row=row_of(world, 1, whole=True))
    run.row["signal"], run.row["size"] = np.full_like(run.row["signal"], side), np.ones_like(run.row["size"])
    for minute in (0, 1):
        run.now = at("10:00") + 60 * minute
        run.tick(Fate())
    watch = Due()
    run.marks["AA"] = 100.0 * (1 - 0.06 * side)
    for count, price in enumerate([run.marks["AA"], *(100 * part for part in after)]):
        run.marks["AA"] = price
        for minute in range(4):
            run.now = at("10:15") + 900 * count + 60 * minute
            seen = run.tick(Fate(seed + run.now, faithful=False, slow=True))
            due = watch.see(seen)
            assert bool(due) == bool(seen.account.exact[0]), "stopped until flat"
            assert_sent(seen, due)
            if not seen.account.exact[0]:
                return


@law(80)
@given(walks(), st.lists(st.integers(0, 2**20), min_size=2, max_size=6))
def test_legacy_hold_never_adds(walk: Walk, seeds: list[int]) -> None:
    """An add is the owner's own and of the generation that opened: nobody else's order makes a position larger. After the
    walk an operator forces a new generation of everything."""
    run = walk.run()
    for move in walk.moves:
        for seen in run.go(move):
            assert_own_adds(seen)
    run.edit(run.world.changed(cutover="forced"))
    for seed in seeds:
        for seen in run.go(Move("smooth", seed)):
            assert_own_adds(seen)


def assert_own_adds(seen: Seen) -> None:
    """(Below 0.3 % a position counts as flat. weighted looks at symbol and generation only.)"""
    for order in seen.netted.orders:
        i = seen.column(order.symbol)
        owner = seen.owners.get(order.symbol)
        current = abs(float(seen.account.exact[i]) * seen.tick.load.mark[i] / seen.tick.load.capital)
        if order.leg != "open" or not seen.account.exact[i] or current < 0.003:
            continue
        assert owner is not None
        assert owner.strategy, "a position that nobody opened became larger"
        row = {rule.name: seen.frame.program.generations[n][i] for n, rule in enumerate(seen.world.active)}
        today = seen.frame.mix_labels[i] if owner.strategy == "@mix" else row.get(owner.strategy, "gone")
        assert owner.generation == today, "a position of another generation became larger"
        if seen.world.select.method == "single_best":
            assert owner.strategy == order.attribution[0].strategy, "a position of another owner became larger"


@law(60)
@given(walks())
def test_unwind_only_ends_flat(walk: Walk) -> None:
    """No row of any chain enables a symbol any more: four ticks of an open market later nothing of it is held."""
    run = walk.end()
    pairs = {(symbol, rule.name) for symbol in run.world.symbols for rule in run.world.rules}
    run.edit(run.world.changed(banned=frozenset(pairs)))
    run.reading = (True, None)
    for _ in run.constant(2, minutes=2):
        pass
    left = {s: q for s in run.exchange.ours if (q := run.exchange.own(s))}
    assert not left
    for seen in run.constant(1):
        assert not seen.netted.orders


@law(60)
@given(walks())
def test_no_order_outside_regular_hours_and_no_entry_between_decisions(walk: Walk) -> None:
    """The one opening order of a follow-up tick is the second leg of a reversal that the last decision started."""
    turning: set[str] = set()
    for seen in walk.ticks():
        assert seen.market.regular_hours or not seen.netted.orders
        if seen.market.decision:
            turning = {o.symbol for o in seen.netted.orders if o.leg == "close"} | {
                one.order.symbol for one in seen.working
            }
            if not seen.account.readable:  # decided, but not sent: what is held was not known
                turning |= {s for s, i in seen.frame.index.items() if seen.tick.orders.pending[i]}
            continue
        for order in seen.netted.orders:
            if order.leg == "open":
                assert order.symbol in turning
                row, i = seen.row(order.attribution[0].strategy), seen.column(order.symbol)
                assert row is None or seen.market.signal[row, i] * order.signed > 0, "what the last decision wished"
        assert seen.now % BAR


def test_the_due_exits_are_seen() -> None:
    """The law above looks at something: over some fixed walks every kind of exit is due many times."""
    rng = np.random.default_rng(5)
    world = World(
        symbols=NAMES[:5],
        rules=(
            Rule("alpha", stop="distance"),
            Rule("beta", take="distance"),
            Rule("gamma", "chop", 1, "level", "level"),
        ),
        chains=(Link("one", ("alpha", "beta")), Link("two", ("beta", "gamma"))),
        risk=RiskLimits(daily_loss=-0.5, weekly_loss=-0.5),
    )
    found: Counter[str] = Counter()
    for _ in range(6):
        run, watch = Run(world), Due()
        whats = ["bar", "smooth"] * 4 + ["minute", "edit", "edit", "night"]
        for what, seed in zip(rng.choice(whats, 120), rng.integers(0, 2**20, 120), strict=True):
            for seen in run.go(Move(str(what), int(seed))):
                found.update(watch.see(seen).values())
    assert set(found) == {"unwind", "owner", "position", "stop", "take", "stop line", "take line", "stopping"}
    assert min(found.values()) >= 5, found
