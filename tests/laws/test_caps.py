"""Caps, on any path: "no target may *raise* exposure above a cap; an existing excess is trimmed only beyond cap x 1.05".

Exposure = |current| + resting + intended, of all symbols including stale, legacy and external ones. It is measured here
from positions, working orders and what net sends, never from a stage's own columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from hypothesis import given

from .due import own_of
from .inputs import EPS
from .law import law
from .walk import Seen, Walk, walks


def capital_of(seen: Seen) -> float:
    """Share of the account's equity without external positions; what was sold by hand is external at a quantity of 0."""
    account = seen.account
    worth = account.average_price if account.broker_mark is None else account.broker_mark
    held = np.flatnonzero(account.external & (account.qty != 0))
    outside = sum(float((account.qty[i] - float(own_of(seen, i))) * worth[i]) for i in held)
    return seen.world.capital * (account.equity - outside)


def fractions(seen: Seen) -> tuple[dict[str, float], dict[str, float]]:
    """(|current| + resting, intended) of each symbol as fractions of world capital, at the marks of this tick."""
    capital, frame = capital_of(seen), seen.frame
    price = {s: float(seen.market.mark[i]) for s, i in frame.index.items()}
    for s, i in frame.index.items():
        if np.isnan(price[s]):
            price[s] = float(np.nan_to_num(seen.account.average_price[i]))
    base = {s: abs(float(seen.account.exact[i])) * price[s] / capital for s, i in frame.index.items()}
    for one in seen.account.working:
        if one.leg == "open":
            base[one.symbol] += abs(float(one.qty)) * price[one.symbol] / capital
    intended: dict[str, float] = defaultdict(float)
    for order in seen.netted.orders:
        if order.leg == "open":
            intended[order.symbol] += float(order.qty) * price[order.symbol] / capital
    return base, intended


def groups(seen: Seen) -> Iterator[tuple[str, list[str], float]]:
    """(what, its symbols, its cap): every symbol, every sector, the total."""
    risk, symbols = seen.world.risk, seen.world.symbols
    for symbol in symbols:
        yield symbol, [symbol], risk.max_symbol
    for sector in {name for _, name in seen.world.sectors}:
        yield (
            f"sector {sector}",
            [s for s, name in seen.world.sectors if name == sector and s in symbols],
            risk.max_sector,
        )
    yield "total", list(symbols), risk.max_total


@law(120)
@given(walks(fewest=4))
def test_no_order_raises_exposure_above_a_cap_on_any_path(walk: Walk) -> None:
    for seen in walk.ticks():
        if all(order.leg == "close" for order in seen.netted.orders):
            continue
        base, intended = fractions(seen)
        for what, members, cap in groups(seen):
            added = sum(intended.get(symbol, 0.0) for symbol in members)
            if added:
                total = added + sum(base[symbol] for symbol in members)
                assert total <= cap * (1 + EPS) + EPS, f"{what}: {total} of {cap}"


@law(60)
@given(walks())
def test_an_excess_beyond_the_tolerance_is_trimmed_to_the_cap_at_once(walk: Walk) -> None:
    """Of our own positions; where nothing of the group is being worked on and a lot is small enough to do it."""
    for seen in walk.ticks():
        if not (seen.honest and seen.market.regular_hours and capital_of(seen) > 1 and seen.tick.load.trusted):
            continue
        capital = capital_of(seen)
        busy = {one.symbol for one in seen.account.working}
        ours = {s for s, i in seen.frame.index.items() if own_of(seen, i)}
        mark = {s: float(seen.market.mark[i]) for s, i in seen.frame.index.items()}
        held = {s: abs(float(own_of(seen, seen.column(s)))) * mark[s] / capital for s in ours}
        sold = {o.symbol: float(o.qty) * mark[o.symbol] / capital for o in seen.netted.orders if o.leg == "close"}
        slack = {s: max(1.0, float(seen.world.exchange.min_notional) / mark[s]) * mark[s] / capital for s in ours}
        for what, members, cap in groups(seen):
            mine = ours & set(members)
            if mine & busy or sum(held[s] for s in mine) <= cap * seen.world.risk.cap_tolerance + EPS:
                continue
            left = sum(held[s] - sold.get(s, 0.0) for s in mine)
            # what the trims of its symbols bring back within the tolerance needs no trim of its own
            bound = cap if len(members) == 1 else cap * seen.world.risk.cap_tolerance
            assert left <= bound + sum(slack[s] for s in mine), f"{what}: {left} of {cap} is left"
