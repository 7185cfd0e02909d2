"""The account and the memory that a case starts from.

In: a case, the frame of its world and the marks of its first tick. Out: a broker's snapshot, the book of our orders, and
a `DecideState`. Sizes are rounded to whole lots, as real positions are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np

from qmtl.dsl.cases.model import Case, Held, Working

from ..bars import Floats
from ..execution.book import Book, Holding, Tracked
from ..frame import Frame, day_number
from ..killswitch import week_number
from ..market import SessionTimes
from ..orderrules import lot_of
from ..orders import Attribution, Order, OrderState, client_order_id
from ..ports import BrokerSnapshot, Position
from ..reasons import Reason
from ..sizing import rules_at
from ..state import MIX, DecideState, initial

ACCOUNT = "case"
#: what a short takes of buying power beside its proceeds, as on the paper account
_SHORT = Decimal("1.5")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Opening:
    """The account before the first tick: what the broker shows, and our open orders with what our fills add up to."""

    snapshot: BrokerSnapshot
    book: Book


def opening(case: Case, frame: Frame, marks: Floats) -> Opening:
    """Positions and cash such that the equity is the case's, and every size the fraction it says."""
    prices = {held.symbol: _price(held, marks, frame) for held in case.positions}
    capital = _capital(case, frame, prices)
    positions, holdings = [], []
    for held in case.positions:
        qty = _qty(frame, held.symbol, held, capital / prices[held.symbol])
        average = held.average_price or prices[held.symbol]
        positions.append(Position(held.symbol, qty, Decimal(repr(average))))
        if not held.external and qty:
            holdings.append(Holding(case.world, held.symbol, qty, _ZERO, qty * Decimal(repr(average))))
    worth = [p.qty * Decimal(repr(prices[p.symbol])) for p in positions]
    equity = Decimal(repr(case.equity))
    cash = equity - sum(worth, _ZERO)
    power = max(cash + _SHORT * sum((w for w in worth if w < 0), _ZERO), _ZERO)
    snapshot = BrokerSnapshot(equity, cash, power, tuple(p for p in positions if p.qty), (), 0)
    return Opening(snapshot, Book(orders=_working(case, frame, marks, capital), holdings=tuple(holdings)))


def _price(held: Held, marks: Floats, frame: Frame) -> float:
    mark = float(marks[frame.index[held.symbol]])
    return mark if np.isfinite(mark) else float(held.average_price or 1.0)


def _capital(case: Case, frame: Frame, prices: dict[str, float]) -> float:
    """World capital: the share of the equity without external positions, whose size may be a fraction of it too."""
    # what is not ours counts at its average price, since a case shows no marks of the broker unless it says so
    outside = [(held, held.average_price or prices[held.symbol]) for held in case.positions if held.external]
    shares = sum(float(held.qty or 0) * price for held, price in outside if held.size is None)
    fractions = sum((held.size or 0.0) * price / prices[held.symbol] for held, price in outside)
    share = frame.program.settings.capital
    return share * (case.equity - shares) / (1 + share * fractions)


def _qty(frame: Frame, symbol: str, said: Held | Working, shares: float) -> Decimal:
    """Signed quantity; a fraction in whole lots of its symbol."""
    if said.size is None:
        return said.qty or _ZERO
    lot = lot_of(rules_at(frame)[frame.index[symbol]], "buy", opens=True)
    return (Decimal(repr(said.size * shares)) / lot).to_integral_value(rounding=ROUND_HALF_EVEN) * lot


def _working(case: Case, frame: Frame, marks: Floats, capital: float) -> tuple[Tracked, ...]:
    tracked = []
    for order in case.working:
        mark = float(marks[frame.index[order.symbol]])
        qty = _qty(frame, order.symbol, order, capital / mark if np.isfinite(mark) else 0.0)
        sent = case.steps[0].at - order.since
        tracked.append(
            Tracked(
                Order(
                    client_order_id=client_order_id(ACCOUNT, sent, order.symbol, order.leg, 1),
                    symbol=order.symbol,
                    side="buy" if qty > 0 else "sell",
                    qty=abs(qty),
                    leg=order.leg,
                    epoch=sent,
                    attempt=1,
                    reason=Reason.ENTRY.code,
                    mark=Decimal(repr(mark)),
                    valid_until=0,
                    attribution=(Attribution(case.world, "", "", qty),),
                ),
                OrderState.ACCEPTED,
            )
        )
    return tuple(tracked)


def remembered(case: Case, frame: Frame, begin: Opening, session: SessionTimes) -> DecideState:
    """The state before the first tick, as if the world had lived through what the case remembers."""
    blank = initial(frame)
    arrays: dict[str, Any] = {name: getattr(blank, name) for name in DecideState.__slots__}
    at = case.steps[0].at
    _remember_positions(case, frame, arrays, begin)
    _remember_symbols(case, frame, arrays)
    memory = case.memory
    equity = case.equity if memory.equity is None else memory.equity
    ones: dict[str, float] = {
        "now": at - frame.interval,
        "equity": equity,
        "close_equity": equity,
        "day": day_number(session.day),
        "week": week_number(session),
        "consecutive": memory.failures,
        "day_breach_at": at - memory.day_breached if memory.day_breached else 0,
        "week_breach_at": at - memory.week_breached if memory.week_breached else 0,
    }
    for name, level in (("day", memory.day_start), ("week", memory.week_start)):
        ones |= {
            f"{name}_anchor": equity if level is None else level,
            f"{name}_level": equity if level is None else level,
        }
    if memory.kill is not None:
        kill = memory.kill
        ones |= {
            "kill": next(reason for reason in Reason if reason.code == kill.reason),
            "killed_at": at - kill.since,
            "recover_at": at - kill.since + kill.recovers if kill.recovers else 0,
        }
    for name, value in ones.items():
        arrays[name][()] = value
    return DecideState(**arrays)


def _remember_positions(case: Case, frame: Frame, arrays: dict[str, Any], begin: Opening) -> None:
    at, shares = case.steps[0].at, {p.symbol: p.qty for p in begin.snapshot.positions}
    for held in case.positions:
        column, qty = frame.index[held.symbol], shares.get(held.symbol, _ZERO)
        arrays["qty"][column] = float(qty)
        if held.external or not qty:
            continue
        arrays["side"][column] = arrays["last_side"][column] = 1 if qty > 0 else -1
        arrays["side_opened_at"][column] = arrays["last_opened_at"][column] = at - held.opened
        if held.owner:
            own(frame, arrays, held)


def own(frame: Frame, arrays: dict[str, Any], held: Held) -> None:
    """Give a position to its owner: generation, levels, and the selection that opened it."""
    column, owner = frame.index[held.symbol], frame.strategy_index[held.owner]
    generation = frame.mix_generation[column] if owner == MIX else frame.generation[owner, column]
    arrays["owner"][column] = owner
    arrays["selected"][column] = owner
    arrays["generation"][column] = generation if held.same_generation else generation ^ np.uint64(1)
    for name, value, is_level in (
        ("stop", held.stop, frame.stop_is_level),
        ("take", held.take, frame.take_is_level),
    ):
        if value is not None:
            level = owner >= 0 and bool(is_level[owner, column])
            arrays[f"{name}_{'level' if level else 'distance'}"][column] = value


def _remember_symbols(case: Case, frame: Frame, arrays: dict[str, Any]) -> None:
    memory, at, index = case.memory, case.steps[0].at, frame.index
    rules = frame.program.settings.orders
    arrays["regime_missing"][:] = memory.regime_missing
    for symbol, chain in memory.chain:
        arrays["chain"][index[symbol]] = frame.names.chains.index(chain)
    for symbol, strategy in memory.selected:
        arrays["selected"][index[symbol]] = frame.strategy_index[strategy]
    for symbol, ago in memory.switched:
        arrays["switched_at"][index[symbol]] = at - ago
    for last in memory.last_side:
        arrays["last_side"][index[last.symbol]] = last.side
        arrays["last_opened_at"][index[last.symbol]] = at - last.opened
    for symbol, strategy, side in memory.latched:
        arrays["latch"][frame.strategy_index[strategy], index[symbol]] = side
    for leg in memory.pending:
        arrays["pending"][index[leg.symbol]] = leg.size
        arrays["pending_strategy"][index[leg.symbol]] = frame.strategy_index[leg.strategy]
    for symbol, ago in memory.entry_refused:
        arrays["reject_until"][index[symbol]] = at - ago + rules.reject_cooldown * frame.interval
    for symbol, count in memory.exit_refused:
        arrays["exit_rejects"][index[symbol]] = count


def owned_by(case: Case, owners: Sequence[str]) -> Case:
    """The case with an owner for every position that had none, in their order."""
    pairs = zip(case.positions, owners, strict=True)
    return replace(case, positions=tuple(replace(held, owner=held.owner or owner) for held, owner in pairs))
