"""Two backtests side by side: what was set up differently, what came out differently, and the first order that differs.

In: two stored backtests. Out: `Comparison`, and its text of at most 100 columns. It answers the two questions after an
edit: did it change anything that is traded, and where did it begin.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from ..bars import Floats
from .curves import account_curve
from .fingerprint import canonical_order, fingerprint
from .result import OrderRows, Result, Setup, Texts
from .summary import Stored
from .texttable import CURVE_ITEMS, TRADE_ITEMS, Item, Value, name, number, percent, table, whole

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing of the setup that differs, as text."""

    what: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Order:
    """One order in plain values; what two backtests are compared by. Texts are names, "" = none."""

    sent: int
    world: str
    symbol: str
    qty: float
    filled: int
    price: float
    fee: float
    strategy: str
    chain: str
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of both: `label` and `field` of `Measures`."""

    label: str
    field: str
    a: Value
    b: Value


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Differences of two backtests A and B.

    setup     what was set up differently;  measures  all measures, equal or not
    same      fingerprints equal: the same orders to the bit
    first     the first orders that differ, in canonical order, None where a side has no more; both None when all are equal
    only_a, only_b   orders (by time, world, symbol and side) that the other does not have;  changed  those of both that differ
    days, equity_a, equity_b   [n] closes of the sessions that both have
    """

    names: tuple[str, str]
    setup: tuple[Changed, ...]
    fingerprints: tuple[str, str]
    same: bool
    measures: tuple[Line, ...]
    orders: tuple[int, int]
    first: tuple[Order | None, Order | None]
    only_a: tuple[Order, ...]
    only_b: tuple[Order, ...]
    changed: tuple[tuple[Order, Order], ...]
    days: Texts
    equity_a: Floats
    equity_b: Floats


def compare(a: Stored, b: Stored) -> Comparison:
    """Compare two backtests; times in epoch seconds, money in each account's currency."""
    marks = fingerprint(a.result.orders), fingerprint(b.result.orders)
    same = marks[0] == marks[1]
    # rows as values cost seconds for 200,000 orders: only where something differs
    orders_a, orders_b = ([], []) if same else (_orders(a.result.orders), _orders(b.result.orders))
    only_a, only_b, changed = _unmatched(orders_a, orders_b)
    days, equity_a, equity_b = _common(a.result, b.result)
    items = (*CURVE_ITEMS, *TRADE_ITEMS)
    return Comparison(
        names=(a.result.setup.name, b.result.setup.name),
        setup=_setup(a.result.setup, b.result.setup),
        fingerprints=marks,
        same=same,
        measures=tuple(
            Line(item.label, item.field, item.value(a.summary.measures), item.value(b.summary.measures))
            for item in items
        ),
        orders=(len(a.result.orders.sent), len(b.result.orders.sent)),
        first=_first(orders_a, orders_b),
        only_a=only_a,
        only_b=only_b,
        changed=changed,
        days=days,
        equity_a=equity_a,
        equity_b=equity_b,
    )


def compare_text(found: Comparison) -> str:
    """The comparison as text."""
    sections = [
        table(
            [("", "A", "B"), ("backtest", name(found.names[0], 40), name(found.names[1], 40)), *_setup_rows(found)],
            left=3,
        ),
        _measures_text(found),
        _curves_text(found),
        _orders_text(found),
    ]
    return "\n".join(section for section in sections if section)


def order_text(order: Order) -> str:
    """An order in one line: time (UTC), world, symbol, side and quantity, price, who sent it and why."""
    at = datetime.fromtimestamp(order.sent, UTC).strftime("%Y-%m-%d %H:%M")
    side = "buy" if order.qty > 0 else "sell"
    price = f"at {order.price:.8g}" if order.filled else "unfilled"
    who = " ".join(part for part in (order.strategy, order.chain, order.reason) if part)
    return f"{at} {order.world} {order.symbol} {side} {abs(order.qty):.10g} {price} {who}".rstrip()


def _setup(a: Setup, b: Setup) -> tuple[Changed, ...]:
    """Fields that differ, costs one by one."""
    rows = []
    for field in fields(Setup):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if field.name == "costs":
            parts = [(part.name, getattr(left, part.name), getattr(right, part.name)) for part in fields(left)]
            rows += [Changed(f"costs.{what}", _plain(x), _plain(y)) for what, x, y in parts if x != y]
        elif left != right and field.name != "name":
            rows.append(Changed(field.name, _plain(left), _plain(right)))
    return tuple(rows)


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(" ".join(map(str, item)) if isinstance(item, tuple) else str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _orders(orders: OrderRows) -> list[Order]:
    """All orders in canonical order."""
    row = canonical_order(orders)

    def texts(names: Texts, index: np.ndarray[Any, Any]) -> list[str]:
        return [names[i] if i >= 0 else "" for i in index[row].tolist()]

    return [
        Order(*values)
        for values in zip(
            orders.sent[row].tolist(),
            texts(orders.worlds, orders.world),
            texts(orders.symbols, orders.symbol),
            orders.qty[row].tolist(),
            orders.filled[row].tolist(),
            orders.price[row].tolist(),
            orders.fee[row].tolist(),
            texts(orders.strategies, orders.strategy),
            texts(orders.chains, orders.chain),
            texts(orders.reasons, orders.reason),
            strict=True,
        )
    ]


def _first(a: list[Order], b: list[Order]) -> tuple[Order | None, Order | None]:
    for left, right in zip(a, b, strict=False):
        if left != right:
            return left, right
    at = min(len(a), len(b))
    return (a[at] if len(a) > at else None), (b[at] if len(b) > at else None)


_Key = tuple[int, str, str, bool, int]


def _keyed(orders: list[Order]) -> dict[_Key, Order]:
    """Orders by time, world, symbol, side, and number among those alike."""
    seen: Counter[tuple[int, str, str, bool]] = Counter()
    found = {}
    for order in orders:
        key = (order.sent, order.world, order.symbol, order.qty > 0)
        found[(*key, seen[key])] = order
        seen[key] += 1
    return found


def _unmatched(
    a: list[Order], b: list[Order]
) -> tuple[tuple[Order, ...], tuple[Order, ...], tuple[tuple[Order, Order], ...]]:
    keys_a, keys_b = _keyed(a), _keyed(b)
    return (
        tuple(order for key, order in keys_a.items() if key not in keys_b),
        tuple(order for key, order in keys_b.items() if key not in keys_a),
        tuple((order, keys_b[key]) for key, order in keys_a.items() if key in keys_b and order != keys_b[key]),
    )


def _common(a: Result, b: Result) -> tuple[Texts, Floats, Floats]:
    """Closes of the sessions that both have."""
    curve_a, curve_b = account_curve(a), account_curve(b)
    place_b = {day: i for i, day in enumerate(curve_b.days)}
    rows = [(i, place_b[day]) for i, day in enumerate(curve_a.days) if day in place_b]
    left = np.array([i for i, _ in rows], dtype=np.int64)
    right = np.array([j for _, j in rows], dtype=np.int64)
    return (
        tuple(curve_a.days[i] for i, _ in rows),
        curve_a.value[curve_a.ends[left]],
        curve_b.value[curve_b.ends[right]],
    )


def _setup_rows(found: Comparison) -> list[tuple[str, str, str]]:
    rows = [(change.what, name(change.a, 40), name(change.b, 40)) for change in found.setup]
    return [*rows, ("fingerprint", found.fingerprints[0][:16], found.fingerprints[1][:16])]


def _measures_text(found: Comparison) -> str:
    rows = [("", "A", "B", "B - A")]
    for item, line in zip((*CURVE_ITEMS, *TRADE_ITEMS), found.measures, strict=True):
        rows.append((item.label, item.write(line.a), item.write(line.b), _gap(item, line)))
    return table(rows)


def _gap(item: Item, line: Line) -> str:
    if line.a is None or line.b is None:
        return "" if line.a is line.b else "-"
    return item.write(line.b - line.a) if line.a != line.b else ""


def _curves_text(found: Comparison) -> str:
    """How far the two curves part, both begun at 1 with the close of the first session in common."""
    if not found.days:
        return "curves  no session in common\n"
    if min(found.equity_a[0], found.equity_b[0]) <= 0:
        return ""
    gap = found.equity_b / found.equity_b[0] - found.equity_a / found.equity_a[0]
    most = int(np.abs(gap).argmax())
    return (
        f"curves  {whole(len(found.days))} sessions in common, {found.days[0]} to {found.days[-1]}; from the first close"
        f" on B is\n        {percent(gap[-1])} of it ahead at the end and {percent(gap[most])} where they are farthest apart"
        f" ({found.days[most]})\n"
    )


def _orders_text(found: Comparison) -> str:
    if found.same:
        return f"orders  the same {whole(found.orders[0])}, to the bit\n"
    counts = [whole(count) for count in (*found.orders, len(found.only_a), len(found.only_b), len(found.changed))]
    a, b = found.first
    lines = [
        "orders  {} in A, {} in B; {} only in A, {} only in B, {} in both but different".format(*counts),
        "first difference",
        f"  A {order_text(a) if a else 'no more orders'}",
        f"  B {order_text(b) if b else 'no more orders'}",
    ]
    if a and b and (a.sent, a.world, a.symbol) == (b.sent, b.world, b.symbol):
        lines.append(f"    differs in {', '.join(_differs(a, b))}")
    for title, orders in (("only in A", found.only_a), ("only in B", found.only_b)):
        if orders:
            lines.append(f"{title}, the first {min(_SHOWN, len(orders))}")
            lines += [f"    {order_text(order)}" for order in orders[:_SHOWN]]
    return "".join(f"{name(line, 100)}\n" for line in lines)


def _differs(a: Order, b: Order) -> list[str]:
    """What differs, with exact values where rounding would hide it."""
    found = []
    for field in fields(Order):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if left != right:
            same = isinstance(left, float) and number(left, 6) == number(right, 6)
            found.append(f"{field.name} ({left!r}, {right!r})" if same else field.name)
    return found
