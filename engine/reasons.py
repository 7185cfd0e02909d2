"""The one registry of reason codes: stages, journal, logs, case files and docs all use these.

In: nothing. Out: `Reason`, an enum whose integer fits a uint8 column and whose `code` is what people read. Numbers are
frozen with format version 1: new ones are appended, none is reused.
"""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """Why a value is missing or a symbol was treated as it was; 0 is "nothing to say"."""

    code: str
    text: str

    def __new__(cls, number: int, code: str = "", text: str = "") -> Reason:  # noqa: PYI034 - an enum member is made here
        member = int.__new__(cls, number)
        member._value_ = number
        member.code = code
        member.text = text
        return member

    NONE = 0, "ok", "nothing to say"
    # why a value is missing (observe)
    NO_DATA = 1, "missing.no_data", "the feed has no bar for this symbol yet"
    WARMING = 2, "missing.warming", "not enough closed bars yet"
    DIV0 = 3, "missing.div0", "a division by zero or a logarithm or root out of its domain"
    STALE = 4, "freshness.stale", "the last bar is older than the calendar and the world allow"
    MISSING = 5, "freshness.missing", "there is no bar at all"
    OUTSIDE_RTH = 6, "freshness.outside_rth", "the exchange is closed"
    NO_TRADE = (
        7,
        "freshness.no_trade",
        "others have newer bars: nobody traded this symbol for longer than the world allows",
    )
    GAP = 8, "freshness.gap", "the price moved more than max_gap and no split explains it: paused"
    # splits (load)
    SPLIT = 12, "position.split", "the broker's quantity and average price show a split: prices and levels are rescaled"
    SETTLING = 13, "freshness.settling", "after a split: held under its stops until no formula sees prices of before it"
    # load
    EXTERNAL = (
        20,
        "position.external",
        "not all of the position at the broker is ours, or some of ours is gone: entries blocked",
    )
    NO_MARK = 21, "position.no_mark", "a position without any known price; its average price stands in"
    FILLED = 22, "position.filled", "fills of ours were applied"
    UNREADABLE = 23, "account.unreadable", "positions could not be read: no order this tick"
    # regime and chain
    REGIME_MISSING = 24, "regime.missing", "regime probabilities are unknown: chain kept, entries blocked"
    REGIME_NEUTRAL = 25, "regime.neutral", "regime unknown for too long: last chain, no entries"
    CHAIN_UNKNOWN = 26, "chain.unknown", "a chain that would come first cannot be judged: entries blocked"
    CHAIN_CHANGED = 27, "chain.changed", "the symbol moved to another chain"
    # allowlist and signals
    DISABLED = 28, "allowlist.disabled", "no strategy of the chain is enabled for this symbol today"
    CHAIN_EMPTY = 29, "chain.empty", "the chain names no strategy: nothing is traded"
    OWNER_EXIT = 30, "signal.owner_exit", "the signal of the position's owner is 0"
    SIGNAL_UNKNOWN = 31, "signal.unknown", "no strategy of the chain has a known signal"
    LATCHED = 32, "signal.latched", "after a stop or take: waits until the signal has left that side"
    UNOWNED_EXIT = (
        33,
        "signal.unowned_exit",
        "the position's strategy is gone, and nobody who may speak for the symbol wants it",
    )
    # select
    SELECTED = 40, "select.selected", "first selection of a strategy"
    SWITCHED = 41, "select.switched", "a better strategy passed edge, cooldown and flat"
    INELIGIBLE = 42, "select.ineligible", "the current strategy is not eligible: the best eligible one at once"
    EXIT_ONLY = 43, "select.exit_only", "nobody is eligible: the owner may only exit"
    SWITCH_HELD = 44, "select.held_back", "a better strategy waits for edge, cooldown or flat"
    # target
    UNKNOWN_HOLD = 50, "target.unknown", "the target is unknown: hold"
    FOLLOW_UP = 51, "target.follow_up", "no new bar: nothing is decided anew"
    NO_ENTRY = 52, "target.no_entry", "entries are blocked by an earlier stage"
    CAP_SYMBOL = 53, "cap.symbol", "limited by the cap of one symbol"
    CAP_SECTOR = 54, "cap.sector", "scaled by the gross cap of its sector"
    CAP_TOTAL = 55, "cap.total", "scaled by the cap of total gross"
    CAP_BREADTH = 56, "cap.breadth", "dropped so that the others keep at least min_target"
    GUARD = 57, "guard.entry", "an entry guard blocks this side"
    GUARD_HOLD = 58, "guard.hold", "an entry guard is unknown: no entry and no change"
    STOP = 60, "stop.strategy", "the strategy's stop was reached on a closed bar"
    TAKE = 61, "take.strategy", "the strategy's take was reached on a closed bar"
    POSITION_STOP = 62, "stop.position", "the position lost its limit from its average price"
    STOP_BLIND = 63, "stop.blind", "a position with a stop has no fresh price"
    # churn guard
    MIN_TARGET = 70, "churn.min_target", "the target is too small to be worth a position"
    DEADBAND = 71, "churn.deadband", "the target is too near the current position"
    SIDE_COOLDOWN = 72, "churn.side_cooldown", "the opposite side waits until the last side's cooldown ends"
    MIN_HOLD = 73, "churn.min_hold", "the position is too young to be reversed"
    # position policy
    UNWIND = 80, "policy.unwind_only", "no allowlist row of any chain enables this symbol"
    PRE_CUTOVER = 81, "policy.pre_cutover_position", "the position belongs to another generation"
    OWNER_MISMATCH = 82, "policy.owner_mismatch", "the position belongs to another strategy than the selected one"
    UNWIND_EXTERNAL = (
        83,
        "policy.unwind_external",
        "the position is not ours, and the text says to unwind such positions",
    )
    # orders
    ENTRY = 90, "order.entry", "opens a position"
    ADD = 91, "order.add", "adds to a position"
    REDUCE = 92, "order.reduce", "reduces a position"
    CLOSE = 93, "order.close", "closes a position"
    REVERSE = 94, "order.reverse", "flattens now, enters the other side once flat is confirmed"
    SECOND_LEG = 95, "order.second_leg", "enters after the flat of a reversal was confirmed"
    TRIM = 96, "order.trim", "existing exposure is above a cap and its tolerance"
    WORKING = 97, "order.working", "an order of ours is still open in this symbol"
    CANCEL_AGE = 98, "order.cancel_age", "an order of ours was open for too long"
    CANCEL_EXIT = 99, "order.cancel_exit", "a working order is replaced by a protective exit"
    CANCEL_KILL = 100, "order.cancel_kill", "killed: our open orders are cancelled first"
    CANCEL_CLOSED = 101, "order.cancel_closed", "nothing rests outside regular hours"
    MIN_DELTA = 102, "order.min_delta", "the change is too small to be sent"
    OPEN_DELAY = 103, "order.open_delay", "no entries this soon after the open"
    CLOSE_BUFFER = 104, "order.close_buffer", "no entries this close to the close"
    REJECT_COOLDOWN = 105, "order.reject_cooldown", "the broker refused an entry a moment ago"
    CAPPED = 106, "order.capped", "the change would raise exposure above a cap"
    MARKET_CLOSED = 107, "order.market_closed", "outside regular hours nothing is sent"
    OFF_COLLAR = 117, "order.off_collar", "an exit is sent although the quote is beyond the collar: exits do not wait"
    CANCEL_TRADING = 118, "order.cancel_trading", "the text says that nothing is opened now: open entries are cancelled"
    FLATTEN = 119, "order.flatten", "killed, and the text says flatten: everything of ours is closed"
    # risk
    EQUITY_DOUBT = (
        120,
        "risk.equity_doubt",
        "equity is missing, not positive or jumped: entries wait for a second reading",
    )
    LOSS_PENDING = 121, "risk.loss_pending", "a loss limit was reached once: entries wait for a second reading"
    KILL_DAY = 122, "kill.daily_loss", "the daily loss limit was reached"
    KILL_WEEK = 123, "kill.weekly_loss", "the weekly loss limit was reached"
    KILL_CONSECUTIVE = 124, "kill.consecutive", "too many orders failed in a row"
    KILL_FAILURES = 125, "kill.failures", "too many orders failed within the window"
    KILL_RATE = 126, "kill.failure_rate", "too large a share of orders failed within the window"
    KILL_AUTH = 127, "kill.auth", "the broker refused our credentials"
    EXIT_FAILING = 128, "exit.failing", "an exit was refused three times or more"
    DECLARED_REDUCING = 129, "risk.reducing", "the text says so: no entries and no adds, reductions and exits go on"
    DECLARED_HALTED = 130, "risk.halted", "the text says so: only protective exits"
    # net
    DENIED_LOT = 140, "denied.lot_size", "less than one lot"
    DENIED_NOTIONAL = 141, "denied.min_notional", "below the smallest notional of the venue"
    DENIED_SHORT = 142, "denied.shorting", "the venue does not allow short sales"
    DENIED_FUNDS = 143, "denied.buying_power", "buying power does not reach for one lot"
    DENIED_MARK = 144, "denied.no_mark", "no price to size an entry with"
    REDUCED_FUNDS = 145, "net.reduced_funds", "sized down to the buying power"
    DENIED_QUANTITY = 146, "denied.min_quantity", "below the smallest quantity of the venue"
    REDUCED_QUANTITY = 147, "net.reduced_quantity", "cut to the largest order of the venue; the rest follows"
    DENIED_ORDER_NOTIONAL = 148, "denied.order_notional", "worth more than one order of the world may be"
    DENIED_VOLUME = 149, "denied.volume", "too large a part of the symbol's average daily volume, or that is not known"
    DENIED_PER_TICK = 150, "denied.per_tick", "the world has sent as many orders as a tick may have"
    DENIED_PER_DAY = 151, "denied.per_day", "the world has sent as many orders as an exchange day may have"
    DENIED_TURNOVER = 152, "denied.turnover", "the orders of the exchange day would be worth more than they may be"
    DENIED_COLLAR = 159, "denied.collar", "a fresh quote is further from the mark than the collar"
    # the account as the broker sees it (reconciliation)
    KILL_OPERATOR = 200, "kill.operator", "somebody said `qmtl kill`"
    KILL_RUNNER = (
        201,
        "kill.other_runner",
        "the broker has an order with an id of ours that this journal does not know: another runner trades this account",
    )
    ACCOUNT_BLOCKED = 202, "account.blocked", "the broker says that the account may not trade now"
    CLOCK_SKEW = 203, "account.clock_skew", "our clock and the broker's differ by more than `clock.max_skew`"
    NOT_TRADABLE = 204, "denied.not_tradable", "the broker does not let this symbol be traded now"
    NOT_SHORTABLE = 205, "denied.not_shortable", "the broker has no shares of this symbol to borrow"
    EXTERNAL_ORDER = 206, "denied.external_order", "an order that is not ours works in this symbol"
