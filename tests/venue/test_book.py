"""The book: what survives a restart, what is the same every time, and that steps do not matter."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .made import account, at, call, market, now_of, order, placed, positions
from .start import Handle, hosted

Venues = Callable[..., Handle]


def test_a_restarted_venue_goes_on_where_it_stopped(bars: Path, tmp_path: Path) -> None:
    where = {"bars": bars, "book": tmp_path / "book.db"}
    with hosted(**where, now=at("2025-11-24 10:00")) as venue:
        placed(venue, client_order_id="done")
        venue.move(at("2025-11-24 10:01"))
        venue.fault({"do": "cancel_pending_forever"})
        resting = placed(venue, type="limit", limit_price="95", time_in_force="gtc", client_order_id="rests")
        venue.manual(do="deposit", amount="5")
        venue.manual(do="split", symbol="BBB", ratio="2")
        before = venue.book()
    with hosted(**where, now=at("2025-11-24 09:00")) as venue:  # the book is further than the moment given
        assert venue.book() == before
        assert venue.clock()["now"] == at("2025-11-24 10:01")
        assert order(venue, client_order_id="done").body["message"] == "client_order_id must be unique"
        assert venue.calls()["POST /v2/orders"] == 3
        assert call(venue, "GET", "/v2/stocks/BBB/trades/latest").body["trade"]["p"] == 25.0
        call(venue, "DELETE", f"/v2/orders/{resting['id']}")
        assert now_of(venue, resting)["status"] == "pending_cancel"  # what a fault had in store for it is kept
    with hosted(**where, now=at("2025-11-25 09:31")) as venue:
        assert positions(venue) == {"AAA": "10"}
        assert account(venue)["balance_asof"] == "2025-11-24"


def script(venue: Handle, seed: int) -> dict[str, Any]:
    """A wild but repeatable session; returns the book."""
    random = Random(seed)
    venue.draw(seed, {"accept_then_drop": 0.05, "503": 0.05, "partial_fills": 0.2, "reject_after_accept": 0.1})
    now = at("2025-11-24 09:00")
    for number in range(60):
        kind = random.choice(["market", "limit", "stop"])
        side, symbol = random.choice(["buy", "sell"]), random.choice(["AAA", "BBB", "CCC"])
        price = str(round(random.uniform(49, 51) if symbol == "BBB" else random.uniform(95, 106), 2))
        prices = {"limit": {"limit_price": price}, "stop": {"stop_price": price}}.get(kind, {})
        force = random.choice(["day", "gtc"])
        qty = random.randint(1, 9)
        with contextlib.suppress(ConnectionError):  # accept_then_drop
            order(venue, symbol, side, qty, type=kind, time_in_force=force, client_order_id=f"q1-{number}", **prices)
        if random.random() < 0.2:
            with contextlib.suppress(ConnectionError):
                call(venue, "DELETE", "/v2/orders")
        now += random.choice([60, 900, 7200])
        venue.move(now)
    return venue.book()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_script_gives_the_same_book_to_the_letter(venues: Venues, tmp_path: Path, seed: int) -> None:
    first = script(venues("2025-11-24 09:00"), seed)
    second = script(venues("2025-11-24 09:00", book=tmp_path / "book.db"), seed)
    assert first == second
    assert len(first["fills"]) > 10
    assert {row["status"] for row in first["orders"]} >= {"filled", "canceled", "rejected"}


ORDERS = st.lists(
    st.fixed_dictionaries(
        {
            "symbol": st.sampled_from(["AAA", "BBB"]),
            "side": st.sampled_from(["buy", "sell"]),
            "kind": st.sampled_from(["market", "limit", "stop", "trailing_stop"]),
            "price": st.sampled_from(["49.5", "50.5", "99.95", "100.55", "102.2", "103.4"]),
            "force": st.sampled_from(["day", "gtc", "ioc"]),
        }
    ),
    min_size=1,
    max_size=6,
)
STEPS = st.lists(st.integers(1, 40_000), max_size=6)
END = at("2025-11-26 16:00")


@settings(max_examples=40)
@given(ORDERS, STEPS)
def test_law_one_long_move_gives_the_book_of_many_short_ones(
    bars: Path, orders: list[dict[str, str]], steps: list[int]
) -> None:
    def play(moments: list[int]) -> dict[str, Any]:
        with hosted(bars=bars, now=at("2025-11-24 10:00")) as venue:
            for number, one in enumerate(orders):
                kind, price = one["kind"], one["price"]
                prices = {
                    "limit": {"limit_price": price},
                    "stop": {"stop_price": price},
                    "trailing_stop": {"trail_percent": "0.3"},
                }.get(kind, {})
                more = {"type": kind, "time_in_force": one["force"], "client_order_id": str(number), **prices}
                order(venue, one["symbol"], one["side"], 3, **more)
            for moment in moments:
                venue.move(moment)
            book = venue.book()
            for row in book["orders"] + book["activities"]:
                for name in [name for name in row if name.endswith(("_at", "_time"))] + ["id"]:
                    row[name] = str(row[name])[:19]  # stamps within a second count the changes, which may be more
            return book

    moments = sorted({min(at("2025-11-24 10:00") + sum(steps[: n + 1]), END) for n in range(len(steps))} | {END})
    assert play(moments) == play([END])


def test_the_account_always_adds_up(venues: Venues) -> None:
    """Equity is what was paid in plus what was gained: cash of all fills, and what is held at today's price."""
    venue = venues("2025-11-24 09:00")
    book = script(venue, 5)
    paid = sum(
        Decimal(fill["qty"]) * Decimal(fill["price"]) * (-1 if fill["side"] == "buy" else 1) for fill in book["fills"]
    )
    assert Decimal(book["cash"]) == 100_000 + paid
    held: dict[str, Decimal] = {}
    for fill in book["fills"]:
        signed = Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
        held[fill["symbol"]] = held.get(fill["symbol"], Decimal(0)) + signed
    assert {symbol: qty for symbol, qty in held.items() if qty} == {
        symbol: Decimal(row["qty"]) for symbol, row in book["positions"].items()
    }


def test_generated_markets_are_the_same_every_time(tmp_path: Path) -> None:
    first, second = market(tmp_path / "a"), market(tmp_path / "b")
    for path in first.iterdir():
        assert gzip.decompress(path.read_bytes()) == gzip.decompress((second / path.name).read_bytes())
