"""Changes of chains: how many, how late, and what was won around them.

In: the switches of a result. Out: a table, the most frequent pairs first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..backtest.result import Switch
from .figures import plain, signed, whole
from .markup import Html, name, tag
from .tables import Column, Table, bar, table

_MOST: Final = 40


def switching(switches: Sequence[Switch]) -> Html:
    """The table; a sentence where no symbol ever changed its chain."""
    if not switches:
        return tag("p", "No symbol changed its chain.", class_="empty")
    often = sorted(switches, key=lambda switch: (-switch.count, switch.world, switch.former, switch.chain))[:_MOST]
    several = len({switch.world for switch in switches}) > 1
    window = often[0].window
    after = [switch.after / switch.count for switch in often]
    columns = (
        *((Column("World", number=False),) if several else ()),
        Column("From", number=False),
        Column("To", number=False),
        Column("Count", note="symbols times decisions"),
        Column("Lag, bars", note="from the first bar on which the new chain was the first to hold, to the change"),
        Column(
            "P&L before", note=f"of what the symbol held in the {window} bars before, money, costs left out, a switch"
        ),
        Column("P&L after", note=f"the same in the {window} bars after"),
        Column(""),
    )
    rows = tuple(
        (
            *((name(switch.world),) if several else ()),
            name(switch.former),
            name(switch.chain),
            whole(switch.count),
            plain(switch.lag, 1),
            signed(switch.before / switch.count, 2),
            signed(won, 2),
            bar(won, after),
        )
        for switch, won in zip(often, after, strict=True)
    )
    return table(Table("switches", f"Mean of each change, {window} bars before and after", columns, rows))
