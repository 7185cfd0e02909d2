"""What a world may do now, in one word that people, logs and stages share.

In: nothing. Out: `TradingState`. It is derived in the risk gate (`killswitch`) from the kill, from readings that are in doubt and
from `risk.trading` of the text. Exits are possible in every one of them (R42).
"""

from __future__ import annotations

from enum import IntEnum


class TradingState(IntEnum):
    """`ACTIVE`: everything. `REDUCING`: no entries and no adds; reductions and exits go on. `HALTED`: protective exits (a stop or
    take, the owner's signal, unwind_only, a trim, the flattening of a kill) and cancels, nothing else. Numbers are frozen:
    the journal stores them."""

    ACTIVE = 0
    REDUCING = 1
    HALTED = 2

    @property
    def text(self) -> str:
        """As logs and the text of a world write it."""
        return self.name.lower()
