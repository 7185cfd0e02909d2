"""How much of a position an exit may take: what is ours, and what others hold only where the text says so (R10, R42).

In: a tick after its policy. Out: shares, as columns and exactly. It stands between the stages, which wish exits, and `sizing`, which
makes quantities of them, so that both mean the same shares.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from .bars import Bools, Floats
from .execution.ledger import own_part
from .reasons import Reason
from .tick import Tick, some


def whole_of(tick: Tick, column: int) -> Decimal:
    """Signed shares that an exit of the whole position closes: the broker's exact quantity; where others hold a part, what is ours
    of it, unless theirs is unwound too."""
    account = tick.account
    held = account.exact[column]
    if account.own is None or account.ours is None or unwound(tick)[column]:
        return held
    return own_part(held, account.ours[column]) if account.external[column] else held


def unwound(tick: Tick) -> Bools:
    """[S] positions of others that are closed because the text says so, together with what is ours of them."""
    load, policy = tick.load, tick.policy
    if not some(load.external):
        return tick.frame.nowhere
    mask: Bools = load.external & policy.protective & (policy.reason == Reason.UNWIND_EXTERNAL)
    return mask


def closable(tick: Tick) -> Floats:
    """[S] signed shares that closing orders may move, as floats."""
    account = tick.account
    if not some(tick.load.external) or account.own is None:
        return account.qty
    return np.where(unwound(tick), account.qty, account.own)
