"""The account, its clock and its assets (R35, R40, R41)."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from decimal import Decimal
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.adapters.alpaca import account
from qmtl.engine.adapters.alpaca.broker import AGAIN, AlpacaBroker
from qmtl.engine.adapters.alpaca.parse import ShapeError
from qmtl.engine.adapters.alpaca.reading import skew_of
from qmtl.engine.adapters.alpaca.transport import Answer
from qmtl.engine.errors import BrokerError
from qmtl.engine.ports import Asset, Known

from .memory import NOW, Account, Open, opened
from .rows import ACCOUNT, asset_row, position_row
from .wire import Asked, Said


def test_positions_are_signed_and_exact(venue: Account, lines: Open) -> None:
    venue.positions = [
        position_row("SPY", "1.123456789"),
        position_row("QQQ", "-5"),
        position_row("IWM", "5", side="short"),
        position_row("OLD", "2", current_price=None),
        position_row("AAPL241213C00250000", "1", asset_class="us_option", current_price="0.43"),
    ]
    broker = opened(lines)
    found = {one.symbol: one for one in broker.hear(Known(), NOW).snapshot.positions}
    assert found["SPY"].qty == Decimal("1.123456789")
    assert (found["QQQ"].qty, found["IWM"].qty) == (Decimal(-5), Decimal(-5))
    assert (found["SPY"].mark, found["SPY"].marked_at) == (Decimal(120), NOW)
    assert (found["OLD"].mark, found["OLD"].marked_at) == (None, 0)
    assert found["AAPL241213C00250000"].mark == Decimal(43)
    venue.wire.asked.clear()
    assert {one.symbol for one in broker.positions()} == found.keys()
    assert venue.wire.paths() == ["GET /v2/positions"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"status": "PAPER_ONLY"}, ""),
        ({"trading_blocked": True}, "trading is blocked"),
        ({"account_blocked": True}, "account is blocked"),
        ({"trade_suspended_by_user": True}, "suspended by the user"),
        ({"status": "ACCOUNT_UPDATED"}, "ACCOUNT_UPDATED"),
        ({"status": None}, "not given"),
    ],
)
def test_flags_of_the_account_are_said_in_words(change: dict[str, Any], said: str) -> None:
    blocked = account.money({**ACCOUNT, **change}).blocked
    assert said in blocked
    assert bool(blocked) == bool(said)


@pytest.mark.parametrize(
    ("change", "power", "shorts"),
    [
        ({}, "150000", True),
        ({"multiplier": "4", "buying_power": "400000"}, "150000", True),
        ({"regt_buying_power": None}, "200000", True),
        ({"shorting_enabled": False}, "150000", False),
        ({"multiplier": "1", "buying_power": "60000"}, "55000", False),
        ({"multiplier": "1", "buying_power": "60000", "cash_withdrawable": "20000"}, "20000", False),
        ({"multiplier": None}, "55000", False),
    ],
)
def test_r40_buying_power_is_settled_funds_without_margin_and_never_only_the_days(
    change: dict[str, Any], power: str, shorts: bool
) -> None:
    money = account.money({**ACCOUNT, **change})
    assert (money.buying_power, money.shorts) == (Decimal(power), shorts)


@pytest.mark.parametrize("key", ["account_number", "equity", "cash", "buying_power"])
def test_an_account_without_its_money_cannot_be_read(key: str) -> None:
    for value in (None, "", 7.5 if key == "account_number" else "much"):
        with pytest.raises(ShapeError):
            account.money({**ACCOUNT, key: value})


def test_another_account_under_the_same_keys_is_an_error(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    venue.account["account_number"] = "PA2"
    with pytest.raises(BrokerError, match="answered as PA2"):
        broker.hear(Known(), NOW)


# --- clocks


def answer(date: float, at: float, elapsed: float) -> Answer:
    return Answer(200, headers={"date": formatdate(date, usegmt=True)}, at=at, elapsed=elapsed)


@given(st.floats(-1000, 1000), st.floats(0, 5), st.floats(0, 1), st.floats(0, 0.999))
def test_r35_skew_is_the_least_that_a_date_and_a_round_trip_allow(
    ahead: float, trip: float, where: float, part: float
) -> None:
    """The true skew is never further from zero than said, and never more than a second and the round trip away from it."""
    theirs = NOW + part
    said = skew_of(answer(NOW, theirs + ahead + trip * (1 - where), trip))
    assert abs(said) <= abs(ahead) + 1e-5
    assert abs(said - ahead) <= 1.0 + trip + 1e-5


def test_r35_skew_is_told_with_each_reading(venue: Account, lines: Open) -> None:
    for ahead in (0.0, 40.0, -40.0):
        broker = AlpacaBroker(lines(wall=lambda ahead=ahead: time.time() + ahead).trading)
        assert broker.hear(Known(), NOW).snapshot.skew == pytest.approx(ahead, abs=1.5)


def test_r35_without_a_date_the_clock_is_asked(venue: Account, lines: Open) -> None:
    broker, real = AlpacaBroker(lines(wall=lambda: NOW + 12.0).trading), venue.wire.script

    def script(asked: Asked) -> Said:
        if asked.path == "/v2/clock":
            return Said(200, {"timestamp": "2026-03-09T10:05:00.25-04:00", "is_open": True})
        said = real(asked)
        return replace(said, headers={"Date": "-"}) if asked.path == "/v2/account" else said

    venue.wire.script = script
    assert broker.hear(Known(), NOW).snapshot.skew == pytest.approx(11.75, abs=0.5)


def test_a_date_that_is_none_is_no_skew() -> None:
    for text in ("", "yesterday", "Mon, 99 Foo 2026", "0"):
        assert math.isnan(skew_of(Answer(200, headers={"date": text})))


# --- assets


def test_assets_are_read_once_a_day_and_on_demand(venue: Account, lines: Open) -> None:
    broker = opened(lines, "SPY", "QQQ", "GONE")
    for at in (NOW, NOW + 60, NOW + 3600):
        found = broker.hear(Known(), at).snapshot.assets
    assert found == (
        Asset("SPY"),
        Asset("QQQ", shortable=False),
        Asset("GONE", tradable=False, shortable=False, easy_to_borrow=False, fractionable=False),
    )
    assert venue.wire.paths().count("GET /v2/assets") == 1
    broker.refresh_assets()
    broker.hear(Known(), NOW + 3660)
    broker.hear(Known(), NOW + 86_400)
    assert venue.wire.paths().count("GET /v2/assets") == 3


def test_the_newer_word_about_borrowing_counts(venue: Account) -> None:
    rows = [
        asset_row("A", borrow_status="hard_to_borrow"),
        asset_row("B", easy_to_borrow=None),
        asset_row("C", status="inactive"),
    ]
    found = account.assets(rows, ["A", "B", "C"])
    assert [one.easy_to_borrow for one in found] == [False, False, True]
    assert [one.tradable for one in found] == [True, True, False]


def test_a_list_of_assets_that_cannot_be_read_stops_entries_and_no_exit(venue: Account, lines: Open) -> None:
    broker, real = opened(lines, "SPY"), venue.wire.script
    venue.wire.script = lambda asked: Said(500, b"") if asked.path == "/v2/assets" else real(asked)
    told = broker.hear(Known(), NOW)
    assert [one.tradable for one in told.snapshot.assets] == [False]
    assert any("could not be read" in one for one in broker.take_remarks())
    broker.hear(Known(), NOW + 60)
    assert venue.wire.paths().count("GET /v2/assets") == 1, "it is not asked with every tick"
    venue.wire.script = real
    assert [one.tradable for one in broker.hear(Known(), NOW + AGAIN).snapshot.assets] == [True]


def test_r41_reads_that_are_refused_again_and_again_are_told(venue: Account, lines: Open) -> None:
    broker = opened(lines)
    venue.wire.script = lambda _: Said(410, {"code": 41010000, "message": "this endpoint is retired"})
    texts = []
    for at in range(4):
        with pytest.raises(BrokerError) as error:
            broker.hear(Known(), NOW + at)
        texts.append(str(error.value))
    assert "in a row" not in texts[0] + texts[1]
    assert "3 times in a row" in texts[2]
    assert [one for one in broker.take_remarks() if "/orders is refused again and again" in one]
    assert broker.take_remarks() == ()
