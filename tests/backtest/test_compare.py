"""Two backtests beside each other: equal ones are equal, and for others the first order that differs is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.backtest.compare import Changed, compare, compare_text, order_text
from qmtl.engine.backtest.result import Costs, Result
from qmtl.engine.backtest.summary import Stored, summarise

from .made import Sent, played, record

SENT = [
    Sent(0, "AAA", 10, 100.0, fee=0.2),
    Sent(1, "BBB", -5, 40.0, fee=0.1, strategy="zscore", chain="chop"),
    Sent(4, "AAA", -10, 101.0, fee=0.2, reason="order.close"),
]


def stored(sent: list[Sent], name: str = "a", sessions: int = 3, **more: object) -> Stored:
    value = 1000.0 + np.arange(sessions * 4) * (1.0 if name == "a" else 2.0)
    return wrapped(record(value, 4, sent, name=name, last={"AAA": 101.0, "BBB": 39.0}, **more))


def wrapped(result: Result) -> Stored:
    return Stored(result, summarise(result))


def test_a_backtest_equals_itself() -> None:
    found = compare(stored(SENT), stored(SENT))
    assert found.same
    assert found.first == (None, None)
    assert (found.setup, found.only_a, found.only_b, found.changed) == ((), (), (), ())
    assert all(line.a == line.b for line in found.measures)
    text = compare_text(found)
    assert "the same 3, to the bit" in text


def test_an_order_that_differs_is_found_and_named() -> None:
    other = [SENT[0], replace(SENT[1], qty=-6), SENT[2]]
    found = compare(stored(SENT), stored(other))
    assert not found.same
    a, b = found.first
    assert (a.symbol, a.qty, b.qty) == ("BBB", -5.0, -6.0)
    assert [(x.qty, y.qty) for x, y in found.changed] == [(-5.0, -6.0)]
    assert (found.only_a, found.only_b) == ((), ())
    assert "differs in qty\n" in compare_text(found)


def test_a_difference_that_rounding_would_hide_is_shown_in_full() -> None:
    other = [replace(SENT[0], price=100.00000000000001), *SENT[1:]]
    text = compare_text(compare(stored(SENT), stored(other)))
    assert "differs in price (100.0, 100.00000000000001)" in text


def test_orders_of_one_side_only() -> None:
    extra = Sent(6, "CCC", 1, 5.0)
    found = compare(stored(SENT), stored([*SENT[1:], extra]))
    assert [order.symbol for order in found.only_a] == ["AAA"]
    assert [order.symbol for order in found.only_b] == ["CCC"]
    assert [order and order.symbol for order in found.first] == ["AAA", "BBB"]
    shorter = compare(stored(SENT), stored(SENT[:2]))
    assert shorter.first[1] is None
    assert "B no more orders" in compare_text(shorter)


def test_two_orders_alike_in_one_tick_are_told_apart() -> None:
    twice = [SENT[0], replace(SENT[0], qty=3), *SENT[1:]]
    found = compare(stored(twice), stored(SENT))
    assert [order.qty for order in found.only_a] == [3.0]
    assert (found.only_b, found.changed) == ((), ())
    swapped = compare(stored(twice), stored([twice[1], twice[0], *SENT[1:]]))
    assert [(x.qty, y.qty) for x, y in swapped.changed] == [(10.0, 3.0), (3.0, 10.0)]


def test_what_was_set_up_differently() -> None:
    other = stored(SENT, name="b", costs=Costs(0.0004, 0.0001, late=1), source="another feed")
    found = compare(stored(SENT), other)
    assert found.names == ("a", "b")
    assert found.setup == (
        Changed("costs.fee", "0.0002", "0.0004"),
        Changed("costs.late", "0", "1"),
        Changed("source", "made by hand", "another feed"),
    )


def test_curves_are_aligned_on_common_sessions() -> None:
    found = compare(stored(SENT), stored(SENT, name="b", sessions=2))
    assert len(found.days) == 2
    assert found.equity_a.tolist() == [1003.0, 1007.0]
    assert found.equity_b.tolist() == [1006.0, 1014.0]
    late = stored(SENT, name="b")
    away = replace(late.result.steps, days=("2030-01-02", "2030-01-03", "2030-01-04"))
    none = compare(stored(SENT), Stored(replace(late.result, steps=away), late.summary))
    assert none.days == ()
    assert "no session in common" in compare_text(none)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_law_differences_of_b_and_a_mirror_those_of_a_and_b(one: int, two: int) -> None:
    a, b = wrapped(played(one, days=2).result), wrapped(played(two, days=2).result)
    there, back = compare(a, b), compare(b, a)
    assert (there.only_a, there.only_b) == (back.only_b, back.only_a)
    assert there.first == back.first[::-1]
    assert [(y, x) for x, y in back.changed] == list(there.changed) or sorted(map(str, there.changed)) == sorted(
        str((y, x)) for x, y in back.changed
    )
    assert there.same is (one == two)
    assert len(there.only_a) + len(there.changed) <= there.orders[0]


def test_an_order_in_words() -> None:
    (order, *_) = compare(stored([]), stored(SENT)).only_b
    assert order_text(order) == "2025-01-06 14:45 core AAA buy 10 at 100 roc trend order.entry"
    unfilled = compare(stored([]), stored([replace(SENT[1], fill=False, strategy="")])).only_b[0]
    assert order_text(unfilled) == "2025-01-06 15:00 core BBB sell 5 unfilled chop order.entry"


def test_no_line_is_longer_than_100_columns_whatever_the_names(golden) -> None:
    long = "a_name_without_end_" * 12
    a = stored(SENT, name=long, source=long)
    b = stored([replace(s, symbol=long, strategy=long, chain=long) for s in SENT], name="b", source=f"{long}x")
    for text in (compare_text(compare(a, b)), compare_text(compare(a, a))):
        assert max(map(len, text.splitlines())) <= 100
    other = [replace(SENT[0], price=100.5), *SENT[1:], Sent(6, "CCC", 1, 5.0)]
    golden(
        "backtest/compare.txt",
        compare_text(compare(stored(SENT), stored(other, name="b", costs=Costs(0.0004, 0.0002, late=1)))),
    )


@pytest.mark.parametrize("which", ["a", "b"])
def test_a_measure_that_one_side_lacks_has_no_difference(which: str) -> None:
    full, empty = stored(SENT), stored([])
    found = compare(full, empty) if which == "a" else compare(empty, full)
    (line,) = [line for line in compare_text(found).splitlines() if line.startswith("win rate")]
    assert line.split()[-1] == "-"
