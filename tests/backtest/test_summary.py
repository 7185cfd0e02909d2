"""The summary and its text: what a person reads after a backtest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qmtl.engine.backtest.measures import Variant
from qmtl.engine.backtest.result import Costs, Notice
from qmtl.engine.backtest.summary import costs_text, summarise, summary_text
from qmtl.engine.backtest.texttable import name, number, percent, table, whole

from .made import Sent, of_returns, played, record


def test_the_text_of_a_backtest(golden) -> None:
    game = played(11, days=45, bars=4, symbols=14, worlds=("us_core", "us_fast"), busy=0.15).result
    plain = summarise(game)
    variants = (Variant("costs x2", plain.measures), Variant("one bar later", plain.market))
    summary = summarise(game, variants)
    assert summary.variants == variants
    text = summary_text(game.setup, summary, game.notices)
    assert max(map(len, text.splitlines())) <= 100
    golden("backtest/summary.txt", text)


def test_a_backtest_without_orders_says_so_with_dashes(golden) -> None:
    result = of_returns(np.array([0.0, 0.0, 0.0]))
    text = summary_text(result.setup, summarise(result))
    for undefined in ("nan", "inf", "999", "None"):
        assert undefined not in text
    assert "fingerprint of 0 orders" in text
    golden("backtest/summary_empty.txt", text)


def test_no_line_is_longer_than_100_columns_whatever_the_names_and_numbers() -> None:
    long = "a_name_without_end_" * 12
    sent = [Sent(i % 7, f"{long}{i}", 1e6 * (i + 1), 9e5, strategy=long, chain=long, fee=1e6) for i in range(30)]
    result = record(np.linspace(1e15, 9e15, 8), 4, sent, last={s.symbol: 1e-3 for s in sent}, name=long, source=long)
    notices = tuple(Notice(long, 0, 10**9, long, long, long) for _ in range(30))
    summary = summarise(result)
    text = summary_text(result.setup, replace(summary, variants=(Variant(long, summary.measures),)), notices)
    assert max(map(len, text.splitlines())) <= 100
    assert "18 more notices" in text
    assert "20 symbols between them are not shown" in text


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (percent(0.05), "5.00 %"), (percent(-0.0000001), "0.00 %"), (percent(None), "-"), (percent(1.0, 0), "100 %"),
        (number(1234.5), "1,234.50"), (number(-0.001), "0.00"), (number(None), "-"), (number(1e15), "1.000e+15"),
        (whole(1234), "1,234"), (whole(None), "-"), (name("abcdef", 5), "abc.."), (name("abcde", 5), "abcde"),
        (table([]), ""), (table([("a", "1"), ("bcd", "22")]), "a     1\nbcd  22\n"),
    ],
)  # fmt: skip
def test_numbers_and_tables(written: str, wanted: str) -> None:
    assert written == wanted


def test_the_cost_model_in_words() -> None:
    assert costs_text(Costs()) == ("fee 2 bps and slippage 1 bps a side, borrow 50 bps a year; fills at the next open")
    assert costs_text(Costs(borrow_of=(("GME", 0.3),), late=1)) == (
        "fee 2 bps and slippage 1 bps a side, borrow 50 bps a year (1 symbols differ); fills at the next open, 1 bars late"
    )


def test_the_summary_of_worlds_names_them() -> None:
    result = played(1, worlds=("core", "other")).result
    assert [world for world, _ in summarise(result).worlds] == ["core", "other"]
