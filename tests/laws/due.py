"""Which positions must leave as a whole, worked out from prices, signals, lines, allowlist and fills alone.

In: what was seen, tick after tick (`Due.see`). Out: symbol -> why. It remembers of a position what the specification says
belongs to it: whose it is, and its stop and take as they were when the entry was decided. A distance stays one, anchored at
the average price. A line is a price that moves: while its strategy is as it was at the entry the newest known price of the
line counts, afterwards and where it is unknown the last one; a line that jumped by more than `max_gap` is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from decimal import Decimal

from .exchange import Owner
from .inputs import BAR
from .walk import Seen

#: rounding of a loss that is exactly the limit
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Level:
    """A stop or a take: "distance" and how far, "level" and the last known price of the line, or "" for none."""

    kind: str = ""
    value: float = math.nan


@dataclass(frozen=True, slots=True)
class Held:
    """A position that was heard of. `average` and `there`: its average price, and whether the broker shows anything, as they
    were last known. `stopping`: a stop or take was reached, which stays in force until it is flat."""

    owner: Owner
    stop: Level = Level()
    take: Level = Level()
    average: float = math.nan
    there: bool = True
    stopping: bool = False


@dataclass
class Due:
    """`entries` are the stops and takes of entries when they were decided, by client id."""

    entries: dict[str, tuple[Level, Level]] = field(default_factory=dict)
    positions: dict[str, Held] = field(default_factory=dict)

    def see(self, seen: Seen) -> dict[str, str]:
        """Symbol -> why, for every position of ours that must leave at this tick."""
        if seen.account.readable:
            self._hear(seen)
        due = {}
        for symbol, i in seen.frame.index.items():
            if symbol not in self.positions:
                continue
            if seen.account.external[i] and not own_of(seen, i):
                self.positions[symbol] = replace(self.positions[symbol], there=bool(seen.account.exact[i]))
                continue
            why = self._why(seen, symbol)
            if why and own_of(seen, i):
                due[symbol] = why
        self._remember(seen)
        return due

    def _hear(self, seen: Seen) -> None:
        """The fills that opened a position, and what is flat."""
        opened = {(fill.symbol, fill.at): fill.client_order_id for fill in seen.account.fills}
        before, self.positions = self.positions, {}
        for symbol, owner in seen.owners.items():
            if (symbol, owner.since) in opened:
                self.positions[symbol] = Held(owner, *self.entries.get(opened[symbol, owner.since], ()))
            else:
                self.positions[symbol] = before.get(symbol, Held(owner))

    def _why(self, seen: Seen, symbol: str) -> str:
        """Why a position must leave; its lines and whether it is stopping are brought up to this tick whatever the answer."""
        i = seen.frame.index[symbol]
        held = _followed(seen, self.positions[symbol], i)
        why = "stopping" if held.stopping else reached(seen, held, i) if held.there else ""
        self.positions[symbol] = replace(held, stopping=bool(why))
        if not seen.world.enabled(symbol, seen.market.session.day):
            return "unwind"
        row = seen.row(held.owner.strategy)
        if row is not None and seen.market.signal_known[row, i] and seen.market.signal[row, i] == 0:
            return "owner"
        return why

    def _remember(self, seen: Seen) -> None:
        rules = {rule.name: rule for rule in seen.world.active}
        for order in seen.netted.orders:
            name, i = order.attribution[0].strategy, seen.column(order.symbol)
            if order.leg == "open" and name in rules and not seen.account.exact[i]:
                row = seen.row(name)
                self.entries[order.client_order_id] = (
                    Level(rules[name].stop, float(seen.market.stop[row, i])),
                    Level(rules[name].take, float(seen.market.take[row, i])),
                )


def own_of(seen: Seen, i: int) -> Decimal:
    """How much of the broker's position is ours: what our fills say, and no more than is there."""
    held, ours = seen.account.exact[i], seen.account.ours
    if ours is None:
        return held
    return min(held, ours[i], key=abs) if held * ours[i] > 0 else Decimal(0)


def paid_of(seen: Seen, i: int) -> float:
    """Average price of what is ours; the broker's where nobody else holds a part."""
    account = seen.account
    own = account.own_average is not None and account.external[i]
    return float(account.own_average[i] if own else account.average_price[i])


def _followed(seen: Seen, held: Held, i: int) -> Held:
    """The position with the newest prices of its lines, and its average price."""
    if seen.account.readable:
        held = replace(held, average=paid_of(seen, i), there=bool(seen.account.exact[i]))
    row = seen.row(held.owner.strategy)
    if row is None or seen.frame.program.generations[row][i] != held.owner.generation:
        return held
    far = seen.frame.program.settings.freshness.max_gap
    for name, now in (("stop", seen.market.stop[row, i]), ("take", seen.market.take[row, i])):
        last = getattr(held, name)
        if last.kind == "level" and math.isfinite(now) and not abs(now - last.value) > far * last.value:
            held = replace(held, **{name: Level("level", float(now))})
    return held


def price_of(seen: Seen, i: int) -> tuple[float, int]:
    """(price that stops are judged by, when it was known); NaN where nobody knows one. A stale symbol takes the broker's."""
    behind, mark = seen.market.behind_15m.tolist(), float(seen.market.mark[i])
    if 0 <= behind[i] <= 2 and math.isfinite(mark):
        # the newest bar is of whoever is ahead; who lags behind has an older one
        ahead = min(bars for bars in behind if bars >= 0)
        return mark, seen.market.bar_end - max(behind[i] - ahead, 0) * BAR
    if seen.account.broker_mark is None:
        return math.nan, 0
    return float(seen.account.broker_mark[i]), seen.now


def reached(seen: Seen, held: Held, i: int) -> str:
    """Which level was reached by a bar that closed after the opening fill; while the account cannot be read, the last ones."""
    side, (price, known_at) = held.owner.side, price_of(seen, i)
    if math.isnan(price) or known_at <= held.owner.since:
        return ""
    if side * (price / paid_of(seen, i) - 1) <= TINY - seen.world.risk.position_stop:
        return "position"
    for name, level, sign in (("stop", held.stop, side), ("take", held.take, -side)):
        at = held.average - sign * level.value if level.kind == "distance" else level.value
        if sign * (price - at) <= 0:
            return name if level.kind == "distance" else f"{name} line"
    return ""
