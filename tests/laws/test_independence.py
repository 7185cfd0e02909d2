"""decide is a function: same in, same out; whatever the order of symbols, whoever else trades on the account.

What the order of symbols may change, and nothing else: when two members of a crowded book have the very same |adjusted
score|, the breadth rule keeps the one that the universe names first; and the last bits of a factor that scales a book,
which no quantity shows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.decide import decide
from qmtl.engine.net import Netted, net
from qmtl.engine.state import FIELDS, encode
from qmtl.engine.tick import columns

from .exchange import Exchange, Fate
from .inputs import BAR, NAMES, World, account_of, at
from .law import law
from .walk import ACCOUNT, Run, Seen, Walk, moves, row_of, walks, worlds


@law(40)
@given(walks())
def test_the_same_inputs_give_the_same_bits_and_are_not_written_to(walk: Walk) -> None:
    """Every array that goes in is read-only here; so is every state that comes out."""
    for seen in walk.ticks():
        after, tick = decide(seen.frame, seen.before, seen.market, seen.account, seen.now)
        assert encode(after, seen.frame) == encode(seen.tick.after, seen.frame)
        for (name, one), (_, other) in zip(columns(tick), columns(seen.tick), strict=True):
            assert one.tobytes() == other.tobytes(), name
        assert net((tick,), seen.account, ACCOUNT) == seen.netted


def shuffled(walk: Walk, order: list[int]) -> Walk:
    """The same walk of a world that names its symbols in another order."""
    symbols = tuple(sorted(walk.world.symbols, key=lambda symbol: order[NAMES.index(symbol)]))
    return Walk(walk.world.changed(symbols=symbols), walk.moves)


def tied(seen: Seen) -> bool:
    """Do two members have the same rank?"""
    rank = seen.tick.select.rank + 0.15 * seen.tick.load.held
    found = rank[np.nan_to_num(seen.tick.select.raw) != 0]
    return len(np.unique(found)) < len(found)


def by_symbol(netted: Netted) -> dict[str, Any]:
    """Orders, cancels and denials by symbol, the order of sending left out. (Generations of @mix and ids hold no place.)"""
    return {
        "orders": {order.symbol: order for order in netted.orders},
        "cancels": {cancel.symbol: cancel for cancel in netted.cancels},
        "denied": {(denied.symbol, denied.leg): replace(denied, detail="") for denied in netted.denied},
    }


@law(50)
@given(walks(), st.permutations(range(len(NAMES))))
def test_the_order_of_symbols_changes_nothing_but_ties(walk: Walk, order: list[int]) -> None:
    for here, there in zip(walk.ticks(), shuffled(walk, order).ticks(), strict=True):
        if tied(here):
            return
        assert by_symbol(here.netted) == by_symbol(there.netted)
        assert [o.symbol for o in here.netted.orders] == [o.symbol for o in there.netted.orders]
        place = [there.frame.index[symbol] for symbol in here.world.symbols]
        assert np.allclose(here.tick.orders.target, there.tick.orders.target[place], rtol=1e-12, atol=1e-12)
        for field in FIELDS:
            one, other = getattr(here.tick.after, field.name), getattr(there.tick.after, field.name)
            other = other[..., place] if "S" in field.shape else other
            if field.dtype == "<f8":
                assert np.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True), field.name
            else:
                assert one.tolist() == other.tolist(), field.name


def test_a_tie_keeps_the_symbol_that_the_universe_names_first() -> None:
    from .test_breadth import MANY, book, targets

    fit = np.repeat(np.array([[0.002], [0.003], [0.01], [0.01], [0.1], [0.5]]), 25, axis=1)
    kept = [symbol for symbol, target in targets(book(25), signal=1, fit=fit).items() if target]
    assert kept == list(MANY[:20])


@law(40)
@given(walks(pages=2), worlds(), moves(2))
def test_a_world_decides_the_same_whoever_else_is_decided_in_between(walk: Walk, other: World, script: Any) -> None:
    """Nothing is shared between worlds but the account: no global, no cache by name."""
    alone = [encode(seen.tick.after, seen.frame) for seen in walk.ticks()]
    neighbour = Walk(other.changed(name="other"), script * 20).ticks()
    beside = []
    for seen in walk.ticks():
        next(neighbour, None)
        beside.append(encode(seen.tick.after, seen.frame))
    assert alone == beside


HALVES = (NAMES[:4], NAMES[4:])


@law(60)
@given(worlds(), worlds(), st.integers(0, 2**20), st.sampled_from([0.0, 3_000.0, 20_000.0, 1e9]))
def test_what_another_world_wants_changes_no_exit_and_with_money_enough_no_entry(
    one: World, two: World, seed: int, money: float
) -> None:
    """`net` of two worlds with their own symbols: each world's closing orders are those it would get alone; so are its
    opening ones while buying power does not bind. The order in which worlds are named means nothing."""
    seens = []
    for half, world, name in zip(HALVES, (one, two), ("left", "right"), strict=True):
        moved = dict(zip(NAMES, half * 2, strict=True))
        run = Run(_renamed(world.changed(name=name), moved), exchange=Exchange(), now=at("10:00"))
        run.row = row_of(run.world, seed)
        run.tick(Fate())
        run.now += 2 * BAR
        run.row = row_of(run.world, seed + 1)
        seens.append(run.tick(Fate()))
    account = account_of(seens[0].frame, buying_power=money)
    together = net([seen.tick for seen in seens], account, ACCOUNT)
    turned = net([seen.tick for seen in reversed(seens)], account, ACCOUNT)
    assert by_symbol(together) == by_symbol(turned)
    assert together.orders == turned.orders
    for seen in seens:
        apart = net((seen.tick,), account, ACCOUNT)
        mine = [order for order in together.orders if order.symbol in seen.world.symbols]
        if money >= 1e9:
            assert mine == list(apart.orders)
        assert [o for o in mine if o.leg == "close"] == [o for o in apart.orders if o.leg == "close"]
    spent = sum(float(order.qty * order.mark) for order in together.orders if order.leg == "open")
    assert spent <= money + 0.01


def _renamed(world: World, moved: dict[str, str]) -> World:
    """The same world with other symbols, four at most."""
    return world.changed(
        symbols=tuple(moved[symbol] for symbol in world.symbols[:4]),
        sectors=tuple((moved[symbol], name) for symbol, name in world.sectors if symbol in world.symbols[:4]),
        banned=frozenset((moved[symbol], rule) for symbol, rule in world.banned),
        ends=frozenset((moved[symbol], *row) for symbol, *row in world.ends),
        chains=tuple(replace(link, own=()) for link in world.chains if link.uses) or world.chains,
    )
