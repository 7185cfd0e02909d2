"""State that must survive: "kept for symbols absent from this cycle and through outside_rth, as absolute times, over
restarts" (R18, R19). state -> bytes -> state -> decide equals decide, through both codecs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine import record
from qmtl.engine.decide import decide
from qmtl.engine.execution import book as books
from qmtl.engine.state import FIELDS, DecideState, decode, encode

from .exchange import Fate
from .inputs import DAY, NAMES, OPEN, RULES, Link, Rule, World, at, market_of
from .law import law
from .shelf import Shelf
from .walk import Run, Seen, Walk, row_of, walks


def journaled(shelf: Shelf, seen: Seen, base: record.codec.Record | None) -> tuple[DecideState, record.codec.Record]:
    """The state after a tick, as the journal gives it back; follow-up ticks are stored as changes of their decision."""
    outcome = record.Outcome.of(len(shelf.entries) + 1, "paper", "law", None, books.EMPTY, seen.netted)
    entry, base = record.tick_entry(seen.tick, outcome, None if seen.market.decision else base)
    shelf.entries.append(entry)
    found = record.last_tick(shelf, seen.world.name)
    assert found is not None
    return found.state, base


@law(30)
@given(walks())
def test_a_restart_at_every_tick_equals_no_restart_through_both_codecs(walk: Walk) -> None:
    shelf, base = Shelf(), None
    for seen in walk.ticks():
        data = encode(seen.tick.after, seen.frame)
        assert encode(decode(data, seen.frame), seen.frame) == data
        if base is not None and seen.world != walk.world:
            base = None  # an edit begins a new standing record
        state, base = journaled(shelf, seen, base)
        assert encode(state, seen.frame) == data
        restored = decode(encode(seen.before, seen.frame), seen.frame)
        after, _ = decide(seen.frame, restored, seen.market, seen.account, seen.now)
        assert encode(after, seen.frame) == data


KEPT = (
    "chain", "selected", "switched_at", "owner", "generation", "side", "side_opened_at", "last_side", "last_opened_at",
    "stop_distance", "take_distance", "stop_level", "take_level", "stopping", "latch", "reject_until", "exit_rejects",
    "entry_strategy", "entry_stop", "entry_take", "day_anchor", "week_anchor", "day_level", "week_level", "regime_missing",
)  # fmt: skip


@law(50)
@given(walks())
def test_r18_an_empty_cycle_and_the_night_wipe_nothing(walk: Walk) -> None:
    """No bars, no probabilities, no signals, the exchange closed: churn, owner, generation, cooldown, side, latch, levels,
    anchors and kill state stay, to the bit; nothing is sent."""
    run = walk.end()
    run.now, run.reading = run.now + 60, (True, None)
    last = run.tick(Fate(), decision=False)  # whatever was still to be heard
    before = last.tick.after
    account = replace(last.account, fills=(), results=(), flows=0.0)
    night = OPEN + (run.now - OPEN) // DAY * DAY + 13 * 3600
    unknown = dict.fromkeys(("mark", "p", "fit", "size", "stop", "take"), np.nan)
    empty = market_of(run.frame, night, signal_known=False, behind_15m=-1, behind_60m=-1, decision=False, **unknown)
    state = before
    for _ in range(3):
        state, tick = decide(run.frame, state, empty, account, night)
        assert not tick.orders.leg.any()
    for name in KEPT:
        assert getattr(state, name).tobytes() == getattr(before, name).tobytes(), name
    assert state.kill == before.kill or before.recover_at, "a kill that waits for a person"


@pytest.mark.parametrize("gap", [600, 1800, 3540, 3600, 5400, 86_400])
def test_r19_cooldowns_are_absolute_times_a_restart_neither_lengthens_nor_shortens_them(gap: int) -> None:
    """Bought at 10:01; the process is away from 10:02 on and comes back `gap` seconds after the fill, when the signal is
    short: before the hour is over nothing turns, from then on it does at once."""
    world = World(symbols=("AA",), rules=(Rule("alpha"),), chains=(Link("one", ("alpha",)),))
    run = Run(world, now=at("10:00"), row=row_of(world, 0, whole=True))
    shape = (len(RULES), len(NAMES))
    run.row |= {"signal": np.ones(shape, int), "size": np.ones(shape)}
    for minute in (0, 1):
        run.now = at("10:00") + 60 * minute
        run.tick(Fate())
    since = run.exchange.owners["AA"].since
    run.state = decode(encode(run.state, run.frame), run.frame)  # type: ignore[arg-type]
    run.row["signal"] = -run.row["signal"]
    run.now = since + gap
    turned = bool(run.tick(Fate(), decision=True).netted.orders)
    assert turned == (gap >= 3600)


@law(40)
@given(walks(), st.integers(0, 2**20))
def test_an_edit_that_changes_nothing_changes_no_decision(walk: Walk, seed: int) -> None:
    """The same text compiled again, strategies named in another order: same orders from every reachable state."""
    run = walk.end()
    turned = run.copy()
    turned.edit(run.world.changed(rules=run.world.rules[::-1]))
    for one in (run, turned):
        one.row = row_of(one.world, seed)
        one.now = one.now // 900 * 900 + 900
    here, there = run.tick(Fate()), turned.tick(Fate())
    if here.before.pending.any() or ties(here):
        return
    assert {o.symbol: o for o in here.netted.orders} == {o.symbol: o for o in there.netted.orders}


def ties(seen: Seen) -> bool:
    """Strategies of one style and signal tie; then the one the chains name first wins, which is what was turned here."""
    return len({rule.style for rule in seen.world.active}) < len(seen.world.active)


def test_every_column_of_the_state_is_one_of_the_declared() -> None:
    assert set(KEPT) <= {field.name for field in FIELDS}
