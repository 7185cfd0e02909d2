"""What to look at when a reason code says why nothing, or something else, was traded. Printed by `qmtl explain guard.entry`.

In: a reason. Out: its stage and one sentence with the key of the world, or the key of a case, that decides. Light on purpose:
a command line that prints a sentence imports no numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .reasongroups import GROUPS
from .reasons import Reason

#: family of codes (the word before the dot) -> where to look
_FAMILIES: Final[Mapping[str, str]] = {
    "ok": "nothing: the symbol was treated as its target says",
    "missing": "the bars that the formula needs: `qmtl validate` prints each world's warm-up; `??` and `on_missing` say what counts instead",
    "freshness": "the feed, and `freshness:` of the world; in a case the last bars of the symbol",
    "position": "the account at the broker; `position_policy:` of the world",
    "account": "the connection to the broker; in a case `account: {readable: false}`",
    "regime": "`regime:` of the world (`neutral_after`), and the warm-up of its formulas; in a case `regime:`",
    "chain": "`chains:` and `hysteresis:`; `qmtl show WORLD` prints the thresholds; in a case `regime:` and `expect: {chain: ...}`",
    "allowlist": "`allowlist:` of the world: a row for the symbol and a strategy of its chain, its `enabled` and its last day",
    "signal": "`long when`, `short when` and `exit when` of the strategies of the chain; in a case `signals:`",
    "select": "`select:` of the world: `switch_edge`, `cooldown`, `only_when_flat`; a failed `selected` of a case shows the scores",
    "target": "the steps before: the other reasons of the symbol in the same tick",
    "cap": "`risk:` of the world; a failed `target` of a case shows the way of the number through the caps",
    "guard": "`entry_guards:` of the world; in a case `guards: {SPY: [fear]}` says which of them it was",
    "stop": "`stop` of the strategy, and `risk: {position_stop: ...}`",
    "take": "`take` of the strategy",
    "churn": "`churn_guard:` of the world",
    "policy": "`position_policy:` and `allowlist:` of the world; the owner of the position",
    "order": "`orders:` of the world, the session's clock, and orders that are still open",
    "risk": "the equity that the broker reports, against the readings before",
    "kill": "`risk:` of the world; who may go on says so with `qmtl resume`",
    "exit": "the broker's answers in the journal: an exit must not fail silently",
    "net": "the buying power of the account, and the largest order of `exchange:`",
}
#: where one code has a key of its own
_OWN: Final[Mapping[Reason, str]] = {
    Reason.CHAIN_EMPTY: "`strategies:` of the chain: it names none",
    Reason.LATCHED: "the stop or take before: the strategy speaks again once its signal has left that side",
    Reason.CAP_SYMBOL: "`risk: {max_symbol: ...}`",
    Reason.CAP_SECTOR: "`risk: {max_sector: ...}` and `sectors:`",
    Reason.CAP_TOTAL: "`risk: {max_total: ...}`",
    Reason.CAP_BREADTH: "`risk: {max_total: ...}` against `churn_guard: {min_target: ...}`: so many names do not fit at once",
    Reason.GUARD_HOLD: (
        "the inputs of `entry_guards:` with `on_missing: hold`: a series such as `vix.close` has no value (in a case: `market:`); "
        "a failed case names guard and input"
    ),
    Reason.MIN_TARGET: "`churn_guard: {min_target: ...}`, and the exposure of the chain",
    Reason.DEADBAND: "`churn_guard: {deadband: ...}`",
    Reason.SIDE_COOLDOWN: "`churn_guard: {side_cooldown: ...}`",
    Reason.MIN_HOLD: "`churn_guard: {min_hold: ...}`",
    Reason.POSITION_STOP: "`risk: {position_stop: ...}`",
    Reason.NO_TRADE: "the symbol's bars: a thin venue (IEX) has none when nobody trades there; `freshness:` of the world",
    Reason.GAP: (
        "`freshness: {max_gap: ...}`, and the price itself: a split, a bad tick or news; it ends when a split explains it, when the "
        "price comes back, or by `qmtl resume --symbol`"
    ),
    Reason.SPLIT: "the position at the broker before and after: quantity times average price is the same",
    Reason.SETTLING: "the split before: formulas go on from mixed prices; `qmtl resume --symbol` ends the wait",
    Reason.EXTERNAL: "`position_policy: {external: ...}`; quantities that fills of ours do not explain; exits of ours go",
    Reason.UNWIND_EXTERNAL: "`position_policy: {external: ...}`; `ignore` leaves such positions alone",
    Reason.DENIED_ORDER_NOTIONAL: "`orders: {max_notional: ...}`; a smaller `risk: {max_symbol: ...}` or `capital` wishes smaller orders",
    Reason.DENIED_VOLUME: "`orders: {max_volume: ...}` and the symbol's volume of the last 20 sessions in the feed",
    Reason.DENIED_PER_TICK: "`orders: {max_per_tick: ...}`",
    Reason.DENIED_PER_DAY: "`orders: {max_per_day: ...}`; it begins anew with the next exchange day",
    Reason.DENIED_TURNOVER: "`orders: {max_turnover: ...}`; it begins anew with the next exchange day",
    Reason.DENIED_QUANTITY: "`min_quantity` and `market_min_quantity` of the exchange document",
    Reason.REDUCED_QUANTITY: "`max_quantity`, `market_max_quantity` and `max_notional` of the exchange document",
    Reason.DENIED_LOT: "`lot_size` of the exchange document: less than one lot was wished; a larger `capital` or `risk: {max_symbol: ...}` wishes more",
    Reason.DENIED_NOTIONAL: "`min_notional` of the exchange document; `orders: {min_delta: ...}` keeps wishes that small away",
    Reason.DENIED_SHORT: "`shorting` of the exchange document",
    Reason.DENIED_FUNDS: "the buying power of the account (`qmtl status`), and `capital` and `risk: {max_total: ...}` of the worlds on it",
    Reason.DENIED_MARK: "the feed: the symbol has no fresh bar to size an entry with; `freshness:` of the world",
    Reason.NOT_TRADABLE: "the symbol's page at the broker, and `qmtl doctor`: halted, delisted or renamed; take it out of `universe:` if that lasts",
    Reason.NOT_SHORTABLE: (
        "the symbol's borrow status at the broker: hard to borrow, or the account may not sell short; a strategy "
        "without `short when` wishes none"
    ),
    Reason.EXTERNAL_ORDER: (
        "the open orders of the symbol at the broker: somebody else, or another program, has one; the symbol is opened again once it has "
        "filled or is cancelled"
    ),
    Reason.DENIED_COLLAR: "`orders: {collar: ...}`, the newest quote and the last closed bar; in a case `quotes:`",
    Reason.OFF_COLLAR: "`orders: {collar: ...}`, the newest quote and the last closed bar; in a case `quotes:`",
    Reason.STOP_BLIND: "the feed: the position has a stop, and neither a fresh bar nor a young mark of the broker to judge it; in a case `account: {marks: ...}`",
    Reason.MIN_DELTA: "`orders: {min_delta: ...}`",
    Reason.OPEN_DELAY: "`orders: {open_delay: ...}`",
    Reason.CLOSE_BUFFER: "`orders: {close_buffer: ...}`",
    Reason.REJECT_COOLDOWN: "`orders: {reject_cooldown: ...}`, and why the broker refused",
    Reason.CANCEL_AGE: "`orders: {cancel_after: ...}`",
    Reason.CANCEL_TRADING: "`risk: {trading: ...}`",
    Reason.DECLARED_REDUCING: "`risk: {trading: ...}`; `active` trades as usual",
    Reason.DECLARED_HALTED: "`risk: {trading: ...}`; `active` trades as usual",
    Reason.FLATTEN: "`risk: {on_kill: ...}`; the world trades again after `qmtl resume`, or when the kill ends by itself",
    Reason.KILL_DAY: "`risk: {daily_loss: ...}`",
    Reason.KILL_WEEK: "`risk: {weekly_loss: ...}`",
}


def stage_of(reason: Reason) -> str:
    """What decides there, with the number of the step; "" for "nothing to say"."""
    return next((title for first, title in reversed(GROUPS.items()) if first <= reason), "")


def look_at(reason: Reason) -> str:
    """Where a person looks who wants another outcome."""
    return _OWN.get(reason) or _FAMILIES[reason.code.partition(".")[0]]
