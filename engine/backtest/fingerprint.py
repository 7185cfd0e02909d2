"""One hash over all orders of a backtest: two backtests with the same fingerprint traded the same, to the bit.

In: `OrderRows`. Out: a sha256 in hex. It shows that a change for speed changed nothing, and that two machines agree.
Rows are brought into one order and names are hashed as text, so neither the order of columns, nor that of name tables,
nor names that no order uses can change it.

Layout (all numbers little-endian):

    "qmtl.orders.v1\\n"                  15 bytes
    count                               int64: M orders
    for world, symbol, strategy, chain, reason:
        names                           int32: how many are used, then each (UTF-8, int32 length first), sorted
        index                           int32 [M] into those names, -1 = none
    sent, filled                        int64 [M] each, epoch seconds; filled 0 = not filled
    side                                int8 [M]: 1 buy, -1 sell
    quantity, price, fee                float64 [M] each; quantity without sign, no negative zero

Orders are sorted by time sent, world, symbol (names, by code points); those equal in all three keep the order they were
sent in.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..bars import Ints
from .result import OrderRows, Texts

LAYOUT: Final = b"qmtl.orders.v1\n"


def fingerprint(orders: OrderRows) -> str:
    """sha256 in hex over all orders in the layout above."""
    columns = [
        named(names, index)
        for names, index in (
            (orders.worlds, orders.world),
            (orders.symbols, orders.symbol),
            (orders.strategies, orders.strategy),
            (orders.chains, orders.chain),
            (orders.reasons, orders.reason),
        )
    ]
    row = canonical_order(orders)
    digest = hashlib.sha256(LAYOUT)
    digest.update(_bytes(np.array([len(row)]), "<i8"))
    for names, index in columns:
        digest.update(_bytes(np.array([len(names)]), "<i4"))
        for name in names:
            text = name.encode("utf-8")
            digest.update(_bytes(np.array([len(text)]), "<i4"))
            digest.update(text)
        digest.update(_bytes(index[row], "<i4"))
    digest.update(_bytes(orders.sent[row], "<i8"))
    digest.update(_bytes(orders.filled[row], "<i8"))
    digest.update(_bytes(np.where(orders.qty[row] < 0, -1, 1), "<i1"))
    for values in (np.abs(orders.qty[row]), orders.price[row], orders.fee[row]):
        # adding 0.0 turns -0.0 into 0.0 and leaves everything else as it is
        digest.update(_bytes(values + 0.0, "<f8"))
    return digest.hexdigest()


def canonical_order(orders: OrderRows) -> Ints:
    """Rows sorted by time sent, world name and symbol name; the order of sending decides the rest."""
    world = named(orders.worlds, orders.world)[1]
    symbol = named(orders.symbols, orders.symbol)[1]
    return np.lexsort((symbol, world, orders.sent)).astype(np.int64)


def named(names: Texts, index: NDArray[Any]) -> tuple[Texts, Ints]:
    """The names that are used, sorted, and the index into those; -1 stays."""
    used = np.unique(index[index >= 0])
    kept = tuple(sorted({names[int(i)] for i in used}))
    place = {name: i for i, name in enumerate(kept)}
    table = np.full(len(names) + 1, -1, dtype=np.int64)  # its last row is what -1 reads
    table[used] = [place[names[int(i)]] for i in used]
    return kept, table[index.astype(np.int64)]


def _bytes(values: NDArray[Any], kind: str) -> bytes:
    return np.ascontiguousarray(values, dtype=kind).tobytes()
