"""The newest quotes, in as few requests as there can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qmtl.engine.adapters.alpaca.quotes import AlpacaQuotes
from qmtl.engine.errors import DataError
from qmtl.engine.ports import QuoteFeed

from .wire import Asked, Said, Wire

Open = Callable[..., Any]
STAMP = "2026-03-09T14:00:00.286587431Z"
EPOCH = 1_773_064_800


def quote(bid: float, ask: float, stamp: str = STAMP) -> dict[str, Any]:
    return {"t": stamp, "bp": bid, "bs": 1, "bx": "Q", "ap": ask, "as": 1, "ax": "Q", "c": ["R"], "z": "C"}


def test_the_middle_of_both_sides_with_its_own_time(wire: Wire, lines: Open) -> None:
    found = {
        "SPY": quote(500, 500.5),
        "LOCKED": quote(10, 10),
        "NOBID": quote(0, 10),
        "NOASK": quote(10, 0),
        "CROSSED": quote(11, 10),
        "STRANGER": quote(1, 2),
    }
    wire.routes(v2_stocks_quotes_latest={"quotes": found})
    feed: QuoteFeed = AlpacaQuotes(lines().data, ("SPY", "LOCKED", "NOBID", "NOASK", "CROSSED", "SILENT"))
    row = feed.quotes(EPOCH)
    np.testing.assert_array_equal(row.prices, [500.25, 10, np.nan, np.nan, np.nan, np.nan])
    assert row.at.tolist() == [EPOCH, EPOCH, 0, 0, 0, 0]
    assert wire.asked[0].query["feed"] == "iex"


@pytest.mark.parametrize(
    "said",
    [
        Said(500, b""),
        Said(200, b""),
        Said(200, {"quotes": []}),
        Said(200, {}),
        Said(200, {"quotes": {"SPY": quote(1, 2, "2026-03-09T14:00:00")}}),
        Said(200, {"quotes": {"SPY": {**quote(1, 2), "bp": "much"}}}),
        Said(200, manner="drop"),
        Said(403, {"message": "forbidden."}),
    ],
)
def test_a_failure_is_an_error(wire: Wire, lines: Open, said: Said) -> None:
    wire.says(said)
    with pytest.raises(DataError):
        AlpacaQuotes(lines().data, ("SPY",)).quotes(EPOCH)


def test_r25_without_the_subscription_quotes_are_those_of_iex(wire: Wire, lines: Open) -> None:
    def script(asked: Asked) -> Said:
        if asked.query["feed"] == "sip":
            return Said(403, {"message": "subscription does not permit querying recent SIP data"})
        return Said(200, {"quotes": {"SPY": quote(1, 2)}})

    wire.script = script
    feed = AlpacaQuotes(lines().data, ("SPY",), feed="sip")
    assert feed.quotes(EPOCH).prices[0] == 1.5
    assert feed.label == "iex instead of sip"
    assert len(feed.take_remarks()) == 1


def test_r38_148_symbols_are_one_request(wire: Wire, lines: Open) -> None:
    symbols = tuple(f"SYM{i}" for i in range(148))
    wire.routes(
        v2_stocks_quotes_latest=lambda asked: {"quotes": {s: quote(1, 2) for s in asked.query["symbols"].split(",")}}
    )
    assert np.isfinite(AlpacaQuotes(lines().data, symbols).quotes(EPOCH).prices).all()
    assert len(wire.asked) == 1
