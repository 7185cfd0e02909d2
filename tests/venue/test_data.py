"""Market data: which bars are served when, pages, timeframes, feeds, adjustments, quotes and trades."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .bars import write
from .made import Answer, at, call
from .start import Handle

Venues = Callable[..., Handle]
START = "2025-11-24T14:30:00Z"


def bars(venue: Handle, path: str = "/v2/stocks/bars", **query: object) -> Answer:
    """Bars of the morning, IEX, 15 minutes, unless told."""
    return call(venue, "GET", path, **{"symbols": "AAA", "timeframe": "15Min", "start": START, "feed": "iex", **query})


def starts(answer: Answer, symbol: str = "AAA") -> list[str]:
    return [row["t"][11:16] for row in answer.body["bars"].get(symbol, [])]


def test_r22_only_bars_that_have_ended_are_served(venue: Handle) -> None:
    assert starts(bars(venue)) == ["14:30", "14:45"]
    venue.move(at("2025-11-24 10:14:59"))
    assert starts(bars(venue)) == ["14:30", "14:45"]
    venue.move(at("2025-11-24 10:15"))
    assert starts(bars(venue)) == ["14:30", "14:45", "15:00"]


def test_r22_the_bar_in_progress_comes_when_a_fault_says_so(venue: Handle) -> None:
    venue.move(at("2025-11-24 10:05"))
    venue.fault({"do": "forming_bar"})
    answer = bars(venue)
    assert starts(answer) == ["14:30", "14:45", "15:00"]
    forming = answer.body["bars"]["AAA"][-1]
    assert forming["o"] == forming["h"] == forming["l"] == forming["c"] == 100.2


def test_limit_is_shared_by_symbols_and_pages_lead_to_all_of_them(venue: Handle) -> None:
    venue.move(at("2025-11-24 12:00"))
    token, seen, pages = "", [], 0
    while token is not None:
        query: dict[str, Any] = {"page_token": token} if token else {}
        answer = bars(venue, symbols="CCC,AAA,BBB", limit=4, **query)
        rows = [(symbol, row["t"]) for symbol, of in answer.body["bars"].items() for row in of]
        assert len(rows) <= 4
        seen += rows
        token = answer.body["next_page_token"]
        pages += 1
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 3 * 10
    assert pages == 8


def test_a_page_has_a_thousand_rows_unless_told_and_ten_thousand_at_most(venues: Venues, tmp_path: Path) -> None:
    rows = [(f"2025-11-24T{14 + m // 60:02d}:{m % 60:02d}:00Z", 1, 1, 1, 1, 1) for m in range(30, 390)]
    for symbol in ("AAA", "BBB", "CCC"):
        write(tmp_path / f"{symbol}.csv.gz", rows)
    venue = venues("2025-11-24 16:00", bars=tmp_path)
    answer = bars(venue, symbols="AAA,BBB,CCC", timeframe="1Min")
    assert sum(map(len, answer.body["bars"].values())) == 1000
    assert answer.body["next_page_token"] is not None
    assert bars(venue, limit=10_001).status == 400
    assert bars(venue, limit=0).status == 400


def test_newest_first_pages_too(venue: Handle) -> None:
    first = bars(venue, sort="desc", limit=1)
    assert starts(first) == ["14:45"]
    assert starts(bars(venue, sort="desc", limit=1, page_token=first.body["next_page_token"])) == ["14:30"]


def test_coarser_bars_are_made_of_the_folders_and_wait_for_their_end(venue: Handle) -> None:
    venue.move(at("2025-11-24 10:59"))
    assert starts(bars(venue, timeframe="1Hour", start="2025-11-24T14:00:00Z")) == ["14:00"]
    venue.move(at("2025-11-24 11:00"))
    hourly = bars(venue, timeframe="1Hour", start="2025-11-24T14:00:00Z").body["bars"]["AAA"]
    assert [(row["t"][11:16], row["o"], row["c"], row["v"]) for row in hourly] == [
        ("14:00", 100.0, 100.15, 20_000),
        ("15:00", 100.2, 100.55, 40_000),
    ]
    assert (hourly[1]["h"], hourly[1]["l"]) == (100.7, 100.0)


def test_daily_bars_are_stamped_midnight_in_new_york_and_come_after_the_close(venue: Handle) -> None:
    query = {"timeframe": "1Day", "start": "2025-11-24", "end": "2025-12-01"}
    venue.move(at("2025-11-24 15:59"))
    assert bars(venue, **query).body["bars"] == {}
    venue.move(at("2025-11-28 13:00"))
    rows = bars(venue, **query).body["bars"]["AAA"]
    assert [row["t"] for row in rows] == [f"2025-11-{day}T05:00:00Z" for day in (24, 25, 26, 28)]
    assert (rows[0]["o"], rows[0]["c"], rows[3]["o"], rows[3]["c"]) == (100.0, 102.55, 103.0, 104.35)


def test_bars_finer_than_the_folders_do_not_exist(venue: Handle) -> None:
    assert bars(venue, timeframe="1Min").body["bars"] == {}


@pytest.mark.parametrize("frame", ["60Min", "0Min", "15min", "24Hour", "quarter", "2Day"])
def test_timeframes_that_alpaca_does_not_know_are_refused(venue: Handle, frame: str) -> None:
    assert bars(venue, timeframe=frame).status == 400


def test_start_and_end_are_inclusive_and_wrong_ones_are_refused(venue: Handle) -> None:
    venue.move(at("2025-11-24 12:00"))
    assert starts(bars(venue, start="2025-11-24T14:45:00Z", end="2025-11-24T15:15:00Z")) == ["14:45", "15:00", "15:15"]
    assert starts(bars(venue, start="2025-11-24T09:45:00-05:00", end="2025-11-24T15:00:00Z")) == ["14:45", "15:00"]
    assert bars(venue, start="2025-11-25", end="2025-11-24").status == 400
    assert bars(venue, start="soon").status == 400
    assert bars(venue, symbols="").status == 400
    assert bars(venue, symbols="aaa$").status == 400
    assert bars(venue, page_token="???").status == 400
    assert bars(venue, adjustment="none").status == 400
    assert bars(venue, sort="up").status == 400
    assert bars(venue, feed="cboe").status == 400


def test_unknown_symbols_are_left_out(venue: Handle) -> None:
    assert set(bars(venue, symbols="AAA,ZZZZ").body["bars"]) == {"AAA"}


def test_r25_the_free_plan_has_no_sip_data_of_the_last_fifteen_minutes(venues: Venues) -> None:
    free, rich = venues("2025-11-24 11:00"), venues("2025-11-24 11:00", plan="unlimited")
    recent = {"feed": "sip", "end": "2025-11-24T15:50:00Z"}
    refused = bars(free, **recent)
    assert (refused.status, refused.body) == (
        403,
        {"message": "subscription does not permit querying recent SIP data"},
    )
    assert bars(rich, **recent).status == 200
    assert starts(bars(free, feed="sip"))[-1] == "15:30"
    assert bars(free, feed="sip", end="2025-11-24T15:45:00Z").status == 200
    assert call(free, "GET", "/v2/stocks/quotes/latest", symbols="AAA", feed="sip").status == 403
    assert call(free, "GET", "/v2/stocks/quotes/latest", symbols="AAA").status == 200


def test_r28_raw_bars_jump_at_a_split_and_adjusted_ones_do_not(venues: Venues) -> None:
    venue = venues("2025-11-24 16:30")
    venue.manual(do="split", symbol="AAA", ratio="10")
    venue.move(at("2025-11-25 09:45"))
    query = {"start": "2025-11-24T20:45:00Z", "end": "2025-11-25T14:30:00Z"}
    raw = [row["c"] for row in bars(venue, adjustment="raw", **query).body["bars"]["AAA"]]
    adjusted = bars(venue, adjustment="split", **query).body["bars"]["AAA"]
    assert raw == [102.55, 10.105]
    assert [row["c"] for row in adjusted] == [10.255, 10.105]
    assert [row["v"] for row in adjusted] == [100_000, 100_000]


def test_latest_quote_and_trade_stand_at_the_open_of_the_bar_in_progress(venue: Handle) -> None:
    venue.move(at("2025-11-24 10:05"))
    quote = call(venue, "GET", "/v2/stocks/quotes/latest", symbols="AAA,BBB,ZZZZ", feed="iex").body["quotes"]
    assert set(quote) == {"AAA", "BBB"}
    assert (quote["AAA"]["bp"], quote["AAA"]["ap"], quote["AAA"]["t"]) == (100.19, 100.21, "2025-11-24T15:05:00Z")
    assert call(venue, "GET", "/v2/stocks/AAA/trades/latest").body["trade"]["p"] == 100.2


def test_r20_after_the_close_the_latest_price_is_the_close_at_its_own_time(venue: Handle) -> None:
    venue.move(at("2025-11-24 18:00"))
    trade = call(venue, "GET", "/v2/stocks/AAA/trades/latest").body["trade"]
    assert (trade["p"], trade["t"]) == (102.55, "2025-11-24T21:00:00Z")


def test_latest_bars_and_bars_of_one_symbol(venue: Handle) -> None:
    latest = call(venue, "GET", "/v2/stocks/bars/latest", symbols="AAA").body["bars"]["AAA"]
    one = call(venue, "GET", "/v2/stocks/AAA/bars/latest").body
    assert latest == one["bar"]
    assert latest["t"] == "2025-11-24T14:45:00Z"
    rows = call(venue, "GET", "/v2/stocks/AAA/bars", timeframe="15Min", start=START, feed="iex").body
    assert (rows["symbol"], len(rows["bars"]), rows["next_page_token"]) == ("AAA", 2, None)
    assert call(venue, "GET", "/v2/stocks/ZZZZ/quotes/latest").status == 400


def test_daily_files_live_from_open_to_close(venues: Venues, tmp_path: Path) -> None:
    write(tmp_path / "AAA.csv.gz", [(f"2025-11-{day}T05:00:00Z", day, 40, 5, day + 1, 100) for day in (24, 25, 26)])
    venue = venues("2025-11-24 17:00", bars=tmp_path)
    sent = call(
        venue,
        "POST",
        "/v2/orders",
        {"symbol": "AAA", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"},
    ).body
    venue.move(at("2025-11-25 09:30"))
    assert call(venue, "GET", f"/v2/orders/{sent['id']}").body["filled_avg_price"] == "25"
    query = {"timeframe": "1Day", "start": "2025-11-24"}
    assert len(bars(venue, **query).body["bars"]["AAA"]) == 1
    venue.move(at("2025-11-25 16:00"))
    assert len(bars(venue, **query).body["bars"]["AAA"]) == 2
    assert call(venue, "GET", "/v2/stocks/AAA/trades/latest").body["trade"]["p"] == 26.0


def test_hourly_files_on_the_clocks_grid_live_only_within_the_session(venues: Venues, tmp_path: Path) -> None:
    rows = [(f"2025-11-24T{hour}:00:00Z", 10 + hour, 40, 5, 11 + hour, 100) for hour in range(14, 21)]
    write(tmp_path / "AAA.csv.gz", rows)
    venue = venues("2025-11-24 09:00", bars=tmp_path)
    sent = call(
        venue,
        "POST",
        "/v2/orders",
        {"symbol": "AAA", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"},
    ).body
    venue.move(at("2025-11-24 09:29"))
    assert call(venue, "GET", f"/v2/orders/{sent['id']}").body["status"] == "accepted"
    venue.move(at("2025-11-24 09:30"))
    assert call(venue, "GET", f"/v2/orders/{sent['id']}").body["filled_avg_price"] == "24"
    assert call(venue, "GET", "/v2/stocks/bars/latest", symbols="AAA").body["bars"] == {}
    venue.move(at("2025-11-24 10:00"))
    assert (
        call(venue, "GET", "/v2/stocks/bars/latest", symbols="AAA").body["bars"]["AAA"]["t"] == "2025-11-24T14:00:00Z"
    )
