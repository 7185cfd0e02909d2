"""The fingerprint: equal for equal orders however they lie in memory, another one for any change."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest

from qmtl.engine.backtest.fingerprint import fingerprint

from .made import Sent, order_rows, ticks

AT = ticks(2, 4)
SENT = [
    Sent(0, "BBB", 10, 50.0, fee=0.1),
    Sent(0, "AAA", -2.5, 20.0, fee=0.2, strategy="", chain="chop"),
    Sent(3, "AAA", 2.5, 21.0, reason="order.close", fill=False),
]


def test_the_layout_is_the_documented_one() -> None:
    """Built once more by hand from the words of the module: a change of layout is a change of version."""

    def text(name: str) -> bytes:
        return struct.pack("<i", len(name.encode())) + name.encode()

    def names(*all_: str) -> bytes:
        return struct.pack("<i", len(all_)) + b"".join(map(text, all_))

    first, last = int(AT[0]), int(AT[3])
    wanted = b"".join(
        [
            b"qmtl.orders.v1\n",
            struct.pack("<q", 3),
            names("core") + struct.pack("<3i", 0, 0, 0),
            names("AAA", "BBB") + struct.pack("<3i", 0, 1, 0),
            names("roc") + struct.pack("<3i", -1, 0, 0),
            names("chop", "trend") + struct.pack("<3i", 0, 1, 1),
            names("order.close", "order.entry") + struct.pack("<3i", 1, 1, 0),
            struct.pack("<3q", first, first, last),
            struct.pack("<3q", first, first, 0),
            struct.pack("<3b", -1, 1, 1),
            struct.pack("<3d", 2.5, 10.0, 2.5),
            struct.pack("<3d", 20.0, 50.0, 0.0),
            struct.pack("<3d", 0.2, 0.1, 0.0),
        ]
    )
    assert fingerprint(order_rows(SENT, AT)) == hashlib.sha256(wanted).hexdigest()


def test_order_in_memory_name_tables_and_types_change_nothing() -> None:
    plain = order_rows(SENT, AT)
    wanted = fingerprint(plain)
    assert fingerprint(order_rows([SENT[1], SENT[0], SENT[2]], AT)) == wanted  # another symbol of the same tick first
    assert fingerprint(order_rows(SENT, AT, ("ZZZ", "AAA", "YYY"))) == wanted
    assert fingerprint(replace(plain, world=plain.world.astype(np.int64), sent=plain.sent.astype(">i8"))) == wanted
    assert fingerprint(replace(plain, price=np.array([50.0, 20.0, -0.0]))) == wanted
    strided = np.repeat(plain.qty, 2)[::2]
    assert fingerprint(replace(plain, qty=strided)) == wanted
    # the size was computed from the mark: it is no part of what was traded
    assert fingerprint(replace(plain, mark=plain.mark + 1)) == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"qty": 10.000000000000002}, {"qty": -10}, {"price": 50.00000000000001}, {"fee": 0.10000000000000002}, {"at": 1},
        {"symbol": "BBC"}, {"world": "cor"}, {"strategy": ""}, {"chain": "chop"}, {"reason": "order.add"}, {"fill": False},
    ],
    ids=str,
)  # fmt: skip
def test_any_change_of_an_order_changes_it(change: dict[str, object]) -> None:
    changed = [replace(SENT[0], **change), *SENT[1:]]
    assert fingerprint(order_rows(changed, AT)) != fingerprint(order_rows(SENT, AT))


def test_names_cannot_run_into_each_other() -> None:
    one = [Sent(0, "AB", 1, 1.0), Sent(0, "C", 1, 1.0)]
    other = [Sent(0, "A", 1, 1.0), Sent(0, "BC", 1, 1.0)]
    assert fingerprint(order_rows(one, AT)) != fingerprint(order_rows(other, AT))


def test_two_orders_of_one_symbol_in_one_tick_keep_their_order() -> None:
    legs = [Sent(0, "A", -1, 5.0), Sent(0, "A", 2, 6.0)]
    assert fingerprint(order_rows(legs, AT)) != fingerprint(order_rows(legs[::-1], AT))


def test_no_orders_have_a_fingerprint_too() -> None:
    assert fingerprint(order_rows([], AT)) != fingerprint(order_rows(SENT, AT))


def test_known_orders_keep_their_fingerprint_for_ever() -> None:
    assert fingerprint(order_rows(SENT, AT)) == "8f0c97c107010dec26d70522787bf64d1186d736ccaff6f3044d08be4dca02fc"
