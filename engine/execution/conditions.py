"""What the account may not do now: facts of the broker, orders of others, commands of people, as `decide` takes them. Pure.

In: the broker's reading, what reconciliation found, a command. Out: `Conditions`. They block entries or kill; none of them
ever holds up an exit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..bars import Bools, Codes
from ..ports import Asset, BrokerSnapshot
from ..reasons import Reason


@dataclass(frozen=True, slots=True)
class Conditions:
    """`blocked` and `halt` are reason codes, 0 = none; `barred` pairs symbols with the reason why nothing is opened there;
    `unborrowed` are symbols without shares to borrow."""

    blocked: int = 0
    halt: int = 0
    flatten: bool = False
    barred: tuple[tuple[str, int], ...] = ()
    unborrowed: frozenset[str] = frozenset()
    shorts: bool = True

    def barred_in(self, column: Mapping[str, int]) -> Codes | None:
        """[S] reason codes; None when nothing here is barred."""
        here = {column[symbol]: code for symbol, code in self.barred if symbol in column}
        if not here:
            return None
        row = np.zeros(len(column), dtype=np.uint8)
        row[list(here)] = list(here.values())
        return row

    def unborrowed_in(self, column: Mapping[str, int]) -> Bools | None:
        """[S] symbols that cannot be sold short; None when all can."""
        if not self.shorts:
            return np.ones(len(column), dtype=np.bool_)
        here = [column[symbol] for symbol in self.unborrowed if symbol in column]
        if not here:
            return None
        row = np.zeros(len(column), dtype=np.bool_)
        row[here] = True
        return row


#: most ticks
FREE = Conditions()


def conditions_of(
    snapshot: BrokerSnapshot | None,
    others: frozenset[str],
    runners: tuple[str, ...],
    command: tuple[int, bool],
    max_skew: float,
) -> Conditions:
    """`others`: symbols with orders that are not ours; `runners`: ids that another runner must have sent; `command` is (reason
    code of a kill that a person asked for, whether to flatten); `max_skew` seconds."""
    halt, flatten = command
    if not halt and runners:
        halt = int(Reason.KILL_RUNNER)
    if snapshot is None:
        return Conditions(halt=halt, flatten=flatten)
    barred = dict.fromkeys(others, int(Reason.EXTERNAL_ORDER))
    barred |= {asset.symbol: int(Reason.NOT_TRADABLE) for asset in snapshot.assets if not asset.tradable}
    return Conditions(
        blocked=_blocked(snapshot, max_skew),
        halt=halt,
        flatten=flatten,
        barred=tuple(sorted(barred.items())),
        unborrowed=frozenset(asset.symbol for asset in snapshot.assets if not _borrowable(asset)),
        shorts=snapshot.shorts,
    )


def _blocked(snapshot: BrokerSnapshot, max_skew: float) -> int:
    if snapshot.blocked:
        return int(Reason.ACCOUNT_BLOCKED)
    skewed = math.isfinite(snapshot.skew) and abs(snapshot.skew) > max_skew
    return int(Reason.CLOCK_SKEW) if skewed else 0


def _borrowable(asset: Asset) -> bool:
    """Shares that are hard to borrow are found by hand, not by a program."""
    return asset.shortable and asset.easy_to_borrow
